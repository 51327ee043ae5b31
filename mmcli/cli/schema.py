"""`mmcli schema`."""

import json

import click

from mmcli.cli.example import example
from mmcli.cli.modules import faults
from mmcli.config.json_schema import config_schema
from mmcli.modules.registry import list_types


@click.command(epilog=example("mmcli schema > mmcli.schema.json"))
def schema() -> None:
    """Print a JSON Schema of configs, for editors.

    It is made from the types of modules that are installed here. An editor whose YAML support reads JSON Schema then
    completes keys and marks mistakes, where the first line of the config is
    `# yaml-language-server: $schema=mmcli.schema.json`.
    """
    usable, unusable = list_types()
    click.echo(json.dumps(config_schema(usable), indent=2, ensure_ascii=False))
    for line in faults(unusable):
        click.echo(f"mmcli: {line}", err=True)
