"""What a study was asked for, what became of its job, and how to ask again."""

from __future__ import annotations

from collections.abc import Sequence
from pprint import pformat
from textwrap import indent
from typing import Final
from zoneinfo import ZoneInfo

import streamlit as st

from core.domain.findings import Study
from core.domain.job import JobEvent
from core.domain.study import StudySpec
from ui import formats
from ui.components import markup, search_form

STOPPED: Final = {
    "complete": "all trials were made",
    "exhausted": "nothing new was to be found",
    "no_improvement": "nothing better came for a while",
}


def show(study: Study, history: Sequence[JobEvent], *, reader: ZoneInfo) -> None:
    """Draw the request, the way of its job and the whole spec."""
    left, right = st.columns([1, 1], gap="large")
    with left:
        markup.write(
            '<div class="wb-card"><h3>What was asked</h3>',
            markup.facts(_asked(study.spec)),
            "</div>",
            '<div class="wb-card"><h3>What it was computed from</h3>',
            markup.facts(_computed(study)),
            "</div>",
            '<div class="wb-card"><h3>What became of its job</h3>',
            _history(history, reader),
            "</div>",
        )
    with right:
        markup.write(markup.section("The same from Python"))
        st.code(python_call(study.spec), language="python", wrap_lines=True)


def python_call(spec: StudySpec) -> str:
    """Give the lines that ask for this study; what is as usual is left out."""
    asked = spec.model_dump(mode="json", exclude_defaults=True)
    lines = pformat(asked, width=88, sort_dicts=False)
    return (
        "from core.bootstrap import build\n"
        "from core.domain.study import StudySpec\n\n"
        f"spec = StudySpec.model_validate(\n{indent(lines, '    ')}\n)\n"
        "with build() as services:\n"
        "    study = services.studies.submit(spec)"
    )


def _asked(spec: StudySpec) -> dict[str, str]:
    run = spec.run
    pairs: dict[str, object] = {
        "Strategy": run.strategy,
        **{f"{name}, varied": each.describe() for name, each in spec.space.items()},
        "Fixed": formats.params(dict(run.params)) or formats.NONE,
        "Symbol": f"{run.symbols[0]}, {run.timeframe}",
        "Period": formats.span(run.start, run.end),
        "Method": search_form.METHODS[spec.method],
        "Objective": "; ".join(each.sentence() for each in spec.objectives),
        "Requirements": "; ".join(each.root for each in spec.requirements) or formats.NONE,
        "Most trials": f"{spec.trials:,}",
        "Batches of": f"{spec.batch:,}",
        "Seed": spec.seed,
        "Costs": run.costs.name,
    }
    return {name: markup.text(value) for name, value in pairs.items()}


def _computed(study: Study) -> dict[str, str]:
    found = study.findings
    pairs: dict[str, object] = {
        "Study": study.uuid,
        "Job": study.job.id,
        "Attempts": study.job.attempt,
        "Worker": study.job.worker or formats.NONE,
        "Strategy code": (study.code_hash or formats.NONE)[:16],
        "Key": (study.key or formats.NONE)[:16],
    }
    if found is not None:
        pairs |= {
            "Batches": f"{found.batches:,}",
            "Repeated sets": f"{found.repeats:,}",
            "Ended because": STOPPED.get(found.stopped, found.stopped),
            "Refused by constraints": formats.percent(found.refused_share, 1),
        }
    return {name: markup.text(value) for name, value in pairs.items()}


def _history(history: Sequence[JobEvent], reader: ZoneInfo) -> str:
    rows: dict[str, str] = {}
    for event in history:
        note = f": {event.note}" if event.note else ""
        rows[formats.moment(event.at, reader) + f" ({len(rows) + 1})"] = markup.text(
            f"{event.to_state.capitalize()}{note}"
        )
    return markup.facts(rows)
