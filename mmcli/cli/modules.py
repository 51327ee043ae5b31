"""`mmcli modules`."""

import click

from mmcli.cli.tables import aligned
from mmcli.config.problems import described
from mmcli.errors import UsageError
from mmcli.modules.registry import MODULES, ModuleType
from mmcli.util.text import listed, suggestion


@click.command()
@click.argument("type_name", metavar="[TYPE]", required=False)
def modules(type_name: str | None) -> None:
    """List the types of modules, or the options of one TYPE."""
    if type_name is not None and type_name not in MODULES:
        raise UsageError(f"no module type {type_name}{suggestion(type_name, MODULES)}; `mmcli modules` lists them")
    click.echo(module_types() if type_name is None else module_type(type_name))


def module_types() -> str:
    """The table of modules, a type a line."""
    rows = [("type", "hears", "sends", "summary")]
    for name, module in MODULES.items():
        rows.append((name, listed(module.accepts), listed(module.sends), module.summary))
    return aligned(rows)


def module_type(name: str) -> str:
    """All there is to know to write a module of a type into a config."""
    module = MODULES[name]
    schema = module.options.model_json_schema()
    rows = [("option", "default", "value", "")]
    for option, values in schema["properties"].items():
        default = "required" if option in schema.get("required", ()) else _plain(values["default"])
        rows.append((option, default, described(values), values.get("description", "")))
    options = aligned(rows) if len(rows) > 1 else "no options"
    return f"{name}: {module.summary}\n{_neighbours(module)}\n\n{options}"


def _neighbours(module: ModuleType) -> str:
    if not module.accepts:
        return f"a source: has no inputs; sends {listed(module.sends)}"
    inputs = "any number of inputs" if module.max_inputs is None else f"inputs: at most {module.max_inputs}"
    return f"hears {listed(module.accepts)} ({inputs}); sends {listed(module.sends)}"


def _plain(default: object) -> str:
    return "none" if default is None else str(default)
