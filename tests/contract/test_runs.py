"""What every database must do for runs; the same class on SQLite and on PostgreSQL."""

from __future__ import annotations

import itertools
import math
import random
import re
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import event, func, select, update

from core.domain.metrics import METRICS
from core.domain.run import (
    SORTABLE,
    TRANSITIONS,
    Run,
    RunError,
    RunQuery,
    RunStatus,
    Trial,
)
from core.errors import Conflict, DataProblem, InvalidInput, NotFound, WorkbenchError
from core.store import Store, open_store
from core.store.tables import (
    ResultArtifactRow,
    ResultDataRow,
    ResultRow,
    RunEventRow,
    RunRow,
    RunSymbolRow,
    metrics,
)
from tests.contract.samples import NOW, a_result, a_spec, key, some_frames, some_metrics

RESULT_TABLES = [row.__table__ for row in (ResultArtifactRow, ResultDataRow, RunRow, RunSymbolRow)]
BOOM = RunError("strategy_failed", "it broke", "mend it")


def submit(store: Store, **given) -> Run:
    spec = given.pop("spec", None) or a_spec()
    given = {"title": "EMA crossover", "source": "api", "owner": "host:1", "now": NOW} | given
    return store.runs.create(spec, **given)


def finish(store: Store, run: Run, name: object = "result", seed: int = 1, **given) -> Run:
    result = a_result(key(name), run.spec, seed, **given)
    artifacts = store.artifacts.publish(result.run_key, result.frames)
    return store.runs.complete(run.id, result, artifacts, reused=False, now=NOW)


def put_in(store: Store, run: Run, status: RunStatus) -> None:
    """Bring a pending run into a state by the front door, where there is one."""
    if status is RunStatus.RUNNING:
        store.runs.start(run.id, now=NOW)
    elif status is RunStatus.COMPLETED:
        finish(store, run)
    elif status is RunStatus.FAILED:
        store.runs.fail(run.id, BOOM, now=NOW)
    elif status is RunStatus.CANCELLED:
        with store._database.write() as connection:
            connection.execute(update(RunRow).where(RunRow.id == run.id).values(status="cancelled"))


def race(*calls) -> list[object]:
    """Make the calls at the same moment; give what each returned or raised."""
    barrier = threading.Barrier(len(calls))

    def one(call):
        barrier.wait()
        try:
            return call()
        except WorkbenchError as error:
            return error

    with ThreadPoolExecutor(len(calls)) as threads:
        return list(threads.map(one, calls))


class TestRuns:
    def test_a_submission_is_pending_and_named(self, store):
        spec = a_spec(symbols=("MSFT", "AAPL"))

        run = submit(store, spec=spec)

        assert run.status is RunStatus.PENDING
        assert re.fullmatch(r"api_20260401093000_[0-9a-f]{8}", run.job_id)
        assert run.spec == spec
        assert run.spec.canonical() == spec.canonical()
        assert (run.created_at, run.started_at, run.completed_at) == (NOW, None, None)
        assert (run.progress, run.metrics, run.error, run.run_key) == (0.0, None, None, None)
        assert store.runs.get(run.id) == run

    def test_a_run_is_found_by_each_of_its_names(self, store):
        run = submit(store)
        submit(store)

        for ref in (run.id, str(run.id), run.uuid, run.uuid.upper(), run.job_id):
            assert store.runs.get(ref).id == run.id

    @pytest.mark.parametrize(
        "ref",
        [
            *(0, -1, 2**31, 2**63, 10**5000),
            *("", "999999", "-1", "9" * 5000, "nobody", "٣", "1.0", "%", "1 OR 1=1"),
            *("a\x00b", "\ud800"),
        ],
        ids=lambda ref: ascii(ref)[:12] if isinstance(ref, str) else f"int{ref % 97}",
    )
    def test_any_other_name_is_not_found(self, store, ref):
        submit(store)

        with pytest.raises(NotFound, match="does not exist"):
            store.runs.get(ref)

    def test_text_that_no_database_holds_is_refused_before_anything_is_written(self, store):
        for bad in ("\x00", "\ud800"):
            with pytest.raises(InvalidInput, match="cannot be stored"):
                submit(store, spec=a_spec(symbols=(f"A{bad}",)))

        assert store.runs.list(RunQuery()).total == 0

    def test_a_run_goes_from_pending_to_running_to_completed(self, store):
        run = submit(store, spec=a_spec(symbols=("MSFT", "AAPL")))
        result = a_result(key("x"), run.spec, seed=5)
        artifacts = store.artifacts.publish(result.run_key, result.frames)

        started = store.runs.start(run.id, now=NOW + timedelta(seconds=1))
        done = store.runs.complete(
            run.id, result, artifacts, reused=False, now=NOW + timedelta(seconds=2)
        )

        assert (started.status, started.started_at) == (
            RunStatus.RUNNING,
            NOW + timedelta(seconds=1),
        )
        assert done == replace(
            started,
            status=RunStatus.COMPLETED,
            completed_at=NOW + timedelta(seconds=2),
            progress=1.0,
            run_key=result.run_key,
            metrics=result.metrics,
            by_symbol=result.by_symbol,
            data_hashes=result.data_hashes,
            code_hash=result.code_hash,
            engine_version="1",
            artifacts=artifacts,
            first_bar=result.first_bar,
            last_bar=result.last_bar,
            bars=result.bars,
            engine_ms=3.25,
        )
        assert list(done.by_symbol) == ["MSFT", "AAPL"]
        assert store.runs.get(run.id) == done

    def test_undefined_metrics_come_back_as_none_with_their_reason(self, store):
        values = dict.fromkeys(METRICS)

        done = finish(store, submit(store), given=values)

        assert done.metrics.values == values
        assert done.metrics.reasons == dict.fromkeys(METRICS, "no_trades")

    def test_doubles_come_back_to_the_last_bit(self, store):
        extremes = [sys.float_info.max, sys.float_info.min, 5e-324, 0.1, 1 / 3, -1e-17, math.pi]
        names = [name for name, metric in METRICS.items() if metric.unit == "ratio"]
        values = dict(zip(names, itertools.cycle(extremes), strict=False))

        done = finish(store, submit(store), given=values)

        assert {name: done.metrics[name].hex() for name in names} == {
            name: value.hex() for name, value in values.items()
        }

    def test_zero_has_no_sign(self, store):
        done = finish(store, submit(store), given={"max_drawdown": -0.0})

        assert math.copysign(1, done.metrics["max_drawdown"]) == 1

    @pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
    def test_a_number_that_is_not_finite_is_refused_and_nothing_is_stored(self, store, value):
        run = submit(store)

        with pytest.raises(DataProblem, match="sharpe is"):
            finish(store, run, given={"sharpe": value})

        assert store.runs.get(run.id).status is RunStatus.PENDING
        with store._database.read() as connection:
            assert connection.scalar(select(func.count()).select_from(ResultRow)) == 0
            assert connection.scalar(select(func.count()).select_from(metrics)) == 0

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("values", {"sharpe": None}),
            ("values", {"trades": 1.5}),
            ("values", {"alpha": 1.0}),
            ("reasons", {"sharpe": "no_idea"}),
            ("reasons", {"total_return": "no_trades"}),
            ("counters", {"entries2": 1}),
        ],
    )
    def test_metrics_outside_the_catalogue_are_refused(self, store, field, value):
        run = submit(store)
        given = {"sharpe": 1.0, "total_return": 0.5, "trades": 3.0, "alpha": None}
        good = some_metrics(1, given)
        bad = replace(good, **{field: {**getattr(good, field), **value}})
        result = replace(a_result(key("x"), run.spec, 1), metrics=bad)
        artifacts = store.artifacts.publish(result.run_key, result.frames)

        with pytest.raises(DataProblem):
            store.runs.complete(run.id, result, artifacts, reused=False, now=NOW)

        assert store.runs.find_result(result.run_key) is None

    def test_a_run_completes_only_with_the_files_that_are_published(self, store):
        run = submit(store)
        result = a_result(key("x"), run.spec, 1)

        with pytest.raises(DataProblem, match="missing"):
            store.runs.complete(run.id, result, {}, reused=False, now=NOW)
        artifacts = store.artifacts.publish(result.run_key, result.frames)
        with pytest.raises(DataProblem, match="others"):
            store.runs.complete(
                run.id, result, artifacts | {"equity.parquet": key(1)}, reused=False, now=NOW
            )

        assert store.runs.get(run.id).status is RunStatus.PENDING

    def test_runs_that_ask_for_the_same_share_one_result(self, store):
        first, second, third = submit(store), submit(store), submit(store)
        done = finish(store, first, seed=3)

        again = finish(store, second, seed=3)
        reused = store.runs.complete_from_existing(third.id, done.run_key, now=NOW)

        assert [run.reused for run in (done, again, reused)] == [False, False, True]
        assert done.metrics == again.metrics == reused.metrics
        assert done.artifacts == reused.artifacts
        assert reused.started_at == NOW
        with store._database.read() as connection:
            assert connection.scalar(select(func.count()).select_from(ResultRow)) == 1

    def test_a_stored_result_is_found_by_its_key(self, store):
        run = submit(store, spec=a_spec(symbols=("MSFT", "AAPL")))
        done = finish(store, run)

        found = store.runs.find_result(done.run_key)

        assert store.runs.find_result(key("other")) is None
        assert (found.metrics, found.by_symbol) == (done.metrics, done.by_symbol)
        assert (found.data_hashes, found.artifacts) == (done.data_hashes, done.artifacts)
        assert (found.first_bar, found.last_bar) == (done.first_bar, done.last_bar)
        assert (found.bars, found.engine_ms, found.created_at) == (done.bars, 3.25, NOW)

    def test_a_result_that_is_not_stored_completes_nothing(self, store):
        run = submit(store)

        with pytest.raises(NotFound, match="no result"):
            store.runs.complete_from_existing(run.id, key("nothing"), now=NOW)

        assert store.runs.get(run.id) == run

    def test_recomputed_files_replace_damaged_ones_in_the_records_too(self, store):
        run, again = submit(store), submit(store)
        done = finish(store, run)
        path = store.artifacts.path(done.run_key, "equity")
        path.write_bytes(b"x" + path.read_bytes()[1:])
        result = replace(a_result(done.run_key, run.spec, 1), frames=some_frames(99))

        artifacts = store.artifacts.publish(result.run_key, result.frames)
        store.runs.complete(again.id, result, artifacts, reused=False, now=NOW)

        assert artifacts != done.artifacts
        assert store.runs.get(run.id).artifacts == artifacts

    def test_a_failure_keeps_its_code_message_and_hint(self, store):
        run = store.runs.fail(submit(store).id, BOOM, now=NOW)

        assert run.status is RunStatus.FAILED
        assert (run.error, run.completed_at) == (BOOM, NOW)
        assert store.runs.get(run.id) == run

    def test_a_failure_is_kept_whatever_its_text(self, store):
        hostile = RunError("c" * 500, "nul \x00 half \ud800 " + "long " * 100_000, "\x00")

        run = store.runs.fail(submit(store).id, hostile, now=NOW)

        assert run.error.message.startswith("nul � half ? long")
        assert len(run.error.message) == 10_000
        assert store.runs.get(run.id) == run

    @pytest.mark.parametrize("status", RunStatus)
    def test_only_the_listed_changes_of_state_happen(self, store, status):
        attempts = {
            RunStatus.RUNNING: lambda run: store.runs.start(run.id, now=NOW),
            RunStatus.COMPLETED: lambda run: finish(store, run),
            RunStatus.FAILED: lambda run: store.runs.fail(run.id, BOOM, now=NOW),
        }

        for wanted, attempt in attempts.items():
            run = submit(store)
            put_in(store, run, status)
            if wanted in TRANSITIONS[status]:
                assert attempt(run).status is wanted
            else:
                before = store.runs.get(run.id)
                with pytest.raises(Conflict, match=f"is {status} and cannot become {wanted}"):
                    attempt(run)
                assert store.runs.get(run.id) == before

    def test_a_run_that_is_not_there_cannot_change(self, store):
        with pytest.raises(NotFound):
            store.runs.start(7, now=NOW)
        with pytest.raises(NotFound):
            store.runs.fail(7, BOOM, now=NOW)
        with pytest.raises(NotFound):
            store.runs.progress(7, 0.5)
        with pytest.raises(NotFound):
            store.runs.history(7)

    def test_of_two_that_start_a_run_exactly_one_wins(self, store):
        for _ in range(20):
            run = submit(store)

            outcomes = race(*[lambda run=run: store.runs.start(run.id, now=NOW)] * 2)

            assert {type(outcome) for outcome in outcomes} == {Run, Conflict}
            assert len(store.runs.history(run.id)) == 2

    def test_of_two_stores_that_end_a_run_exactly_one_wins(self, store, url, tmp_path):
        with open_store(url, tmp_path / "artifacts") as other:
            for number in range(20):
                run = submit(store)
                store.runs.start(run.id, now=NOW)

                outcomes = race(
                    lambda run=run, number=number: finish(store, run, name=number),
                    lambda run=run: other.runs.fail(run.id, BOOM, now=NOW),
                )

                won = [outcome for outcome in outcomes if isinstance(outcome, Run)]
                assert {type(outcome) for outcome in outcomes} == {Run, Conflict}
                assert store.runs.get(run.id) == won[0]
                assert len(store.runs.history(run.id)) == 3

    def test_a_change_with_a_stale_fence_changes_nothing(self, store):
        run = submit(store)
        database = store._database

        def meddle(connection, _cursor, statement, *_rest):
            if statement.startswith("UPDATE runs") and not meddled:
                meddled.append(statement)
                connection.exec_driver_sql("UPDATE runs SET fence = fence + 1")

        meddled: list[str] = []
        event.listen(database._engine, "before_cursor_execute", meddle)
        with pytest.raises(Conflict, match="somebody else"):
            store.runs.start(run.id, now=NOW)

        assert store.runs.get(run.id) == run
        assert len(store.runs.history(run.id)) == 1

    def test_history_tells_every_change_in_order(self, store):
        run = submit(store)
        store.runs.start(run.id, now=NOW + timedelta(seconds=1))
        store.runs.fail(run.id, BOOM, now=NOW + timedelta(seconds=2))
        submit(store)

        history = store.runs.history(run.id)

        assert [(event.from_status, event.to_status) for event in history] == [
            (None, RunStatus.PENDING),
            (RunStatus.PENDING, RunStatus.RUNNING),
            (RunStatus.RUNNING, RunStatus.FAILED),
        ]
        assert [event.at for event in history] == [NOW + timedelta(seconds=s) for s in range(3)]
        assert history[-1].note == "strategy_failed: it broke"

    def test_the_change_token_moves_with_every_change_and_only_then(self, store):
        tokens = [store.runs.change_token()]
        run = submit(store)
        tokens.append(store.runs.change_token())
        store.runs.start(run.id, now=NOW)
        tokens.append(store.runs.change_token())
        store.runs.progress(run.id, 0.25)
        tokens.append(store.runs.change_token())
        finish(store, run)
        tokens.append(store.runs.change_token())
        with pytest.raises(Conflict):
            store.runs.start(run.id, now=NOW)

        assert len(set(tokens)) == 5
        assert tokens[-1] == store.runs.change_token()
        newest = [int(token.partition(".")[0]) for token in tokens]
        assert newest == sorted(newest)

    def test_a_poller_that_sees_a_token_has_seen_all_before_it(self, store):
        """Ids drawn before the commit could appear late and would then be missed."""
        seen: list[tuple[int, int]] = []
        done = threading.Event()

        def poll():
            while not done.is_set():
                token = int(store.runs.change_token().partition(".")[0])
                seen.append((token, store.runs.list(RunQuery(page_size=1)).total))

        poller = threading.Thread(target=poll)
        poller.start()
        with ThreadPoolExecutor(4) as writers:
            list(writers.map(lambda _: submit(store), range(60)))
        done.set()
        poller.join()

        assert [token for token, _ in seen] == sorted(token for token, _ in seen)
        assert all(total >= token for token, total in seen)

    def test_progress_is_noted_while_running_only(self, store):
        run = submit(store)

        with pytest.raises(Conflict, match="is pending"):
            store.runs.progress(run.id, 0.5)
        store.runs.start(run.id, now=NOW)
        store.runs.progress(run.id, 0.5)
        for bad in (-0.1, 1.1, math.nan, math.inf):
            with pytest.raises(InvalidInput):
                store.runs.progress(run.id, bad)

        assert store.runs.get(run.id).progress == 0.5

    def test_runs_of_dead_processes_fail_as_lost_and_others_live_on(self, store):
        pending = submit(store, owner="dead")
        running = submit(store, owner="dead")
        store.runs.start(running.id, now=NOW)
        alive = submit(store, owner="alive")
        over = finish(store, submit(store, owner="dead"))

        lost = store.runs.recover(lambda owner: owner != "dead", now=NOW)

        assert [run.id for run in lost] == [pending.id, running.id]
        assert {(run.status, run.error.code) for run in lost} == {(RunStatus.FAILED, "lost")}
        assert store.runs.get(alive.id) == alive
        assert store.runs.get(over.id) == over
        assert store.runs.recover(lambda owner: owner != "dead", now=NOW) == []

    def test_of_two_that_recover_each_run_is_lost_once(self, store):
        runs = [submit(store, owner="dead") for _ in range(10)]

        found = race(*[lambda: store.runs.recover(lambda _: False, now=NOW)] * 2)

        assert sorted(run.id for lost in found for run in lost) == [run.id for run in runs]

    def test_a_time_without_a_zone_is_refused(self, store):
        with pytest.raises(InvalidInput, match="no zone"):
            submit(store, now=datetime(2026, 4, 1))  # noqa: DTZ001

    def test_times_of_any_zone_come_back_in_utc(self, store):
        moment = datetime(2026, 4, 1, 15, 0, 0, 1, tzinfo=timezone(timedelta(hours=5, minutes=30)))

        run = submit(store, now=moment)

        assert run.created_at == moment
        assert run.created_at.tzinfo is UTC
        assert run.job_id.startswith("api_20260401093000_")

    def test_six_writers_lose_no_update_and_are_never_locked_out(self, store):
        run = submit(store)

        def add(_):
            for _ in range(100):
                with store._database.write() as connection:
                    fence = connection.scalar(select(RunRow.fence).where(RunRow.id == run.id))
                    connection.execute(
                        update(RunRow).where(RunRow.id == run.id).values(fence=fence + 1)
                    )

        with ThreadPoolExecutor(6) as writers:
            list(writers.map(add, range(6)))

        with store._database.read() as connection:
            assert connection.scalar(select(RunRow.fence)) == 600

    def test_a_read_sees_one_moment(self, store):
        counting = select(func.count()).select_from(RunRow)
        submit(store)

        with store._database.read() as connection:
            before = connection.scalar(counting)
            race(lambda: submit(store))
            after = connection.scalar(counting)

        assert (before, after) == (1, 1)
        assert store.runs.list(RunQuery()).total == 2

    def test_a_failed_write_leaves_nothing(self, store):
        run = submit(store)

        def write_and_break():
            with store._database.write() as connection:
                connection.execute(update(RunRow).values(title="changed"))
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            write_and_break()

        assert store.runs.get(run.id) == run

    @settings(
        max_examples=25,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )
    @given(
        st.lists(
            st.tuples(st.sampled_from(["create", "start", "finish", "fail"]), st.integers(0, 3)),
            max_size=20,
        )
    )
    def test_any_order_of_calls_follows_the_table(self, store, steps):
        model: dict[int, list[RunStatus]] = {}
        targets = {
            "start": RunStatus.RUNNING,
            "finish": RunStatus.COMPLETED,
            "fail": RunStatus.FAILED,
        }
        for name, which in steps:
            if name == "create":
                model[submit(store).id] = [RunStatus.PENDING]
            elif which < len(model):
                run = store.runs.get(list(model)[which])
                call = {
                    "start": lambda run=run: store.runs.start(run.id, now=NOW),
                    "finish": lambda run=run: finish(store, run),
                    "fail": lambda run=run: store.runs.fail(run.id, BOOM, now=NOW),
                }[name]
                if targets[name] in TRANSITIONS[model[run.id][-1]]:
                    call()
                    model[run.id].append(targets[name])
                else:
                    with pytest.raises(Conflict):
                        call()

        for run_id, states in model.items():
            assert store.runs.get(run_id).status is states[-1]
            assert [event.to_status for event in store.runs.history(run_id)] == states


@dataclass(frozen=True)
class Record:
    """What the plain-Python filter knows of a run: only what was put in."""

    id: int
    strategy: str
    symbols: tuple[str, ...]
    status: RunStatus
    created_at: datetime
    values: dict[str, float | None]


STRATEGIES = (
    "ema_crossover",
    "EMA_Crossover",
    "emaXcrossover",
    "100%_sure",
    r"back\slash/ed",
    "Übung_ÄÖ",
    "übung_äö",
    "rsi",
    "_rsi",
    "straße",
)
SYMBOLS = ("AAPL", "aapl", "MSFT", "SYNTH-NIFTY", "A_PL", "BRK.B")
FIRST_DAY = date(2026, 3, 30)


@dataclass(frozen=True, repr=False)
class Library:
    """A store and what is known of its runs."""

    store: Store
    records: list[Record]


@pytest.fixture(scope="module")
def library(migrated_database, tmp_path_factory) -> Iterator[Library]:
    """Ninety runs of every kind, with ties and undefined metrics, and what is known of them."""
    draw = random.Random(11)  # noqa: S311 - a seed, no secret
    sorted_by = [name for name in SORTABLE if name in METRICS]
    with open_store(migrated_database(), tmp_path_factory.mktemp("artifacts")) as store:
        records = []
        for number in range(90):
            symbols = tuple(draw.sample(SYMBOLS, draw.randint(1, 3)))
            spec = a_spec(draw.choice(STRATEGIES), symbols)
            # Midnights belong to the tests of date filters; equal times test the order of ties.
            moment = datetime.combine(FIRST_DAY, datetime.min.time(), UTC) + draw.choice(
                [
                    timedelta(days=draw.randrange(6)),
                    timedelta(days=draw.randrange(1, 6), microseconds=-1),
                    timedelta(minutes=draw.randrange(6 * 24 * 60)),
                ]
            )
            run = submit(store, spec=spec, now=moment)
            status = draw.choice([*RunStatus, RunStatus.COMPLETED, RunStatus.COMPLETED])
            values: dict[str, float | None] = dict.fromkeys(sorted_by)
            if status is RunStatus.COMPLETED:
                values = {
                    name: draw.choice([None, 0.0, 1.0, float(draw.randrange(-50, 50))])
                    for name in sorted_by
                }
                finish(store, run, name=number, seed=number, given=values)
            else:
                put_in(store, run, status)
            records.append(Record(run.id, spec.strategy, symbols, status, moment, values))
        yield Library(store, records)


def ascii_lower(text: str) -> str:
    return "".join(letter.lower() if letter.isascii() else letter for letter in text)


def expected_ids(records: list[Record], query: RunQuery) -> list[int]:
    """The same question answered by looking at every record."""
    kept = [
        record
        for record in records
        if (query.strategy is None or ascii_lower(query.strategy) in ascii_lower(record.strategy))
        and (query.status is None or record.status is query.status)
        and (not query.symbol or query.symbol in record.symbols)
        and (query.start is None or record.created_at.date() >= query.start)
        and (query.end is None or record.created_at.date() <= query.end)
    ]

    def sort_key(record: Record):
        if query.sort_by in METRICS:
            return record.values[query.sort_by]
        return getattr(record, query.sort_by)

    backwards = query.sort_order == "desc"
    kept.sort(key=lambda record: record.id, reverse=backwards)
    defined = [record for record in kept if sort_key(record) is not None]
    defined.sort(key=sort_key, reverse=backwards)
    undefined = [record for record in kept if sort_key(record) is None]
    return [record.id for record in defined + undefined]


DAYS = st.dates(FIRST_DAY - timedelta(days=2), FIRST_DAY + timedelta(days=8)) | st.sampled_from(
    [date.min, date.max]
)
QUERIES = st.builds(
    RunQuery,
    strategy=st.none()
    | st.sampled_from(["ema", "EMA_", "%", "_", "\\", "/", "ü", "Ü", "ß", "SS", ""])
    | st.text(max_size=3)
    | st.just("\x00"),
    status=st.none() | st.sampled_from(RunStatus),
    symbol=st.none() | st.sampled_from([*SYMBOLS, "AAP", "A%", "", "\x00"]),
    start=st.none() | DAYS,
    end=st.none() | DAYS,
    sort_by=st.sampled_from(SORTABLE),
    sort_order=st.sampled_from(["asc", "desc"]),
    page=st.integers(1, 4) | st.just(1_000_000),
    page_size=st.integers(1, 100),
)


class TestRanks:
    @pytest.mark.parametrize("order", ["asc", "desc"])
    def test_no_loss_at_all_is_the_highest_profit_factor_and_no_trade_is_none(self, store, order):
        placed = []
        given = (2.0, ("profit_factor", "no_losses"), None, 12.0, ("payoff", "no_losses"))
        for number, value in enumerate(given):
            run = submit(store)
            factor = value if isinstance(value, float) else None
            result = a_result(key(f"rank{number}"), run.spec, number, {"profit_factor": factor})
            if isinstance(value, tuple):
                metric, why = value
                good = some_metrics(number, {"profit_factor": None, metric: None})
                good = replace(good, reasons={**good.reasons, metric: why})
                result = replace(result, metrics=good)
            artifacts = store.artifacts.publish(result.run_key, result.frames)
            store.runs.complete(run.id, result, artifacts, reused=False, now=NOW)
            placed.append(run.id)

        page = store.runs.list(RunQuery(sort_by="profit_factor", sort_order=order))

        ranks = [placed.index(run.id) for run in page.runs]
        assert ranks == ([0, 3, 1, 2, 4] if order == "asc" else [1, 3, 0, 4, 2])


class TestLists:
    @settings(max_examples=250, deadline=None)
    @given(query=QUERIES)
    @example(query=RunQuery(strategy="%", sort_by="sharpe", sort_order="asc"))
    @example(query=RunQuery(strategy="_rsi", start=FIRST_DAY, end=FIRST_DAY))
    def test_a_page_is_what_a_plain_filter_gives(self, library, query):
        store, records = library.store, library.records

        page = store.runs.list(query)

        ids = expected_ids(records, query)
        first = (query.page - 1) * query.page_size
        assert page.total == len(ids)
        assert [run.id for run in page.runs] == ids[first : first + query.page_size]
        assert (page.page, page.page_size) == (query.page, query.page_size)

    @pytest.mark.parametrize("sort_by", SORTABLE)
    def test_pages_together_hold_every_run_once(self, library, sort_by):
        store, records = library.store, library.records

        pages = [
            store.runs.list(RunQuery(sort_by=sort_by, page=page, page_size=7)).runs
            for page in range(1, 14)
        ]

        assert sorted(run.id for page in pages for run in page) == [r.id for r in records]

    def test_a_listed_run_is_the_run_without_its_details(self, library):
        store = library.store

        for run in store.runs.list(RunQuery(page_size=100)).runs:
            assert run == replace(
                store.runs.get(run.id), by_symbol={}, data_hashes={}, artifacts={}
            )

    def test_a_page_costs_three_statements_however_long(self, library):
        store = library.store
        statements: list[str] = []

        def note(_connection, _cursor, statement, *_rest):
            if statement.lstrip().upper().startswith("SELECT"):
                statements.append(statement)

        event.listen(store._database._engine, "before_cursor_execute", note)
        try:
            page = store.runs.list(RunQuery(page_size=80, sort_by="sharpe"))
        finally:
            event.remove(store._database._engine, "before_cursor_execute", note)

        assert len(page.runs) == 80
        assert len(statements) <= 3


def test_a_run_says_which_trial_it_was(store):
    with pytest.raises(Exception, match=r"(?i)foreign key"):
        submit(store, trial=Trial(study=9, number=4))
    assert submit(store).trial is None


class TestLabels:
    def test_a_name_and_a_note_are_kept_and_taken_away(self, store):
        run = submit(store)
        later = NOW + timedelta(hours=1)

        named = store.runs.label(run.id, {"name": "Größe ✓", "note": "two\nlines"}, now=later)
        noted = store.runs.label(run.uuid, {"note": None}, now=later)

        assert (named.name, named.note, named.edited_at) == ("Größe ✓", "two\nlines", later)
        assert (noted.name, noted.note) == ("Größe ✓", None)
        assert store.runs.list(RunQuery()).runs[0].name == "Größe ✓"
        assert replace(noted, name=None, edited_at=None) == run

    def test_a_label_is_told_to_who_looks_for_changes_but_moves_no_state(self, store):
        run = submit(store)
        before = store.runs.change_token()
        store.runs.label(run.id, {"name": "mine"}, now=NOW)
        after = store.runs.change_token()

        store.runs.label(run.id, {"name": "mine"}, now=NOW + timedelta(hours=1))
        finish(store, run)

        assert int(before.partition(".")[0]) < int(after.partition(".")[0])
        assert [(each.to_status, each.note) for each in store.runs.history(run.id)][:2] == [
            (RunStatus.PENDING, "submitted by api"),
            (RunStatus.PENDING, "labelled"),
        ]
        assert store.runs.get(run.id).edited_at == NOW
        assert store.runs.get(run.id).status is RunStatus.COMPLETED

    def test_text_that_no_database_holds_is_no_label(self, store):
        run = submit(store)

        for bad in ("\x00", "\ud800"):
            with pytest.raises(InvalidInput, match="cannot be stored"):
                store.runs.label(run.id, {"name": bad}, now=NOW)
        with pytest.raises(NotFound):
            store.runs.label(run.id + 1, {"name": "x"}, now=NOW)

        assert store.runs.get(run.id).name is None


class TestDeleting:
    def test_a_run_goes_with_its_result_and_files(self, store):
        run = finish(store, submit(store))
        folder = store.artifacts.path(run.run_key, "equity").parent
        assert folder.is_dir()
        before = store.runs.change_token()

        assert store.runs.delete(run.job_id, by="api", now=NOW) == (run.id, None)

        assert not folder.exists()
        assert list((store.artifacts.root / ".partial").iterdir()) == []
        assert store.runs.find_result(run.run_key) is None
        assert store.runs.list(RunQuery()).total == 0
        assert store.runs.list(RunQuery(symbol=run.spec.symbols[0])).total == 0
        assert store.runs.change_token() != before
        for look in (store.runs.get, store.runs.history):
            with pytest.raises(NotFound):
                look(run.id)
        with pytest.raises(NotFound):
            store.runs.delete(run.id, by="api", now=NOW)
        with store._database.read() as connection:
            for table in (ResultRow.__table__, metrics, *RESULT_TABLES):
                assert connection.execute(select(func.count()).select_from(table)).scalar() == 0
            told = connection.execute(
                select(RunEventRow.to_status, RunEventRow.note).order_by(RunEventRow.id.desc())
            ).first()
        assert tuple(told) == ("deleted", "deleted by api")

    def test_what_another_run_has_too_stays(self, store):
        one, other = finish(store, submit(store)), submit(store)
        store.runs.complete_from_existing(other.id, one.run_key, now=NOW)
        folder = store.artifacts.path(one.run_key, "equity").parent

        store.runs.delete(one.id, by="cli", now=NOW)

        assert store.runs.get(other.id).metrics == one.metrics
        assert store.artifacts.verify(one.run_key) == dict(one.artifacts)
        store.runs.delete(other.id, by="cli", now=NOW)
        assert not folder.exists()

    def test_the_same_result_can_be_had_again(self, store):
        run = finish(store, submit(store))
        store.runs.delete(run.id, by="ui", now=NOW)

        again = finish(store, submit(store))

        assert again.metrics == run.metrics
        assert store.artifacts.verify(again.run_key) == dict(again.artifacts)

    def test_the_number_of_a_deleted_run_is_never_another_runs(self, store):
        last = finish(store, submit(store))
        store.runs.delete(last.id, by="ui", now=NOW)

        assert submit(store).id > last.id

    @pytest.mark.parametrize("status", [RunStatus.PENDING, RunStatus.RUNNING])
    def test_what_is_not_over_cannot_be_deleted(self, store, status):
        run = submit(store)
        put_in(store, run, status)

        with pytest.raises(Conflict, match=f"is {status} and cannot be deleted") as caught:
            store.runs.delete(run.id, by="api", now=NOW)

        assert "Stop it first" in caught.value.sentence()
        assert store.runs.get(run.id).status is status

    @pytest.mark.parametrize("status", [RunStatus.FAILED, RunStatus.CANCELLED])
    def test_a_run_without_a_result_can_be_deleted(self, store, status):
        run = submit(store)
        put_in(store, run, status)

        store.runs.delete(run.id, by="api", now=NOW)

        assert store.runs.list(RunQuery()).total == 0

    def test_who_is_late_with_a_result_that_was_deleted_is_told(self, store):
        """Its files were there when it looked, and nobody records what is not there."""
        run, other = finish(store, submit(store)), submit(store)
        result = a_result(run.run_key, other.spec, 1)
        artifacts = store.artifacts.publish(run.run_key, result.frames)
        store.runs.delete(run.id, by="api", now=NOW)

        with pytest.raises(DataProblem, match="missing"):
            store.runs.complete(other.id, result, artifacts, reused=False, now=NOW)
        with pytest.raises(NotFound, match="no result is stored"):
            store.runs.complete_from_existing(other.id, run.run_key, now=NOW)

        assert store.runs.get(other.id).status is RunStatus.PENDING

    def test_of_many_who_delete_one_does_and_others_hear_it_is_gone(self, store):
        run = finish(store, submit(store))

        found = race(*[lambda: store.runs.delete(run.id, by="api", now=NOW)] * 4)

        assert found.count((run.id, None)) == 1
        assert sum(isinstance(each, NotFound) for each in found) == 3


@pytest.mark.parametrize("status", [RunStatus.PENDING, RunStatus.COMPLETED, RunStatus.FAILED])
def test_a_request_of_another_version_hides_no_other_run(store, status):
    first, odd, last = submit(store), submit(store, spec=a_spec(symbols=("X", "Y"))), submit(store)
    put_in(store, odd, status)
    with store._database.write() as connection:
        newer = odd.spec.canonical().replace('"params"', '"parameters_of_2030"')
        connection.execute(
            update(RunRow).where(RunRow.id == odd.id).values(spec=newer, timeframe="9d")
        )

    page = store.runs.list(RunQuery())

    assert [run.id for run in page.runs] == [last.id, odd.id, first.id]
    assert (page.runs[0], page.runs[2]) == (last, first)
    found = page.runs[1]
    assert (found.status, found.title, found.uuid) == (status, odd.title, odd.uuid)
    assert (found.spec.strategy, found.spec.symbols) == (odd.spec.strategy, ("X", "Y"))
    assert found.error.code == "data_problem"
    assert f"request of run {odd.id} cannot be read" in found.error.message
    assert "another version" in found.error.hint
    with pytest.raises(DataProblem, match="cannot be read"):
        store.runs.get(odd.id)
    if status.is_final:
        store.runs.delete(odd.id, by="api", now=NOW)
        assert store.runs.list(RunQuery()).total == 2
