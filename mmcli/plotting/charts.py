"""A picture of what a data file holds, as PNG."""

import io
import warnings
from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure, SubFigure

from mmcli.ingest.panels import MAX_IMAGES, Panel
from mmcli.plotting.defaults import own_look

WIDTH = 8.0  # inches, as all here
IMAGE, ROW, AROUND = 0.62, 0.24, 1.0  # height of a row of images, of means, and of what is around them
MAX_COLUMNS = 800  # of means that are drawn; of more, the largest of neighbours


@own_look()
def overview_png(panels: Sequence[Panel]) -> bytes:
    """The panels, one above the other."""
    heights = [_height(panel) for panel in panels]
    figure = Figure(figsize=(WIDTH, sum(heights)), layout="constrained")
    parts = figure.subfigures(len(panels), 1, squeeze=False, height_ratios=heights).ravel()
    for part, panel in zip(parts, panels, strict=True):
        if panel.images is not None:
            _draw_images(part, panel)
        else:
            _draw_means(part, panel)
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")  # a label may be in any script
        figure.savefig(buffer, format="png", dpi=120)
    return buffer.getvalue()


def _height(panel: Panel) -> float:
    if panel.means is not None:
        return AROUND + ROW * len(panel.means)
    return 0.4 + IMAGE * sum(-(-len(images) // MAX_IMAGES) for images in panel.images or ())


def _draw_images(figure: SubFigure, panel: Panel) -> None:
    """A class a row; without labels, rows of images."""
    figure.suptitle(panel.title, fontsize=10)
    lines = [
        (name if start == 0 else "", images[start : start + MAX_IMAGES])
        for name, images in zip(panel.rows, panel.images or (), strict=True)
        for start in range(0, len(images), MAX_IMAGES)
    ]
    grid = figure.subplots(len(lines), MAX_IMAGES, squeeze=False)
    for axes in grid.flat:
        axes.set_axis_off()
    for row, (name, images) in zip(grid, lines, strict=True):
        for axes, image in zip(row, images, strict=False):
            axes.imshow(image.clip(0, 1), cmap="gray", vmin=0, vmax=1)
        row[0].text(-0.15, 0.5, name, transform=row[0].transAxes, ha="right", va="center", fontsize=8, parse_math=False)


def _draw_means(figure: SubFigure, panel: Panel) -> None:
    """A class a row, a column of the data a column, as a spectrogram is drawn."""
    means = _pooled(np.asarray(panel.means))
    axes = figure.subplots()
    positive = means.min() >= 0
    figure.suptitle(f"{panel.title}, {'square root of the mean' if positive else 'mean'}", fontsize=10)
    shades = np.sqrt(means) if positive else means  # the square root shows rare columns beside frequent ones
    width = np.asarray(panel.means).shape[1]
    image = axes.imshow(
        shades,
        aspect="auto",
        cmap="magma",
        interpolation="nearest",
        extent=(0, width, len(means), 0),
        vmin=0 if positive else None,
    )
    axes.set_yticks(np.arange(len(means)) + 0.5, list(panel.rows), fontsize=8, parse_math=False)
    axes.set_xlabel("column", fontsize=8)
    axes.tick_params(axis="x", labelsize=8)
    figure.colorbar(image, ax=axes, pad=0.01).ax.tick_params(labelsize=7)
    for number, block in enumerate(panel.blocks):
        left = number * width / len(panel.blocks)
        axes.axvline(left, color="white", linewidth=0.6)
        axes.text(left + width / len(panel.blocks) / 2, -0.15, block, ha="center", va="bottom", fontsize=8)


def _pooled(means: np.ndarray) -> np.ndarray:
    """Means (R, D) in no more than MAX_COLUMNS columns: of each group of neighbours, the largest."""
    group = -(-means.shape[1] // MAX_COLUMNS)
    padding = -means.shape[1] % group
    padded = np.pad(means, ((0, 0), (0, padding)), mode="edge")
    return padded.reshape(len(means), -1, group).max(axis=2)
