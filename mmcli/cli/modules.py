"""`mmcli modules`."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click

from mmcli.cli.example import example
from mmcli.cli.tables import aligned
from mmcli.config.problems import choices_of, described
from mmcli.errors import UsageError
from mmcli.modules.registry import UnusableTypeError, find_spec, hidden_types, list_types, type_names
from mmcli.modules.spec import ModuleSpec
from mmcli.util.text import counted, listed, shown, suggestion
from mmcli.workflows.new_type import write_package


@click.command(epilog=example("mmcli modules gmm", "mmcli modules --new pca"))
@click.argument("type_name", metavar="[TYPE]", required=False)
@click.option("--new", metavar="NAME", help="Write a package with a type NAME of your own, to begin from.")
@click.option(
    "-o", "--output", metavar="DIR", type=click.Path(path_type=Path), help="Where --new writes it [mmcli-NAME]."
)
def modules(type_name: str | None, new: str | None, output: Path | None) -> None:
    """List the types of modules, or the options of one TYPE.

    Types are mmcli's own and those of installed packages. --new NAME writes such a package and prints its folder.
    """
    if new is not None and type_name is not None:
        raise UsageError("TYPE and --new are mutually exclusive; choose one")
    if output is not None and new is None:
        raise UsageError("-o needs --new NAME: a list of types is printed")
    if new is not None:
        click.echo(write_package(new, output))
    elif type_name is not None:
        click.echo(module_type(type_name))
    else:
        usable, unusable = list_types()
        click.echo(module_types(usable))
        for line in faults(unusable):
            click.echo(f"mmcli: {line}", err=True)


def module_types(specs: Mapping[str, ModuleSpec]) -> str:
    """Table of types of modules by name."""
    rows = [("type", "from", "receives", "sends", "summary")]
    for name, spec in specs.items():
        rows.append((name, _origin(spec), listed(spec.inputs.kinds), listed(spec.sends), spec.summary))
    return aligned(rows)


def module_type(name: str) -> str:
    """Origin, inputs and options of a type, for whoever writes it into a config.

    Raises:
        UsageError: there is none, or it cannot be used.
    """
    if name not in type_names():
        hint = suggestion(name, type_names())
        raise UsageError(f"no module type {shown(name, 60)}{hint}; `mmcli modules` lists them")
    try:
        spec = find_spec(name)
    except UnusableTypeError as error:
        raise UsageError(f"type {name} cannot be used: {error}") from None
    rows = _option_rows(spec.options.model_json_schema())
    options = aligned([("option", "default", "value", ""), *rows]) if rows else "no options"
    parts = (f"{name}: {spec.summary}\nfrom {_origin(spec)}; {_neighbours(spec)}", options, *_choices(spec))
    return "\n\n".join(parts)


def faults(unusable: Mapping[str, str]) -> list[str]:
    """Faults of the packages that offer types, a line each; `unusable` has reasons by type."""
    broken = [f"type {name} cannot be used: {text}" for name, text in unusable.items()]
    hidden = [
        f"type {name} of {listed(map(str, origins))} is hidden by mmcli's own; rename it"
        for name, origins in hidden_types().items()
    ]
    return broken + hidden


def _option_rows(schema: Mapping[str, Any]) -> list[tuple[str, str, str, str]]:
    """Name, default, value and description of each option of a schema."""
    rows = []
    for option, values in schema["properties"].items():
        default = "required" if option in schema.get("required", ()) else _plain(values.get("default"))
        kinds = choices_of(values)
        value = f"a mapping, type: {' or '.join(kinds)}" if kinds else described(values)
        rows.append((option, default, value, values.get("description", "")))
    return rows


def _choices(spec: ModuleSpec) -> Iterator[str]:
    """Keys of each mapping that an option may be, a table for each `type`."""
    options: dict[str, list[str]] = {}  # that may be the same mapping
    for option, values in spec.options.model_json_schema()["properties"].items():
        for kind, choice in choices_of(values).items():
            rows = [row for row in _option_rows(choice) if row[0] != "type"]
            text = f"of type {kind}: {choice.get('description', '')}\n{aligned(rows)}"
            options.setdefault(text, []).append(option)
    for text, names in options.items():
        yield f"{listed(names)} {text}"


def _origin(spec: ModuleSpec) -> str:
    return "mmcli" if spec.origin is None else str(spec.origin)


def _neighbours(spec: ModuleSpec) -> str:
    if spec.is_source:
        return f"a source: has no inputs; sends {listed(spec.sends)}"
    fewest, most = spec.inputs.minimum, spec.inputs.maximum
    limits = [f"at least {fewest}"] if fewest > 1 else []
    limits += [f"at most {most}"] if most is not None else []
    inputs = f"inputs: {', '.join(limits)}" if limits else "any number of inputs"
    lines = [f"receives {listed(spec.inputs.kinds)} ({inputs}); sends {listed(spec.sends)}"]
    if spec.targets:
        lines.append(f"targets: names of {counted(len(spec.targets), 'observation')}, of {listed(spec.targets)}")
    if spec.items == "sequence":
        lines.append("sequence: name of the data that number the sequence of each row; without it all rows are one")
    return "\n".join(lines)


def _plain(default: object) -> str:
    return "none" if default is None else str(default)
