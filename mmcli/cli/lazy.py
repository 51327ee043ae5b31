"""Commands that are imported when they run."""

from collections.abc import Mapping
from importlib import import_module
from typing import Any

import click
from click.shell_completion import CompletionItem


class LazyGroup(click.Group):
    """A group whose help and whose errors import none of its commands.

    Args:
        modules: what the names of the commands' modules begin with: "mmcli.cli." has `train` of mmcli.cli.train.
        summaries: of each command the first sentence of its docstring.
    """

    def __init__(self, *arguments: Any, modules: str, summaries: Mapping[str, str], **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._modules, self.summaries = modules, summaries

    def list_commands(self, _context: click.Context) -> list[str]:
        """Names of the commands, sorted."""
        return sorted(self.summaries)

    def get_command(self, _context: click.Context, name: str) -> click.Command | None:
        """Import a command; None where no command has that name."""
        if name not in self.summaries:
            return None
        command: click.Command = getattr(import_module(f"{self._modules}{name}"), name)
        return command

    def shell_complete(self, context: click.Context, incomplete: str) -> list[CompletionItem]:
        """Complete the name of a command, or an option of the group."""
        names = [name for name in self.list_commands(context) if name.startswith(incomplete)]
        items = [CompletionItem(name, help=self.summaries[name]) for name in names]
        return [*items, *click.Command.shell_complete(self, context, incomplete)]

    def format_commands(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands."""
        stand_ins = {name: click.Command(name, help=summary) for name, summary in self.summaries.items()}
        click.Group(commands=stand_ins).format_commands(context, formatter)
