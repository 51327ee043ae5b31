"""`mmcli report`."""

import webbrowser
from pathlib import Path

import click

from mmcli.cli.data_root import data_root_option
from mmcli.cli.example import example
from mmcli.cli.trust_code import trust_code_option
from mmcli.errors import UsageError
from mmcli.util.text import listed


@click.command(epilog=example("mmcli report runs/tiny-s0-001 --open", "mmcli report runs/tiny-* -o seeds"))
@click.argument("run_dirs", metavar="RUN_DIR...", type=click.Path(path_type=Path), nargs=-1, required=True)
@click.option("--open", "in_browser", is_flag=True, help="Show the page in the browser.")
@click.option(
    "-o",
    "--output",
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="Folder of the page [report/ in RUN_DIR; of several, report/].",
)
@data_root_option
@trust_code_option
def report(
    run_dirs: tuple[Path, ...], in_browser: bool, output: Path | None, data_root: Path | None, trust_code: bool
) -> None:
    """Write a page about a run, finished or not, and print its path.

    Of several runs the page puts them side by side: the settings that differ, their measures and the spread over
    seeds, measures and objectives over the rounds. The page needs nothing else to be shown; its figures lie
    beside it as PNG and SVG, in figures/.
    """
    from mmcli.workflows import report as workflow  # imports matplotlib

    if len(run_dirs) == 1:
        page = workflow.report(run_dirs[0], output, data_root, trust_code=trust_code)
    else:
        for option, is_given in (("--data-root", data_root is not None), ("--trust-code", trust_code)):
            if is_given:
                raise UsageError(f"{option}: a page about several runs reads no data and no module types; leave it out")
        page, left_out = workflow.report_runs(run_dirs, output)
        if left_out:
            click.echo(f"left out, no run directories: {listed(map(str, left_out))}", err=True)
    click.echo(page)
    if in_browser and not webbrowser.open(page.resolve().as_uri()):
        raise UsageError(f"{page}: there is no browser to show it in; open it by hand")
