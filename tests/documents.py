"""Blocks of code and commands in the pages of the repository, in Markdown."""

import re
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import click

from mmcli.cli.lazy import LazyGroup
from mmcli.cli.main import cli

ROOT = Path(__file__).parents[1]
_PATTERNS = ("README.md", "CONTRIBUTING.md", "docs/**/*.md", "*/README.md", "examples/*/README.md")
PAGES = sorted({path for pattern in _PATTERNS for path in ROOT.glob(pattern)})
_FENCE = re.compile(r"```(\w*)")
_COMMAND = re.compile(r"(\w+=\$\(|eval |\.venv/bin/)?(mmcli|python|pip|make|git|dask)\b")  # a line that begins with one
_SPAN = re.compile(r"`((?:\.venv/bin/)?mmcli(?:\s[^`]*)?)`")
_OPTIONAL = re.compile(r"\[((?:-|[A-Z])[^\]]*)\]")  # of a synopsis: [-o DIR]
_CHOICE = re.compile(r"(?<=[ \[])([\w-]+)(?:\|[\w-]+)+")  # of a synopsis: bash|zsh|fish


class Block(NamedTuple):
    """Lines of code of a page: fenced with a language, or indented."""

    page: str  # path from the root
    heading: str
    language: str
    first: int  # line, from 1
    lines: tuple[str, ...]


def blocks_of(path: Path) -> list[Block]:
    """Blocks of code of a page, in order."""
    page, heading = path.relative_to(ROOT).as_posix(), ""
    blocks: list[Block] = []
    language: str | None = None  # of the fence that is open
    taken: list[str] = []

    def close(number: int, language: str) -> None:
        if any(line.strip() for line in taken):
            blocks.append(Block(page, heading, language, number - len(taken), tuple(taken)))
        taken.clear()

    lines = path.read_text().splitlines()
    for number, line in enumerate([*lines, "end"], 1):
        if fence := _FENCE.fullmatch(line):
            close(number, language or "")
            language = fence[1] or "text" if language is None else None
        elif language is not None or line.startswith("    ") or (taken and not line):
            taken.append(line if language is not None else line[4:])
        else:
            close(number, "")
            heading = line.lstrip("# ") if line.startswith("#") else heading
    return blocks


def commands_of(line: str) -> list[list[str]]:
    """Simple commands of a line of the shell, as words: those in pipes, lists and $(...) too; comments are left out."""
    synopsis = _OPTIONAL.sub(r"\1", _CHOICE.sub(r"\1", line))
    lexer = shlex.shlex(synopsis, posix=True, punctuation_chars="();<>|&")
    lexer.whitespace_split = True
    commands: list[list[str]] = [[]]
    for word in lexer:
        if set(word) <= set("();<>|&"):
            commands.append([])
        elif word.startswith("$("):  # in quotes
            commands[:0] = commands_of(word[2:-1])
        else:
            commands[-1].append(word)
    return [words for words in commands if words]


def shell_commands() -> Iterator[tuple[str, list[str]]]:
    """Commands of all blocks of all pages, and their places, file:line."""
    for path in PAGES:
        for block in blocks_of(path):
            for number, line in enumerate(block.lines, block.first):
                if block.language in ("", "sh", "bash") and _COMMAND.match(line):
                    yield from ((f"{block.page}:{number}", words) for words in commands_of(line))


def spans() -> Iterator[tuple[str, list[str]]]:
    """Commands in running text, `mmcli train CONFIG`, and their pages; they may leave out arguments and values."""
    for path in PAGES:
        text = "\n".join(line for line in path.read_text().splitlines() if not line.startswith("    "))
        for span in _SPAN.findall(text):
            yield from ((path.relative_to(ROOT).as_posix(), words) for words in commands_of(" ".join(span.split())))


def parse(words: Sequence[str], *, is_whole: bool = True) -> None:
    """Parse the words after `mmcli` as click does, and run nothing.

    Args:
        words: of the command line.
        is_whole: whether no argument, and no value of an option, may be missing.

    Raises:
        click.UsageError: a command, an option, an argument or a value that there is not.
    """
    command: click.Command = cli
    name, rest = "mmcli", [word for word in words if word not in ("--debug", "--help")]
    rest = ["1" if word == "N" else word for word in rest]  # the letter that stands for a number
    while isinstance(command, LazyGroup) and rest and not rest[0].startswith("-"):
        name, *rest = rest
        found = command.get_command(click.Context(command), name)
        if found is None:
            raise click.UsageError(f"no command {name}")
        command = found
    try:
        with command.make_context(name, rest, resilient_parsing=isinstance(command, LazyGroup)):
            pass
    except (click.MissingParameter, click.BadOptionUsage):  # the latter: an option without its value
        if is_whole:
            raise
