"""What an account held over time, as shares of its equity, cash included."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
import plotly.graph_objects as go
import polars as pl

from core.plots import theme
from core.plots.equity import FloatArray, milliseconds

ROUNDING = 1e-9
PATTERNS = ("", "/", ".", "x")
FILL_OPACITY, CASH_OPACITY = 0.62, 0.22


Kind = Literal["symbol", "others", "cash"]


class WeightsLine(NamedTuple):
    """One symbol, several merged, or cash: shares of equity, NaN where nothing was left."""

    name: str
    values: FloatArray
    kind: Kind


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
    lines = [WeightsLine(name, weights[:, n], "symbol") for n, name in enumerate(names)]
    if merged:
        lines.append(WeightsLine(f"{merged} others", others, "others"))
    lines.append(WeightsLine("Cash", cash, "cash"))
    lowest = min(float(np.nanmin(line.values, initial=0.0)) for line in lines)
    return WeightsInfo(
        x=milliseconds(frame, intraday=intraday),
        lines=tuple(lines),
        stacked=lowest >= -ROUNDING,
        intraday=intraday,
    )


def figure(info: WeightsInfo, *, height: int = 360) -> go.Figure:
    """Draw stacked areas that fill 100%, or lines where something is short or borrowed."""
    chart = go.Figure()
    for place, line in enumerate(info.lines):
        style = _area(line, place) if info.stacked else _line(line, place)
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


def _area(line: WeightsLine, place: int) -> dict[str, object]:
    colour, shape, opacity = theme.GREY, "", CASH_OPACITY
    if line.kind == "others":
        shape, opacity = "/", FILL_OPACITY
    elif line.kind == "symbol":
        colour, opacity = theme.stroke(place).color, FILL_OPACITY
        shape = PATTERNS[place // len(theme.HUES) % len(PATTERNS)]
    return {
        "line": {"color": colour, "width": 0.5},
        "stackgroup": "equity",
        "fillcolor": theme.faded(colour, opacity),
        "fillpattern": {"shape": shape, "size": 6, "solidity": 0.25},
    }


def _line(line: WeightsLine, place: int) -> dict[str, object]:
    pen = theme.stroke(place)
    if line.kind != "symbol":
        pen = theme.Stroke(theme.GREY, "dot" if line.kind == "cash" else "solid")
    return {"line": {"color": pen.color, "width": 1.5, "dash": pen.dash}}
