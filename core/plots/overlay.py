"""Equity of several runs, rebased to 100 at their common start, and their drawdowns beneath."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import plotly.graph_objects as go
import polars as pl

from core.plots import theme
from core.plots.equity import FloatArray


class OverlayLine(NamedTuple):
    """One run: `rebased` is 100 at the start, `drawdown` a fraction of the peak, at most 0."""

    name: str
    x: FloatArray
    rebased: FloatArray
    drawdown: FloatArray
    stroke: theme.Stroke


class OverlayInfo(NamedTuple):
    """What the chart says: up to twelve lines."""

    lines: tuple[OverlayLine, ...]
    intraday: bool


def overlay_info(frame: pl.DataFrame, names: Mapping[str, str], *, intraday: bool) -> OverlayInfo:
    """Gather the lines of a comparison.

    Args:
        frame: `timestamp` and one column per run, rebased and thinned; null before a run begins and
            after it ends. A column of nulls only gives a line without points.
        names: Column to the name shown, in the order of the strokes.
        intraday: Whether times carry a time of day.
    """
    lines = []
    for index, (column, name) in enumerate(names.items()):
        shown = frame.select("timestamp", pl.col(column).alias("rebased")).drop_nulls()
        rebased = shown["rebased"].cast(pl.Float64).to_numpy()
        lines.append(
            OverlayLine(
                name=name,
                x=shown["timestamp"].dt.epoch("ms").to_numpy().astype(np.float64),
                rebased=rebased,
                drawdown=rebased / np.maximum.accumulate(rebased) - 1,
                stroke=theme.stroke(index),
            )
        )
    return OverlayInfo(tuple(lines), intraday)


def figure(info: OverlayInfo, *, log: bool = False, height: int = 460) -> go.Figure:
    """Draw both panels over one time axis; `log` affects the upper one only."""
    chart = go.Figure()
    for line in info.lines:
        pen = {"color": line.stroke.color, "dash": line.stroke.dash}
        chart.add_scatter(
            x=line.x,
            y=line.rebased,
            name=line.name,
            legendgroup=line.name,
            line={**pen, "width": 1.75},
            hovertemplate="%{y:,.1f}",
        )
        chart.add_scatter(
            x=line.x,
            y=line.drawdown,
            name=line.name,
            legendgroup=line.name,
            showlegend=False,
            yaxis="y2",
            line={**pen, "width": 1.25},
            hovertemplate="%{y:.2%}",
        )
    chart.update_layout(
        **theme.layout(height=height),
        xaxis=theme.time_axis(intraday=info.intraday) | {"anchor": "y2"},
        yaxis=theme.value_axis(domain=[0.34, 1], type="log" if log else "linear"),
        yaxis2=theme.value_axis(domain=[0, 0.28], tickformat=".0%", nticks=4, rangemode="tozero"),
    )
    return chart
