"""State of one call of mmcli, for whichever command it runs."""

from collections.abc import Sequence
from dataclasses import dataclass

import click

from mmcli.util.text import listed


@dataclass
class Session:
    """Options of the group, and the variables that `main` removed from the environment."""

    debug: bool = False
    ignored: Sequence[str] = ()  # variables of the environment, NAME=VALUE

    def report_ignored(self) -> None:
        """Name the variables that would have changed what a command computes."""
        if self.ignored:
            self.note(f"ignored, so that they change nothing: {listed(self.ignored)}")

    def note(self, line: str) -> None:
        """Print a remark on stderr."""
        click.echo(f"mmcli: {line}", err=True)
