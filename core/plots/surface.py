"""The objective over two parameters, and the plateau the chosen trial stands on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import plotly.graph_objects as go
import polars as pl

from core.plots import theme
from core.plots.equity import FloatArray
from core.plots.trials import column, is_named, row_of, thinned, values_of

LEVEL = 0.9
"""Of the chosen trial's smoothed objective: what is above belongs to its plateau."""
FULL = 0.25
"""Share of the cells that trials must fill to be drawn as cells."""

Value = float | str


class SurfaceInfo(NamedTuple):
    """What the chart says.

    Attributes:
        x_name, y_name: Parameters, in words.
        x, y: Their values, ascending; of single trials where `scattered`.
        values: Objective in its own sign, shape (Y, X), NaN where no trial is eligible; shape (N,)
            where `scattered`.
        smoothed: Median over each neighbourhood, greater is better, likewise.
        numbers: Of the trials, likewise, -1 where there is none.
        plateau: Least smoothed objective of the plateau; None where that says nothing.
        chosen: Where the trial to take lies; None where it is not in this part.
        scattered: Whether trials lie anywhere and not on a grid.
        label: Of the objective.
        is_maximized: Whether more is better.
    """

    x_name: str
    y_name: str
    x: tuple[Value, ...]
    y: tuple[Value, ...]
    values: FloatArray
    smoothed: FloatArray
    numbers: FloatArray
    plateau: float | None
    chosen: tuple[Value, Value] | None
    scattered: bool
    label: str
    is_maximized: bool


def surface_info(
    trials: pl.DataFrame,
    *,
    x: str,
    y: str,
    at: Mapping[str, Any],
    chosen: int | None,
    label: str,
    is_maximized: bool = True,
) -> SurfaceInfo:
    """Gather one picture of the trials.

    Args:
        trials: `number`, `value_0`, `score`, `smoothed` and `param_*` of each.
        x: Name of a parameter.
        y: Name of another one.
        at: Values that others must have; of those that are not named the best trial counts.
        chosen: Number of the trial to take.
        label: Of the objective.
        is_maximized: Whether more of it is better.
    """
    across, up = f"param_{x}", f"param_{y}"
    part = trials.filter(pl.lit(value=True), *(pl.col(f"param_{n}") == v for n, v in at.items()))
    best = part.sort("score", "number", descending=[True, False], nulls_last=True).unique(
        [across, up], keep="first", maintain_order=True
    )
    columns = best[across].unique().sort()
    rows = best[up].unique().sort()
    full = len(best) / max(1, len(columns) * len(rows))
    scattered = full < FULL and not (is_named(best, across) or is_named(best, up))
    own = row_of(trials, chosen)
    smoothed = own["smoothed"].item() if len(own) else None
    is_seen = len(own) > 0 and all(own[f"param_{name}"].item() == at[name] for name in at)
    ends = (values_of(own, across)[0], values_of(own, up)[0]) if is_seen else None
    shared: dict[str, Any] = {
        "x_name": _words(x),
        "y_name": _words(y),
        "plateau": LEVEL * smoothed if smoothed is not None and smoothed > 0 else None,
        "chosen": ends,
        "scattered": scattered,
        "label": label,
        "is_maximized": is_maximized,
    }
    if scattered:
        some = thinned(part)
        return SurfaceInfo(
            x=values_of(some, across),
            y=values_of(some, up),
            values=column(some, "value_0"),
            smoothed=column(some, "smoothed"),
            numbers=column(some, "number"),
            **shared,
        )
    shape = (len(rows), len(columns))
    tables = {name: np.full(shape, np.nan) for name in ("value_0", "smoothed", "number")}
    tables["number"][:] = -1
    to_column = {value: n for n, value in enumerate(columns.to_list())}
    to_row = {value: n for n, value in enumerate(rows.to_list())}
    placed = (
        [to_row[value] for value in best[up].to_list()],
        [to_column[value] for value in best[across].to_list()],
    )
    for name, table in tables.items():
        table[placed] = column(best, name)
    eligible = np.zeros(shape, dtype=np.bool_)
    eligible[placed] = best["score"].is_not_null().to_numpy()
    tables["value_0"][~eligible] = np.nan
    return SurfaceInfo(
        x=values_of(columns.to_frame(), across),
        y=values_of(rows.to_frame(), up),
        values=tables["value_0"],
        smoothed=tables["smoothed"],
        numbers=tables["number"],
        **shared,
    )


def figure(info: SurfaceInfo, *, height: int = 430) -> go.Figure:
    """Draw cells, or marks where trials lie anywhere; the plateau's border; the chosen trial."""
    chart = go.Figure()
    colours = {
        **_scale(info),
        "colorbar": {
            "title": {"text": info.label, "side": "right", "font": {"size": 12}},
            "thickness": 10,
            "outlinewidth": 0,
            "len": 0.92,
            "tickfont": {"size": 11},
            "nticks": 6,
        },
    }
    if info.scattered:
        chart.add_scatter(
            x=info.x,
            y=info.y,
            mode="markers",
            name="Trials",
            # Those around 0 have next to no colour of their own.
            marker={
                "color": info.values,
                "size": 7,
                "line": {"color": theme.faded(theme.GREY, 0.6), "width": 0.75},
                **colours,
            },
            customdata=np.stack([info.numbers, info.values, info.smoothed], axis=-1),
            hovertemplate=_hover(info),
            showlegend=False,
        )
    else:
        _add_not_eligible(chart, info)
        chart.add_heatmap(
            x=info.x,
            y=info.y,
            z=info.values,
            customdata=np.stack([info.numbers, info.values, info.smoothed], axis=-1),
            hovertemplate=_hover(info),
            xgap=0.5,
            ygap=0.5,
            **colours,
        )
        _add_plateau(chart, info)
    ring = {"symbol": "circle-open", "size": 15, "color": theme.ORANGE, "line": {"width": 3}}
    theme.mark_chosen(chart, info.chosen, marker=ring)  # a ring leaves its cell to be seen
    chart.update_layout(
        **theme.layout(height=height) | {"hovermode": "closest"},
        xaxis=theme.number_axis(info.x_name, **_kind(info.x)),
        yaxis=theme.number_axis(info.y_name, **_kind(info.y)),
    )
    return chart


def _add_not_eligible(chart: go.Figure, info: SurfaceInfo) -> None:
    """Shade what was tried and cannot win, so that it differs from what was never tried."""
    tried = np.isnan(info.values) & (info.numbers >= 0)
    if not tried.any():
        return
    grey = theme.faded(theme.GREY, 0.16)
    chart.add_heatmap(
        x=info.x,
        y=info.y,
        z=np.where(tried, 1.0, np.nan),
        customdata=info.numbers,
        colorscale=[[0.0, grey], [1.0, grey]],
        showscale=False,
        xgap=0.5,
        ygap=0.5,
        name="Not eligible",
        showlegend=True,
        hovertemplate="trial %{customdata}: not eligible<extra></extra>",
    )


def _add_plateau(chart: go.Figure, info: SurfaceInfo) -> None:
    names = any(isinstance(value, str) for value in (*info.x, *info.y))
    thin = min(len(info.x), len(info.y)) < 2  # noqa: PLR2004 - a border needs an area
    if info.plateau is None or names or thin or not np.nanmax(info.smoothed) > info.plateau:
        return
    chart.add_contour(
        x=info.x,
        y=info.y,
        # Where nobody is eligible the ground lies below everything.
        z=np.where(np.isnan(info.smoothed), np.nanmin(info.smoothed), info.smoothed),
        contours={"start": info.plateau, "end": info.plateau, "size": 1, "coloring": "none"},
        line={"color": theme.ORANGE, "width": 2},
        name=f"Plateau: {LEVEL:.0%} of the choice, smoothed",
        showlegend=True,
        showscale=False,
        hoverinfo="skip",
    )


def _scale(info: SurfaceInfo) -> dict[str, Any]:
    """Colours from nothing to full; around 0 where values lie on both sides of it."""
    low, high = float(np.nanmin(info.values, initial=0.0)), float(np.nanmax(info.values, initial=0))
    good, bad = (theme.BLUE, theme.LOSS) if info.is_maximized else (theme.LOSS, theme.BLUE)
    if low < 0.0 < high:
        most = max(-low, high)
        zero = -low / (high - low)
        scale = [
            [0.0, theme.faded(bad, -low / most)],
            [zero, theme.faded(bad, 0.02)],
            [zero, theme.faded(good, 0.02)],
            [1.0, theme.faded(good, high / most)],
        ]
        return {"colorscale": scale, "cmin" if info.scattered else "zmin": low,
                "cmax" if info.scattered else "zmax": high}  # fmt: skip
    colour = good if high > 0.0 else bad
    ends = (0.05, 1.0) if high > 0.0 else (1.0, 0.05)
    known = info.values[~np.isnan(info.values)]
    low, high = (float(known.min()), float(known.max())) if len(known) else (0.0, 1.0)
    return {
        "colorscale": [[0.0, theme.faded(colour, ends[0])], [1.0, theme.faded(colour, ends[1])]],
        "cmin" if info.scattered else "zmin": low,
        "cmax" if info.scattered else "zmax": high,
    }


def _hover(info: SurfaceInfo) -> str:
    return (
        f"{info.x_name} %{{x}}, {info.y_name} %{{y}}<br>{info.label} %{{customdata[1]:.3f}}<br>"
        "with its neighbours %{customdata[2]:.3f}<br>trial %{customdata[0]}<extra></extra>"
    )


def _kind(values: tuple[Value, ...]) -> dict[str, str]:
    return {"type": "category"} if any(isinstance(each, str) for each in values) else {}


def _words(name: str) -> str:
    return name.replace("_", " ").capitalize()
