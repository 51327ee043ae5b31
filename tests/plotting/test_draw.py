"""Figures: odd ones, the same bytes each time, colours that can be told from the paper."""

import io
import xml.etree.ElementTree as ET
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from contrast import contrast
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch
from matplotlib.text import Text
from PIL import Image

from mmcli.plotting import style
from mmcli.plotting.draw import draw, picture, stacked
from mmcli.plotting.draw_graph import draw_graph, layout
from mmcli.plotting.draw_search import draw_search
from mmcli.plotting.panels import (
    Box,
    Counts,
    CurveGrid,
    Curves,
    GraphPanel,
    Line,
    Pictures,
    Scatter,
    SearchPanel,
    Spectra,
    Strip,
)


def search(num_starts: int, **changes) -> SearchPanel:
    nothing = {"agreement": None, "rounds": np.zeros(0, int), "scores": np.zeros(0), "kept": None}
    return SearchPanel(
        *(f"search-{num_starts}", "t", "a", "n", np.linspace(0, 1, num_starts), num_starts),
        **{**nothing, **changes},
        unit="nats",
    )


@pytest.mark.parametrize(
    "panel",
    [
        Curves("one", "t", "a", "n", (Line("x", np.array([1]), np.array([-3e6])),), "round", "nats"),
        Counts("wide", "t", "a", "n", np.eye(60, dtype=int), ("r",) * 60, ("c",) * 60, "class", "label"),
        Counts("empty", "t", "a", "n", np.zeros((2, 2), int), ("r",) * 2, ("c",) * 2, "class", "label"),
        Scatter(
            "many",
            "t",
            "a",
            "n",
            np.random.default_rng(0).normal(size=(99, 2)),
            np.arange(-9, 90),
            {group: f"$_{group}" for group in range(-9, 90)},
            "x",
            "y",
        ),
        search(40, agreement=np.linspace(-0.1, 1, 40)),
        search(2, rounds=np.array([2, 3]), scores=np.array([0.5, np.nan]), kept=2),
        Spectra("wide", "t", "a", "n", np.arange(6000.0).reshape(2, 3000) - 9, ("r$",) * 2, "mean", ("b", "c")),
        Pictures("few", "t", "a", "n", (Strip("", np.zeros((1, 2, 2))), Strip("h", np.ones((3, 2, 2)), ("a",) * 3))),
    ],
    ids=lambda panel: panel.name,
)
def test_odd_figures_are_drawn_and_the_same_each_time(panel):
    first, second = draw(panel), draw(panel)

    assert first == second
    assert first.width >= 460
    ET.fromstring(first.svg)


@pytest.mark.parametrize("paper", ["#ffffff", "#1b2027"])
def test_lines_stand_out_from_light_and_dark_paper(paper):
    assert min(contrast(color, paper) for color in style.LINES) > 3


def test_an_arrow_past_a_layer_has_a_place_in_it():
    parents = {"a": (), "b": ("a",), "c": ("b",), "d": ("c", "a")}

    slots, routes = layout([Box(name, "x", heard, ("",) * len(heard), ()) for name, heard in parents.items()])

    assert [len(row) for row in slots] == [1, 2, 2, 1]
    assert routes["a", "d"] == ["a", ("a", "d", 1), ("a", "d", 2), "d"]
    assert routes["c", "d"] == ["c", "d"]


def test_a_target_has_a_dashed_arrow_and_stands_above():
    boxes = (
        Box("x", "observation", (), (), ()),
        Box("y", "observation", (), (), ()),
        Box("m", "a", ("x",), ("3 points",), (False,)),
        Box("n", "b", ("m",), ("2 points", "target, 1 points"), (True,), ("y",)),
    )

    slots, routes = layout(boxes)
    figure = draw_graph(GraphPanel("graph", "", "", "", boxes))

    assert any({*row} == {"m", "y"} for row in slots)
    assert routes["y", "n"] == ["y", "n"]
    (axes,) = figure.axes
    dashed = [patch.get_linestyle() != "-" for patch in axes.patches if isinstance(patch, FancyArrowPatch)]
    assert dashed == [False, False, True, True]  # x to m, m to n and back, y to n
    assert "target, 1 points" in [text.get_text() for text in axes.texts]


def test_rings_are_around_what_was_chosen_and_kept():
    panel = search(3, agreement=np.array([0.5, 0.75, 1]), rounds=np.array([2, 3]), scores=np.array([2.0, 1.0]), kept=2)

    figure = draw_search(panel)

    starts, rounds, agreement = figure.axes
    assert [tuple(axes.lines[1].get_xydata()[0]) for axes in (starts, rounds)] == [(3, 1), (2, 2)]
    assert [bar.get_height() for bar in agreement.patches] == [0.5, 0.75, 1]
    assert [text.get_text() for text in figure.legends[0].texts] == ["chosen start, and kept round"]
    alone = draw_search(replace(panel, agreement=None, kept=None))
    assert len(alone.axes) == 2
    assert len(alone.axes[1].lines) == 1
    assert [text.get_text() for text in alone.legends[0].texts] == ["chosen start, kept"]


@pytest.fixture
def figures(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """Every figure that is saved."""
    saved: list[Figure] = []
    save = Figure.savefig

    def remember(figure, *arguments, **options):
        saved.append(figure)
        save(figure, *arguments, **options)

    monkeypatch.setattr(Figure, "savefig", remember)
    return saved


def curves(*lines: Line) -> Curves:
    return Curves("acc-gmm", "gmm", "a", "", lines, "round", "ACC")


def size(png: bytes) -> tuple[int, int]:
    with Image.open(io.BytesIO(png)) as image:
        return image.size


def test_a_picture_stands_under_its_title_and_its_note(figures):
    note = " ".join(f"word{number}" for number in range(30))
    panel = Counts("c", "$a_title", "a", note, np.eye(3, dtype=int), ("r",) * 3, ("c",) * 3, "class", "label")

    alone, bare = picture(panel), draw(panel).png

    *lines, title = figures[0].texts  # from the last line of the note up to the title
    assert " ".join(line.get_text() for line in reversed(lines)) == note
    assert (title.get_text(), title.get_parse_math()) == ("$a_title", False)
    assert size(alone)[1] > size(bare)[1]
    heights = [text.get_position()[1] for text in figures[0].texts]
    assert heights == sorted(heights)
    assert min(heights) > 1


def test_pictures_one_above_the_other_are_as_high_as_both_and_as_wide_as_the_wider():
    low = Pictures("low", "t", "a", "", (Strip("", np.zeros((2, 4, 4))),), places=2)
    high = Pictures("high", "t", "a", "", (Strip("", np.zeros((20, 4, 4))), Strip("", np.zeros((20, 4, 4)))))

    whole = stacked([low, high])

    (width, height), (other_width, other_height) = size(picture(low)), size(picture(high))
    assert size(whole) == (max(width, other_width), height + other_height)


def test_forty_lines_look_different_and_so_do_the_first_five_without_markers():
    looks = [style.line_look(index) for index in range(style.NUM_LINES)]

    assert len({tuple(look.values()) for look in looks}) == style.NUM_LINES
    assert len({(look["color"], look["linestyle"]) for look in looks[:20]}) == 20


def test_a_legend_of_long_names_takes_fewer_columns_and_is_not_cut(figures):
    names = [f"{module}{own}" for module in ("agent_a", "agent_b") for own in ("", ", own inputs")] + ["sign"]

    draw(curves(*(Line(name, np.arange(2), np.arange(2) / 9) for name in names)))

    legend = figures[0].legends[0].get_window_extent()
    assert legend.x0 >= 0
    assert legend.x1 <= figures[0].bbox.x1


def test_panes_share_their_axes_and_a_legend_of_their_lines(figures):
    x = np.arange(1, 4)
    first = Line("_a", x, x / 4, x / 5, x / 3)
    panes = (curves(first, Line("b$", x, x / 9)), curves(first, Line("b$", x[:0], x[:0])))

    picture(CurveGrid("acc", "ACC", "a", "", panes))

    left, right = figures[0].axes
    assert left.get_shared_y_axes().joined(left, right)
    assert [len(axes.lines) for axes in (left, right)] == [2, 2]
    (band,) = left.collections
    assert band.get_datalim(left.transData).intervaly.tolist() == [1 / 5, 1]
    assert [text.get_text() for text in figures[0].legends[0].get_texts()] == ["_a", "b$"]
    assert (left.get_ylabel(), right.get_ylabel()) == ("ACC", "")


def test_a_picture_keeps_its_proportions(figures):
    draw(Pictures("p", "t", "a", "n", (Strip("", np.zeros((1, 2, 4, 3)), name="blue"),)))

    (axes,) = figures[0].axes
    (image,) = axes.images
    left, right, bottom, top = image.get_extent()
    assert (right - left) / (bottom - top) == 2
    assert "blue" in [text.get_text() for text in axes.texts]


def test_colors_beyond_their_range_are_drawn_as_its_ends(caplog):
    colors = np.linspace(-1, 2, 24).reshape(1, 2, 4, 3)  # as a gaussian output may rebuild them

    beyond, inside = (
        picture(Pictures("p", "t", "a", "n", (Strip("", pictures),))) for pictures in (colors, np.clip(colors, 0, 1))
    )

    assert beyond == inside
    assert not caplog.records


def test_of_many_columns_the_largest_of_neighbours_is_drawn(figures):
    values = np.zeros((1, 2000))
    values[0, [5, 1999]] = 7

    draw(Spectra("s", "t", "a", "n", values, ("r",), "mean"))

    shades = np.asarray(figures[0].axes[0].images[0].get_array())
    assert shades.shape == (1, 667)
    assert np.flatnonzero(shades[0]).tolist() == [1, 666]


def test_names_of_classes_mean_nothing_to_matplotlib(figures):
    names = ("$a_b", "_c")
    labelled = (
        Counts("c", "t", "a", "n", np.eye(2, dtype=int), names, names, "class", "label"),
        Scatter("s", "t", "a", "n", np.eye(2), np.arange(2), dict(enumerate(names)), "x", "y"),
        Spectra("v", "t", "a", "n", np.eye(2), names, "mean"),
        Pictures("p", "t", "a", "n", tuple(Strip(name, np.zeros((1, 2, 2)), (name,), name) for name in names)),
        curves(*(Line(name, np.arange(2), np.arange(2)) for name in names)),
    )
    for panel in labelled:
        picture(panel)

    for panel, figure in zip(labelled, figures, strict=True):
        texts = [text for text in figure.findobj(Text) if text.get_text() in names]
        assert {text.get_text() for text in texts} == set(names), panel.name
        assert not any(text.get_parse_math() for text in texts), panel.name


def test_a_table_is_named_and_written_up_to_a_number_of_classes(figures):
    for side in (40, 41):
        names = tuple(map(str, range(side)))
        picture(Counts("c", "t", "a", "n", np.eye(side, dtype=int), names, names, "class", "label", max_named=40))

    written, shaded = figures
    assert [len(figure.axes[0].texts) for figure in figures] == [40, 0]
    assert written.axes[0].get_yticklabels()[-1].get_text() == "39"
    assert shaded.get_figwidth() < written.get_figwidth()


def test_long_names_under_pictures_stand_beside_each_other_in_lines(figures):
    texts = ("unmatched-12 (automobile)", "cat", "a" * 40)
    draw(Pictures("p", "t", "a", "n", (Strip("", np.zeros((3, 2, 2)), texts),)))

    (figure, _) = figures
    captions, renderer = figure.axes[0].texts, FigureCanvasAgg(figure).get_renderer()
    assert [len(text.get_text().split("\n")) for text in captions] == [2, 1, 2]
    assert captions[2].get_text().replace("\n", "") == f"{'a' * 21}..."
    boxes = [text.get_window_extent(renderer) for text in captions]
    assert all(left.x1 <= right.x0 for left, right in pairwise(boxes))
    assert min(box.y0 for box in boxes) >= 0
