"""A config proposed for the arrays of some files: a module for each kind of sense, and one that joins them."""

import os
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from mmcli.config.flow import flow
from mmcli.data.labels import LabelSet
from mmcli.ingest.senses import Found, LabelColumn, Sense, SenseKind, find_senses, sense_names
from mmcli.util.text import counted, listed

LATENT_DIM = 18  # that of the tutorial
FEW_COLUMNS = 20  # a mixture of Gaussians takes so many as they are
CHAINS_ALONE = 16  # of a mixture without a child
NUM_CLASSES = 10  # where no labels are there to count


class Proposal(NamedTuple):
    """A config as text, and the reason for each of its modules."""

    config: str
    reasons: list[str]


class _Module(NamedTuple):
    name: str
    entry: Mapping[str, Any]
    reason: str  # "" for an observation


def propose(files: Sequence[Path], folder: Path) -> Proposal:
    """Propose a config.

    Args:
        files: of data.
        folder: that the config goes to; paths in it are relative to that.

    Raises:
        UsageError, DataError: as of `find_senses`.
    """
    found = find_senses(files)
    names = list(sense_names(found.senses))
    sources = {
        name: (
            _source(sense.file, sense.key, folder) | ({"missing": "nan"} if sense.is_missing.any() else {}),
            _of(sense),
        )
        for name, sense in zip(names, found.senses, strict=True)
    }
    labels = None
    if found.labels is not None:
        labels = _free("labels", set(sources))
        sources[labels] = (_source(found.labels.file, found.labels.key, folder), "labels: they only measure")
    modules = list(_modules(found, names, labels))
    lines = [
        f"# Proposed by `mmcli init --from` for {listed(file.name for file in files)}; any line may be changed.",
        "seed: 0",
        "rounds: 5  # of updates, each of every module",
        "data:  # paths are relative to this file",
        *(f"  {name}: {flow(source)}  # {remark}" for name, (source, remark) in sources.items()),
        "modules:  # updated in the order written",
    ]
    for module in modules:
        if module.reason:
            lines += textwrap.wrap(module.reason, 116, initial_indent="  # ", subsequent_indent="  # ")
        lines.append(f"  {module.name}: {flow(dict(module.entry))}")
    reasons = [f"{module.name}: {module.reason}" for module in modules if module.reason]
    return Proposal("\n".join(lines) + "\n", [*reasons, *_on_labels(found.labels), *found.left_out])


def _source(file: Path, key: str, folder: Path) -> dict[str, Any]:
    """Entry of `data` for an array of a file."""
    real = Path(os.path.realpath(file.parent), file.name)  # a folder that is a link has another one above it
    path = str(file) if file.is_absolute() else os.path.relpath(real, os.path.realpath(folder))
    return {"file": path} | ({"key": key} if key else {})


def _of(sense: Sense) -> str:
    missing = ", rows of NaN are missing" if sense.is_missing.any() else ""
    return f"{sense.kind}: {counted(sense.num_items, 'item')}, {counted(sense.width, 'column')}{missing}"


def _modules(found: Found, names: Sequence[str], labels: str | None) -> Iterator[_Module]:
    """Modules of a proposal, in the order of their updates."""
    column = found.labels
    num_classes = NUM_CLASSES if column is None else max(2, len(LabelSet.of(column.labels).numbers))
    finds_classes = {"num_classes": num_classes} | ({} if labels is None else {"labels": labels})
    is_only, taken = len(found.senses) == 1, set(names)
    for name in names:
        yield _Module(name, {"type": "observation", "data": name}, "")
    counts = [
        name
        for name, sense in zip(names, found.senses, strict=True)
        if sense.kind in (SenseKind.COUNTS, SenseKind.CATEGORIES)
    ]
    points: dict[str, Sense] = {}  # by the module that sends them
    for name, sense in zip(names, found.senses, strict=True):
        if name in counts:
            continue
        parent = name
        if sense.kind is SenseKind.PIXELS or sense.width > FEW_COLUMNS:
            parent = _free("vae" if is_only else f"vae_{name}", taken)
            entry = {"type": "vae", "inputs": [name], "latent_dim": min(LATENT_DIM, max(1, sense.width // 2))}
            yield _Module(parent, entry | _LIKELIHOODS[sense.kind], _why_vae(name, sense))
        points[parent] = sense
    joined = [*counts]
    if points:
        joined.append(_free("gmm", taken))
        entry, reason = {"type": "gmm", "inputs": [*points], **finds_classes}, _why_gmm(points, names)
        if not counts:
            entry["chains"] = CHAINS_ALONE
            reason += f"; no module after it leads it to the classes, so it has {CHAINS_ALONE} chains"
        yield _Module(joined[-1], entry, reason)
    if counts:
        yield _Module(_free("mlda", taken), {"type": "mlda", "inputs": joined, **finds_classes}, _why_mlda(joined))


def _free(name: str, taken: set[str]) -> str:
    """The name, or one like it where that is taken; it is taken from then on."""
    while name in taken:
        name += "_"
    taken.add(name)
    return name


_LIKELIHOODS = {SenseKind.PIXELS: {}, SenseKind.REAL: {"likelihood": "gaussian"}}


def _why_vae(name: str, sense: Sense) -> str:
    if sense.kind is SenseKind.PIXELS:
        return f"{name} go from 0 to 1, as pixels do: an autoencoder (Bernoulli) finds a few dimensions behind them"
    remark = f"; {sense.remark}" if sense.remark else ""
    return (
        f"{name} have {sense.width} real columns, too many for a mixture: an autoencoder (Gaussian) makes fewer{remark}"
    )


def _why_gmm(points: Mapping[str, Sense], names: Sequence[str]) -> str:
    if len(points) > 1:
        return f"{listed(points)} are sorted into classes by one mixture of Gaussians, as one alone may not show them"
    ((parent, sense),) = points.items()
    if parent not in names:
        return f"the points of {parent} are sorted into classes by a mixture of Gaussians"
    return f"{parent} have few real columns ({sense.width}): a mixture of Gaussians takes them as they are"


def _why_mlda(joined: Sequence[str]) -> str:
    if len(joined) == 1:
        return f"{joined[0]} are counts: topics of a latent Dirichlet allocation are their classes"
    return f"{listed(joined)} are joined by a multimodal latent Dirichlet allocation, which weighs them by the data"


def _on_labels(column: LabelColumn | None) -> Iterator[str]:
    """How the number of classes was chosen."""
    if column is None:
        yield f"num_classes: no labels are there to count, so {NUM_CLASSES} is a guess; set it"
    else:
        number = len(LabelSet.of(column.labels).numbers)
        yield f"num_classes: as many as there are labels ({number}); nothing else of the labels reaches a module"
