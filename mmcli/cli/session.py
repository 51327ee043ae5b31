"""What holds for every command of one call of mmcli."""

from collections.abc import Sequence
from dataclasses import dataclass

import click

from mmcli.util.text import listed


@dataclass
class Session:
    """Options of the group, and what `main` found in the environment."""

    debug: bool = False
    ignored: Sequence[str] = ()  # variables of the environment, NAME=VALUE

    def report_ignored(self) -> None:
        """Name the variables that would have changed what a command computes."""
        if self.ignored:
            click.echo(f"mmcli: ignored, so that they change nothing: {listed(self.ignored)}", err=True)
