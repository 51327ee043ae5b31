"""Pictures of a run, as PNG."""

import io
from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from mmcli.metrics import Metrics


def confusion_png(title: str, metrics: Metrics) -> bytes:
    """The confusion table (R classes x L labels) as a picture: a row is a class, shaded by its shares of the labels."""
    num_classes, num_labels = metrics.confusion.shape
    shares = metrics.confusion / metrics.confusion.sum(axis=1, keepdims=True)  # (R, L)
    # A Figure of its own, not pyplot: no display, no global state.
    figure = Figure(figsize=(2 + 0.45 * num_labels, 1.6 + 0.4 * num_classes), layout="constrained")
    axes = figure.add_subplot()
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    for row in range(num_classes):
        for column in range(num_labels):
            if items := metrics.confusion[row, column]:
                color = "white" if shares[row, column] > 0.5 else "black"
                axes.text(column, row, str(items), ha="center", va="center", fontsize=8, color=color)
    axes.set_xticks(range(num_labels), [str(label) for label in metrics.labels])
    axes.set_yticks(range(num_classes), [str(matched) for matched in metrics.classes])
    axes.set_xlabel("label")
    axes.set_ylabel("class")
    axes.set_title(f"{title}: ACC {metrics.acc:.3f}, ARI {metrics.ari:.3f}, NMI {metrics.nmi:.3f}", fontsize=10)
    return _png(figure)


def images_png(images: np.ndarray, titles: Sequence[str]) -> bytes:
    """Images (N, H, W) in a grid, gray, each with its title where there are titles."""
    num_columns = min(len(images), 10 if len(images) <= 100 else 20)
    num_rows = -(-len(images) // num_columns)
    figure = Figure(figsize=(0.8 * num_columns, (0.95 if titles else 0.8) * num_rows), layout="constrained")
    lowest, highest = min(images.min(), 0), max(images.max(), 1)  # pixels of [0, 1] look the same in every picture
    grid = figure.subplots(num_rows, num_columns, squeeze=False).ravel()
    for axes in grid:
        axes.set_axis_off()
    for axes, image in zip(grid, images, strict=False):
        axes.imshow(image, cmap="gray", vmin=lowest, vmax=highest)
    for axes, title in zip(grid, titles, strict=False):
        axes.set_title(title, fontsize=9)
    return _png(figure)


def _png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=120)
    return buffer.getvalue()
