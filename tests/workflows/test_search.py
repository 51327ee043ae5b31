"""The search over the graph in a run directory: how far its starts agreed, however often the run was broken off."""

import json
from pathlib import Path

import numpy as np
import pytest
from tiny import NUM_ITEMS

import mmcli
from mmcli.config.graph import build_graph
from mmcli.config.model import Search
from mmcli.config.reader import load_config
from mmcli.engine import schedule
from mmcli.engine.events import Started, Update
from mmcli.engine.plan import make_plan
from mmcli.engine.routing import RoundState
from mmcli.engine.saving import Moment
from mmcli.errors import DamagedRunError
from mmcli.runs.writer import RunDirectory
from mmcli.workflows.starts import StartClasses

CLASSES = np.repeat([0, 1, 2], NUM_ITEMS // 3)
FOUND = {1: CLASSES, 2: np.where(CLASSES == 2, 1, CLASSES), 3: (CLASSES + 1) % 3}  # 2 joins two classes
SCORES = (0.5, 0.375, 0.75, 0.625)  # of three starts and of the second round
CHANCE = 570 * 970 / 1770  # pairs expected in one class of both, of 570 and 970 among 1770
MERGED = pytest.approx((570 - CHANCE) / ((570 + 970) / 2 - CHANCE))


@pytest.fixture
def search(train, monkeypatch):
    """Train with a search of three starts, all but the learning; up to a number of turns, or to the end."""

    def learn(graph, *_data, **options):
        saved, plan = options["saved"], make_plan(graph, Search(3, 2), options["rounds"])
        scores = () if saved is None else tuple(saved.arrays["scores"].tolist())
        for done in range(saved.updates if saved else 0, len(plan.turns)):
            turn = plan.turns[done]
            if plan.is_scored(done):
                scores = SCORES[: len(scores) + 1]
            moment = Moment(RoundState({turn.module: {"mu": np.full(3, done)}}, {}, {}), done + 1, scores=scores)
            if turn.start:
                yield Started(turn.start, scores[-1], moment, FOUND[turn.start])
            else:
                report = {"class": CLASSES, "Pdz": np.eye(3, dtype=np.float32)[CLASSES]}
                report = {"z": np.eye(3)[CLASSES]} if turn.module == "vae" else report
                yield Update(turn.round, turn.module, -1.0, None, report, {"mu": np.full(3, done)}, 0.25, 1.0, moment)
            if moment.updates == limit:
                raise KeyboardInterrupt

    limit = None

    def run(*options, turns=None):
        nonlocal limit
        limit = turns
        return train("--set", "search.starts=3", *options)

    monkeypatch.setattr(schedule, "train_rounds", learn)
    return run


def search_json(folder):
    return json.loads((Path(folder) / "search.json").read_text())


def test_the_agreement_of_the_starts_is_kept_and_shown(search):
    done = search("-o", "run")

    record = search_json("run")
    assert (record["chosen"], record["compared"], record["kept_round"]) == (3, "mlda", None)
    assert record["agreement"] == [1.0, MERGED, 1.0]
    assert done.err.splitlines()[4:8] == [
        "start 1/3  shared information 0.5000 nats an item",
        "start 2/3  shared information 0.3750 nats an item",
        "start 3/3  shared information 0.7500 nats an item",
        "start 3 goes on; agreement of each start with it in the classes of mlda (ARI): 1.00 0.56 1.00",
    ]
    assert mmcli.load_run("run").search == RunDirectory(Path("run")).search()._asdict()
    assert mmcli.load_run("run").search["rounds"] == {2: 0.625}


@pytest.mark.parametrize("turns", range(1, 10))
def test_a_run_broken_off_anywhere_ends_with_the_same_search(search, turns):
    search("-o", "run", turns=turns)
    (Path("run") / "search.json").unlink(missing_ok=True)  # or ahead of the checkpoint

    done = search("-o", "run", "--resume")
    search("-o", "whole")

    assert done.code == 0, done.err
    assert Path("run/search.json").read_bytes() == Path("whole/search.json").read_bytes()
    sums = [(Path(folder) / "SHA256SUMS").read_text().splitlines()[:-1] for folder in ("run", "whole")]
    assert sums[0] == sums[1]


def test_classes_are_in_checkpoints_until_the_search_ends(search):
    names = {}
    for turns in (4, 5, 6):
        search("-o", f"run{turns}", turns=turns)
        checkpoint, _ = RunDirectory(Path(f"run{turns}")).checkpoints.load()
        names[turns] = {name: array for name, array in checkpoint.arrays.items() if name.startswith("start_")}

    assert names[4].keys() == {"start_classes.1", "start_agreement"}
    assert names[5].keys() == {"start_classes.1", "start_classes.2", "start_agreement"}
    assert names[5]["start_classes.2"].dtype == np.uint8
    assert names[6].keys() == {"start_agreement"}


def test_what_an_older_version_saved_goes_on_without_the_agreement(search, monkeypatch):
    with monkeypatch.context() as older:
        older.setattr(StartClasses, "arrays", {})
        search("-o", "run", turns=5)

    done = search("-o", "run", "--resume")

    assert done.code == 0, done.err
    assert "start 3 goes on\n" in done.err
    assert search_json("run")["agreement"] is None
    assert mmcli.load_run("run").search["agreement"] is None


def test_where_nothing_is_searched_there_is_nothing_to_show(train):
    train("-o", "run")

    assert not Path("run/search.json").exists()
    assert mmcli.load_run("run").search is None


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"starts": []}, "not the scores of a search"),
        ({"starts": ["much"]}, "not the scores of a search"),
        ({"chosen": 4}, "not the scores of a search"),
        ({"kept_round": 7}, "not the scores of a search"),
        ({"compared": 3}, "not the scores of a search"),
        ({"edges": [["gmm"]]}, "not the scores of a search"),
        ({"rounds": {"two": 0.5}}, "invalid literal for int() with base 10: 'two'"),
        ({"starts": [10**400, 1, 1]}, "int too large to convert to float"),
        ({"agreement": [1.0]}, "not an agreement for each start"),
        ({"agreement": [1.0, None, 1.0]}, "an agreement that is no finite number"),
        ("[" * 100_000, "nested too deep"),
    ],
)
def test_a_damaged_search_is_one_line(search, command, change, reason):
    search("-o", "run")
    path = Path("run/search.json")
    path.write_text(change if isinstance(change, str) else json.dumps(search_json("run") | change))

    done = command("report", "run")

    assert (done.code, done.out) == (4, "")
    assert done.err == (f"mmcli: error: run/search.json: damaged run: {reason}; train again, or restore the file\n")
    with pytest.raises(DamagedRunError, match=r"search\.json"):
        mmcli.load_run("run")


def test_the_compared_module_is_the_last_that_finds_classes(tiny_config):
    graph = build_graph(load_config(tiny_config))

    assert make_plan(graph, Search(2, 2), 2).compared == "mlda"
    assert make_plan(graph, Search(1, 2), 2).compared is None


def test_many_starts_are_compared_in_their_order_after_a_resume():
    starts = StartClasses({})
    for number in range(1, 12):
        starts.add(number, CLASSES if number < 10 else FOUND[2], [0.5] * number, is_last=False)

    resumed = StartClasses(dict(sorted(starts.arrays.items())))  # as a checkpoint has them: 1, 10, 11, 2
    resumed.add(12, CLASSES, [0.5] * 11 + [0.75], is_last=True)

    assert resumed.agreement == [1.0] * 9 + [MERGED] * 2 + [1.0]
