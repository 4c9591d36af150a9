"""The table of studies: what was asked, how far it is, and what the winner is worth."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import streamlit as st

from core.domain.findings import Study, StudyQuery
from core.domain.job import JobState
from ui import formats, state
from ui.components import runs_table, search_form, verdict

_table = st.components.v2.component(
    "studies_table",
    html='<div class="wb-runs wb-studies" data-testid="studies-table"><table></table></div>',
    css=(runs_table.ASSETS / "runs_table.css").read_text(encoding="utf-8"),
    js=(runs_table.ASSETS / "runs_table.js").read_text(encoding="utf-8"),
    isolate_styles=False,
)
COLUMNS: Final[tuple[dict[str, Any], ...]] = (
    {"key": "id", "label": "Study", "align": "left", "kind": "link", "sort": "id"},
    {"key": "when", "label": "When", "align": "left", "kind": "time"},
    {"key": "strategy", "label": "Strategy", "align": "left", "sort": "strategy"},
    {"key": "symbol", "label": "Symbol", "align": "left", "sort": "symbol"},
    {"key": "method", "label": "Method", "align": "left", "sort": "method"},
    {"key": "status", "label": "Status", "align": "left", "kind": "badges", "sort": "status"},
    {"key": "light", "label": "Verdict", "align": "left", "kind": "light", "sort": "light"},
    {"key": "trials", "label": "Trials", "sort": "trials"},
    {"key": "best", "label": "Taken", "help": "Objective of the trial to take.", "sort": "best"},
    {"key": "deflated", "label": "Deflated", "help": verdict.DEFLATED_HELP, "sort": "deflated"},
    {"key": "pbo", "label": "PBO", "help": verdict.PBO_HELP, "sort": "pbo"},
    {"key": "cancel", "label": "", "kind": "cancel"},
)


def show(
    studies: Sequence[Study],
    query: StudyQuery,
    *,
    left: Mapping[int, float | None],
    on_sort: Callable[[str], None],
    on_cancel: Callable[[int], None],
) -> int | None:
    """Draw one page of studies; give the number of the one the reader opens.

    Args:
        studies: In the order to show.
        query: What was asked, for the arrow in the header.
        left: Seconds to go of those that run, by number; None where nobody can say.
        on_sort: Called with the name of `STUDY_SORTS` somebody wants them sorted by.
        on_cancel: Called with the number of the study to end.
    """
    busy = any(not study.job.state.is_final for study in studies)
    hidden = set() if busy else {"cancel"}
    result = _table(
        key=state.STUDIES_TABLE,
        data={
            "columns": [column for column in COLUMNS if column["key"] not in hidden],
            "rows": [_row(study, left.get(study.id)) for study in studies],
            "sort": {"by": query.sort, "order": query.order},
            "page": "study",
        },
        on_sort_change=lambda: on_sort(_sent("sort")),
        on_cancel_change=lambda: on_cancel(_sent("cancel")),
        on_open_change=_nothing,
    )
    opened: int | None = result.get("open")
    return opened


def _sent(name: str) -> Any:
    return st.session_state[state.STUDIES_TABLE].get(name)


def _nothing() -> None:
    """Streamlit wants a callback for every value a component may send."""


def _row(study: Study, left: float | None) -> dict[str, Any]:
    job, found, run = study.job, study.findings, study.spec.run
    cells: dict[str, Any] = {
        "id": f"#{study.id}",
        "when": study.created_at.isoformat(),
        "strategy": {"text": study.title, "beside": ", ".join(study.spec.space)},
        "symbol": {
            "text": f"{formats.names(run.symbols, most=2)}, {run.timeframe}",
            "title": ", ".join(run.symbols),
        },
        "method": {"text": search_form.METHODS[study.spec.method]},
        "status": _status(study),
    }
    row: dict[str, Any] = {"id": study.id, "cells": cells}
    if not job.state.is_final:
        row["progress"] = {**progress(study, left), "over": ("light", "pbo")}
        if not job.is_cancel_wanted:
            cells["cancel"] = f"study {study.id}"
    if found is not None:
        cells |= {
            "trials": {"text": f"{found.trials:,}"},
            "light": {
                "kind": found.light,
                "text": verdict.WORDS[found.light],
                "title": found.sentence,
            },
            "best": {"text": verdict.objective(study), "title": verdict.objective_name(study)},
            **{name: _judged(study, name) for name in ("deflated", "pbo")},
        }
    return row


def progress(study: Study, left: float | None) -> dict[str, Any]:
    """Say how far a study is that is not over: share, step, time left."""
    job = study.job
    words = verdict.step(job)
    title = f"{words}, {job.done:,} of {job.total:,} trials" if job.total else words
    told = {"share": job.progress, "text": words, "title": title}
    if left is not None and not job.is_cancel_wanted:
        told["left"] = f"{formats.duration(max(1.0, left))} left"
    return told


def _status(study: Study) -> list[dict[str, str]]:
    job = study.job
    text = verdict.state(job)
    why = f": {job.error.message}" if job.error else ""
    said = [{"kind": str(job.state), "text": text, "title": text + why}]
    if job.error and job.state is not JobState.FAILED:
        said.append({"kind": "badge", "text": "Unreadable", "title": job.error.message})
    return said


def _judged(study: Study, name: str) -> dict[str, str]:
    text, why = verdict.judged(study, name)
    return {"text": text, "title": why}
