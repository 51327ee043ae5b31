"""Results of the suite: kept as JSON lines, printed as the tables of docs/results.md."""

import json
import statistics
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from mmcli.util.atomic import write_named

FAILED = 0.95  # a seed failed if its ACC is below this share of the best seed's in the row
JOINT = "mlda"  # has a row whether it is the best module or not
HEAD = (
    "| data | method | module or view | ACC | ARI | NMI | failed |",
    "| --- | --- | --- | --- | --- | --- | --- |",
)


class Result(NamedTuple):
    """Agreement of the classes of a run with the labels."""

    set: str
    method: str
    part: str  # module of mmcli, or view of a baseline
    seed: int
    acc: float
    ari: float
    nmi: float

    @property
    def key(self) -> tuple[str, str, str, int]:
        """What identifies the result."""
        return self.set, self.method, self.part, self.seed


class Results:
    """Results in a file, which is whole at any moment."""

    def __init__(self, path: Path) -> None:
        self._path = path
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        self._found = {result.key: result for result in (Result(**json.loads(line)) for line in lines)}

    def add(self, results: Iterable[Result]) -> None:
        """Add results, each in the place of an earlier one of the same key, and write the file."""
        self._found |= {result.key: result for result in results}
        lines = [json.dumps(result._asdict()) + "\n" for result in self._found.values()]
        write_named(self._path, "".join(lines).encode())

    def methods(self, name: str) -> list[str]:
        """Methods with results on a set, in the order in which they were added."""
        return list(dict.fromkeys(result.method for result in self._found.values() if result.set == name))

    def parts(self, name: str, method: str, seeds: Sequence[int]) -> dict[str, list[Result]]:
        """Results of a method on a set under some of the seeds, by part."""
        parts: dict[str, list[Result]] = {}
        for result in self._found.values():
            if (result.set, result.method) == (name, method) and result.seed in seeds:
                parts.setdefault(result.part, []).append(result)
        return parts


def table(rows_of: Mapping[str, Sequence[str]]) -> str:
    """Markdown of the rows of each set, by its title, which stands in the first of them."""
    lines = [*HEAD]
    for title, cells in rows_of.items():
        lines += [f"| {'' if number else title} | {row} |" for number, row in enumerate(cells)]
    return "\n".join(lines)


def rows(title: str, parts: Mapping[str, Sequence[Result]], num_seeds: int) -> Iterator[str]:
    """Cells of a method on a set: for the joint module if there is one, and for the part of the best mean ACC."""
    if not parts:
        return
    best = max(parts, key=lambda part: statistics.fmean(result.acc for result in parts[part]))
    for part in dict.fromkeys([JOINT, best] if JOINT in parts else [best]):
        results = parts[part]
        measures = [spread([getattr(result, measure) for result in results]) for measure in ("acc", "ari", "nmi")]
        named = f"{part} (best)" if part == best and len(parts) > 1 else part
        yield " | ".join([title, named, *measures, failures(results, num_seeds)])


def spread(values: Sequence[float]) -> str:
    """Mean, minimum and maximum."""
    return f"{statistics.fmean(values):.3f} ({min(values):.3f}..{max(values):.3f})"


def failures(results: Sequence[Result], num_seeds: int) -> str:
    """Count of the seeds that failed, and of those without a result."""
    best = max(result.acc for result in results)
    failed = sum(result.acc < FAILED * best for result in results)
    lacking = num_seeds - len(results)
    return f"{failed} of {len(results)}" + (f", {lacking} more without a result" if lacking else "")
