"""Whatever users or strategies call things, a page shows it as text (W11)."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.domain.findings import Study
from core.domain.job import Job, JobError, JobEvent, JobState
from core.domain.run import RunError, RunSpec
from core.domain.study import StudySpec
from core.errors import InvalidInput
from ui import formats
from ui.components import (
    comparison_tables,
    headline,
    markup,
    problem,
    provenance,
    request,
    study_headline,
)

UI = Path(__file__).parents[2] / "ui"
PAYLOADS = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "</dd></dl><iframe src=//evil.test>",
    "<svg/onload=alert(1)>",
    "javascript:alert(1)",
    "[link](javascript:alert(1))",
    "![x](http://evil.test/x.png)",
    "**bold** _and_ `code` $$x$$ :red[x]",
    "<style>*{display:none}</style>",
    "{{7*7}} ${7*7} #{7*7}",
    "&lt;script&gt;",
    "\u202egnp.exe",
    "a\x00b",
)


class Tags(HTMLParser):
    def __init__(self):
        super().__init__()
        self.seen, self.handlers, self.text = [], [], []

    def handle_starttag(self, tag, attrs):
        self.seen.append(tag)
        self.handlers += [name for name, _ in attrs if name.startswith("on")]

    def handle_data(self, data):
        self.text.append(data)


def read(html):
    tags = Tags()
    tags.feed(html)
    tags.close()
    return tags


@pytest.fixture
def written(monkeypatch):
    parts = []
    monkeypatch.setattr(markup, "write", lambda *html: parts.append("".join(html)))
    return lambda: "".join(parts)


@given(st.one_of(st.sampled_from(PAYLOADS), st.text(max_size=60)))
def test_escaped_text_is_never_a_tag(value):
    tags = read(f'<p title="{markup.text(value)}">{markup.text(value)}</p>')

    assert tags.seen == ["p"]
    assert tags.handlers == []


@pytest.mark.parametrize("payload", PAYLOADS)
def test_a_headline_shows_titles_and_parameters_as_text(submit, written, payload):
    run = submit()
    spec = run.spec.model_copy(update={"params": {payload: payload}, "symbols": (payload,)})

    headline.show(
        replace(run, title=payload, spec=spec),
        verdict=payload,
        policy=payload,
        notes=[payload],
        reader=formats.zone(None),
        now=run.created_at,
    )

    tags = read(written())
    assert set(tags.seen) <= {"header", "h1", "div", "span", "b", "p"}
    assert tags.handlers == []


@pytest.mark.parametrize("payload", PAYLOADS)
def test_errors_show_what_they_found_as_text(written, payload):
    problem.show(InvalidInput(payload, expected=payload, hint=payload))
    problem.show_failure(RunError("strategy_failed", payload, payload))

    tags = read(written())
    assert set(tags.seen) <= {"section", "h2", "dl", "dt", "dd"}
    assert tags.handlers == []


@pytest.mark.parametrize("payload", PAYLOADS)
def test_a_study_shows_titles_choices_and_reasons_as_text(written, payload):
    spec = StudySpec.model_validate(
        {"run": {"strategy": "x", "symbols": ["AAPL"]}, "space": {payload[:99]: [payload]}}
    )
    now = datetime(2026, 1, 1, tzinfo=UTC)
    error = JobError("strategy_failed", payload, payload)
    job = Job(
        id=1,
        uuid="",
        kind="study",
        payload={},
        state=JobState.FAILED,
        priority=0,
        attempt=1,
        worker=payload,
        done=1,
        total=2,
        step=payload,
        is_cancel_wanted=False,
        error=error,
        created_at=now,
        started_at=now,
        completed_at=now,
    )
    study = Study(1, "", job, spec, payload, "ui", now)

    study_headline.show(study, reader=formats.zone(None), now=now)
    problem.show_failure(error, what="study")
    markup.write(markup.facts(request._asked(spec)), markup.facts(request._computed(study)))
    history = [JobEvent(now, 1, None, JobState.FAILED, payload)]
    markup.write(request._history(history, formats.zone(None)))

    tags = read(written())
    known = {"header", "h1", "div", "span", "b", "p", "section", "h2", "dl", "dt", "dd"}
    assert set(tags.seen) <= known
    assert tags.handlers == []


@pytest.mark.parametrize("payload", PAYLOADS)
def test_provenance_and_comparison_show_values_as_text(submit, written, payload):
    run = submit()
    spec = run.spec.model_copy(update={"params": {"name": payload}})
    odd = replace(run, title=payload, spec=spec, job_id=payload, code_hash=payload)

    markup.write(markup.facts(provenance._asked(spec)))
    markup.write(markup.facts(provenance._computed(odd, formats.zone(None))))
    comparison_tables.show_runs([odd, odd])

    tags = read(written())
    assert not {"script", "img", "iframe", "svg", "style"} & set(tags.seen)
    assert tags.seen.count("a") == 2  # our links to the two runs
    assert tags.handlers == []


@pytest.mark.parametrize("payload", PAYLOADS)
def test_shell_calls_quote_whatever_a_parameter_holds(submit, payload):
    import shlex

    spec = submit().spec.model_copy(update={"params": {"name": payload}})

    echo, said = shlex.split(provenance.cli_call(spec))[:2]
    assert echo == "echo"
    assert RunSpec.model_validate(json.loads(said)) == spec


def test_no_page_asks_the_browser_to_run_our_scripts():
    sources = [path.read_text("utf-8") for path in UI.rglob("*.py")]

    assert not any(
        re.search(r"unsafe_allow_(html|javascript)\s*=\s*True", source) for source in sources
    )


def test_the_table_of_runs_writes_text_and_never_markup():
    scripts = [path.read_text("utf-8") for path in (UI / "assets").glob("*.js")]

    writes_markup = r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\("
    assert scripts
    assert not any(re.search(writes_markup, script) for script in scripts)
