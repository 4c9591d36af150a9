"""The table of runs: real HTML, sorted and paged by the server, selection kept by run number."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from textwrap import shorten
from typing import Any

import streamlit as st

from core.domain.metrics import BADGES, METRICS
from core.domain.run import Run, RunQuery, RunStatus
from ui import formats, state
from ui.components import markup

MOST_COMPARED = 12
MOST_BADGES = 2
LONGEST_NAME_SHOWN = 40
METRIC_COLUMNS: tuple[str, ...] = ("total_return", "cagr", "sharpe", "max_drawdown", "trades")
ASSETS = Path(__file__).parent.parent / "assets"

_table = st.components.v2.component(
    "runs_table",
    html='<div class="wb-runs" data-testid="runs-table"><table></table></div>',
    css=(ASSETS / "runs_table.css").read_text(encoding="utf-8"),
    js=(ASSETS / "runs_table.js").read_text(encoding="utf-8"),
    isolate_styles=False,
)


def show(
    runs: Sequence[Run],
    query: RunQuery,
    *,
    selected: Sequence[int],
    sparklines: Mapping[str, Sequence[float]],
    on_sort: Callable[[str], None],
    on_select: Callable[[list[int]], None],
) -> int | None:
    """Draw one page of runs; give the number of the run the reader opens.

    Args:
        runs: In the order to show.
        query: What was asked, for the arrow in the header and the column of what it is sorted by.
        selected: Run numbers chosen so far, also on other pages.
        sparklines: Some points of equity per run key; without any there is no such column.
        on_sort: Called with the field somebody wants the runs sorted by.
        on_select: Called with all run numbers chosen.
    """
    metrics = METRIC_COLUMNS
    if query.sort_by in METRICS and query.sort_by not in METRIC_COLUMNS:
        metrics = (*METRIC_COLUMNS, query.sort_by)
    result = _table(
        key=state.RUNS_TABLE,
        data={
            "columns": _columns(metrics, with_sparkline=bool(sparklines)),
            "rows": [_row(run, metrics, sparklines) for run in runs],
            "sort": {"by": query.sort_by, "order": query.sort_order},
            "selected": list(selected),
            "most": MOST_COMPARED,
        },
        on_selected_change=lambda: on_select(_sent("selected") or []),
        on_sort_change=lambda: on_sort(_sent("sort")),
        on_open_change=_nothing,
    )
    opened: int | None = result.get("open")
    return opened


def _sent(name: str) -> Any:
    return st.session_state[state.RUNS_TABLE].get(name)


def _nothing() -> None:
    """Streamlit wants a callback for every value a component may send."""


def _columns(metrics: Sequence[str], *, with_sparkline: bool) -> list[dict[str, Any]]:
    columns: list[dict[str, Any]] = [
        {"key": "id", "label": "Run", "align": "left", "kind": "link", "sort": "id"},
        {"key": "when", "label": "When", "align": "left", "kind": "time", "sort": "created_at"},
        {"key": "strategy", "label": "Strategy", "align": "left", "sort": "strategy"},
        {"key": "symbols", "label": "Symbols", "align": "left"},
        {"key": "timeframe", "label": "Bars", "align": "left"},
        {"key": "status", "label": "Status", "align": "left", "kind": "badges", "sort": "status"},
        *(
            {
                "key": name,
                "label": METRICS[name]
                .label.replace("Total return", "Return")
                .replace("Max drawdown", "Max DD"),
                "sort": name,
                "help": METRICS[name].help,
            }
            for name in metrics
        ),
    ]
    if with_sparkline:
        columns.append({"key": "spark", "label": "Equity", "kind": "spark"})
    return columns


def _row(
    run: Run, metrics: Sequence[str], sparklines: Mapping[str, Sequence[float]]
) -> dict[str, Any]:
    cells: dict[str, Any] = {
        "id": f"#{run.id}",
        "when": run.created_at.isoformat(),
        "strategy": _what(run),
        "symbols": {
            "text": formats.names(run.spec.symbols, most=2),
            "title": ", ".join(run.spec.symbols),
        },
        "timeframe": {"text": str(run.spec.timeframe)},
        "status": _status(run),
        "spark": sparklines.get(run.run_key or ""),
    }
    if run.metrics:
        for name in metrics:
            value = run.metrics.values.get(name)
            cells[name] = {
                "text": formats.metric(name, value),
                "tone": formats.tone(name, value),
                "title": f"Undefined: {formats.reason(run.metrics, name)}" if value is None else "",
            }
    return {
        "id": run.id,
        "comparable": run.status is RunStatus.COMPLETED and run.error is None,
        "cells": cells,
    }


def _what(run: Run) -> dict[str, str]:
    """What people call it, else its strategy; beside it what was run."""
    params = formats.params(dict(run.spec.params))
    if not run.name:
        return {"text": run.title, "beside": params}
    return {
        "text": shorten(run.name, LONGEST_NAME_SHOWN, placeholder="…"),
        "title": run.name,
        "beside": f"{run.title} {params}".strip(),
    }


def _status(run: Run) -> list[dict[str, str]]:
    """The state, and beside it what must be known before the numbers are believed."""
    error = f": {run.error.message}" if run.error else ""
    chips = [
        {
            "kind": str(run.status),
            "text": run.status.capitalize(),
            "title": f"{run.status.capitalize()}{error}",
        }
    ]
    if run.error and run.status is not RunStatus.FAILED:
        chips.append({"kind": "badge", "text": "Unreadable", "title": run.error.message})
    chips += [
        {"kind": "badge", "text": markup.badge_label(name), "title": BADGES.get(name, name)}
        for name in run.badges[:MOST_BADGES]
    ]
    hidden = run.badges[MOST_BADGES:]
    if hidden:
        title = "; ".join(BADGES.get(name, name) for name in hidden)
        chips.append({"kind": "badge", "text": f"{len(hidden)} more", "title": title})
    return chips
