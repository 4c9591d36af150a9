"""One look for every chart.

Colours of marks are mid-tones that reach a contrast of 3 on the light and on the dark background
alike, so a figure needs no knowledge of the reader's theme. Text and axes are coloured by the page.
The four hues stay apart under deuteranopia, protanopia and tritanopia (tests/ui/test_theme.py);
more than four series are told apart by dash as well.
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

BLUE = "#3478D6"
ORANGE = "#D9730D"
TEAL = "#0E9F8E"
MAGENTA = "#B0489F"
GREY = "#8C8C94"

HUES = (BLUE, ORANGE, TEAL, MAGENTA)
DASHES: tuple[Dash, ...] = ("solid", "dash", "dot")

STRATEGY = BLUE
BENCHMARK = GREY
GAIN = "#0F8F78"
LOSS = "#D2512B"

MANY_MARKS = 2_000
CHOSEN = "The trial to take"
MS_PER_DAY = 86_400_000

Dash = Literal["solid", "dash", "dot"]


class Stroke(NamedTuple):
    """How one of several lines is drawn."""

    color: str
    dash: Dash


def stroke(index: int) -> Stroke:
    """Give the stroke of the n-th series: twelve differ, then they repeat."""
    return Stroke(HUES[index % len(HUES)], DASHES[index // len(HUES) % len(DASHES)])


def faded(color: str, opacity: float) -> str:
    """Give a colour `#RRGGBB` with an opacity from 0 to 1."""
    red, green, blue = (int(color[n : n + 2], 16) for n in (1, 3, 5))
    return f"rgba({red}, {green}, {blue}, {opacity:.3g})"


def layout(*, height: int) -> dict[str, Any]:
    """Layout every figure starts from: no title, thin margins, one hover label for all lines."""
    return {
        "height": height,
        "margin": {"l": 8, "r": 8, "t": 0, "b": 8},
        "showlegend": True,
        "legend": {
            "orientation": "h",
            "x": 0,
            "y": 1.0,
            "xanchor": "left",
            "yanchor": "bottom",
            "title": {"text": ""},
            "font": {"size": 12},
        },
        "hovermode": "x unified",
        "hoverlabel": {"font": {"size": 12}, "namelength": -1},
        "dragmode": "zoom",
        "font": {"size": 12},
    }


def time_axis(*, intraday: bool) -> dict[str, Any]:
    """Axis of time: sessions for daily bars, UTC minutes for shorter ones."""
    return {
        "type": "date",
        "showgrid": False,
        "ticks": "outside",
        "ticklen": 4,
        "automargin": True,
        "hoverformat": "%d %b %Y %H:%M UTC" if intraday else "%a %d %b %Y",
        "title": {"text": "", "standoff": 0},
    }


def number_axis(title: str, **extra: Any) -> dict[str, Any]:
    """Axis of numbers along the bottom: marked, without lines across the picture."""
    return {
        "title": {"text": title, "standoff": 10},
        "showgrid": False,
        "zeroline": False,
        "ticks": "outside",
        "automargin": True,
    } | extra


def value_axis(title: str = "", /, **extra: Any) -> dict[str, Any]:
    """Axis of values, labelled on the right where the line ends."""
    return {
        "side": "right",
        "zeroline": False,
        "showgrid": True,
        "automargin": True,
        "title": {"text": title, "standoff": 14 if title else 0},
        "nticks": 6,
    } | extra


def mark_chosen(chart: Any, at: tuple[Any, Any] | None, **extra: Any) -> None:
    """Mark the trial to take in a chart of trials.

    Args:
        chart: A figure.
        at: Where it lies, across and up; None where it is not in the picture.
        extra: More of the trace, or in place of what is usual.
    """
    if at is None:
        return
    marker = {"color": ORANGE, "size": 12, "symbol": "diamond"}
    usual = {"name": CHOSEN, "mode": "markers", "marker": marker, "hoverinfo": "skip"}
    chart.add_scatter(x=[at[0]], y=[at[1]], **usual | extra)


CONFIG: dict[str, Any] = {
    "displaylogo": False,
    "displayModeBar": "hover",
    "modeBarButtonsToRemove": ["select2d", "lasso2d", "autoScale2d"],
    "toImageButtonOptions": {"format": "png", "scale": 2},
}
