"""Files of a report: a page and its figures, in the run directory or elsewhere."""

from collections.abc import Mapping
from pathlib import Path

from mmcli.errors import UsageError
from mmcli.runs.layout import FIGURES, PAGE, REPORT
from mmcli.util import atomic


def report_folder(run: Path, folder: Path | None) -> Path:
    """Folder of the report of a run: the one asked for, or report/ in the run directory.

    Raises:
        UsageError: the folder holds other things than a report.
    """
    folder = run / REPORT if folder is None else folder
    if folder.is_dir() and any(folder.iterdir()) and not (folder / PAGE).exists():
        raise UsageError(f"{folder}: holds other things than a report; name another folder with -o")
    return folder


def write_report(folder: Path, page: bytes, figures: Mapping[str, bytes]) -> Path:
    """Write a page and its figures, by file name, in place of an older report; the path of the page.

    Raises:
        UsageError: the folder cannot be written.
    """
    try:
        (folder / FIGURES).mkdir(parents=True, exist_ok=True)
        for old in (folder / FIGURES).iterdir():
            if old.suffix in (".png", ".svg") and old.name not in figures:
                old.unlink()
        for name, content in figures.items():
            atomic.replace(folder / FIGURES / name, content)
        atomic.replace(folder / PAGE, page)
    except OSError as error:
        raise UsageError(f"{folder}: cannot be written ({error.strerror}); name another folder with -o") from None
    return folder / PAGE
