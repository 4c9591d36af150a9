"""What an account held over time, as shares of its equity, cash included."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import plotly.graph_objects as go
import polars as pl

from core.plots import theme
from core.plots.equity import FloatArray, milliseconds

ROUNDING = 1e-9
PATTERNS = ("", "/", ".", "x")
FILL_OPACITY = 0.62


class WeightsLine(NamedTuple):
    """One symbol, several merged, or cash: shares of equity, NaN where nothing was left."""

    name: str
    values: FloatArray
    is_cash: bool


class WeightsInfo(NamedTuple):
    """What the chart says.

    Attributes:
        x: Milliseconds since 1970, shape (K,).
        lines: Symbols, heaviest first, then the others together, then cash.
        stacked: Whether areas add up to all of equity: nothing is short and nothing borrowed.
        intraday: Whether x carries a time of day.
    """

    x: FloatArray
    lines: tuple[WeightsLine, ...]
    stacked: bool
    intraday: bool


def weights_info(
    frame: pl.DataFrame,
    *,
    names: Sequence[str],
    weights: FloatArray,
    others: FloatArray,
    merged: int,
    cash: FloatArray,
    intraday: bool,
) -> WeightsInfo:
    """Gather the lines.

    Args:
        frame: `timestamp` and `session` of each row.
        names: Of the columns of `weights`, shape (K, N).
        weights: Shares of equity.
        others: Of the symbols without a name of their own.
        cash: Of what is left.
        merged: How many symbols `others` stands for; 0 leaves it out.
        intraday: Whether times carry a time of day.
    """
    lines = [
        WeightsLine(name, weights[:, place], is_cash=False) for place, name in enumerate(names)
    ]
    if merged:
        lines.append(WeightsLine(f"{merged} others", others, is_cash=False))
    lines.append(WeightsLine("Cash", cash, is_cash=True))
    lowest = min(float(np.nanmin(line.values, initial=0.0)) for line in lines)
    return WeightsInfo(
        x=milliseconds(frame, intraday=intraday),
        lines=tuple(lines),
        stacked=lowest >= -ROUNDING,
        intraday=intraday,
    )


def figure(info: WeightsInfo, *, height: int = 360) -> go.Figure:
    """Draw stacked areas that fill 100 %, or lines where something is short or borrowed."""
    chart = go.Figure()
    for place, line in enumerate(info.lines):
        pen = theme.stroke(place)
        colour = theme.GREY if line.is_cash else pen.color
        style: dict[str, object] = {"line": {"color": colour, "width": 1.5, "dash": pen.dash}}
        if line.is_cash:
            style = {"line": {"color": colour, "width": 1.5, "dash": "dot"}}
        if info.stacked:
            pattern = "" if line.is_cash else PATTERNS[place // len(theme.HUES) % len(PATTERNS)]
            style = {
                "line": {"color": colour, "width": 0.5},
                "stackgroup": "equity",
                "fillcolor": _translucent(colour, 0.25 if line.is_cash else FILL_OPACITY),
                "fillpattern": {"shape": pattern, "size": 6, "solidity": 0.25},
            }
        chart.add_scatter(
            x=info.x,
            y=line.values,
            name=line.name,
            mode="lines",
            hovertemplate="%{y:.1%}",
            **style,
        )
    chart.update_layout(
        **theme.layout(height=height),
        xaxis=theme.time_axis(intraday=info.intraday),
        yaxis=theme.value_axis(tickformat=".0%", **({"range": [0, 1]} if info.stacked else {})),
    )
    return chart


def _translucent(colour: str, opacity: float) -> str:
    red, green, blue = (int(colour[n : n + 2], 16) for n in (1, 3, 5))
    return f"rgba({red}, {green}, {blue}, {opacity})"
