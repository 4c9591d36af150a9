"""What a study is and what came of it, before any number."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

from core.domain.findings import Study
from core.domain.job import JobState
from core.domain.study import StudySpec
from ui import formats
from ui.components import markup, search_form, verdict
from ui.components.headline import SOURCES


def show(study: Study, *, reader: ZoneInfo, now: datetime) -> None:
    """Draw title, space, state, verdict and what was asked of a study."""
    varied = " · ".join(
        f"{name} {formats.varied(dimension)}" for name, dimension in study.spec.space.items()
    )
    markup.write(
        '<header class="wb-headline">',
        f'<h1>{markup.text(study.title)} <span class="wb-params">{markup.text(varied)}</span></h1>',
        f'<div class="wb-sub">{_facts(study, reader, now)}</div>',
        verdict.sentence(study),
        f'<p class="wb-policy">{markup.text(policy(study))}</p>',
        "</header>",
    )


def policy(study: Study) -> str:
    """Say in a sentence or two how the study searched, and what it left for later."""
    spec, found = study.spec, study.findings
    aims = " and ".join(verdict.aim(each) for each in spec.objectives)
    method = search_form.METHODS[spec.method]
    needs = ", ".join(each.root for each in spec.requirements)
    words = f"{method} search for {aims}" + (f" among trials with {needs}" if needs else "")
    parts = [words]
    if found is not None:
        parts.append(f"searched {formats.span(found.first, found.last)}")
    parts.append(_held_back(spec))
    if spec.walk_forward is not None:
        walk = spec.walk_forward
        parts.append(
            f"walked forward, {walk.mode} {walk.train}/{walk.test}/{walk.step} {walk.unit}"
        )
    if spec.null_worlds:
        noun = "world" if spec.null_worlds == 1 else "worlds"
        parts.append(f"repeated on {spec.null_worlds} {noun} without edge")
    parts.append(f"seed {spec.seed}")
    return "; ".join(parts) + "."


def _held_back(spec: StudySpec) -> str:
    if not spec.validation.share:
        return "nothing held back"
    words = f"{formats.percent(spec.validation.share, 0)} of the sessions held back"
    embargo = spec.validation.embargo
    return f"{words}, {embargo:,} before them left out" if embargo else words


def _facts(study: Study, reader: ZoneInfo, now: datetime) -> str:
    run = study.spec.run
    when = markup.text(formats.moment(study.created_at, reader))
    door = SOURCES.get(study.source, study.source)
    submitted = markup.text(f"{formats.ago(study.created_at, now)} {door}")
    found = study.findings
    took = f"<span>took {_length(found.seconds)}</span>" if found else ""
    return "".join(
        (
            f'<span class="wb-muted">Study #{study.id}</span>',
            f"<b>{markup.text(formats.names(run.symbols))}</b>",
            f"<span>{markup.text(run.timeframe)}, {formats.span(run.start, run.end)}</span>",
            f'<span title="{when}">Submitted {submitted}</span>',
            took,
            f'<span class="wb-chips">{_state(study)}</span>',
        )
    )


def _state(study: Study) -> str:
    job = study.job
    if job.state is JobState.COMPLETED:
        return ""
    name = markup.text(verdict.state(job))
    return f'<span class="wb-chip wb-{markup.text(job.state)}">{name}</span>'


def _length(seconds: float) -> str:
    return "less than a second" if seconds < 1 else formats.duration(seconds)
