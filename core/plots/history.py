"""The objective of trials in the order in which they were tried, and the best so far."""

from __future__ import annotations

from typing import NamedTuple

import plotly.graph_objects as go
import polars as pl

from core.plots import theme
from core.plots.equity import FloatArray
from core.plots.trials import column, row_of, thinned


class HistoryInfo(NamedTuple):
    """What the chart says.

    Attributes:
        number, values: Of eligible trials, in the objective's own sign.
        best_number, best: Where the best so far changed, and at the last trial.
        chosen: Number and objective of the trial to take; None for none.
        label: Of the objective.
    """

    number: FloatArray
    values: FloatArray
    best_number: FloatArray
    best: FloatArray
    chosen: tuple[int, float] | None
    label: str


def history_info(trials: pl.DataFrame, *, chosen: int | None, label: str) -> HistoryInfo:
    """Gather the history of a search from `number`, `score` and `value_0` of its trials."""
    eligible = trials.filter(pl.col("score").is_not_null()).sort("number")
    record = eligible.filter(pl.col("score") > pl.col("score").cum_max().shift(1).fill_null(-1e308))
    end = trials.select(number=pl.col("number").max()).join(
        record.tail(1).select("value_0"), how="cross"
    )
    steps = pl.concat([record.select("number", "value_0"), end], how="vertical_relaxed")
    drawn = thinned(trials)
    own = row_of(eligible, chosen)
    return HistoryInfo(
        column(drawn, "number"),
        column(drawn, "value_0"),
        column(steps, "number"),
        column(steps, "value_0"),
        (int(own["number"].item()), float(own["value_0"].item())) if len(own) else None,
        label,
    )


def figure(info: HistoryInfo, *, height: int = 300) -> go.Figure:
    """Draw trials as dots and the best so far as steps."""
    chart = go.Figure()
    chart.add_scatter(
        x=info.number,
        y=info.values,
        name="Trials",
        mode="markers",
        marker={"color": theme.GREY, "size": 4, "opacity": 0.5},
        hovertemplate=f"trial %{{x}}<br>{info.label} %{{y:.3f}}<extra></extra>",
    )
    chart.add_scatter(
        x=info.best_number,
        y=info.best,
        name="Best so far",
        mode="lines",
        line={"color": theme.BLUE, "width": 2, "shape": "hv"},
        hovertemplate="best so far %{y:.3f}<extra></extra>",
    )
    theme.mark_chosen(chart, info.chosen)
    chart.update_layout(
        **theme.layout(height=height) | {"hovermode": "closest"},
        xaxis=theme.number_axis("Trial"),
        yaxis=theme.value_axis(info.label),
    )
    return chart
