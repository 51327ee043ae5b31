"""`mmcli report`."""

import webbrowser
from pathlib import Path

import click

from mmcli.cli.data_root import data_root_option
from mmcli.cli.example import example
from mmcli.cli.trust_code import trust_code_option
from mmcli.errors import UsageError
from mmcli.workflows import report as workflow


@click.command(epilog=example("mmcli report runs/tiny-s0-001 --open"))
@click.argument("run_dir", type=click.Path(path_type=Path))
@click.option("--open", "in_browser", is_flag=True, help="Show the page in the browser.")
@click.option(
    "-o", "--output", metavar="DIR", type=click.Path(path_type=Path), help="Folder of the page [report/ in RUN_DIR]."
)
@data_root_option
@trust_code_option
def report(run_dir: Path, in_browser: bool, output: Path | None, data_root: Path | None, trust_code: bool) -> None:
    """Write a page about a run, finished or not, and print its path.

    The page needs nothing else to be shown; its figures lie beside it as PNG and SVG, in figures/.
    """
    page = workflow.report(run_dir, output, data_root, trust_code=trust_code)
    click.echo(page)
    if in_browser and not webbrowser.open(page.resolve().as_uri()):
        raise UsageError(f"{page}: there is no browser to show it in; open it by hand")
