"""Figures look alike for everybody: no matplotlibrc reaches them."""

import hashlib
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.figure import Figure

from mmcli.data.labels import make_labels
from mmcli.ingest.panels import make_panels
from mmcli.plotting import defaults
from mmcli.plotting.draw import draw, picture, stacked
from mmcli.plotting.panels import Bars, Pictures, Strip
from mmcli.report.confusion import confusion_png
from mmcli.runs.history import HistoryLine
from mmcli.runs.metrics import evaluate
from mmcli.workflows.compare import Comparison, Run
from mmcli.workflows.courses import course_panel
from mmcli.workflows.generate import image_panel

THEIRS = {
    "axes.facecolor": "red",
    "axes.grid": True,
    "axes.prop_cycle": "cycler('color', ['r', 'g'])",
    "axes.spines.left": False,
    "figure.facecolor": "black",
    "font.family": "serif",
    "font.size": 25,
    "image.cmap": "jet",
    "image.origin": "lower",
    "savefig.bbox": "tight",
    "savefig.dpi": 33,
    "savefig.transparent": True,
    "svg.fonttype": "path",
    "text.usetex": True,
}
RNG = np.random.default_rng(0)
IMAGES, MEANS = RNG.random((6, 16)), RNG.integers(0, 5, (6, 7))
LINES = [HistoryLine(number, "gmm", 0.5 * number, 0.1, 0.1, -1.0, 0.1, 0.0) for number in (1, 2)]


def comparison() -> bytes:
    runs = [Run(Path(name), {"seed": seed, "rounds": 2}, "finished", None, LINES) for seed, name in enumerate("ab")]
    return picture(course_panel(Comparison(runs, ["seed"], ["gmm"], [])))


FIGURES: dict[str, Callable[[], bytes]] = {
    "confusion": lambda: confusion_png("gmm", evaluate(np.arange(20) % 3, make_labels(np.arange(20) % 4))),
    "images": lambda: picture(image_panel("images", IMAGES.reshape(6, 4, 4), list("abcdef"))),
    "comparison": comparison,
    "data": lambda: stacked(make_panels({"images": IMAGES, "words": MEANS, "labels": np.arange(6) % 2})),
    "report": lambda: draw(Bars("times", "t", "a", "n", ("gmm",), np.array([1.0]), np.array([2.0]))).png,
}


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_has_the_same_bytes_whatever_the_user_has_set(name):
    ours = FIGURES[name]()

    with mpl.rc_context(THEIRS):
        theirs = FIGURES[name]()
        assert mpl.rcParams["font.size"] == 25  # and what they set stays theirs

    assert theirs == ours


def test_the_settings_of_the_test_do_change_a_figure():
    def drawn() -> tuple[float, ...]:
        return tuple(Figure().get_facecolor())

    with mpl.rc_context(THEIRS):
        theirs = drawn()
        with defaults.own_look():
            ours = drawn()

    assert (theirs, ours) == ((0, 0, 0, 1), (1, 1, 1, 1))


def test_a_matplotlibrc_in_the_folder_changes_nothing(tmp_path):
    (tmp_path / "matplotlibrc").write_text("".join(f"{name}: {value}\n" for name, value in THEIRS.items()))
    program = (
        "import hashlib, matplotlib, numpy\n"
        "from mmcli.plotting.draw import picture\n"
        "from mmcli.plotting.panels import Pictures, Strip\n"
        "assert matplotlib.rcParams['text.usetex']\n"
        "strip = Strip('', numpy.arange(16.0).reshape(1, 4, 4) / 16, ('0',))\n"
        "print(hashlib.sha256(picture(Pictures('p', 't', 'a', 'n', (strip,)))).hexdigest())\n"
    )

    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True)

    strip = Strip("", np.arange(16.0).reshape(1, 4, 4) / 16, ("0",))
    ours = picture(Pictures("p", "t", "a", "n", (strip,)))
    assert done.stdout.strip() == hashlib.sha256(ours).hexdigest()
