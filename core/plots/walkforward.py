"""Walking forward: what the tests earned one after the other, and which parameters they used."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import plotly.graph_objects as go
import polars as pl

from core.plots import theme
from core.plots.equity import FloatArray

MOST_STEPS = 4
PANEL = 0.17
GAP = 0.05
EPOCH = date(1970, 1, 1)


class Steps(NamedTuple):
    """One parameter, in words: its value in each window, NaN where none was chosen; its alerts."""

    name: str
    values: FloatArray
    alerts: npt.NDArray[np.bool_]


class WalkForwardInfo(NamedTuple):
    """What the chart says.

    Attributes:
        x: Milliseconds since 1970 of the sessions of the tests.
        equity: Of 1 invested.
        edges: Where tests begin, and where the last one ends, milliseconds, shape (W + 1,).
        steps: Of each parameter.
        left_out: Parameters beyond those that are drawn, and those that are no numbers.
    """

    x: FloatArray
    equity: FloatArray
    edges: FloatArray
    steps: tuple[Steps, ...]
    left_out: tuple[str, ...]


def walk_forward_info(
    stitched: pl.DataFrame, windows: pl.DataFrame, names: Sequence[str]
) -> WalkForwardInfo:
    """Gather the picture from the tables `stitched` and `windows` of a study.

    Args:
        stitched: `session` (days since 1970) and `equity`.
        windows: One row each, with `test_first`, `test_last`, `alerts` and `param_*`.
        names: Of the parameters, the most important first.
    """
    numeric = [
        name
        for name in names
        if f"param_{name}" in windows.columns and windows[f"param_{name}"].dtype.is_numeric()
    ]
    drawn = numeric[:MOST_STEPS]
    begins = windows["test_first"].to_list()
    ends = [*begins, windows["test_last"].to_list()[-1]]
    return WalkForwardInfo(
        x=stitched["session"].cast(pl.Float64).to_numpy() * theme.MS_PER_DAY,
        equity=stitched["equity"].to_numpy(),
        edges=np.array([float((each - EPOCH).days) * theme.MS_PER_DAY for each in ends]),
        steps=tuple(
            Steps(
                name.replace("_", " ").capitalize(),
                windows[f"param_{name}"].cast(pl.Float64).fill_null(float("nan")).to_numpy(),
                np.array([name in each.split(", ") for each in windows["alerts"].to_list()]),
            )
            for name in drawn
        ),
        left_out=tuple(name for name in names if name not in drawn),
    )


def figure(
    info: WalkForwardInfo, *, log: bool = False, height: int = 300, panel: int = 74
) -> go.Figure:
    """Draw equity over a panel of steps for each parameter; `log` affects equity only."""
    count = len(info.steps)
    whole = height + panel * count
    share = panel / whole
    bottom = share * count
    chart = go.Figure()
    chart.add_scatter(
        x=info.x,
        y=info.equity,
        name="Tests, one after the other",
        line={"color": theme.STRATEGY, "width": 1.75},
        hovertemplate="%{y:.3f}",
    )
    for edge in info.edges[1:-1]:
        chart.add_vline(x=float(edge), line={"color": theme.faded(theme.GREY, 0.35), "width": 1})
    axes = {}
    for place, (name, values, alerted) in enumerate(info.steps):
        axis = f"y{place + 2}"
        chart.add_scatter(
            x=info.edges,
            y=np.append(values, values[-1]),
            name=name,
            yaxis=axis,
            mode="lines",
            line={"color": theme.stroke(place + 1).color, "width": 1.75, "shape": "hv"},
            hovertemplate="%{y}",
        )
        if alerted.any():
            chart.add_scatter(
                x=info.edges[:-1][alerted],
                y=values[alerted],
                name="Moved much",
                legendgroup="alerts",
                showlegend=not any(each.alerts.any() for each in info.steps[:place]),
                yaxis=axis,
                mode="markers",
                marker={"color": theme.LOSS, "size": 8, "symbol": "triangle-up"},
                hoverinfo="skip",
            )
        top = bottom - place * share - GAP / 2
        axes[f"yaxis{place + 2}"] = theme.value_axis(
            domain=[max(0.0, top - share + GAP / 2), top], nticks=3
        )
    chart.update_layout(
        **theme.layout(height=whole),
        hoversubplots="axis",
        xaxis=theme.time_axis(intraday=False)
        | {"anchor": f"y{count + 1}" if count else "y", "domain": [0, 1]},
        yaxis=theme.value_axis(
            "Growth of 1",
            domain=[bottom + GAP / 2, 1],
            tickformat="~g",
            type="log" if log else "linear",
        ),
        **axes,
    )
    return chart
