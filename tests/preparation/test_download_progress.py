"""What is seen of a download: plain lines in a log, a bar on a terminal."""

import io

from rich.console import Console
from rich.progress import Progress

from mmcli.preparation.progress import Bars, Lines, display


def test_a_log_gets_lines(capsys):
    with display() as watcher:
        watcher.began("a.gz", 0, 9_912_422)
        watcher.advanced(9_912_422)
        watcher.ended()
        watcher.began("b.zip", 1_000_000, None)
        watcher.told("[b]done[/b]")

    assert isinstance(watcher, Lines)
    assert capsys.readouterr() == (
        "",
        "downloading a.gz, 9.9 MB\ndownloading b.zip, from byte 1,000,000 on\n[b]done[/b]\n",
    )


def test_a_terminal_gets_a_bar():
    console = Console(file=io.StringIO(), force_terminal=True, width=100)
    with Progress(*Bars.COLUMNS, console=console, auto_refresh=False) as progress:
        bars = Bars(progress)
        bars.began("[b]a.gz", 2_000_000, 8_000_000)
        bars.advanced(4_000_000)
        progress.refresh()
        shown = console.file.getvalue()
        bars.told("[b]done[/b]")
        bars.ended()

    assert "[b]a.gz" in shown
    assert "4.0/8.0 MB" in shown
    assert "[b]done[/b]\n" in console.file.getvalue()
    assert not progress.tasks
