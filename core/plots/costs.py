"""Net profit against multiples of the costs a run paid."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import plotly.graph_objects as go

from core.plots import theme


class CostCurveInfo(NamedTuple):
    """What the chart says.

    Attributes:
        multiples: Of the costs paid, ascending from 0.
        net: Money left at each.
        breakeven: Multiple that leaves nothing; None where none within the chart does.
    """

    multiples: tuple[float, ...]
    net: tuple[float, ...]
    breakeven: float | None


def cost_curve_info(curve: Sequence[tuple[float, float]], breakeven: float | None) -> CostCurveInfo:
    """Gather the chart of a `CostBreakdown`."""
    multiples, net = tuple(k for k, _ in curve), tuple(money for _, money in curve)
    is_seen = breakeven is not None and breakeven <= multiples[-1]
    return CostCurveInfo(multiples, net, breakeven if is_seen else None)


def figure(info: CostCurveInfo, *, height: int = 300) -> go.Figure:
    """Draw the line, what was paid, and where nothing is left."""
    chart = go.Figure()
    chart.add_scatter(
        x=info.multiples,
        y=info.net,
        name="Net profit",
        mode="lines",
        line={"color": theme.STRATEGY, "width": 2},
        hovertemplate="%{y:,.0f}",
    )
    chart.add_scatter(
        x=[1.0],
        y=[info.net[info.multiples.index(1.0)]],
        name="As run",
        mode="markers",
        marker={"color": theme.STRATEGY, "size": 9},
        hoverinfo="skip",
    )
    if info.breakeven is not None:
        chart.add_scatter(
            x=[info.breakeven],
            y=[0.0],
            name=f"Break-even at {info.breakeven:.2f} times",
            mode="markers",
            marker={"color": theme.LOSS, "size": 9, "symbol": "diamond"},
            hoverinfo="skip",
        )
    chart.add_hline(y=0.0, line={"color": theme.BENCHMARK, "width": 1})
    chart.update_layout(
        **theme.layout(height=height),
        xaxis=theme.number_axis("Times the costs paid", dtick=0.5, ticksuffix=" x"),
        yaxis=theme.value_axis(tickformat="~s"),
    )
    return chart
