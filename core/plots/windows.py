"""What each window of walking forward showed in its training and in its test."""

from __future__ import annotations

from typing import NamedTuple

import plotly.graph_objects as go
import polars as pl

from core.plots import theme


class WindowsInfo(NamedTuple):
    """What the chart says: Sharpe ratios by window, named by its test; None where undefined."""

    labels: tuple[str, ...]
    train: tuple[float | None, ...]
    test: tuple[float | None, ...]


def windows_info(windows: pl.DataFrame) -> WindowsInfo:
    """Gather `train_sharpe` and `test_sharpe` of each window, by the month its test begins."""
    return WindowsInfo(
        tuple(each.strftime("%b %Y") for each in windows["test_first"].to_list()),
        tuple(windows["train_sharpe"].to_list()),
        tuple(windows["test_sharpe"].to_list()),
    )


def figure(info: WindowsInfo, *, height: int = 280) -> go.Figure:
    """Draw two bars for each window."""
    chart = go.Figure()
    groups = (("Training", info.train, theme.GREY), ("Test", info.test, theme.BLUE))
    for name, values, colour in groups:
        chart.add_bar(
            x=info.labels,
            y=values,
            name=name,
            marker={"color": colour, "line": {"width": 0}},
            hovertemplate="%{y:.2f}",
        )
    chart.update_layout(
        **theme.layout(height=height),
        barmode="group",
        bargap=0.35,
        bargroupgap=0.08,
        xaxis={"type": "category", "showgrid": False, "nticks": 14, "automargin": True},
        yaxis=theme.value_axis("Sharpe ratio", zeroline=True),
    )
    return chart
