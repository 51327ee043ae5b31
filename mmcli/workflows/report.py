"""Report of a run, or of several: a page with results and figures."""

from collections.abc import Sequence
from pathlib import Path

from mmcli.data.dataset import load_datasets
from mmcli.errors import DataError
from mmcli.report import content, page
from mmcli.runs.layout import REPORT
from mmcli.runs.report_files import report_folder, write_report
from mmcli.runs.writer import RunDirectory
from mmcli.workflows.compare import compare_runs
from mmcli.workflows.comparison_report import comparison_page
from mmcli.workflows.relocation import recorded_by, refuse_changed, refuse_missing
from mmcli.workflows.trained_run import read_graph


def report(path: Path, folder: Path | None = None, data_root: Path | None = None, *, trust_code: bool = False) -> Path:
    """Write a page about a run, finished or not, and its figures.

    Args:
        path: of the run.
        folder: where the page goes; report/ in the run directory if it is None.
        data_root: where the data files are if they were moved, as for `load_run`.
        trust_code: as for `load_run`.

    Returns:
        The page.

    Raises:
        UsageError: no run at `path`, or `folder` cannot be written.
        DataError: `data_root` is given, and the data are not below it.
        DamagedRunError: files of the run are missing or unreadable.
    """
    run = RunDirectory.look(path)
    folder = report_folder(path, folder)
    config, graph = read_graph(run, data_root, trust_code=trust_code)
    datasets, problem, recorded = None, "", recorded_by(run)
    try:
        refuse_missing(config.data, config.places, "data", graph, recorded, data_root)
        datasets = load_datasets(config, graph)
        refuse_changed(run, recorded, config.data, datasets)
    except DataError as error:
        if data_root is not None:
            raise
        datasets, problem = None, str(error).splitlines()[0]

    written = page.make_page(content.gather(run, config, graph, datasets, problem))
    return write_report(folder, written.html, written.figures)


def report_runs(paths: Sequence[Path], folder: Path | None = None) -> tuple[Path, Sequence[Path]]:
    """Write a page that puts runs side by side, finished or not, and its figures.

    Args:
        paths: of the runs; what is no run is left out.
        folder: where the page goes; report/ in the working directory if it is None.

    Returns:
        The page, and the paths left out.

    Raises:
        UsageError: nothing at one of the paths, no run at any, or `folder` cannot be written.
        DamagedRunError: files of a run are missing or unreadable.
    """
    folder = report_folder(Path(), folder or Path(REPORT))
    compared = compare_runs(paths)
    written = comparison_page(compared)
    return write_report(folder, written.html, written.figures), compared.left_out
