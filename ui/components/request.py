"""What a study was asked for, what became of its job, and how to ask again."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pprint import pformat
from textwrap import indent
from typing import Final
from zoneinfo import ZoneInfo

import streamlit as st

from core.domain.findings import Study
from core.domain.job import JobEvent, JobState
from core.domain.study import StudySpec
from core.domain.tracking import Mirror
from ui import formats
from ui.components import markup, mirror, pair, search_form, verdict

CODE: Final = re.compile(r"^[a-z_]+: ")
"""Of an error, as the store writes it before the words."""
STOPPED: Final = {
    "complete": "all trials were made",
    "exhausted": "nothing new was to be found",
    "no_improvement": "nothing better came for a while",
}


def show(study: Study, history: Sequence[JobEvent], *, mirrored: Mirror, reader: ZoneInfo) -> None:
    """Draw the request, the way of its job and the whole spec.

    Args:
        study: In any state.
        history: Of its job; none while it moves, as nobody draws this again then.
        mirrored: What of it is in MLflow.
        reader: Where times are read.
    """
    left, right = pair.columns("request", 1, 1)
    with left:
        markup.write(
            markup.card("What was asked", markup.facts(_asked(study.spec))),
            markup.card("What it was computed from", markup.facts(_computed(study))),
            mirror.card(mirrored),
            markup.card("What became of its job", _history(history, reader)) if history else "",
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
        **{f"{name}, varied": formats.varied(each) for name, each in spec.space.items()},
        "Fixed": formats.params(dict(run.params)) or formats.NONE,
        "Symbol"
        if len(run.symbols) == 1
        else "Symbols": f"{', '.join(run.symbols)}, {run.timeframe}",
        "Period": formats.span(run.start, run.end),
        "Method": search_form.METHODS[spec.method],
        "Objective": "; ".join(verdict.aim(each) for each in spec.objectives),
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
        "Strategy code": (study.code_hash or formats.NONE)[:16],
    }
    if study.job.state.is_final:
        pairs |= {"Attempts": study.job.attempt, "Worker": study.job.worker or formats.NONE}
    if found is not None:
        pairs |= {
            "Key": (study.key or formats.NONE)[:16],
            "Batches": f"{found.batches:,}",
            "Repeated sets": f"{found.repeats:,}",
            "Ended because": STOPPED.get(found.stopped, found.stopped),
            "Refused by constraints": formats.percent(found.refused_share, 1),
        }
    return {name: markup.text(value) for name, value in pairs.items()}


def _history(history: Sequence[JobEvent], reader: ZoneInfo) -> str:
    rows = []
    for event in history:
        note = event.note or ""
        if event.to_state is JobState.FAILED:
            note = CODE.sub("", note)
        said = "" if note in {"", event.to_state} else f": {note}"
        moment = formats.moment(event.at, reader)
        rows.append((moment, markup.text(f"{event.to_state.capitalize()}{said}")))
    return markup.facts(rows)
