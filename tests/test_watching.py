"""How far long work is: a bar on a terminal, now and then a line in a log."""

from types import SimpleNamespace

import pytest

from mmcli import watching
from mmcli.watching import following


@pytest.fixture
def terminal(monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "120")


def test_a_log_hears_of_it_every_few_seconds(monkeypatch, capsys):
    clock = SimpleNamespace(monotonic=iter([100.0, 104.0, 105.0, 105.0, 106.0]).__next__)
    monkeypatch.setattr(watching, "time", clock)  # not time.monotonic: rich, imported later, would keep it

    with following("reading long.txt", 400_000_000, "bytes") as advance:
        for done in (90_000_000, 100_000_000, 110_000_000):
            advance(done)

    assert capsys.readouterr() == ("", "reading long.txt: 100 of 400 MB\n")


def test_a_log_has_the_total_where_it_is_known(monkeypatch, capsys):
    monkeypatch.setattr(watching, "SECONDS_A_LINE", 0)

    with following("downloading a\nb", None, "bytes", done=1_000_000) as advance:
        advance(2_000_000)
    with following("finding classes") as advance:
        advance(500, 1200)

    assert capsys.readouterr().err == "downloading a\\nb: 2 MB\nfinding classes: 500 of 1,200\n"


@pytest.mark.usefixtures("terminal")
def test_a_terminal_shows_a_bar_that_goes(capsys):
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
