"""Where the best trial of one half of history ranks in the other half."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import plotly.graph_objects as go

from core.plots import theme
from core.plots.equity import FloatArray

BARS = 36


class HalvesInfo(NamedTuple):
    """What the chart says.

    Attributes:
        middles: Logits at the middle of each bar, shape (B,); no bar has 0 inside it.
        shares: Of all choices of halves, shape (B,), summing to 1.
        width: Of a bar.
        pbo: Probability of backtest overfitting; None where it is not known.
    """

    middles: FloatArray
    shares: FloatArray
    width: float
    pbo: float | None


def halves_info(logits: FloatArray, *, pbo: float | None) -> HalvesInfo:
    """Count choices of halves by their logit; those at 0 are below the middle.

    Args:
        logits: At least one, finite.
        pbo: Of all choices, of which `logits` may be a part.
    """
    width = 2 * float(np.abs(logits).max() or 1.0) / BARS
    place = np.ceil(logits / width).astype(np.int64)  # bars are (low, high], so 0 ends one
    low = int(place.min())
    counts = np.bincount(place - low)
    middles = (np.arange(len(counts), dtype=np.float64) + low - 0.5) * width
    shares: FloatArray = counts / len(logits)
    return HalvesInfo(middles.astype(np.float64), shares.astype(np.float64), width, pbo)


def figure(info: HalvesInfo, *, height: int = 280) -> go.Figure:
    """Draw bars left of the middle, which count against the search, and right of it."""
    chart = go.Figure()
    groups = (
        ("Worse than the middle", info.middles < 0, theme.LOSS),
        ("Better than the middle", info.middles > 0, theme.GAIN),
    )
    for name, which, colour in groups:
        share = float(info.shares[which].sum())
        if info.pbo is not None:  # of all choices, not of those drawn
            share = info.pbo if colour == theme.LOSS else 1.0 - info.pbo
        chart.add_bar(
            x=info.middles[which],
            y=info.shares[which],
            width=info.width * 0.92,
            name=f"{name}: {share:.0%}",
            marker={"color": colour, "line": {"width": 0}},
            hovertemplate="logit about %{x:.2f}: %{y:.1%}<extra></extra>",
        )
    chart.update_layout(
        **theme.layout(height=height) | {"hovermode": "closest"},
        bargap=0,
        xaxis=theme.number_axis(
            "Rank in the other half, as a logit: 0 is the middle", zeroline=True
        ),
        yaxis=theme.value_axis("Share of choices", tickformat=".0%"),
    )
    return chart
