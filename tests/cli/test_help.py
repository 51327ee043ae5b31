"""Help pages with their examples, and the completion of commands in a shell."""

import shlex
import subprocess

import click
import pytest

from mmcli.cli.data import data
from mmcli.cli.lazy import LazyGroup
from mmcli.cli.main import cli

COMMANDS = [(name,) for name in cli.summaries] + [("data", name) for name in data.summaries]


def parse(line):
    """Parse a command line as click would, and run nothing."""
    group: click.Command = cli
    arguments = shlex.split(line.partition("  #")[0].partition(" > ")[0])[1:]
    while isinstance(group, LazyGroup):
        command = group.get_command(click.Context(group), arguments[0])
        assert command is not None, line
        name, group, arguments = arguments[0], command, arguments[1:]
    group.make_context(name, arguments)


@pytest.mark.parametrize("path", [(), *COMMANDS], ids=" ".join)
def test_every_help_shows_an_example_that_parses(command, path):
    done = command(*path, "--help")

    _, _, examples = done.out.partition("\n  Example")
    lines = [line.strip() for line in examples.splitlines()[1:]]
    assert (done.code, done.err) == (0, "")
    assert lines
    assert any(f"mmcli {' '.join(path)}".strip() in line for line in lines)
    for line in lines:
        if path != ("completion",):  # its examples are of a shell
            parse(line)


def complete(command, monkeypatch, line):
    monkeypatch.setenv("_MMCLI_COMPLETE", "bash_complete")
    monkeypatch.setenv("COMP_WORDS", line)
    monkeypatch.setenv("COMP_CWORD", str(len(line.split(" ")) - 1))
    done = command()
    assert (done.code, done.err) == (0, "")
    return [answer.partition(",")[2] for answer in done.out.splitlines()]


def test_commands_options_and_values_are_completed(command, monkeypatch):
    assert complete(command, monkeypatch, "mmcli ") == sorted(cli.summaries)
    assert complete(command, monkeypatch, "mmcli data i") == ["images"]
    assert complete(command, monkeypatch, "mmcli train --res") == ["--resume"]
    assert complete(command, monkeypatch, "mmcli completion ") == ["bash", "zsh", "fish"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_code_for_a_shell_asks_mmcli(command, shell):
    done = command("completion", shell)

    assert (done.code, done.err) == (0, "")
    assert f"_MMCLI_COMPLETE={shell}_complete" in done.out
    if shell == "bash":
        subprocess.run(["bash", "-n"], input=done.out, text=True, check=True)


def test_another_shell_is_refused(command):
    done = command("completion", "tcsh")

    assert (done.code, done.out) == (2, "")
    assert "'tcsh' is not one of 'bash', 'zsh', 'fish'" in done.err
