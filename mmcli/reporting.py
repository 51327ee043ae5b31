"""A page about a run: gathers what is there and has it drawn."""

from pathlib import Path

from mmcli.datasets import load_datasets
from mmcli.errors import DataError
from mmcli.store import RunDirectory
from mmcli.trained import read_graph, refuse_changed_data


def report(path: Path, folder: Path | None = None) -> Path:
    """Write a page about a run, finished or not, and its figures.

    Args:
        path: of the run.
        folder: where the page goes; report/ in the run directory if it is None.

    Returns:
        The page.

    Raises:
        UsageError: no run at `path`, or `folder` cannot be written.
        DamagedRunError: files of the run are missing or unreadable.
    """
    run = RunDirectory.look(path)
    folder = run.report_folder(folder)
    config, graph = read_graph(run)
    datasets, problem = None, ""
    try:
        datasets = load_datasets(config, graph)
        refuse_changed_data(run, run.data_digests(), datasets)
    except DataError as error:
        datasets, problem = None, str(error).splitlines()[0]

    from mmcli.report.content import gather
    from mmcli.report.page import make_page

    page = make_page(gather(run, config, graph, datasets, problem))
    return run.write_report(folder, page.html, page.figures)
