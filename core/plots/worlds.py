"""The winner of a search beside the winners of the same search where there is no edge."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import plotly.graph_objects as go

from core.plots import theme
from core.plots.equity import FloatArray


class WorldsInfo(NamedTuple):
    """What the chart says.

    Attributes:
        winners: Objective of the winner of each world that had one, ascending.
        winner: Of the real one.
        empty: Worlds in which nothing could win.
        label: Of the objective.
    """

    winners: FloatArray
    winner: float
    empty: int
    label: str


def worlds_info(winners: FloatArray, *, winner: float, label: str) -> WorldsInfo:
    """Gather the winners; NaN stands for a world in which nothing could win."""
    known = np.sort(winners[np.isfinite(winners)])
    return WorldsInfo(known, winner, len(winners) - len(known), label)


def figure(info: WorldsInfo, *, height: int = 150) -> go.Figure:
    """Draw each world as a mark on one line, and the real winner among them."""
    chart = go.Figure()
    chart.add_scatter(
        x=info.winners,
        y=np.zeros(len(info.winners)),
        name="Winners of worlds without edge",
        mode="markers",
        marker={
            "color": theme.GREY,
            "size": 16,
            "symbol": "line-ns",
            "line": {"width": 2.5, "color": theme.GREY},
        },
        hovertemplate=f"{info.label} %{{x:.3f}}<extra></extra>",
    )
    chart.add_scatter(
        x=[info.winner],
        y=[0.0],
        name="Winner on the real prices",
        mode="markers",
        marker={"color": theme.ORANGE, "size": 14, "symbol": "diamond"},
        hovertemplate=f"{info.label} %{{x:.3f}}<extra></extra>",
    )
    chart.update_layout(
        **theme.layout(height=height) | {"hovermode": "closest"},
        xaxis=theme.number_axis(f"{info.label} of the winner"),
        yaxis={"visible": False, "range": [-1, 1], "fixedrange": True},
    )
    return chart
