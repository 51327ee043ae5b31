"""Signs of a bad run, found without a label: classes that look merged or split, modules that had not settled.

A sign is one line: what was seen, and what to try.
"""

import itertools
from collections.abc import Iterable, Iterator

import numpy as np

from mmcli.config.graph import Graph
from mmcli.report.findings import Classes, Findings
from mmcli.report.search import ALIKE, NEARLY, rivals
from mmcli.report.sections import Section
from mmcli.report.splits import MIN_ITEMS, are_apart, is_split
from mmcli.util.text import counted, listed

SMALLEST = 0.05  # of the mean size of a class
LEAST_CONFIDENT = 0.5  # mean probability of a class
MOST_MOVED = 0.05  # of the items, in the last update
JOINED = 0.6  # of the items of a class
RISE = 0.01  # of an objective's size, in the last quarter of an update
MOST_ALIKE = 0.5  # of the pairs of classes; where the senses tell fewer apart, they share too little to judge by

AGAIN = "try another seed, or more starts (chains, restarts)"


def signs_section(findings: Findings, graph: Graph) -> Section:
    """Section on the signs, or on there being none."""
    if not findings.classes:
        return Section("signs", "Signs of a bad run")
    signs = tuple(find_signs(findings, graph))
    return Section("signs", "Signs of a bad run", notes=signs or ("None was found. No label takes part in this.",))


def find_signs(findings: Findings, graph: Graph) -> Iterator[str]:
    """A line for each sign, module by module; a further kind of sign is a further function here."""
    for name, classes in findings.classes.items():
        yield from _split_signs(name, classes, findings)
        node = graph.nodes[name]
        yield from _size_signs(name, classes, prunes=node.spec.prunes(node.config.options))
        if not node.children:  # the probabilities of others leave out what their children sent
            yield from _confidence_signs(name, classes)
    yield from _join_signs(findings)
    yield from _moving_signs(findings)
    yield from _rising_signs(findings, graph)
    yield from _search_signs(findings)


def _split_signs(name: str, classes: Classes, findings: Findings) -> Iterator[str]:
    """Classes within which the senses agree on a split, and pairs of classes that they do not tell apart."""
    evidence = findings.evidence
    if len(evidence.senses) < 2:
        return
    # Items that lack a sense do not show whether all senses agree.
    there = np.logical_and.reduce(list(evidence.known.values()))
    found = classes.found[:: evidence.step][there]
    senses = [rows[there] for rows in evidence.senses.values()]
    numbers, sizes = np.unique(found, return_counts=True)
    large = [int(number) for number in numbers[sizes >= MIN_ITEMS]]
    merged = [number for number in large if is_split([rows[found == number] for rows in senses])]
    alike = [pair for pair in itertools.combinations(large, 2) if not _are_apart(senses, found, pair)]
    if merged:
        looks = "looks merged: within it" if len(merged) == 1 else "look merged: within each"
        seen = f"{_named(classes, merged)} {looks} the senses agree on a split"
        yield f"{name}: {seen}; {AGAIN}, or more classes"
    if 0 < len(alike) <= max(1, MOST_ALIKE * len(large) * (len(large) - 1) / 2):
        pairs = listed(f"{classes.text(first)} and {classes.text(second)}" for first, second in alike)
        seen = f"classes {pairs} look like one that is split: no two senses tell them apart"
        yield f"{name}: {seen}; {AGAIN}, or fewer classes"


def _are_apart(senses: Iterable[np.ndarray], found: np.ndarray, pair: tuple[int, int]) -> bool:
    """Whether the senses tell two classes apart."""
    rows = np.isin(found, pair)
    return are_apart([sense[rows] for sense in senses], found[rows] == pair[0])


def _size_signs(name: str, classes: Classes, *, prunes: bool) -> Iterator[str]:
    """Classes of hardly any item; of a module that prunes, classes of none are no sign."""
    numbers, sizes = np.unique(classes.found, return_counts=True)
    small = sizes < SMALLEST * len(classes.found) / classes.num_classes
    empty = classes.num_classes - len(numbers)
    seen = [f"{empty} of {classes.num_classes} classes without an item"] if empty and not prunes else []
    seen += [
        f"only {size} of {len(classes.found)} items in class {classes.text(int(number))}"
        for number, size in zip(numbers[small], sizes[small], strict=True)
    ]
    if seen:
        yield f"{name}: {listed(seen)}; {AGAIN}, or fewer classes"


def _confidence_signs(name: str, classes: Classes) -> Iterator[str]:
    """Classes whose items are in no class for sure."""
    if classes.confidence is None:
        return
    numbers = np.unique(classes.found).tolist()
    means = {number: classes.confidence[classes.found == number].mean() for number in numbers}
    unsure = [number for number, mean in means.items() if mean < LEAST_CONFIDENT]
    if unsure and classes.num_classes > 2:
        least = min(means.values())
        seen = f"the items of {_named(classes, unsure)} are in no class for sure (probability {least:.2f} on the mean)"
        yield f"{name}: {seen}; {AGAIN}, or fewer classes"


def _join_signs(findings: Findings) -> Iterator[str]:
    """Classes of one module that another, of as many classes, has as one."""
    for (first, own), (second, other) in itertools.permutations(findings.classes.items(), 2):
        if own.num_classes != other.num_classes:
            continue
        joined: dict[int, list[int]] = {}
        for number in np.unique(own.found).tolist():
            numbers, sizes = np.unique(other.found[own.found == number], return_counts=True)
            is_large = sizes.sum() >= SMALLEST * len(own.found) / own.num_classes
            if is_large and sizes.max() > JOINED * sizes.sum():
                joined.setdefault(int(numbers[sizes.argmax()]), []).append(number)
        for number, parts in joined.items():
            if len(parts) > 1:
                yield f"{second}: its class {other.text(number)} joins {_named(own, parts)} of {first}; {AGAIN}"


def _moving_signs(findings: Findings) -> Iterator[str]:
    """Modules of which many items changed class in their last update."""
    for name, lines in findings.history.items():
        moved = lines[-1].moved
        if moved is not None and moved > MOST_MOVED:
            yield f"{name}: {moved:.0%} of the items changed class in its last update; try more rounds"


def _rising_signs(findings: Findings, graph: Graph) -> Iterator[str]:
    """Modules whose objective still got better at the end of their last update."""
    for name, trace in findings.traces.items():
        spec = graph.nodes[name].spec.trace
        if spec is None or not is_rising(trace if spec.direction == "up" else -trace):
            continue
        verb = {"up": "rising", "down": "falling"}[spec.direction]
        yield f"{name}: its {spec.title or spec.name} was still {verb} when its last update ended; try more iterations"


def _search_signs(findings: Findings) -> Iterator[str]:
    """Starts of the search that shared nearly as much as the chosen one by other classes."""
    if findings.search is None:
        return
    near = rivals(findings.search)
    same = sum(agreement >= ALIKE for agreement in near)
    if 2 * same < len(near):
        others = f"{counted(len(near), 'other start')} of the search that shared nearly as much"
        seen = f"{same} of {others} found its classes (within {NEARLY} nats an item, ARI {ALIKE} or more)"
        yield f"{findings.search.compared}: {seen}; try more starts (search.starts)"


def is_rising(trace: np.ndarray) -> bool:
    """Whether values (I,), higher is better, still rose in their last quarter, by more than RISE of their size.

    The mean of the last quarter is compared with that of the quarter before, and has to be more than chance.
    """
    part = len(trace) // 4
    if part < 2:
        return False
    last, before = trace[-part:], trace[-2 * part : -part]
    rise = float(last.mean() - before.mean())
    noise = float(np.sqrt((last.var() + before.var()) / part))
    return rise > RISE * float(np.abs(trace[-2 * part :]).mean()) and rise > 2 * noise


def _named(classes: Classes, numbers: Iterable[int]) -> str:
    """Class or classes by name."""
    names = [classes.text(number) for number in numbers]
    return f"class {names[0]}" if len(names) == 1 else f"classes {listed(names)}"
