"""Colours: legible on both backgrounds, and apart for readers who do not see all of them."""

from __future__ import annotations

import itertools
import math
import re
import tomllib
from pathlib import Path

import pytest

from core.plots import theme

ROOT = Path(__file__).parents[2]
CONFIG = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text("utf-8"))
STYLE = (ROOT / "ui" / "assets" / "style.css").read_text("utf-8")
VARIABLES = {
    name: (light, dark)
    for name, light, dark in re.findall(
        r"--wb-([\w-]+): light-dark\((#[0-9A-F]{6}), (#[0-9A-F]{6})\)", STYLE
    )
}
MODES = ("light", "dark")
TEXT = 4.5  # WCAG 2.2 AA, 1.4.3
MARK = 3.0  # 1.4.11

# Machado, Oliveira and Fernandes (2009), severity 1.0, on linear RGB.
BLINDNESS = {
    "none": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "protanopia": (
        (0.152286, 1.052583, -0.204868),
        (0.114503, 0.786281, 0.099216),
        (-0.003882, -0.048116, 1.051998),
    ),
    "deuteranopia": (
        (0.367322, 0.860646, -0.227968),
        (0.280085, 0.672501, 0.047413),
        (-0.011820, 0.042940, 0.968881),
    ),
    "tritanopia": (
        (1.255528, -0.076749, -0.178779),
        (-0.078411, 0.930809, 0.147602),
        (0.004733, 0.691367, 0.303900),
    ),
}


def linear(color):
    parts = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    return [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]


def luminance(color):
    return sum(w * part for w, part in zip((0.2126, 0.7152, 0.0722), linear(color), strict=True))


def contrast(one, other):
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def lab(color, kind):
    rgb = linear(color)
    seen = [
        min(1.0, max(0.0, sum(w * v for w, v in zip(row, rgb, strict=True))))
        for row in BLINDNESS[kind]
    ]
    rows = ((0.4124, 0.3576, 0.1805), (0.2126, 0.7152, 0.0722), (0.0193, 0.1192, 0.9505))
    xyz = [sum(w * v for w, v in zip(row, seen, strict=True)) for row in rows]
    x, y, z = (
        t ** (1 / 3) if t > 0.008856 else 7.787 * t + 16 / 116
        for t in (v / white for v, white in zip(xyz, (0.9505, 1, 1.089), strict=True))
    )
    return 116 * y - 16, 500 * (x - y), 200 * (y - z)


def apart(one, other, kind):
    return math.dist(lab(one, kind), lab(other, kind))


def background(mode, part="backgroundColor"):
    return CONFIG["theme"][mode][part]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    "color",
    [*theme.HUES, theme.GREY, theme.GAIN, theme.LOSS],
)
def test_marks_of_charts_stand_out_on_both_backgrounds(color, mode):
    assert contrast(color, background(mode)) >= MARK


@pytest.mark.parametrize("kind", BLINDNESS)
def test_hues_stay_apart_for_every_kind_of_colour_vision(kind):
    pairs = itertools.combinations(theme.HUES, 2)

    assert min(apart(one, other, kind) for one, other in pairs) >= 15
    assert apart(theme.GAIN, theme.LOSS, kind) >= 30


def test_twelve_series_all_differ():
    assert len({theme.stroke(index) for index in range(12)}) == 12


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", ["text", "muted", "accent", "gain", "loss", "warn"])
def test_text_is_legible_on_page_panel_and_side_bar(name, mode):
    place = MODES.index(mode)
    color = VARIABLES[name][place]

    assert contrast(color, background(mode)) >= TEXT
    assert contrast(color, VARIABLES["panel"][place]) >= TEXT
    assert contrast(color, CONFIG["theme"][mode]["sidebar"]["backgroundColor"]) >= TEXT


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", ["gain", "loss", "warn", "accent"])
def test_text_of_chips_is_legible_on_the_chip(name, mode):
    place = MODES.index(mode)

    assert contrast(VARIABLES[name][place], VARIABLES[f"{name}-soft"][place]) >= TEXT


@pytest.mark.parametrize("mode", MODES)
def test_text_of_the_heat_map_is_legible_on_its_strongest_cell(mode):
    from ui.components.months_table import STRONGEST

    place = MODES.index(mode)
    for side in ("gain", "loss"):
        strong, page = VARIABLES[f"heat-{side}"][place], background(mode)
        parts = [
            round(
                STRONGEST / 100 * int(strong[i : i + 2], 16)
                + (1 - STRONGEST / 100) * int(page[i : i + 2], 16)
            )
            for i in (1, 3, 5)
        ]
        cell = "#" + "".join(f"{part:02X}" for part in parts)
        assert contrast(VARIABLES["text"][place], cell) >= TEXT


@pytest.mark.parametrize("mode", MODES)
def test_streamlits_own_text_and_links_are_legible(mode):
    for name in ("textColor", "linkColor", "primaryColor"):
        assert contrast(CONFIG["theme"][mode][name], background(mode)) >= TEXT


def test_white_on_the_main_button_is_legible():
    button = re.search(r"background-color: light-dark\((#\w{6}), (#\w{6})\)", STYLE)

    assert button
    assert all(contrast("#FFFFFF", color) >= TEXT for color in button.groups())


def test_the_charts_of_streamlit_use_our_hues():
    colors = CONFIG["theme"]["chartCategoricalColors"]

    assert tuple(colors[:4]) == theme.HUES
    assert len(colors) == 10  # with any other number Plotly falls back to its own


def test_nothing_leaves_this_machine_by_configuration():
    assert CONFIG["browser"]["gatherUsageStats"] is False
    assert CONFIG["server"]["address"] == "127.0.0.1"
    assert "http" not in STYLE
