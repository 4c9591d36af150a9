"""Equity beside its benchmark, with the drawdown under it on the same time axis."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import plotly.graph_objects as go
import polars as pl

from core.plots import theme

FloatArray = npt.NDArray[np.float64]
EDGE = 0.05
LABEL_ROOM = 1.3
LEAST_FALL = 0.05  # what the axis shows where equity never fell


class EquityInfo(NamedTuple):
    """What the chart says.

    Attributes:
        x: Milliseconds since 1970: the session of daily bars, the opening time of shorter ones.
        equity, benchmark: Account currency, shape (T,).
        drawdown: Fraction below the running peak, at most 0.
        label: Name of the equity line.
        held: Name of the benchmark's line.
        trough: Row of the deepest drawdown, None when equity never fell.
        benchmark_return: Of the benchmark over the whole run, None when there are no bars.
        intraday: Whether x carries a time of day.
    """

    x: FloatArray
    equity: FloatArray
    benchmark: FloatArray
    drawdown: FloatArray
    label: str
    held: str
    trough: int | None
    benchmark_return: float | None
    intraday: bool


def equity_info(
    frame: pl.DataFrame,
    *,
    label: str,
    held: str = "buy and hold",
    initial_cash: float,
    intraday: bool,
) -> EquityInfo:
    """Gather the lines from an equity frame (`EQUITY_SCHEMA`), already thinned for drawing."""
    benchmark = frame["benchmark"].to_numpy()
    drawdown = frame["drawdown"].to_numpy()
    fell = len(drawdown) > 0 and bool(np.min(drawdown) < 0)
    return EquityInfo(
        x=milliseconds(frame, intraday=intraday),
        equity=frame["equity"].to_numpy(),
        benchmark=benchmark,
        drawdown=drawdown,
        label=label,
        held=held[:1].upper() + held[1:],
        trough=int(np.argmin(drawdown)) if fell else None,
        benchmark_return=float(benchmark[-1]) / initial_cash - 1 if len(benchmark) else None,
        intraday=intraday,
    )


def milliseconds(frame: pl.DataFrame, *, intraday: bool) -> FloatArray:
    """Give the times of a frame as milliseconds since 1970, as float64 (browsers have no int64)."""
    if intraday:
        return frame["timestamp"].dt.epoch("ms").to_numpy().astype(np.float64)
    days = frame["session"].cast(pl.Int32).to_numpy().astype(np.float64)
    return days * theme.MS_PER_DAY


def figure(info: EquityInfo, *, log: bool = False, height: int = 430) -> go.Figure:
    """Draw two panels over one time axis; `log` affects equity only."""
    lines = [
        go.Scatter(
            x=info.x,
            y=info.benchmark,
            name=info.held,
            line={"color": theme.BENCHMARK, "width": 1.25},
            hovertemplate="%{y:,.0f}",
        ),
        go.Scatter(
            x=info.x,
            y=info.equity,
            name=info.label,
            line={"color": theme.STRATEGY, "width": 1.75},
            hovertemplate="%{y:,.0f}",
        ),
        go.Scatter(
            x=info.x,
            y=info.drawdown,
            name="Drawdown",
            yaxis="y2",
            fill="tozeroy",
            fillcolor="rgba(210, 81, 43, 0.22)",
            line={"color": theme.LOSS, "width": 1},
            hovertemplate="%{y:.2%}",
            showlegend=False,
        ),
    ]
    chart = go.Figure(lines)
    chart.update_layout(
        **theme.layout(height=height),
        hoversubplots="axis",
        xaxis=theme.time_axis(intraday=info.intraday) | {"anchor": "y2", "domain": [0, 1]},
        yaxis=theme.value_axis(
            domain=[0.30, 1], type="log" if log else "linear", tickformat="~s", hoverformat=",.0f"
        ),
        yaxis2=theme.value_axis(domain=[0, 0.25], tickformat=".0%", nticks=6, **_room_below(info)),
    )
    if info.trough is not None:
        chart.add_annotation(
            x=float(info.x[info.trough]),
            xanchor=_away_from_edges(info.trough / len(info.x)),
            y=float(info.drawdown[info.trough]),
            yref="y2",
            text=f"{info.drawdown[info.trough]:.1%}".replace("-", "\u2212"),
            showarrow=False,
            yanchor="top",
            yshift=-1,
            font={"size": 11},
        )
    return chart


def _room_below(info: EquityInfo) -> dict[str, Any]:
    """Leave room for the number under the deepest point, where no line runs."""
    if info.trough is None:
        return {"range": [-LEAST_FALL, 0.0]}
    return {"range": [float(info.drawdown[info.trough]) * LABEL_ROOM, 0.0]}


def _away_from_edges(place: float) -> str:
    """Which side of a label to fix so that it stays inside; `place` runs from 0 to 1."""
    if place > 1 - EDGE:
        return "right"
    return "left" if place < EDGE else "center"
