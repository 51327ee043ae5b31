"""MLDAs on MLDAs: two layers, and a chain in which each has a sense of its own."""

import numpy as np
import pytest

import mmcli
from mmcli.runs.reader import RunFiles

NUM_ITEMS, NUM_CLASSES = 60, 3
TRUTH = np.arange(NUM_ITEMS) % NUM_CLASSES
OPTIONS = {
    "type": "mlda",
    "num_classes": NUM_CLASSES,
    "restarts": 4,
    "anneal_sweeps": 10,
    "sweeps": 5,
    "labels": "truth",
}
GRAPHS = {
    "two layers": {"left": ["words0", "words1"], "right": ["words2", "words3"], "top": ["left", "right"]},
    "a chain": {"one": ["words0"], "two": ["words1", "one"], "three": ["words2", "two"]},
}


def data(seed):
    """Words of four senses, about 20 an item, and the classes."""
    rng = np.random.default_rng(seed)
    phi = 0.8 * np.eye(NUM_CLASSES).repeat(3, axis=1) / 3 + 0.2 / (3 * NUM_CLASSES)
    words = {f"words{n}": np.stack([rng.multinomial(20, row) for row in phi[TRUTH]]) for n in range(4)}
    return {**words, "truth": TRUTH}


@pytest.mark.parametrize("graph", GRAPHS.values(), ids=GRAPHS)
def test_layers_find_the_classes_and_the_top_infers_them_from_one_sense(graph, tmp_path):
    senses = sorted({name for inputs in graph.values() for name in inputs} - graph.keys())
    modules = {name: {"type": "observation", "data": name} for name in senses}
    modules |= {name: OPTIONS | {"inputs": inputs} for name, inputs in graph.items()}
    kept = {name: array for name, array in data(0).items() if name in (*senses, "truth")}
    unseen = data(1)

    run = mmcli.train(
        {"rounds": 2, "search": {"starts": 1}, "modules": modules}, data=kept, output=tmp_path / "run", progress=False
    )

    last = {line.module: line for line in RunFiles.open(tmp_path / "run").history()}
    assert {name: line.acc for name, line in last.items()} == dict.fromkeys(graph, 1.0)
    *_, top = graph
    for sense in senses:
        classes = run.predict(**{sense: unseen[sense]})[top].classes
        assert (classes == TRUTH).mean() > 0.9
