"""The search over the graph in a report, and its sign."""

import json

import numpy as np
import pytest

from mmcli.errors import DamagedRunError
from mmcli.report.search import rivals, search_section
from mmcli.runs.search_record import SearchRecord, read_search

RECORD = SearchRecord(
    score="information shared by the modules, nats an item",
    edges=(("gmm", "mlda"),),
    starts=(1.99, 2.0, 1.5, 1.985),
    chosen=2,
    compared="mlda",
    agreement=(0.95, 1.0, 0.4, 0.7),
    rounds={2: 1.9, 3: 1.8},
    kept_round=None,
)
STARTS = (
    "Of 4 starts number 2 shared most, 2.0000 nats an item, and went on. Of 2 other starts that shared nearly as much "
    "(within 0.02 nats), 1 found its classes of mlda (ARI 0.8 or more)."
)


def note(num_starts=4, **changes):
    (text,) = search_section(RECORD._replace(**changes), num_starts).notes
    return text


def test_a_sentence_on_the_starts_and_one_on_the_rounds():
    assert note() == f"{STARTS} No later round shared more, so the state of start 2 is kept."
    assert note(rounds={}) == STARTS
    assert note(rounds={2: 2.25, 3: 2.125}, kept_round=2) == (
        f"{STARTS} Round 2 is kept, as the last shared less: 2.2500 against 2.1250."
    )
    assert note(rounds={2: 2.125, 3: 2.25}, kept_round=3) == (
        f"{STARTS} Round 3 shared more than any state before it, 2.2500, and is kept."
    )


def test_one_rival_found_the_same_or_other_classes():
    one = note(starts=(1.99, 2.0, 1.5, 1.9))

    assert "The one other start that shared nearly as much (within 0.02 nats) found the same classes of mlda" in one
    assert "found other classes of mlda (ARI 0.70)." in note(starts=(1.9, 2.0, 1.5, 1.985))
    assert note(starts=(1.9, 2.0, 1.5, 1.9), rounds={}).endswith(" and went on.")


def test_a_search_under_way_and_one_of_an_older_version():
    assert note(6, rounds={}, agreement=None) == (
        "4 of 6 starts are done. So far start 2 shared most, 2.0000 nats an item."
    )
    assert note(starts=(2.0,), chosen=1, agreement=(1.0,), rounds={}).startswith("1 of 4 starts is done. ")
    assert search_section(RECORD._replace(agreement=None), 4).panels[0].agreement is None
    assert not search_section(None, 4)


def test_rivals_are_the_other_starts_of_nearly_the_same_score():
    assert rivals(RECORD) == [0.95, 0.7]
    assert rivals(RECORD._replace(agreement=None)) == []


def test_a_report_has_the_search_where_there_was_one(written):
    written.run.write_search(json.loads(json.dumps(RECORD._asdict())))

    section = written.section("search")

    assert section.notes == (note(),)
    (panel,) = section.panels
    np.testing.assert_array_equal(panel.rounds, [2, 3])
    np.testing.assert_array_equal(panel.scores, [1.9, 1.8])
    assert panel.alt == (
        "Shared information in nats an item: start 1 1.9900, start 2 2.0000, start 3 1.5000, start 4 1.9850, "
        "round 2 1.9000, round 3 1.8000. Agreement of the starts with start 2, as adjusted Rand index: "
        "0.95, 1.00, 0.40, 0.70."
    )
    assert written.run.search() == RECORD


def test_a_damaged_search_is_no_section(written):
    (written.run.path / "search.json").write_text("{}")

    with pytest.raises(DamagedRunError, match=r"search\.json: damaged run: not the scores of a search;"):
        written.report()


def test_an_older_search_has_no_agreement():
    older = {key: value for key, value in RECORD._asdict().items() if key not in ("compared", "agreement")}

    assert read_search(json.dumps(older)) == RECORD._replace(compared=None, agreement=None)
