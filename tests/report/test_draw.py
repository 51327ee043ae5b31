"""Figures: odd ones, the same bytes each time, colours that can be told from the paper."""

import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest

from mmcli.plotting import style
from mmcli.plotting.draw import draw
from mmcli.plotting.draw_graph import layout
from mmcli.plotting.panels import Box, Counts, Curves, Line, Pictures, Scatter, Strip


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
        Pictures("few", "t", "a", "n", (Strip("", np.zeros((1, 2, 2))), Strip("h", np.ones((3, 2, 2)), ("a",) * 3))),
    ],
    ids=lambda panel: panel.name,
)
def test_odd_figures_are_drawn_and_the_same_each_time(panel):
    first, second = draw(panel), draw(panel)

    assert first == second
    assert first.width >= 460
    ET.fromstring(first.svg)


def brightness(color: str) -> float:
    """Relative luminance, WCAG 2.2."""
    channels = (int(color[place : place + 2], 16) / 255 for place in (1, 3, 5))
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(color: str, other: str) -> float:
    dark, light = sorted((brightness(color), brightness(other)))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("paper", ["#ffffff", "#1b2027"])
def test_lines_stand_out_from_light_and_dark_paper(paper):
    assert min(contrast(color, paper) for color in style.LINES) > 3


def test_text_stands_out_from_light_and_dark_paper(page, reported):
    html = (reported / "report.html").read_text()
    light, dark = (dict(re.findall(r"--(\w+(?:-\w+)?): (#\w{6})", rules)) for rules in re.findall(r":root {.*}", html))

    for colors in (light, dark):
        for ink, paper in [(i, p) for i in ("ink", "soft", "link") for p in ("paper", "page")] + [("ink", "warn")]:
            assert contrast(colors[ink], colors[paper]) > 4.5, (ink, paper)
    assert page.all("img")[0]["src"].count(f"--ink:{dark['ink']}".replace("#", "%23")) == 1  # as in the figures


def test_an_arrow_past_a_layer_has_a_place_in_it():
    parents = {"a": (), "b": ("a",), "c": ("b",), "d": ("c", "a")}

    slots, routes = layout([Box(name, "x", heard, ("",) * len(heard), ()) for name, heard in parents.items()])

    assert [len(row) for row in slots] == [1, 2, 2, 1]
    assert routes["a", "d"] == ["a", ("a", "d", 1), ("a", "d", 2), "d"]
    assert routes["c", "d"] == ["c", "d"]
