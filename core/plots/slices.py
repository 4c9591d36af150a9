"""The objective against each parameter by itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import plotly.graph_objects as go
import polars as pl

from core.plots import theme
from core.plots.equity import FloatArray
from core.plots.trials import column, is_named, row_of, thinned, values_of

MOST_PANELS = 8
COLUMNS = 4
MOST_VALUES = 40
GAP = 0.05
BANDS = 10


class Slice(NamedTuple):
    """One parameter.

    Attributes:
        name: In words.
        x, values: Of single trials, in the objective's own sign.
        middle_x, middle: Median of the objective by value, or by tenth where there are many values.
        chosen: Where the trial to take lies: value of the parameter and of the objective.
        named: Whether values are names.
    """

    name: str
    x: tuple[float | str, ...]
    values: FloatArray
    middle_x: tuple[float | str, ...]
    middle: FloatArray
    chosen: tuple[float | str, float] | None
    named: bool


class SlicesInfo(NamedTuple):
    """What the chart says: up to eight panels; `left_out` has the parameters beyond."""

    panels: tuple[Slice, ...]
    label: str
    left_out: tuple[str, ...]


def slices_info(
    trials: pl.DataFrame, names: Sequence[str], *, chosen: int | None, label: str
) -> SlicesInfo:
    """Gather a panel for each parameter that varies.

    Args:
        trials: `number`, `score`, `value_0` and `param_*` of each.
        names: Of the parameters, the most important first.
        chosen: Number of the trial to take.
        label: Of the objective.
    """
    eligible = trials.filter(pl.col("score").is_not_null())
    varying = [name for name in names if eligible[f"param_{name}"].n_unique() > 1]
    drawn, own = thinned(trials), row_of(eligible, chosen)
    panels = []
    for name in varying[:MOST_PANELS]:
        key = f"param_{name}"
        grouped = _by_value(eligible, key)
        panels.append(
            Slice(
                name.replace("_", " ").capitalize(),
                values_of(drawn, key),
                column(drawn, "value_0"),
                values_of(grouped, key),
                column(grouped, "value_0"),
                (values_of(own, key)[0], float(own["value_0"].item())) if len(own) else None,
                is_named(eligible, key),
            )
        )
    return SlicesInfo(tuple(panels), label, tuple(varying[MOST_PANELS:]))


def figure(info: SlicesInfo, *, height: int = 240) -> go.Figure:
    """Draw panels side by side over one axis of the objective.

    Args:
        info: At least one panel.
        height: Of a row of panels.
    """
    columns = min(COLUMNS, len(info.panels))
    rows = -(-len(info.panels) // columns)
    chart, axes = go.Figure(), {}
    for place, panel in enumerate(info.panels):
        row, spot = divmod(place, columns)
        suffix = "" if place == 0 else str(place + 1)
        wide, high = 1.0 / columns, 1.0 / rows
        axes[f"xaxis{suffix}"] = theme.number_axis(
            panel.name,
            domain=[spot * wide, (spot + 1) * wide - (GAP if spot < columns - 1 else 0)],
            anchor=f"y{suffix}",
            nticks=6,
            **(_categories(panel) if panel.named else {}),
        )
        axes[f"yaxis{suffix}"] = theme.value_axis(
            info.label if spot == 0 else "",
            side="left",
            domain=[1 - (row + 1) * high + (0.16 if rows > 1 else 0.0), 1 - row * high],
            anchor=f"x{suffix}",
            showticklabels=spot == 0,
            **({} if place == 0 else {"matches": "y"}),
        )
        first = place == 0
        place_of = {"xaxis": f"x{suffix}", "yaxis": f"y{suffix}"}
        chart.add_scatter(
            x=panel.x,
            y=panel.values,
            name="Trials",
            legendgroup="trials",
            showlegend=first,
            mode="markers",
            marker={"color": theme.GREY, "size": 4, "opacity": 0.45},
            hovertemplate=f"{panel.name} %{{x}}<br>{info.label} %{{y:.3f}}<extra></extra>",
            **place_of,
        )
        chart.add_scatter(
            x=panel.middle_x,
            y=panel.middle,
            name="Median",
            legendgroup="median",
            showlegend=first,
            mode=_mode(panel),
            marker={"size": 8 if panel.named else 5, "color": theme.BLUE},
            line={"color": theme.BLUE, "width": 2},
            hovertemplate="median %{y:.3f}<extra></extra>",
            **place_of,
        )
        theme.mark_chosen(chart, panel.chosen, legendgroup="chosen", showlegend=first, **place_of)
    chart.update_layout(
        **theme.layout(height=height * rows + 30) | {"hovermode": "closest"}, **axes
    )
    return chart


def _categories(panel: Slice) -> dict[str, Any]:
    return {"type": "category", "categoryorder": "array", "categoryarray": panel.middle_x}


def _mode(panel: Slice) -> str:
    """Nothing lies between two names, so no line leads from one to the other."""
    if panel.named:
        return "markers"
    return "lines+markers" if len(panel.middle_x) <= MOST_VALUES else "lines"


def _by_value(trials: pl.DataFrame, key: str) -> pl.DataFrame:
    median = pl.col("value_0").median()
    if is_named(trials, key) or trials[key].n_unique() <= MOST_VALUES:
        return trials.group_by(key).agg(median).sort(key)
    values = trials[key].to_numpy()
    edges = np.unique(np.quantile(values, np.linspace(0, 1, BANDS + 1)[1:-1]))
    return (
        trials.with_columns(band=pl.Series(np.digitize(values, edges)))
        .group_by("band")
        .agg(pl.col(key).median(), median)
        .sort("band")
        .drop("band")
    )
