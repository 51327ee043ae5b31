"""A run of pictures, written by hand: 40 items of two kinds, each with 4 x 4 pixels and 6 words."""

import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mmcli.config.graph import build_graph
from mmcli.config.reader import dump_config, load_config
from mmcli.data.dataset import load_datasets
from mmcli.report.content import gather
from mmcli.report.sections import Report, Section
from mmcli.runs.writer import RunDirectory
from mmcli.workflows import report as reporting

VOID = {"meta", "img", "link", "br", "hr", "input"}  # elements without an end
LABELS = np.repeat([0, 1], 20)
FOUND = {"gmm": np.where(np.arange(40) % 10 == 0, 1 - LABELS, LABELS), "mlda": np.where(np.arange(40) < 3, 1, LABELS)}
CONFIG = """\
seed: 5
rounds: 3
data:
  images: {file: pictures.npz, key: images}
  words:  {file: pictures.npz, key: words}
  kinds:  {file: pictures.npz, key: labels}
modules:
  image: {type: observation, data: images}
  word:  {type: observation, data: words}
  vae:   {type: vae, inputs: [image], latent_dim: 3}
  gmm:   {type: gmm, inputs: [vae], num_classes: 2, labels: kinds}
  mlda:  {type: mlda, inputs: [word, gmm], num_classes: 2, labels: kinds}
"""


class Written:
    """The run, and ways to change it and to look at it."""

    labels, found = LABELS, FOUND

    def __init__(self, folder: Path) -> None:
        rng = np.random.default_rng(0)
        self.images = rng.random((40, 16)).astype(np.float32)
        np.savez(folder / "pictures.npz", images=self.images, words=rng.poisson(3, (40, 6)), labels=LABELS)
        (folder / "pictures.yaml").write_text(CONFIG)
        config = load_config(folder / "pictures.yaml")
        self.run = RunDirectory.create(folder / "run")
        digests = load_datasets(config, build_graph(config)).digests
        self.run.start(dump_config(config), {"versions": {"mmcli": "0.0"}, "seed": 5, "data": digests})
        z = rng.normal(size=(40, 3))
        self.run.write_arrays(
            "module002_vae", {"z": z, "x_hat": self.images / 2, "loss": np.array([9.0, 8.0])}, "learn"
        )
        self.run.write_arrays("module002_vae", {"z": z / 2}, "first")
        for folder_name, module in (("module003_gmm", "gmm"), ("module004_mlda", "mlda")):
            certainty = np.linspace(0.5, 1, 40)  # the first items are the least certain
            probs = np.column_stack([certainty, 1 - certainty])
            learned = {"class": FOUND[module], "Pdz": probs, "loglik": np.array([-9.0, -8.0])}
            self.run.write_arrays(folder_name, learned, "learn")
            self.run.write_arrays(folder_name, {"class": 1 - LABELS}, "first")
        for number in (1, 2, 3):
            for module in ("vae", "gmm", "mlda"):
                self.update(number, module)

    def update(self, number: int, module: str, **changes: Any) -> None:
        """A line of history.jsonl."""
        measure = None if module == "vae" else 0.25 * number
        line = {"round": number, "module": module, "acc": measure, "ari": measure, "nmi": measure}
        self.run.append_history({**line, "bound": -100.0 / number, "seconds": 1.5, "compile_seconds": 0.5, **changes})

    def forget_labels(self) -> None:
        """As if no module named any."""
        self.run.config.write_text(re.sub(r" *labels: kinds\n", "", self.run.config.read_text()))
        history = self.run.path / "history.jsonl"
        history.write_text(re.sub(r'("(acc|ari|nmi)": )[\d.]+', r"\1null", history.read_text()))

    def forget_updates(self) -> None:
        """As if no module had been updated yet: a report then has few figures."""
        for path in self.run.path.glob("module*"):
            shutil.rmtree(path)
        (self.run.path / "history.jsonl").unlink()

    def set_meta(self, **facts: object) -> None:
        path = self.run.path / "meta.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | facts))

    def section(self, name: str) -> Section:
        return next(part for part in self.report().sections if part.name == name)

    def panels(self, *, with_data: bool = True) -> dict[str, Any]:
        """Every figure by its name."""
        return {panel.name: panel for part in self.report(with_data=with_data).sections for panel in part.panels}

    def report(self, *, with_data: bool = True) -> Report:
        config = load_config(self.run.config)
        graph = build_graph(config)
        return gather(self.run, config, graph, load_datasets(config, graph) if with_data else None, "gone")


class Page(HTMLParser):
    """The elements of a page in their order; unbalanced tags are errors."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(html)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data

    def all(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.fixture
def parse() -> type[Page]:
    return Page


@pytest.fixture(scope="session")
def reported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a whole report for all tests that only read it."""
    made = Written(tmp_path_factory.mktemp("reported"))
    made.run.finish()
    return reporting.report(made.run.path).parent


@pytest.fixture
def page(reported: Path) -> Page:
    return Page((reported / "report.html").read_text())


@pytest.fixture
def written(tmp_path: Path) -> Written:
    """A finished run, the test's own to change."""
    made = Written(tmp_path)
    made.run.finish()
    return made
