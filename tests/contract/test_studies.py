"""What every database must do for studies; the same class on SQLite and on PostgreSQL."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import polars as pl
import pytest
from sqlalchemy import update

from core.domain.findings import Chosen, Findings, StudyQuery, Validation
from core.domain.job import JobError, JobState
from core.domain.study import StudySpec
from core.errors import Conflict, DataProblem, InvalidInput, NotFound
from core.store import Store
from core.store.studies import findings_from_json, findings_to_json
from core.store.tables import StudyRow
from tests.contract.samples import NOW, key

CHOSEN = Chosen(3, {"fast": 5, "mode": "both"}, 0.75, {"sharpe": 1.25, "sortino": None})
FOUND = Findings(
    trials=12,
    eligible=9,
    batches=1,
    repeats=0,
    stopped="complete",
    refused_share=0.25,
    first=date(2020, 1, 2),
    last=date(2021, 3, 4),
    sessions=290,
    chosen=CHOSEN,
    peak=replace(CHOSEN, number=7),
    front=(7,),
    light="amber",
    sentence="Not proved.",
    gates=({"name": "deflated", "value": 0.9, "light": "amber"},),
    judged={
        "deflated": {"value": 0.9, "reason": None},
        "overfitting": {"pbo": 0.3, "noise": [0.1, 0.9]},
        "stability": {"ratio": None, "reason": "none"},
    },
    validation=Validation(
        date(2021, 3, 5), date(2021, 9, 1), 120, 1.0, 0.5, 0.02, -0.1, 0.5, "fail", None, 0, 3
    ),
    walk={"windows": 4, "efficiency": None},
    seconds=1.5,
)
FRAMES = {
    "trials": pl.DataFrame({"number": [0, 1], "param_fast": [3, 5], "score": [0.5, None]}),
    "returns": pl.DataFrame(
        {"number": [0, 1], "returns": [[0.01, -0.02], [0.0, 0.03]]},
        schema_overrides={"returns": pl.List(pl.Float32)},
    ),
}


def a_spec(strategy: str = "ema_crossover", *symbols: str, **given) -> StudySpec:
    run = {"strategy": strategy, "symbols": symbols or ["AAPL"], "params": {"mode": "both"}}
    return StudySpec.model_validate({"run": run, "space": {"fast": [3, 5]}, **given})


def submit(store: Store, spec: StudySpec | None = None) -> int:
    spec = spec or a_spec()
    payload = {"spec": spec.canonical()}
    with store.jobs.submitting("study", payload, now=NOW) as (within, job):
        store.studies.create(
            spec, title="EMA crossover", source="api", code_hash="c" * 64, job_id=job.id,
            within=within, now=NOW,
        )  # fmt: skip
    return job.id


def finish(store: Store, job_id: int, found: Findings = FOUND, name: object = "study") -> None:
    claim = store.jobs.claim("one", lease=10.0, now=NOW, only=job_id)
    files = store.tables.publish(key(name), FRAMES)
    with store.jobs.completing(claim, now=NOW) as within:
        store.studies.complete(job_id, key(name), found, files, within=within)


def test_a_study_is_recorded_with_its_job(store):
    job_id = submit(store)
    study = store.studies.of_job(job_id)

    assert study == store.studies.get(study.id) == store.studies.get(study.uuid)
    assert (study.job.id, study.job.state) == (job_id, JobState.PENDING)
    assert (study.spec, study.title, study.source) == (a_spec(), "EMA crossover", "api")
    assert (study.key, study.findings, study.artifacts) == (None, None, {})


def break_off(store: Store) -> None:
    with store.jobs.submitting("study", {}, now=NOW) as (within, job):
        store.studies.create(
            a_spec(), title="t", source="api", code_hash="c", job_id=job.id, within=within, now=NOW
        )
        raise RuntimeError


def test_nothing_is_recorded_of_a_submission_that_breaks(store):
    with pytest.raises(RuntimeError):
        break_off(store)
    assert store.studies.list(StudyQuery()).total == 0
    assert store.jobs.stats().counts[JobState.PENDING] == 0


def test_a_study_of_several_symbols_is_found_by_each(store):
    """And by nothing else in it: not by a part of a name, a benchmark, or a character that fits."""
    several = submit(store, a_spec("rank", "A_B", "M%T", 'Q"\\'))
    other = a_spec("rank", "XYB", "MIT").run.model_copy(update={"benchmark": "SPY"})
    alone = submit(store, a_spec("rank").model_copy(update={"run": other}))

    def found(symbol: str) -> list[int]:
        return [each.job.id for each in store.studies.list(StudyQuery(symbol=symbol)).studies]

    for symbol in ("A_B", "M%T", 'Q"\\'):
        assert found(symbol) == [several]
    assert found("XYB") == found("MIT") == [alone]
    for symbol in ("B", "SPY", "A_", "%", "1d"):
        assert found(symbol) == []


def test_what_was_found_comes_back_as_it_was(store):
    job_id = submit(store)
    finish(store, job_id)
    study = store.studies.of_job(job_id)

    assert study.job.state is JobState.COMPLETED
    assert study.findings == FOUND
    assert set(study.artifacts) == {"trials.parquet", "returns.parquet"}
    for name, frame in FRAMES.items():
        assert store.tables.read(study.key, name).equals(frame)


def test_findings_of_another_version_are_a_problem_of_the_data(store):
    job_id = submit(store)
    finish(store, job_id)
    with store._database.write() as connection:
        connection.execute(update(StudyRow).values(findings='{"trials": 1}'))
    with pytest.raises(DataProblem, match="the findings of study 1 cannot be read"):
        store.studies.of_job(job_id)


def test_findings_survive_json():
    assert findings_from_json(findings_to_json(FOUND)) == FOUND
    bare = replace(FOUND, chosen=None, peak=None, validation=None, walk=None)
    assert findings_from_json(findings_to_json(bare)) == bare


def test_a_study_is_complete_together_with_its_job_or_not_at_all(store):
    job_id = submit(store)
    claim = store.jobs.claim("one", lease=10.0, now=NOW)
    store.tables.publish(key("study"), FRAMES)
    with (
        pytest.raises(DataProblem, match="are others than this study's"),
        store.jobs.completing(claim, now=NOW) as within,
    ):
        store.studies.complete(job_id, key("study"), FOUND, {}, within=within)
    study = store.studies.of_job(job_id)
    assert (study.job.state, study.findings) == (JobState.RUNNING, None)
    store.jobs.fail(claim, JobError("strategy_failed", "boom"), now=NOW)
    with pytest.raises(Conflict), store.jobs.completing(claim, now=NOW):
        pass


def test_lists_are_cut_and_filtered_in_the_database(store):
    first = submit(store)
    finish(store, first)
    second = submit(store, a_spec("donchian_breakout", "IBM", walk_forward={"train": 6}))
    studies = store.studies
    today, tomorrow = NOW.date(), NOW.date() + timedelta(days=1)

    page = studies.list(StudyQuery(limit=1))
    assert ([each.job.id for each in page.studies], page.total) == ([second], 2)
    page = studies.list(StudyQuery(limit=1, offset=1))
    assert [each.findings for each in page.studies] == [FOUND]
    for query, wanted in {
        StudyQuery(strategy="ema_crossover"): [first],
        StudyQuery(symbol="IBM"): [second],
        StudyQuery(state="completed"): [first],
        StudyQuery(state="failed"): [],
        StudyQuery(strategy="a\x00b"): [],
        StudyQuery(strategy_part="CROSS"): [first],
        StudyQuery(strategy_part="%"): [],
        StudyQuery(strategy_part="a\x00b"): [],
        StudyQuery(walks=True): [second],
        StudyQuery(walks=False): [first],
        StudyQuery(start=today, end=today): [second, first],
        StudyQuery(start=tomorrow): [],
        StudyQuery(end=today - timedelta(days=1)): [],
        StudyQuery(offset=1): [first],
        StudyQuery(offset=9): [],
    }.items():
        assert [each.job.id for each in studies.list(query).studies] == wanted


@pytest.mark.parametrize("ref", [0, 99, pytest.param(10**5_000, id="huge"), "nobody", "a\x00b", ""])
def test_who_is_not_there_is_not_found(store, ref):
    with pytest.raises(NotFound, match="does not exist"):
        store.studies.get(ref)


def test_tables_that_are_none_of_a_study_are_refused(store):
    with pytest.raises(DataProblem, match="frames are"):
        store.tables.publish(key("x"), {"trials": FRAMES["trials"]})
    with pytest.raises(DataProblem, match="frames are"):
        store.tables.publish(key("x"), {**FRAMES, "equity": FRAMES["trials"]})
    with pytest.raises(InvalidInput, match="'equity' is not known"):
        store.tables.path(key("x"), "equity")
    broken = FRAMES["trials"].with_columns(score=pl.lit(float("nan")))
    with pytest.raises(DataProblem, match="NaN or infinity"):
        store.tables.publish(key("x"), {**FRAMES, "trials": broken})


def test_lists_are_sorted_in_the_database_and_what_is_unknown_comes_last(store):
    found = {}
    for place, (light, deflated, pbo, trials, best) in enumerate(
        (("red", 0.2, 0.6, 10, 1.5), ("green", 0.97, 0.1, 30, 0.5), ("amber", 0.7, 0.3, 20, 2.5))
    ):
        job_id = submit(store, a_spec(("b", "c", "a")[place], ("Y", "X", "Z")[place]))
        judged = {"deflated": {"value": deflated}, "overfitting": {"pbo": pbo}}
        chosen = replace(CHOSEN, value=best)
        finish(
            store,
            job_id,
            replace(FOUND, light=light, judged=judged, trials=trials, chosen=chosen),
            f"study {place}",
        )
        found[place] = job_id
    waiting = submit(store, a_spec("d", "W", method="random"))
    names = {**{job_id: str(place) for place, job_id in found.items()}, waiting: "w"}

    def listed(sort: str, order: str) -> str:
        page = store.studies.list(StudyQuery(sort=sort, order=order))
        return "".join(names[each.job.id] for each in page.studies)

    for sort, (rising, falling) in {
        "id": ("012w", "w210"),
        "strategy": ("201w", "w102"),
        "symbol": ("w102", "201w"),
        "method": ("210w", "w210"),  # of equals the newest first
        "status": ("210w", "w210"),
        "light": ("120w", "021w"),
        "trials": ("021w", "120w"),
        "best": ("102w", "201w"),
        "deflated": ("021w", "120w"),
        "pbo": ("120w", "021w"),
    }.items():
        assert (listed(sort, "asc"), listed(sort, "desc")) == (rising, falling), sort


def test_what_studies_cannot_be_sorted_by_is_refused():
    with pytest.raises(InvalidInput, match="sorted by") as refusal:
        StudyQuery(sort="spec; DROP TABLE studies")
    assert "deflated" in refusal.value.expected


@pytest.mark.parametrize(
    ("column", "text", "said"),
    [
        ("spec", '{"space_of_2030": {}}', "stored request of study"),
        ("findings", '{"trials_of_2030": 3}', "findings of study"),
        ("findings", "[]", "findings of study"),
        ("findings", "{", "findings of study"),
    ],
)
def test_a_study_of_another_version_hides_no_other(store, column, text, said):
    first, odd, last = (submit(store, a_spec("momentum", name)) for name in ("A", "B", "C"))
    finish(store, odd)
    with store._database.write() as connection:
        connection.execute(update(StudyRow).where(StudyRow.job_id == odd).values({column: text}))

    page = store.studies.list(StudyQuery())

    assert [study.job.id for study in page.studies] == [last, odd, first]
    found = page.studies[1]
    assert (found.job.state, found.title) == (JobState.COMPLETED, "EMA crossover")
    assert (found.spec.run.strategy, found.spec.run.symbols) == ("momentum", ("B",))
    assert (found.spec.method, found.findings) == ("grid", None)
    assert found.job.error.code == "data_problem"
    assert said in found.job.error.message
    assert "another version" in found.job.error.hint
    with pytest.raises(DataProblem, match=said):
        store.studies.get(found.id)
