"""How much the objective depends on each parameter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import plotly.graph_objects as go

from core.plots import theme


class ImportanceInfo(NamedTuple):
    """What the chart says, the most important parameter first.

    Attributes:
        names: Of the parameters, as declared.
        labels: The same in words.
        importance: Share of the explained variance that goes without it, or the absolute rank
            correlation with the objective.
        errors: Standard deviation of each; None where there is none.
        spearman: Rank correlation, -1 to 1; None where it is not defined.
        by_forest: Whether importance is that of a forest; where there is none it is correlation.
    """

    names: tuple[str, ...]
    labels: tuple[str, ...]
    importance: tuple[float, ...]
    errors: tuple[float, ...] | None
    spearman: tuple[float | None, ...]
    by_forest: bool


def importance_info(effects: Sequence[Mapping[str, Any]]) -> ImportanceInfo:
    """Gather the effects of a study's parameters."""
    by_forest = any(each["importance"] is not None for each in effects)

    def weight(each: Mapping[str, Any]) -> float:
        return float((each["importance"] if by_forest else abs(each["spearman"] or 0.0)) or 0.0)

    ranked = sorted(effects, key=weight, reverse=True)
    return ImportanceInfo(
        names=tuple(each["name"] for each in ranked),
        labels=tuple(each["name"].replace("_", " ").capitalize() for each in ranked),
        importance=tuple(weight(each) for each in ranked),
        errors=tuple(each["importance_error"] or 0.0 for each in ranked) if by_forest else None,
        spearman=tuple(each["spearman"] for each in ranked),
        by_forest=by_forest,
    )


def figure(info: ImportanceInfo, *, row: int = 34) -> go.Figure:
    """Draw a bar for each parameter, the most important on top."""
    signs = [
        "no order" if each is None else f"rank correlation {each:+.2f}".replace("-", "\u2212")
        for each in info.spearman
    ]
    chart = go.Figure()
    chart.add_bar(
        x=info.importance[::-1],
        y=info.labels[::-1],
        orientation="h",
        width=0.55,
        marker={"color": theme.BLUE, "line": {"width": 0}},
        error_x=None
        if info.errors is None
        else {"array": info.errors[::-1], "color": theme.GREY, "thickness": 1.5, "width": 4},
        customdata=signs[::-1],
        hovertemplate="%{y}: %{x:.3f}<br>%{customdata}<extra></extra>",
        showlegend=False,
    )
    words = (
        "Variance explained that goes without it"
        if info.by_forest
        else "Rank correlation, whatever its sign"
    )
    chart.update_layout(
        **theme.layout(height=row * len(info.names) + 56) | {"hovermode": "closest"},
        xaxis={
            "title": {"text": words, "standoff": 10},
            "zeroline": True,
            "nticks": 6,
            "rangemode": "tozero",
        },
        yaxis={"automargin": True, "ticks": "", "showgrid": False},
    )
    return chart
