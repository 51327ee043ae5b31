"""What a person sees of a run: lines in a log, a board on a terminal."""

from pathlib import Path

import pytest
from rich.console import Console

from mmcli.cli import display
from mmcli.runs.history import HistoryLine


def update(
    number: int, module: str, acc: float | None, bound: float, seconds: float, compile_seconds: float = 0
) -> HistoryLine:
    return HistoryLine(number, module, acc, acc, acc, bound, seconds, compile_seconds)


def rendered(board: display.Board) -> list[str]:
    console = Console(width=80, color_system=None, force_terminal=True)
    with console.capture() as capture:
        console.print(board.render())
    return [line.rstrip() for line in capture.get().splitlines()]


@pytest.fixture
def board(monkeypatch) -> display.Board:
    """A board 65 seconds after it was begun."""
    monkeypatch.setattr(display.time, "monotonic", iter([100.0, *([165.0] * 9)]).__next__)
    return display.Board(Console(stderr=True))


def test_a_log_gets_one_line_per_update_with_columns_in_line(capsys):
    lines = display.Lines()

    lines.started(Path("runs/x-s0-001"), None, 10, ["vae", "mlda"])
    lines.advanced(1, "vae", 1, 2)
    lines.updated(update(1, "vae", None, -123456.789, 2.14, 3.9))
    lines.updated(update(10, "mlda", 0.9125, -0.5, 10.0))

    assert capsys.readouterr().err.splitlines() == [
        "run directory runs/x-s0-001",
        "round  1/10  vae              bound -123457.  2.1 s + 3.9 s compiling",
        "round 10/10  mlda  ACC 0.912  bound -0.500000  10.0 s",
    ]


def test_what_is_no_terminal_gets_lines():
    with display.display() as watcher:
        assert isinstance(watcher, display.Lines)


def test_a_board_says_nothing_before_the_start(board):
    assert rendered(board) == []


def test_a_board_shows_the_running_module_and_the_latest_of_each(board, capsys):
    board.started(Path("runs/x-s0-002"), Path("/old/x.old-001"), 2, ["vae", "gmm"])
    board.updated(update(1, "vae", None, -1000.0, 10.0))
    board.advanced(1, "gmm", 1, 4)

    assert capsys.readouterr().err.splitlines() == [
        "run directory runs/x-s0-002",
        "the run that was there is now /old/x.old-001",
    ]
    assert rendered(board) == [
        "round  1/2                       ACC     bound  seconds",
        "vae                                   -1000.00     10.0",
        "gmm    ━━━━━━",
        "",
        "━━━━━━━╸                  0:01:05 elapsed",
    ]


def test_a_board_estimates_the_time_left_once_every_module_had_its_update(board):
    board.started(Path("runs/x-s0-002"), None, 3, ["vae", "gmm"])
    board.updated(update(1, "vae", None, -1000.0, 30.0))
    assert board.seconds_left() is None

    board.updated(update(1, "gmm", 0.5, -50.0, 4.0))
    assert board.seconds_left() == 2 * 34

    board.updated(update(2, "vae", None, -900.0, 20.0))
    board.advanced(2, "gmm", 3, 4)
    assert board.seconds_left() == 1 + 24
    assert rendered(board)[-1].endswith("0:01:05 elapsed  0:00:25 left")


def test_a_board_that_is_done(board):
    board.started(Path("runs/x-s0-002"), None, 1, ["gmm"])
    board.updated(update(1, "gmm", 0.5, -50.0, 4.0))

    assert board.seconds_left() == 0
    assert rendered(board)[1].split() == ["gmm", "0.500", "-50.0000", "4.0"]
