"""Every trial of a study, sortable, ten thousand of them too."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from typing import Any, Final

import polars as pl
import streamlit as st

from core.domain.findings import Study
from core.domain.metrics import METRICS
from ui import formats, state
from ui.components import downloads, search_form

ROW_HEIGHT = 30
MOST_ROWS = 15
USUAL: Final = ("sharpe", "total_return", "max_drawdown", "trades", "profit_factor")
FORMATS: Final = {"fraction": "%.2f%%", "count": "%,d", "money": "%,.0f", "sessions": "%,d"}
LATER: Final = {
    "train_sharpe": "Sharpe, searched",
    "test_sharpe": "Sharpe, held back",
    "test_return": "Return, held back",
}


def show(study: Study, trials: pl.DataFrame) -> int | None:
    """Draw the table, best first; give the number of the trial the reader picked.

    Args:
        study: Whose trials they are.
        trials: Its table `trials`.
    """
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        metrics = st.multiselect(
            "Metrics",
            list(METRICS),
            default=[name for name in USUAL if name in METRICS],
            format_func=lambda name: METRICS[name].label,
            key=state.TRIAL_METRICS,
            persist_state="session",
            width="stretch",
        )
        only = st.toggle("Eligible only", key=state.TRIALS_ELIGIBLE, persist_state="session")
    shown = table(study, trials, metrics, only=bool(only))
    downloads.show(
        key="trials",
        count=f"{len(shown):,} shown",
        name=f"study_{study.id}_trials",
        csv=(lambda: formats.csv(trials), "Every trial with every metric."),
        parquet=(lambda: _parquet(trials), "The same, number for number."),
    )
    picked: Any = st.dataframe(
        shown.to_arrow(),
        column_config=_columns(study, metrics),
        hide_index=True,
        row_height=ROW_HEIGHT,
        height=min(MOST_ROWS, len(shown) + 1) * ROW_HEIGHT + 8,
        placeholder="—",
        on_select="rerun",
        selection_mode="single-row",
        key=f"{state.TRIALS_TABLE}_{study.id}",
        alt="All trials of the study",
    )
    rows = picked.selection.rows
    return int(shown["number"][rows[0]]) if rows and rows[0] < len(shown) else None


def table(
    study: Study, trials: pl.DataFrame, metrics: Sequence[str], *, only: bool
) -> pl.DataFrame:
    """Choose and order what is shown of the trials: the best first, the others behind."""
    if only:
        trials = trials.filter(pl.col("score").is_not_null())
    names = [f"param_{name}" for name in study.spec.space]
    aims = {f"value_{place}": each.metric for place, each in enumerate(study.spec.objectives)}
    asked = {*aims.values(), *LATER}
    later = [name for name in LATER if trials[name].count()]
    wanted = [name for name in metrics if name not in asked]
    percent = [
        name
        for name in (*aims, *wanted, *later)
        if name == "test_return" or _unit(aims.get(name, name)) == "fraction"
    ]
    ranked = trials.sort("score", "number", descending=[True, False], nulls_last=True)
    reason = ["reason"] if ranked["reason"].count() else []
    columns = ("number", *names, *aims, "smoothed", *later, *wanted, *reason)
    return ranked.select(columns).with_columns(pl.col(name) * 100 for name in percent)


def _parquet(trials: pl.DataFrame) -> bytes:
    file = BytesIO()
    trials.write_parquet(file)
    return file.getvalue()


def _unit(name: str) -> str:
    return METRICS[name].unit if name in METRICS else "ratio"


def _columns(study: Study, metrics: Sequence[str]) -> dict[str, Any]:
    column = st.column_config
    columns: dict[str, Any] = {
        "number": column.NumberColumn("Trial", format="%d", pinned=True),
        "smoothed": column.NumberColumn(
            "With neighbours",
            format="%.3f",
            help="Median of what competes over the trial and its neighbours; greater is better.",
        ),
        "reason": column.TextColumn("Cannot be the best because", width="large"),
    }
    for name in study.spec.space:
        columns[f"param_{name}"] = column.Column(name.replace("_", " ").capitalize())
    for place, each in enumerate(study.spec.objectives):
        label = search_form.objective_label(each.metric)
        columns[f"value_{place}"] = column.NumberColumn(
            label, format=FORMATS["fraction"] if _unit(each.metric) == "fraction" else "%.3f"
        )
    for name, label in LATER.items():
        columns[name] = column.NumberColumn(
            label, format="%.2f%%" if name == "test_return" else "%.2f"
        )
    for name in metrics:
        columns[name] = column.NumberColumn(
            METRICS[name].label,
            format=FORMATS.get(METRICS[name].unit, "%.2f"),
            help=METRICS[name].help,
        )
    return columns
