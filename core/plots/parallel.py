"""Every trial as a line across its parameters, the best tenth in colour."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import plotly.graph_objects as go
import polars as pl

from core.plots import theme
from core.plots.equity import FloatArray
from core.plots.trials import column, is_named, thinned

TOP = 0.1
MOST_LINES = 900
MOST_AXES = 9
FEW_VALUES = 6
TICKS = 5
EDGE = 0.04
ROOM = 0.06
"""Of the height of an axis: what a label needs for itself."""


class ParallelAxis(NamedTuple):
    """One upright axis: what it is of, and its labels at places from 0 (bottom) to 1."""

    name: str
    ticks: tuple[tuple[float, str], ...]


class ParallelInfo(NamedTuple):
    """What the chart says.

    Attributes:
        axes: Parameters, then the objective.
        lines: Places on the axes, 0 to 1, shape (N, axes), by rising score.
        top: Whether a line is among the best tenth of all eligible trials, shape (N,).
        chosen: The line of the trial to take; None where it is not drawn.
        threshold: Objective from which a trial is among the best tenth.
        left_out: Parameters beyond those that are drawn.
    """

    axes: tuple[ParallelAxis, ...]
    lines: FloatArray
    top: npt.NDArray[np.bool_]
    chosen: int | None
    threshold: float
    left_out: tuple[str, ...]


def parallel_info(
    trials: pl.DataFrame, names: Sequence[str], *, chosen: int | None, label: str
) -> ParallelInfo:
    """Gather the lines of eligible trials.

    Args:
        trials: `number`, `score`, `value_0` and `param_*` of each, one eligible at least.
        names: Of the parameters, the most important first.
        chosen: Number of the trial to take.
        label: Of the objective.
    """
    eligible = trials.filter(pl.col("score").is_not_null())
    least = float(np.quantile(eligible["score"].to_numpy(), 1 - TOP))
    drawn = thinned(trials, MOST_LINES).sort("score", "number")
    axes, places = [], []
    for name in names[: MOST_AXES - 1]:
        axis, place = _axis(eligible, drawn, f"param_{name}", name.replace("_", " ").capitalize())
        axes.append(axis)
        places.append(place)
    axis, place = _axis(eligible, drawn, "value_0", label)
    numbers = drawn["number"].to_list()
    best = eligible.filter(pl.col("score") >= least).sort("score")
    return ParallelInfo(
        axes=(*axes, axis),
        lines=np.stack([*places, place], axis=1),
        top=np.asarray(drawn["score"].to_numpy() >= least),
        chosen=numbers.index(chosen) if chosen in numbers else None,
        threshold=float(best["value_0"][0]),
        left_out=tuple(names[MOST_AXES - 1 :]),
    )


def figure(info: ParallelInfo, *, height: int = 360) -> go.Figure:
    """Draw axes from left to right and a line for each trial, the best above the others."""
    chart = go.Figure()
    label = info.axes[-1].name
    groups = (
        ("Other trials", ~info.top, theme.faded(theme.GREY, 0.22), 1.0),
        (
            f"Best tenth: {label} from {info.threshold:.3g}".replace("-", "\u2212"),
            info.top,
            theme.faded(theme.BLUE, 0.5),
            1.2,
        ),
    )
    for name, which, colour, width in groups:
        x, y = _joined(info.lines[which])
        chart.add_scatter(
            x=x, y=y, name=name, mode="lines", line={"color": colour, "width": width},
            hoverinfo="skip",
        )  # fmt: skip
    if info.chosen is not None:
        chart.add_scatter(
            x=list(range(len(info.axes))),
            y=info.lines[info.chosen],
            name=theme.CHOSEN,
            mode="lines+markers",
            marker={"size": 6},
            line={"color": theme.ORANGE, "width": 2.5},
            hoverinfo="skip",
        )
    for place, axis in enumerate(info.axes):
        chart.add_shape(
            type="line", x0=place, x1=place, y0=0, y1=1,
            line={"color": theme.GREY, "width": 1}, layer="below",
        )  # fmt: skip
        last = place == len(info.axes) - 1
        for at, text in axis.ticks:
            chart.add_annotation(
                x=place, y=at, text=text, showarrow=False, font={"size": 11},
                xanchor="left" if last else "right", xshift=6 if last else -6,
            )  # fmt: skip
    chart.update_layout(
        **theme.layout(height=height) | {"hovermode": False, "dragmode": False},
        xaxis={
            "tickvals": list(range(len(info.axes))),
            "ticktext": [axis.name for axis in info.axes],
            "range": [-0.35, len(info.axes) - 0.65],
            "showgrid": False,
            "zeroline": False,
            "fixedrange": True,
        },
        yaxis={"visible": False, "range": [-EDGE, 1 + EDGE], "fixedrange": True},
    )
    return chart


def _axis(
    eligible: pl.DataFrame, drawn: pl.DataFrame, key: str, name: str
) -> tuple[ParallelAxis, FloatArray]:
    if is_named(eligible, key):
        known = eligible[key].unique(maintain_order=True).sort().to_list()
        place_of = {value: n / max(1, len(known) - 1) for n, value in enumerate(known)}
        words = {True: "on", False: "off"}
        ticks = tuple((place, str(words.get(value, value))) for value, place in place_of.items())
        return ParallelAxis(name, ticks), np.array([place_of[each] for each in drawn[key]])
    values = column(eligible, key)
    low, high = float(values.min()), float(values.max())
    room = high - low or 1.0
    marks = np.unique(values)
    if len(marks) > FEW_VALUES:
        wanted = np.linspace(low, high, TICKS)
        marks = np.unique([marks[np.abs(marks - each).argmin()] for each in wanted])
        marks = _apart(marks, least=ROOM * room)
    ticks = tuple(((each - low) / room, f"{each:.3g}".replace("-", "\u2212")) for each in marks)
    return ParallelAxis(name, ticks), (column(drawn, key) - low) / room


def _apart(marks: FloatArray, *, least: float) -> FloatArray:
    """Leave out what would be written over its neighbours; the ends stay."""
    kept = [marks[0]]
    for mark in marks[1:-1]:
        if mark - kept[-1] >= least and marks[-1] - mark >= least:
            kept.append(mark)
    return np.array([*kept, marks[-1]])


def _joined(lines: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Lay lines behind each other with a gap after each, so that they are one trace."""
    count, axes = lines.shape
    gap = np.full((count, 1), np.nan)
    x = np.concatenate([np.tile(np.arange(axes, dtype=np.float64), (count, 1)), gap], axis=1)
    return x.ravel(), np.concatenate([lines, gap], axis=1).ravel()
