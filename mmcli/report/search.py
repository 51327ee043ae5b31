"""Section on the search over the graph: what its starts and later rounds shared, and what was kept."""

from collections.abc import Iterator

import numpy as np

from mmcli.plotting.panels import SearchPanel
from mmcli.report.sections import Section
from mmcli.runs.search_record import SearchRecord
from mmcli.util.text import counted

NEARLY = 0.02  # nats an item below the best score, within which a start is as good
ALIKE = 0.8  # adjusted Rand index from which on two starts found the same classes


def search_section(record: SearchRecord | None, num_starts: int) -> Section:
    """Section on the search.

    Args:
        record: of the run; None where it has none.
        num_starts: of the config.
    """
    if record is None:
        return Section("search", "Search")
    notes = (" ".join((*_on_starts(record, num_starts), *_on_rounds(record))),)
    return Section("search", "Search", notes=notes, panels=(_panel(record),))


def rivals(record: SearchRecord) -> list[float]:
    """Agreement of the other starts of nearly the same score with the chosen one; none where it is unknown."""
    if record.agreement is None:
        return []
    least = record.starts[record.chosen - 1] - NEARLY
    return [
        agreement
        for number, (score, agreement) in enumerate(zip(record.starts, record.agreement, strict=True), 1)
        if number != record.chosen and score >= least
    ]


def _on_starts(record: SearchRecord, num_starts: int) -> Iterator[str]:
    """Sentences on the starts."""
    best, done = f"{record.starts[record.chosen - 1]:.4f} nats an item", len(record.starts)
    if done < num_starts:
        yield f"{done} of {counted(num_starts, 'start')} {'is' if done == 1 else 'are'} done."
        yield f"So far start {record.chosen} shared most, {best}."
    else:
        yield f"Of {counted(num_starts, 'start')} number {record.chosen} shared most, {best}, and went on."
    near = rivals(record)
    same = sum(agreement >= ALIKE for agreement in near)
    if len(near) == 1:
        found = f"found {'the same' if same else 'other'} classes of {record.compared} (ARI {near[0]:.2f})"
        yield f"The one other start that shared nearly as much (within {NEARLY} nats) {found}."
    elif near:
        found = f"{same} found its classes of {record.compared} (ARI {ALIKE} or more)"
        yield f"Of {len(near)} other starts that shared nearly as much (within {NEARLY} nats), {found}."


def _on_rounds(record: SearchRecord) -> Iterator[str]:
    """Sentence on the later rounds."""
    if not record.rounds:
        return
    last = max(record.rounds)
    if record.kept_round == last:
        yield f"Round {last} shared more than any state before it, {record.rounds[last]:.4f}, and is kept."
    elif record.kept_round is not None:
        best, less = record.rounds[record.kept_round], record.rounds[last]
        yield f"Round {record.kept_round} is kept, as the last shared less: {best:.4f} against {less:.4f}."
    else:
        yield f"No later round shared more, so the state of start {record.chosen} is kept."


def _panel(record: SearchRecord) -> SearchPanel:
    """Figure of the scores and the agreement."""
    rounds = sorted(record.rounds)
    scores = ", ".join(f"start {number} {score:.4f}" for number, score in enumerate(record.starts, 1))
    later = "".join(f", round {number} {record.rounds[number]:.4f}" for number in rounds)
    agreement = ""
    if record.agreement is not None:
        values = ", ".join(f"{value:.2f}" for value in record.agreement)
        agreement = f" Agreement of the starts with start {record.chosen}, as adjusted Rand index: {values}."
    note = "Information that the modules share, by start and by later round; higher is better."
    if record.agreement is not None:
        note += f" Below, the adjusted Rand index of each start's classes of {record.compared} and those of start "
        note += f"{record.chosen}: 1 is the same partition, 0 is what chance gives. No label takes part."
    return SearchPanel(
        name="search",
        title="Shared information of starts and rounds",
        alt=f"Shared information in nats an item: {scores}{later}.{agreement}",
        note=note,
        starts=np.array(record.starts),
        chosen=record.chosen,
        agreement=None if record.agreement is None else np.array(record.agreement),
        rounds=np.array(rounds, int),
        scores=np.array([record.rounds[number] for number in rounds]),
        kept=record.kept_round,
        unit="nats an item",
    )
