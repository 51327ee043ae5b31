"""A finished run as one piece of HTML for a notebook: graph, measures, confusion tables."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from mmcli.config.graph import Graph
from mmcli.data.labels import Labels
from mmcli.plotting.draw import draw
from mmcli.report.confusion import confusion_panel
from mmcli.report.course import graph_section, results
from mmcli.report.page import render
from mmcli.runs import metrics
from mmcli.runs.history import HistoryLine


def summary_html(
    title: str,
    graph: Graph,
    widths: Mapping[str, int],
    history: Mapping[str, Sequence[HistoryLine]],
    classes: Mapping[str, tuple[NDArray[np.int64], Labels]],
    problem: str,
) -> str:
    """HTML without scripts, whose figures are in it.

    Args:
        title: of the run.
        graph: its modules.
        widths: columns by observation.
        history: lines by module that learns, one or more each.
        classes: (N,) classes and the labels that measure them, by module.
        problem: the reason why labels are left out, or empty.
    """
    panels = [*graph_section(graph, widths).panels]
    panels += [confusion_panel(name, metrics.evaluate(found, labels)) for name, (found, labels) in classes.items()]
    figures = [(panel, draw(panel)) for panel in panels]
    return render("summary.html.j2", title=title, table=results(history, graph), figures=figures, problem=problem)
