"""One sense from others, or of a class, as files."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from mmcli.data.npz import check_output, write_arrays
from mmcli.data.selection import Request, choose
from mmcli.errors import UsageError
from mmcli.plotting.panels import Pictures, Strip
from mmcli.util.atomic import write_named
from mmcli.util.text import counted
from mmcli.workflows.trained_run import TrainedRun, Watch, load_run

MAX_SHOWN = 400  # of many images, the first
MAX_PER_ROW = 20


class Source(NamedTuple):
    """Source of a generated sense."""

    request: Request = Request()  # data; with neither it nor senses, of classes
    senses: Sequence[str] = ()  # names of those to use; none is all there are
    of_class: str | None = None  # by name or number
    num_items: int | None = None  # of the class, or the first of the data; None is one, or all
    seed: int | None = None  # draw with it; None takes the expectation


def generate(
    path: Path,
    to: str,
    source: Source,
    output: Path,
    *,
    data_root: Path | None = None,
    trust_code: bool = False,
    notify: Callable[[str], None] | None = None,
    watch: Watch | None = None,
) -> Path:
    """Make a sense and write it as .npz, and as a picture where its rows are pictures.

    Args:
        path: of a finished run.
        to: name of the sense.
        source: other senses, or a class.
        output: the .npz; the picture lies beside it.
        data_root: as for `load_run`.
        trust_code: as for `load_run`.
        notify: as for `load_run`.
        watch: receives the number of items done, and of all.

    Returns:
        `output`.

    Raises:
        UsageError: no finished run at `path`, a name or class is unknown, or the output cannot be written.
        DataError: the data do not fit the run.
        DamagedRunError: files of the run are missing or unreadable.
    """
    check_output(output)
    from_senses = bool(source.senses) or source.request != Request()
    if from_senses and source.of_class is not None:
        raise UsageError("--class makes a sense from nothing else; leave out --data, --test and --from, or --class")
    run = load_run(path, data_root=data_root, trust_code=trust_code, notify=notify)
    arrays = {to: _from_senses(run, to, source, watch)} if from_senses else _of_classes(run, to, source)
    write_arrays(output, arrays)
    shape = run.graph.picture(run.senses[to], run.widths[run.senses[to]])
    if shape is not None:
        from mmcli.plotting.draw import picture  # imports matplotlib

        images = arrays[to].reshape(-1, *shape)
        names = run.class_names() if "class" in arrays else {}
        titles = [names[number] for number in arrays["class"].tolist()] if names else []
        a_row_each = 1 < (source.num_items or 1) <= MAX_PER_ROW and len(set(titles)) > 1  # class
        panel = image_panel(to, images, titles, source.num_items if a_row_each else None)
        write_named(output.with_suffix(".png"), picture(panel))
    return output


def image_panel(name: str, images: np.ndarray, titles: Sequence[str], per_row: int | None = None) -> Pictures:
    """Images (N, H, W), or (N, H, W, 3) in color, in rows, each with its title where there are titles.

    Args:
        name: of the sense.
        images: of many, the first are shown.
        titles: one for each image, or none.
        per_row: images in a row; 10 or 20 where it is None.
    """
    shown = images[:MAX_SHOWN]
    per_row = min(len(shown), per_row or (10 if len(shown) <= 100 else 20))
    starts = range(0, len(shown), per_row)
    return Pictures(
        name="generated",
        title=f"{name}: {counted(len(images), 'item')}",
        alt=f"{counted(len(shown), 'image')} of {name}.",
        note=f"The first {len(shown)} are shown." if len(shown) < len(images) else "",
        strips=tuple(
            Strip("", shown[start : start + per_row], tuple(titles[:MAX_SHOWN][start : start + per_row]))
            for start in starts
        ),
        bounds=(min(float(shown.min()), 0.0), max(float(shown.max()), 1.0)),  # [0, 1] looks the same in every picture
        places=per_row,
    )


def _from_senses(run: TrainedRun, to: str, source: Source, watch: Watch | None) -> np.ndarray:
    for name in (to, *source.senses):
        run.refuse_unknown(name)
    if to in source.senses:
        raise UsageError(f"--from {to}: it is to be made; name other senses")
    without = {to} | (run.senses.keys() - source.senses if source.senses else set())
    datasets = run.load(choose(run.config, source.request, without=without))
    return run.make(to, datasets.first(source.num_items), seed=source.seed, watch=watch)


def _of_classes(run: TrainedRun, to: str, source: Source) -> dict[str, np.ndarray]:
    names = run.class_names()
    classes = [*names] if source.of_class is None else [run.class_number(source.of_class)]
    run.refuse_too_many(to, len(classes) * (source.num_items or 1))
    each = np.repeat(np.array(classes, np.int64), source.num_items or 1)
    arrays: dict[str, np.ndarray] = {to: run.make_classes(to, each, seed=source.seed), "class": each}
    if any(text != str(number) for number, text in names.items()):
        arrays["class_name"] = np.array([names[number] for number in each.tolist()])
    return arrays
