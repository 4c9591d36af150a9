"""Trials in the sessions they were chosen by, against those that none of them saw."""

from __future__ import annotations

from typing import NamedTuple

import plotly.graph_objects as go
import polars as pl

from core.plots import theme
from core.plots.equity import FloatArray
from core.plots.trials import column, row_of, thinned


class GeneralisationInfo(NamedTuple):
    """What the chart says.

    Attributes:
        train, test: Sharpe ratio of each trial drawn, annualised.
        number: Of these trials.
        chosen: Those of the trial to take; None where one is not defined.
        gained: Share of the compared trials with a ratio above 0 in the test; None of none.
        compared: How many eligible trials have both ratios.
    """

    train: FloatArray
    test: FloatArray
    number: FloatArray
    chosen: tuple[float, float] | None
    gained: float | None
    compared: int


def generalisation_info(trials: pl.DataFrame, *, chosen: int | None) -> GeneralisationInfo:
    """Gather `train_sharpe` and `test_sharpe` of the eligible trials that have both."""
    needed = ("score", "train_sharpe", "test_sharpe")
    both = trials.filter(pl.col(name).is_not_null() for name in needed)
    drawn = thinned(both)
    own = row_of(both, chosen)
    return GeneralisationInfo(
        column(drawn, "train_sharpe"),
        column(drawn, "test_sharpe"),
        column(drawn, "number"),
        (float(own["train_sharpe"].item()), float(own["test_sharpe"].item())) if len(own) else None,
        float((both["test_sharpe"] > 0).mean() or 0.0) if len(both) else None,  # type: ignore[arg-type]
        len(both),
    )


def figure(info: GeneralisationInfo, *, height: int = 360) -> go.Figure:
    """Draw a dot for each trial and the line on which nothing is lost."""
    every = [*info.train.tolist(), *info.test.tolist()]
    ends = [min(every), max(every)]
    chart = go.Figure()
    chart.add_scatter(
        x=ends,
        y=ends,
        name="As good as before",
        mode="lines",
        line={"color": theme.GREY, "width": 1, "dash": "dot"},
        hoverinfo="skip",
    )
    chart.add_hline(y=0.0, line={"color": theme.GREY, "width": 1})
    chart.add_scatter(
        x=info.train,
        y=info.test,
        name="Trials",
        mode="markers",
        marker={"color": theme.BLUE, "size": 5, "opacity": 0.5},
        customdata=info.number,
        hovertemplate="trial %{customdata}<br>searched %{x:.2f}<br>held back %{y:.2f}"
        "<extra></extra>",
    )
    theme.mark_chosen(chart, info.chosen)
    chart.update_layout(
        **theme.layout(height=height) | {"hovermode": "closest"},
        xaxis=theme.number_axis("Sharpe where it was searched"),
        yaxis=theme.value_axis("Sharpe in the sessions held back", side="left"),
    )
    return chart
