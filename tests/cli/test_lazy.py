"""Commands that are imported when they run: their help before that, and after."""

import click
import pytest

from mmcli.cli.data import data
from mmcli.cli.lazy import LazyGroup
from mmcli.cli.main import cli


@pytest.mark.parametrize(("group", "name"), [(group, name) for group in (cli, data) for name in group.summaries])
def test_a_summary_is_the_first_sentence_of_the_docstring(group, name):
    command = group.get_command(click.Context(group), name)

    assert command is not None
    assert command.name == name
    assert command.help.splitlines()[0] == group.summaries[name]


def test_a_name_that_is_no_command_is_none_whatever_module_has_it():
    assert cli.get_command(click.Context(cli), "tables") is None


def test_the_help_imports_no_command():
    group = LazyGroup(modules="no.such.", summaries={"walk": "Go on foot.", "fly": "Go by air."})
    context = click.Context(group)
    formatter = click.HelpFormatter()

    group.format_commands(context, formatter)

    assert formatter.getvalue() == "Commands:\n  fly   Go by air.\n  walk  Go on foot.\n"
    with pytest.raises(ModuleNotFoundError):
        group.get_command(context, "walk")
