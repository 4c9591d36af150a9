"""The Sharpe ratios of all trials, what luck alone gives the best of so many, and the winner."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import plotly.graph_objects as go

from core.plots import theme
from core.plots.equity import FloatArray

MOST_BARS = 50
FEWEST_BARS = 8
AIR = 0.03
FEW_COUNTS = 6
"""Below these an axis would show halves of trials."""


class LuckInfo(NamedTuple):
    """What the chart says; ratios are annualised.

    Attributes:
        edges: Of the bars, shape (B + 1,).
        counts: Trials in each, shape (B,).
        luck: Greatest ratio expected of as many trials without skill; None where not known.
        luck_effective: The same of as many trials as these count for.
        winner: Of the trial to take; None for none.
        trials: How many are counted.
    """

    edges: FloatArray
    counts: FloatArray
    luck: float | None
    luck_effective: float | None
    winner: float | None
    trials: int


def luck_info(
    sharpes: FloatArray,
    *,
    winner: float | None,
    luck: float | None,
    luck_effective: float | None = None,
) -> LuckInfo:
    """Count trials by their ratio; those without one are left out."""
    known = sharpes[np.isfinite(sharpes)]
    bars = int(np.clip(np.sqrt(len(known)), FEWEST_BARS, MOST_BARS)) if len(known) else FEWEST_BARS
    counts, edges = np.histogram(known, bins=bars)
    return LuckInfo(
        edges, counts.astype(np.float64), luck, luck_effective, winner, len(known)
    )  # fmt: skip


def figure(info: LuckInfo, *, height: int = 300) -> go.Figure:
    """Draw the histogram and upright lines for luck and for the winner."""
    chart = go.Figure()
    middles = (info.edges[1:] + info.edges[:-1]) / 2
    chart.add_bar(
        x=middles,
        y=info.counts,
        width=(info.edges[1:] - info.edges[:-1]) * 0.94,
        name="Trials",
        marker={"color": theme.faded(theme.GREY, 0.75), "line": {"width": 0}},
        hovertemplate="Sharpe about %{x:.2f}: %{y} trials<extra></extra>",
    )
    marks = [at for at in (info.luck_effective, info.luck, info.winner) if at is not None]
    ends = (min([float(info.edges[0]), *marks]), max([float(info.edges[-1]), *marks]))
    room = AIR * (ends[1] - ends[0])
    top = float(info.counts.max(initial=1.0)) * 1.06
    lines = (
        (info.luck_effective, "Best by luck, effective trials", theme.LOSS, "dot"),
        (info.luck, "Best by luck, all trials", theme.LOSS, "dash"),
        (info.winner, theme.CHOSEN, theme.BLUE, "solid"),
    )
    for at, name, colour, dash in lines:
        if at is None:
            continue
        chart.add_scatter(
            x=[at, at],
            y=[0.0, top],
            name=f"{name}: {at:.2f}".replace("-", "\u2212"),
            mode="lines",
            line={"color": colour, "width": 2.5, "dash": dash},
            hoverinfo="skip",
        )
    chart.update_layout(
        **theme.layout(height=height) | {"hovermode": "closest"},
        bargap=0,
        xaxis=theme.number_axis("Sharpe ratio, a year", range=[ends[0] - room, ends[1] + room]),
        yaxis=theme.value_axis(
            "Trials", range=[0, top], **({"dtick": 1} if top < FEW_COUNTS else {})
        ),
    )
    return chart
