"""Look of figures, and their conversion to files.

Figures are narrow, so that their text is readable where a phone shows them whole. They are drawn on white; for a page,
the colours of paper, ink and grid become variables, to which a style sheet assigns a light and a dark value.
"""

import io
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Literal, NamedTuple, TypeAlias

from matplotlib.artist import Artist
from matplotlib.figure import Figure

from mmcli.plotting.defaults import own_look

WIDTH = 4.8  # inches
PAPER, INK, GRID = "#ffffff", "#1c2128", "#c4c9d1"
STRONG = "#08519c"  # a full cell of a table
# Okabe and Ito (2008), those that stand out by 3 to 1 or more from light and dark paper.
LINES = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#717581")
# Petroff (2021), arXiv:2107.02270: ten colours distinguishable with every kind of colour vision.
COLORS = (
    *("#3f90da", "#ffa90e", "#bd1f01", "#94a4a2", "#832db6"),
    *("#a96b59", "#e76300", "#b9ac70", "#717581", "#92dadd"),
)
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "*")
STROKES = ("-", "--", ":", "-.")
NUM_LINES = 40  # lines that all look different

Format: TypeAlias = Literal["png", "svg"]

_RC: dict[Any, Any] = {
    "axes.edgecolor": INK,
    "axes.facecolor": PAPER,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.labelcolor": INK,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "figure.facecolor": PAPER,
    "font.family": ["sans-serif"],
    "font.size": 11,
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "svg.fonttype": "none",
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
}
_DARK = {PAPER: ("paper", "#1b2027"), INK: ("ink", "#e3e7ec"), GRID: ("grid", "#46505c")}
_PAGE_STYLE = (
    f"<style>:root{{{';'.join(f'--{name}:{light}' for light, (name, _) in _DARK.items())}}}"
    f"@media(prefers-color-scheme:dark){{:root{{{';'.join(f'--{name}:{dark}' for name, dark in _DARK.values())}}}}}"
    "</style>"
)


class Files(NamedTuple):
    """A figure in all its file formats."""

    png: bytes
    svg: str
    page_svg: str  # light and dark, by the reader's preference
    width: int  # CSS pixels
    height: int


@contextmanager
def look(name: str) -> Iterator[None]:
    """Make and save figures in the style of a report; the same figure of a name gives the same bytes."""
    with own_look({**_RC, "svg.hashsalt": name}):
        yield


def line_look(index: int) -> dict[str, Any]:
    """Color, stroke and marker of line number `index`; NUM_LINES consecutive ones differ."""
    return {
        "color": LINES[index % len(LINES)],
        "linestyle": STROKES[index // len(LINES) % len(STROKES)],
        # Color and stroke repeat after 20 lines, the marker after 10: shifted by one then.
        "marker": MARKERS[(index + index // (len(LINES) * len(STROKES))) % len(MARKERS)],
    }


def add_legend(figure: Figure, handles: Sequence[Artist], names: Sequence[str], **options: Any) -> None:
    """Name lines or marks below the axes."""
    # Names are set afterwards: a legend omits one that begins with _, and parses $ as mathematics.
    legend = figure.legend(handles, ["-"] * len(names), loc="outside lower center", **options)
    for text, name in zip(legend.get_texts(), names, strict=True):
        text.set_parse_math(False)
        text.set_text(name)


def encoded(figure: Figure, file_format: Format, **options: Any) -> bytes:
    """Encode a figure as a file; to be called within `look`."""
    of_format: dict[Format, dict[str, Any]] = {
        "png": {"dpi": 160},
        "svg": {"dpi": 120, "metadata": dict.fromkeys(("Creator", "Date", "Format", "Type"))},
    }
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")  # a name may be in a script that the font lacks
        figure.savefig(buffer, format=file_format, **of_format[file_format], **options)
    return buffer.getvalue()


def save(figure: Figure) -> Files:
    """Encode all forms of a figure; to be called within `look`."""
    text = encoded(figure, "svg").decode()
    figure.set_layout_engine("none")  # the layout is computed already; doing it again takes a third of the time
    png = encoded(figure, "png")
    page = text[text.index("<svg") :]  # a page needs no XML declaration
    for light, (name, _) in _DARK.items():
        page = page.replace(light, f"var(--{name})")
    start = page.index("<defs>")
    width, height = (round(96 * inches) for inches in figure.get_size_inches())
    return Files(png, text, f"{page[:start]}{_PAGE_STYLE}{page[start:]}", width, height)
