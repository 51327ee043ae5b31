"""A finished run -> one file, with a card that describes the model."""

from pathlib import Path

from mmcli.errors import UsageError
from mmcli.runs.packed import write_packed
from mmcli.util.atomic import is_there
from mmcli.workflows.model_card import model_card
from mmcli.workflows.trained_run import load_run


def pack(
    path: Path,
    output: Path | None = None,
    *,
    licence: str | None = None,
    description: str | None = None,
    trust_code: bool = False,
) -> Path:
    """Write a finished run to one file, from which `load_run` and the commands that take a run read it.

    Args:
        path: of the run directory.
        output: the file; None is NAME.zip in the working directory.
        licence: of the model, for its card.
        description: a paragraph for the card.
        trust_code: as for `load_run`.

    Returns:
        The file.

    Raises:
        UsageError: no finished run at `path`, one that is packed already, or the file exists or cannot be written.
        DamagedRunError: files of the run are missing or unreadable.
    """
    output = output or Path(f"{path.resolve().name}.zip")
    if is_there(output):
        raise UsageError(f"{output}: exists already; remove it, or name another file with -o")
    run = load_run(path, trust_code=trust_code)
    if run.directory.packed is not None:
        raise UsageError(f"{path}: packed already; copy the file")
    card = model_card(run, output.name, licence, description)
    write_packed(output, path, run.directory.sums(), card)
    return output
