"""Confusion table of a module, for a page and as a stand-alone picture."""

from dataclasses import replace

from mmcli.plotting.draw import picture
from mmcli.plotting.panels import Counts
from mmcli.runs.metrics import Metrics

MAX_CELLS = 100  # classes or labels named in a stand-alone picture


def confusion_panel(name: str, measure: Metrics) -> Counts:
    """Panel of a module's classes by labels."""
    figures = f"ACC {measure.acc:.3f}, ARI {measure.ari:.3f}, NMI {measure.nmi:.3f}"
    left = f" {measure.num_unlabelled:,} items without a label are left out." if measure.num_unlabelled else ""
    return Counts(
        name=f"confusion-{name}",
        title=f"{name}: classes by labels",
        alt=f"Confusion table of {name}, {len(measure.classes)} classes by {len(measure.labels)} labels: {figures}.",
        note=f"{figures}. Items of each class and label, shaded by their share of the class.{left}",
        counts=measure.confusion,
        rows=measure.class_names,
        columns=measure.label_names,
        row_label="class",
        column_label="label",
    )


def confusion_png(name: str, measure: Metrics) -> bytes:
    """PNG of the same panel under its title, with room for the names of more classes."""
    return picture(replace(confusion_panel(name, measure), max_named=MAX_CELLS))
