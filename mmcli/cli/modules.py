"""`mmcli modules`."""

import click

from mmcli.cli.tables import aligned
from mmcli.config.problems import described
from mmcli.errors import UsageError
from mmcli.modules.registry import find_spec, type_names
from mmcli.modules.spec import ModuleSpec
from mmcli.util.text import counted, listed, suggestion


@click.command()
@click.argument("type_name", metavar="[TYPE]", required=False)
def modules(type_name: str | None) -> None:
    """List the types of modules, or the options of one TYPE."""
    if type_name is not None and type_name not in type_names():
        raise UsageError(f"no module type {type_name}{suggestion(type_name, type_names())}; `mmcli modules` lists them")
    click.echo(module_types() if type_name is None else module_type(type_name))


def module_types() -> str:
    """Table of the types of modules."""
    rows = [("type", "receives", "sends", "summary")]
    for name in type_names():
        spec = find_spec(name)
        rows.append((name, listed(spec.inputs.kinds), listed(spec.sends), spec.summary))
    return aligned(rows)


def module_type(name: str) -> str:
    """Inputs and options of a type, for whoever writes it into a config."""
    spec = find_spec(name)
    schema = spec.options.model_json_schema()
    rows = [("option", "default", "value", "")]
    for option, values in schema["properties"].items():
        default = "required" if option in schema.get("required", ()) else _plain(values["default"])
        rows.append((option, default, described(values), values.get("description", "")))
    options = aligned(rows) if len(rows) > 1 else "no options"
    return f"{name}: {spec.summary}\n{_neighbours(spec)}\n\n{options}"


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
