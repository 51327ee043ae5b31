"""How far long work is: a bar on a terminal, now and then a line in a log."""

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from mmcli.cli import display
from mmcli.util import progress
from mmcli.util.progress import following, live_console


def test_a_log_hears_of_it_every_few_seconds(monkeypatch, capsys):
    clock = SimpleNamespace(monotonic=iter([100.0, 104.0, 105.0, 105.0, 106.0]).__next__)
    monkeypatch.setattr(progress, "time", clock)  # not time.monotonic: rich, imported later, would keep it

    with following("reading long.txt", 400_000_000, "bytes") as advance:
        for done in (90_000_000, 100_000_000, 110_000_000):
            advance(done)

    assert capsys.readouterr() == ("", "reading long.txt: 100 of 400 MB\n")


def test_a_log_has_the_total_where_it_is_known(monkeypatch, capsys):
    monkeypatch.setattr(progress, "SECONDS_A_LINE", 0)

    with following("downloading a\nb", None, "bytes", done=1_000_000) as advance:
        advance(2_000_000)
    with following("finding classes") as advance:
        advance(500, 1200)

    assert capsys.readouterr().err == "downloading a\\nb: 2 MB\nfinding classes: 500 of 1,200\n"


def test_a_terminal_shows_a_bar_that_goes(monkeypatch, capsys):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    with following("[b]a.gz", 8_000_000, "bytes", done=2_000_000) as advance:
        advance(4_000_000)
    written = capsys.readouterr()
    with following("finding classes") as advance:
        with following("reading", 4) as read:
            read(4)
        assert "classes" not in capsys.readouterr().err  # one bar at a time
        advance(500, 1200)

    assert written.out == ""
    assert "[b]a.gz" in written.err
    assert "4.0/8.0 MB" in written.err
    assert written.err.endswith("\x1b[2K")  # the line is erased
    assert "500/1200" in capsys.readouterr().err


VARIABLES = ("FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE", "CLICOLOR_FORCE", "NO_COLOR", "TERM", "COLUMNS")


@pytest.mark.parametrize(
    "variable", ["FORCE_COLOR=1", "TTY_COMPATIBLE=1", "TTY_INTERACTIVE=1", "CLICOLOR_FORCE=1", "COLUMNS=7"]
)
def test_a_file_gets_lines_whatever_the_environment_says(variable, monkeypatch, capsys):
    name, _, value = variable.partition("=")
    monkeypatch.setenv(name, value)
    monkeypatch.setattr(progress, "SECONDS_A_LINE", 0)

    with display.display() as watcher:
        watcher.started(Path("a-long-run-directory-001"), None, 1, ["gmm"])
        watcher.advanced(1, "gmm", 1, 2)
    with following("finding classes") as advance:
        advance(1, 2)

    assert capsys.readouterr().err == "run directory a-long-run-directory-001\nfinding classes: 1 of 2\n"


@pytest.mark.parametrize(
    ("variables", "is_live"),
    [
        ({"TERM": "xterm"}, True),
        ({"TERM": "xterm", "NO_COLOR": "1"}, True),
        ({"TERM": "dumb"}, False),
        ({"TERM": "dumb", "FORCE_COLOR": "1"}, False),
        ({"TERM": "dumb", "TTY_INTERACTIVE": "1"}, False),
        ({"TERM": "xterm", "TTY_COMPATIBLE": "0"}, False),
        ({"TERM": "xterm", "TTY_INTERACTIVE": "0"}, False),
    ],
    ids=str,
)
def test_a_terminal_is_redrawn_where_it_can_be(variables, is_live, monkeypatch):
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)

    assert (live_console() is not None) is is_live


def test_without_stderr_nothing_is_redrawn(monkeypatch):
    monkeypatch.setattr(sys, "stderr", None)

    assert live_console() is None
