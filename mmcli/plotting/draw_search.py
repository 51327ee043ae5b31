"""The search over the graph: scores of its starts and of later rounds, and how far the starts agreed."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from mmcli.plotting.panels import SearchPanel
from mmcli.plotting.style import LINES, WIDTH, add_legend

RING: dict[str, Any] = {
    "marker": "o",
    "linestyle": "none",
    "markersize": 13,
    "markerfacecolor": "none",
    "markeredgecolor": LINES[1],
    "markeredgewidth": 2,
}
LEAST_SHARE = 0.25  # of the width, for the starts or for the rounds


def draw_search(panel: SearchPanel) -> Figure:
    """Draw the scores, of starts on the left and of rounds on the right, and the agreement of the starts below."""
    num_starts, num_rounds = len(panel.starts), len(panel.rounds)
    num_rows, num_columns = 1 + (panel.agreement is not None), 1 + (num_rounds > 0)
    share = float(np.clip(num_starts / (num_starts + num_rounds), LEAST_SHARE, 1 - LEAST_SHARE))
    figure = Figure(figsize=(WIDTH, 2.8 + 1.1 * (num_rows - 1)), layout="constrained")
    ratios = {"width_ratios": [share, 1 - share][:num_columns], "height_ratios": [2, 1][:num_rows]}
    grid = figure.subplots(num_rows, num_columns, squeeze=False, sharey="row", gridspec_kw=ratios)
    numbers = np.arange(1, num_starts + 1)
    _draw_scores(grid[0, 0], numbers, panel.starts, panel.chosen, {"color": LINES[0], "marker": "o", "linestyle": ""})
    grid[0, 0].set_ylabel(panel.unit)
    grid[-1, 0].set_xlabel("start")
    if num_rounds:
        _draw_scores(grid[0, 1], panel.rounds, panel.scores, panel.kept, {"color": LINES[2], "marker": "s"})
        grid[0, 1].set_xlabel("round")
    if panel.agreement is not None:
        below = grid[1, 0]
        below.bar(numbers, panel.agreement, color=LINES[0], width=0.5)
        below.set(ylabel="ARI", ylim=(min(0.0, float(panel.agreement.min())), 1))
        below.grid(visible=False, axis="x")
        _number(below, numbers)
        for axes in grid[1, 1:]:
            axes.remove()
    add_legend(figure, [Line2D([], [], **{**RING, "markersize": 10})], [_meaning(panel)])
    return figure


def _draw_scores(axes: Axes, numbers: np.ndarray, scores: np.ndarray, ringed: int | None, look: dict[str, Any]) -> None:
    """Draw scores by number, one of them with a ring."""
    axes.plot(numbers, scores, markersize=6, **look)
    if ringed is not None:
        axes.plot(numbers[numbers == ringed], scores[numbers == ringed], **RING)
    axes.margins(y=0.2)
    _number(axes, numbers)


def _number(axes: Axes, numbers: np.ndarray) -> None:
    """Number the x axis by whole numbers, with room for a mark at both ends."""
    axes.set_xlim(numbers[0] - 0.5, numbers[-1] + 0.5)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=8, min_n_ticks=1))


def _meaning(panel: SearchPanel) -> str:
    """Meaning of the ring."""
    if not len(panel.rounds):
        return "chosen start"
    return "chosen start, kept" if panel.kept is None else "chosen start, and kept round"
