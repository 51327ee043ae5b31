"""Pictures of a run, as PNG."""

import io

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
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=120)
    return buffer.getvalue()
