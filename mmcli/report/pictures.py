"""Pictures of items: reconstructions, class prototypes, mistakes, and the least certain."""

from collections.abc import Iterator

import numpy as np

from mmcli.plotting.panels import Pictures, Strip
from mmcli.report.findings import Classes, Findings, Shown
from mmcli.report.groups import confusions
from mmcli.report.sections import Section, Table

PER_ROW = 10
NUM_REBUILT = 20
NUM_UNCERTAIN = 20
NUM_MISTAKES = 5  # kinds of mistakes


def pictures_section(findings: Findings) -> Section:
    """Section on reconstructions, and the mean of each class."""
    panels = []
    for source, shown in findings.pictures.items():
        for module, rebuilt in shown.rebuilt.items():
            panels.append(_rebuilt(source, module, shown, rebuilt, _varied(findings, shown)))
        for name, classes in findings.classes.items():
            panels.append(_prototypes(source, shown, name, classes))
    return Section("pictures", "Reconstructions and classes", panels=tuple(panels))


def mistakes_section(findings: Findings) -> Section:
    """Section on the most frequent mistakes of each module that has labels, in numbers and in pictures."""
    rows, notes, panels = [], [], []
    for name, classes in findings.classes.items():
        if classes.labels is None:
            continue
        pairs = confusions(classes)[:NUM_MISTAKES]
        rows += [(name, found, label, str(len(items))) for found, label, items in pairs]
        if not pairs:
            notes.append(f"{name} confuses nothing.")
            continue
        panels += [_mistakes(source, shown, name, pairs) for source, shown in findings.pictures.items()]
    header = ("module", "class", "label", "items")
    tables = (Table("The most frequent mistakes", header, rows),) if rows else ()
    return Section("mistakes", "Most confused pairs", tuple(notes), tuple(panels), tables)


def uncertain_section(findings: Findings) -> Section:
    """Section on the items with the highest entropy over classes."""
    panels = []
    for name, classes in findings.classes.items():
        if classes.entropy is None:
            continue
        for source, shown in findings.pictures.items():
            known = np.flatnonzero(shown.known)
            items = known[np.argsort(-classes.entropy[known], kind="stable")[:NUM_UNCERTAIN]]
            if len(items):
                panels.append(_uncertain(source, shown, name, classes, items))
    return Section("uncertain", "Least certain items", panels=tuple(panels))


def _rebuilt(source: str, module: str, shown: Shown, rebuilt: np.ndarray, items: np.ndarray) -> Pictures:
    """Panel of items as observed and as reconstructed."""
    strips = []
    for row in _rows(items):
        strips += [Strip("observed", shown.observed[row]), Strip("reconstructed", rebuilt[row])]
    return Pictures(
        name=f"rebuilt-{module}",
        title=f"{source}, rebuilt by {module}",
        alt=f"{len(items)} items of {source}: as observed, and below each as {module} reconstructs it.",
        note="As observed, and below as reconstructed from the latent space.",
        strips=tuple(strips),
    )


def _prototypes(source: str, shown: Shown, name: str, classes: Classes) -> Pictures:
    """Panel of the mean picture of each class."""
    ids = np.unique(classes.found[shown.known])
    members = {number: np.flatnonzero(shown.known & (classes.found == number)) for number in ids}
    strips = []
    for row in _rows(ids):
        for heading, pictures in {"mean observation": shown.observed, **_headed(shown)}.items():
            means = np.stack([pictures[members[number]].mean(axis=0) for number in row])
            strips.append(Strip(heading, means))
        strips[-1] = strips[-1]._replace(captions=tuple(classes.text(number) for number in row.tolist()))
    return Pictures(
        name=f"prototypes-{source}-{name}",
        title=f"Classes of {name} in {source}",
        alt=f"Mean pictures of the {len(ids)} classes of {name}: of what was observed and of its reconstructions.",
        note="The mean over all items of a class, which is named below.",
        strips=tuple(strips),
    )


def _headed(shown: Shown) -> dict[str, np.ndarray]:
    """Observed pictures and reconstructions, by heading."""
    return {f"mean reconstruction by {module}": rebuilt for module, rebuilt in shown.rebuilt.items()}


def _mistakes(source: str, shown: Shown, name: str, pairs: list[tuple[str, str, np.ndarray]]) -> Pictures:
    """Panel of the items of the most frequent mistakes."""
    texts = [
        f"class {found}, label {label}: {len(items)} item{'s' * (len(items) != 1)}" for found, label, items in pairs
    ]
    strips = [
        Strip(text, shown.observed[items[shown.known[items]][:PER_ROW]])
        for text, (_, _, items) in zip(texts, pairs, strict=True)
    ]
    return Pictures(
        name=f"mistakes-{source}-{name}",
        title=f"Most confused by {name}",
        alt=f"Items of {source} that {name} confuses most: {'; '.join(texts)}.",
        note=f"The first {PER_ROW} items of each of the most frequent mistakes.",
        strips=tuple(strip for strip in strips if len(strip.pictures)),
    )


def _uncertain(source: str, shown: Shown, name: str, classes: Classes, items: np.ndarray) -> Pictures:
    """Panel of the least certain items."""
    entropy = classes.entropy[items] if classes.entropy is not None else np.zeros(0)
    span = f"Entropy {entropy[0]:.2f} to {entropy[-1]:.2f} nats, of at most {np.log(classes.num_classes):.2f}."
    strips = []
    for row in _rows(items):
        captions = [classes.text(number) for number in classes.found[row].tolist()]
        if classes.labels is not None:
            captions = [f"{found} ({classes.of_item(item)})" for found, item in zip(captions, row, strict=True)]
        strips.append(Strip("", shown.observed[row], tuple(captions)))
    under = "the class" if classes.labels is None else "the class, and the label in brackets"
    return Pictures(
        name=f"uncertain-{source}-{name}",
        title=f"Least certain for {name}",
        alt=f"The {len(items)} items of {source} that {name} is least certain of. {span}",
        note=f"{span} Under each item {under}.",
        strips=tuple(strips),
    )


def _varied(findings: Findings, shown: Shown) -> np.ndarray:
    """Items to show, in turn from each group of labels or else of a module's classes, (n,)."""
    groups = np.zeros(len(shown.known), dtype=np.int64)
    for classes in findings.classes.values():
        groups = classes.found if classes.labels is None else classes.labels.numbers
    known = np.flatnonzero(shown.known)
    order = known[np.argsort(groups[known], kind="stable")]
    starts = np.searchsorted(groups[order], groups[order])
    turn = np.arange(len(order)) - starts  # rank of an item within its group
    return order[np.lexsort((groups[order], turn))][:NUM_REBUILT]


def _rows(items: np.ndarray) -> Iterator[np.ndarray]:
    """Items in rows of PER_ROW."""
    for start in range(0, len(items), PER_ROW):
        yield items[start : start + PER_ROW]
