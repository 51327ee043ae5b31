"""`mmcli completion`."""

import click
from click.shell_completion import get_completion_class

from mmcli.cli.example import example

VARIABLE = "_MMCLI_COMPLETE"  # by which click knows that a shell asks for completions


@click.command(epilog=example('eval "$(mmcli completion bash)"', "mmcli completion fish | source"))
@click.argument("shell", metavar="bash|zsh|fish", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print shell code that completes commands and options.

    The line of the example, in ~/.bashrc, ~/.zshrc (zsh in place of bash) or ~/.config/fish/config.fish, keeps it for
    later shells.
    """
    kind = get_completion_class(shell)
    if kind is None:
        raise click.UsageError(f"click completes nothing in {shell}")
    click.echo(kind(context.find_root().command, {}, "mmcli", VARIABLE).source())
