"""Runs: every method is one short transaction, every change of state a compare-and-set."""

from __future__ import annotations

import math
import sys
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from datetime import UTC, datetime, time
from functools import partial
from typing import Any, Final, Literal

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Select,
    bindparam,
    case,
    delete,
    func,
    insert,
    or_,
    select,
    update,
)

from core.domain.metrics import LOSSLESS, RANK_CAPS, Metrics
from core.domain.run import (
    TRANSITIONS,
    Label,
    Run,
    RunError,
    RunEvent,
    RunPage,
    RunQuery,
    RunResult,
    RunSpec,
    RunStatus,
    Source,
    StoredResult,
    Trial,
)
from core.errors import Conflict, DataProblem, InvalidInput, NotFound
from core.store.artifacts import ArtifactStore
from core.store.database import Database
from core.store.records import (
    METRIC_COLUMNS,
    RESULT_COLUMNS,
    RUN_COLUMNS,
    clean,
    metrics_of,
    metrics_values,
    number_of,
    run_of,
    storable,
    utc,
)
from core.store.tables import (
    WHOLE_RUN,
    ResultArtifactRow,
    ResultDataRow,
    ResultRow,
    RunEventRow,
    RunRow,
    RunSymbolRow,
    metrics,
)

LOST: Final = "lost"
DELETED: Final = "deleted"
"""Last line in the history of a run that is no more."""
_ACTIVE: Final = (RunStatus.PENDING, RunStatus.RUNNING)
_MAX_MESSAGE: Final = 10_000
# Statements of every run are built once: putting a hundred columns together takes a millisecond.
_RUN: Final = select(*RUN_COLUMNS, *RESULT_COLUMNS).select_from(
    RunRow.__table__.outerjoin(ResultRow.__table__, ResultRow.run_key == RunRow.run_key)
)
_LISTED: Final = _RUN.add_columns(*METRIC_COLUMNS).outerjoin(
    metrics, (metrics.c.run_key == RunRow.run_key) & (metrics.c.symbol == WHOLE_RUN)
)
_STATE: Final = select(RunRow.status, RunRow.fence).where(RunRow.id == bindparam("id"))
_FILES: Final = (
    select(ResultArtifactRow.name, ResultArtifactRow.sha256)
    .where(ResultArtifactRow.run_key == bindparam("run_key"))
    .order_by(ResultArtifactRow.name)
)
_DATA: Final = (
    select(ResultDataRow.symbol, ResultDataRow.data_hash)
    .where(ResultDataRow.run_key == bindparam("run_key"))
    .order_by(ResultDataRow.symbol)
)
_METRICS: Final = (
    select(metrics.c.symbol, *METRIC_COLUMNS)
    .where(metrics.c.run_key == bindparam("run_key"))
    .order_by(metrics.c.symbol)
)
_LABEL: Final = select(
    RunRow.id, RunRow.status, RunRow.run_key, RunRow.mirrored_as, RunRow.name, RunRow.note
)
_OF_RESULTS: Final = tuple(
    row.metadata.tables[row.__tablename__] for row in (ResultArtifactRow, ResultDataRow, ResultRow)
)
_ADD_RUN: Final = insert(RunRow).returning(RunRow.id)
_ADD_SYMBOL: Final = insert(RunSymbolRow)
_ADD_EVENT: Final = insert(RunEventRow)
_ADD_RESULT: Final = insert(ResultRow)
_ADD_DATA: Final = insert(ResultDataRow)
_ADD_FILE: Final = insert(ResultArtifactRow)
_ADD_METRICS: Final = insert(metrics)
_OWN_SORTS: Final[dict[str, ColumnElement[Any]]] = {
    "id": RunRow.__table__.c.id,
    "created_at": RunRow.__table__.c.created_at,
    "strategy": RunRow.__table__.c.strategy,
    "status": RunRow.__table__.c.status,
}


class RunRepository:
    """Runs and their results.

    Args:
        database: Where the rows are.
        artifacts: Where the files are; a run completes only when its files are published.
        then: Told the number of every run that completes, in the same transaction.
    """

    def __init__(
        self,
        database: Database,
        artifacts: ArtifactStore,
        then: Callable[[Connection, int], None] | None = None,
    ) -> None:
        self._database = database
        self._artifacts = artifacts
        self._then = then

    def create(
        self,
        spec: RunSpec,
        *,
        title: str,
        source: Source,
        owner: str,
        now: datetime,
        within: Connection | None = None,
        queued_as: int | None = None,
        name: str | None = None,
        trial: Trial | None = None,
    ) -> Run:
        """Record a submission as pending.

        Args:
            spec: The completed request.
            title: Of the strategy, for people.
            source: The door it came through.
            owner: Name of the process that will run it; `recover` asks whether it still lives.
            now: The time to record.
            within: Transaction of the job it is queued as, else one of its own.
            queued_as: Number of that job; its changes of state are then those of the run.
            name: What people call it.
            trial: What it is promoted from.

        Raises:
            InvalidInput: the request holds text no database can store.
            Unavailable: the database cannot answer, or the disk is nearly full.
        """
        for text in (spec.strategy, *spec.symbols, title, owner, name or ""):
            if not storable(text):
                raise InvalidInput(f"text {text!r} cannot be stored", expected="printable text")
        self._artifacts.refuse_when_full()
        identity = uuid.uuid4()
        row = {
            "uuid": str(identity),
            "job_id": f"{source}_{utc(now):%Y%m%d%H%M%S}_{identity.hex[:8]}",
            "strategy": spec.strategy,
            "title": title,
            "timeframe": spec.timeframe.value,
            "start_date": spec.start,
            "end_date": spec.end,
            "status": RunStatus.PENDING.value,
            "progress": 0.0,
            "source": source,
            "owner": owner,
            "spec": spec.canonical(),
            "reused": False,
            "created_at": utc(now),
            "fence": 0,
            "queued_as": queued_as,
            "name": name,
            "study_id": trial and trial.study,
            "trial": trial and trial.number,
        }
        with self._writing(within) as connection:
            run_id = connection.execute(_ADD_RUN, row).scalar_one()
            connection.execute(
                _ADD_SYMBOL,
                [
                    {"run_id": run_id, "position": position, "symbol": symbol}
                    for position, symbol in enumerate(spec.symbols)
                ],
            )
            _record(connection, run_id, now, None, RunStatus.PENDING, note=f"submitted by {source}")
            return _get(connection, run_id)

    def start(self, run_id: int, *, now: datetime) -> Run:
        """Turn a pending run into a running one.

        Raises:
            NotFound: no such run.
            Conflict: it is not pending.
        """
        with self._database.write() as connection:
            _change(connection, run_id, RunStatus.RUNNING, now, "started", started_at=utc(now))
            return _get(connection, run_id)

    def complete(
        self,
        run_id: int,
        result: RunResult,
        artifacts: Mapping[str, str],
        *,
        reused: bool,
        now: datetime,
        within: Connection | None = None,
    ) -> Run:
        """Record a result and complete the run; a result already recorded is kept as it was.

        Args:
            run_id: Which run.
            result: What was computed.
            artifacts: What `ArtifactStore.publish` or `adopt` returned.
            reused: Whether the result was there before the run.
            now: The time to record.
            within: Transaction that completes its job, else one of its own.

        Raises:
            NotFound: no such run.
            Conflict: the run is already over.
            DataProblem: a metric is not finite, or the artifacts are not published.
        """
        rows = [metrics_values(result.run_key, WHOLE_RUN, result.metrics)]
        rows += [
            metrics_values(result.run_key, symbol, values)
            for symbol, values in result.by_symbol.items()
        ]
        with self._writing(within) as connection:
            # Here, because whoever deletes the last run of a result removes its files in between.
            files = self._published(result.run_key, artifacts)
            known = _stored_files(connection, result.run_key)
            if known is None:
                _insert_result(connection, result, rows, now)
                connection.execute(_ADD_FILE, files)
            elif known != dict(artifacts):
                _replace_files(connection, files)
            note = "completed from a stored result" if reused else "completed"
            _complete(connection, run_id, result.run_key, now, note, reused=reused)
            if self._then is not None:
                self._then(connection, run_id)
            return _get(connection, run_id)

    def complete_from_existing(
        self, run_id: int, run_key: str, *, now: datetime, within: Connection | None = None
    ) -> Run:
        """Complete a run with a result that is already recorded; `within` as of `complete`.

        Raises:
            NotFound: no such run or result.
            Conflict: the run is already over.
        """
        with self._writing(within) as connection:
            if _stored_files(connection, run_key) is None:
                raise NotFound(f"no result is stored under {run_key}", hint="run it instead")
            _complete(
                connection, run_id, run_key, now, "completed from a stored result", reused=True
            )
            if self._then is not None:
                self._then(connection, run_id)
            return _get(connection, run_id)

    def fail(self, run_id: int, error: RunError, *, now: datetime) -> Run:
        """Record why a run failed.

        Raises:
            NotFound: no such run.
            Conflict: the run is already over.
        """
        with self._database.write() as connection:
            _fail(connection, run_id, error, now)
            return _get(connection, run_id)

    def progress(self, run_id: int, fraction: float) -> None:
        """Note how far a running run has come, 0 to 1.

        Raises:
            InvalidInput: not a fraction.
            NotFound: no such run.
            Conflict: the run is not running, so nobody waits for this.
        """
        if not (math.isfinite(fraction) and 0 <= fraction <= 1):
            raise InvalidInput(f"progress is {fraction}", expected="0 to 1")
        with self._database.write() as connection:
            changed = connection.execute(
                update(RunRow)
                .where(RunRow.id == _id(run_id), RunRow.status == RunStatus.RUNNING.value)
                .values(progress=float(fraction))
            )
            if changed.rowcount != 1:
                status, _ = _state(connection, run_id)
                raise Conflict(f"run {run_id} is {status}", expected="running")

    def label(self, ref: int | str, given: Mapping[Label, str | None], *, now: datetime) -> Run:
        """Write what people call a run, or say of it; what is not given stays.

        Raises:
            NotFound: no such run.
            InvalidInput: no database can store the text.
        """
        for text in given.values():
            if text is not None and not storable(text):
                raise InvalidInput(f"text {text!r} cannot be stored", expected="printable text")
        with self._database.write() as connection:
            run = _label_of(connection, ref)
            told = {"name": run.name, "note": run.note} | dict(given)
            if told != {"name": run.name, "note": run.note}:
                connection.execute(
                    update(RunRow).where(RunRow.id == run.id).values(**told, edited_at=utc(now))
                )
                status = RunStatus(run.status)
                _record(connection, run.id, now, status, status, note="labelled")
            return _get(connection, run.id)

    def delete(self, ref: int | str, *, by: Source, now: datetime) -> tuple[int, int | None]:
        """Delete a run that is over, and its result unless another run has it.

        Its history stays and says that it was deleted. The number is never used again.

        Returns:
            Its number, and that of the job that mirrors it.

        Raises:
            NotFound: no such run.
            Conflict: it is not over.
            Unavailable: the files cannot be removed; the run is gone.
        """
        with self._database.write() as connection:
            run = _label_of(connection, ref)
            status = RunStatus(run.status)
            if not status.is_final:
                raise Conflict(
                    f"run {run.id} is {status} and cannot be deleted",
                    expected="a run that is over",
                    hint="stop it first, or wait for its end",
                )
            _record(connection, run.id, now, status, DELETED, note=f"deleted by {by}")
            connection.execute(delete(RunSymbolRow).where(RunSymbolRow.run_id == run.id))
            connection.execute(delete(RunRow).where(RunRow.id == run.id))
            if run.run_key is not None and not _is_had(connection, run.run_key):
                for table in (metrics, *_OF_RESULTS):
                    connection.execute(delete(table).where(table.c.run_key == run.run_key))
        if run.run_key is not None:
            # Afterwards, so that a kill leaves files without a record and never the reverse; as a
            # writer, so that nobody records the result again meanwhile.
            with self._database.write() as connection:
                if _stored_files(connection, run.run_key) is None:
                    self._artifacts.remove(run.run_key)
        return run.id, run.mirrored_as

    def get(self, ref: int | str) -> Run:
        """Find a run by its number, uuid or job id, with everything known about it.

        Raises:
            NotFound: no such run.
        """
        with self._database.read() as connection:
            return _get(connection, ref)

    def of_job(self, job_id: int) -> Run:
        """Find the run that is queued as a job.

        Raises:
            NotFound: there is none.
        """
        with self._database.read() as connection:
            found = connection.execute(
                select(RunRow.id).where(RunRow.queued_as == job_id)
            ).scalar_one_or_none()
            if found is None:
                raise _missing(f"of job {job_id}")
            return _get(connection, found)

    def list(self, query: RunQuery) -> RunPage:
        """Select, order and cut a page of runs in the database.

        A run whose request cannot be read is listed with the reason as its error. Listed runs
        carry the metrics of the whole run; metrics by symbol, data hashes and artifacts come with
        `get`.
        """
        conditions = _conditions(query)
        if conditions is None:
            return RunPage((), 0, query.page, query.page_size)
        with self._database.read() as connection:
            total = connection.execute(
                select(func.count()).select_from(RunRow).where(*conditions)
            ).scalar_one()
            ids = connection.execute(_page(query, conditions)).scalars().all()
            rows = connection.execute(_LISTED.where(RunRow.id.in_(ids))).all() if ids else ()
            found = [_listed(row, partial(_symbols_of, connection)) for row in rows]
        place = {run_id: position for position, run_id in enumerate(ids)}
        runs = sorted(found, key=lambda run: place[run.id])
        return RunPage(tuple(runs), total, query.page, query.page_size)

    def find_result(self, run_key: str) -> StoredResult | None:
        """Find the result of equal work, whoever asked for it first."""
        with self._database.read() as connection:
            row = connection.execute(
                select(*RESULT_COLUMNS).where(ResultRow.run_key == run_key)
            ).one_or_none()
            if row is None:
                return None
            by_symbol = _metrics_by_symbol(connection, run_key)
            return StoredResult(
                run_key=run_key,
                metrics=by_symbol.pop(WHOLE_RUN),
                by_symbol=by_symbol,
                data_hashes=_data_hashes(connection, run_key),
                artifacts=_stored_files(connection, run_key) or {},
                code_hash=row.code_hash,
                engine_version=row.engine_version,
                first_bar=row.first_bar,
                last_bar=row.last_bar,
                bars=row.bars,
                engine_ms=row.engine_ms,
                created_at=row.created_at,
            )

    def recover(self, is_alive: Callable[[str], bool], *, now: datetime) -> Sequence[Run]:
        """Fail the runs whose owner is gone, with code `lost`; return them.

        Args:
            is_alive: Whether the process of that name still runs. Called outside transactions.
            now: The time to record.
        """
        with self._database.read() as connection:
            active = connection.execute(
                select(RunRow.id, RunRow.owner)
                .where(RunRow.status.in_([status.value for status in _ACTIVE]))
                .order_by(RunRow.id)
            ).all()
        dead = {owner for owner in {row.owner for row in active} if not is_alive(owner)}
        error = RunError(LOST, "the process that ran it is gone", "run it again")
        lost = []
        for row in active:
            if row.owner in dead:
                try:
                    lost.append(self.fail(row.id, error, now=now))
                except Conflict:
                    continue  # it ended while we looked, or another process recovered it
        return lost

    def change_token(self) -> str:
        """A text that changes whenever a run changes state or a running one moves on.

        The number before the dot is the newest event and only grows.
        """
        with self._database.read() as connection:
            newest, moved = connection.execute(
                select(
                    select(func.max(RunEventRow.id)).scalar_subquery(),
                    select(func.sum(RunRow.progress))
                    .where(RunRow.status == RunStatus.RUNNING.value)
                    .scalar_subquery(),
                )
            ).one()
        return f"{newest or 0}.{round((moved or 0.0) * 1000)}"

    def history(self, run_id: int) -> Sequence[RunEvent]:
        """Every change of state of a run, oldest first.

        Raises:
            NotFound: no such run.
        """
        with self._database.read() as connection:
            _state(connection, run_id)
            rows = connection.execute(
                select(
                    RunEventRow.at,
                    RunEventRow.from_status,
                    RunEventRow.to_status,
                    RunEventRow.note,
                )
                .where(RunEventRow.run_id == run_id)
                .order_by(RunEventRow.id)
            ).all()
        return [
            RunEvent(
                at=row.at,
                from_status=RunStatus(row.from_status) if row.from_status else None,
                to_status=RunStatus(row.to_status),
                note=row.note,
            )
            for row in rows
        ]

    def _writing(self, within: Connection | None) -> AbstractContextManager[Connection]:
        return self._database.write() if within is None else nullcontext(within)

    def _published(self, run_key: str, artifacts: Mapping[str, str]) -> Sequence[dict[str, Any]]:
        manifest = self._artifacts.manifest(run_key)
        if {name: entry.sha256 for name, entry in manifest.items()} != dict(artifacts):
            raise DataProblem(
                f"the artifacts published under {run_key} are others than this run's",
                expected="what publishing returned",
            )
        return [
            {"run_key": run_key, "name": name, "sha256": entry.sha256, "bytes": entry.bytes}
            for name, entry in manifest.items()
        ]


def follow_job(
    connection: Connection,
    job_id: int,
    status: RunStatus,
    note: str,
    *,
    now: datetime,
    error: RunError | None = None,
) -> None:
    """Take the run that is queued as this job to the job's state; do nothing where there is none.

    Completion is not followed: a run completes with its result.
    """
    run = connection.execute(
        select(RunRow.id, RunRow.status).where(RunRow.queued_as == job_id)
    ).one_or_none()
    if run is None or run.status == status.value:
        return
    if error is not None:
        _fail(connection, run.id, error, now)
        return
    times: dict[str, Any] = {}
    if status is RunStatus.RUNNING:
        times["started_at"] = func.coalesce(RunRow.started_at, utc(now))
    if status.is_final:
        times["completed_at"] = utc(now)
    _change(connection, run.id, status, now, note, **times)


def _change(
    connection: Connection,
    run_id: int,
    to_status: RunStatus,
    now: datetime,
    note: str,
    **values: Any,
) -> None:
    """Move a run to another state, if the table of transitions allows it and nobody was faster."""
    status, fence = _state(connection, run_id)
    if to_status not in TRANSITIONS[status]:
        allowed = [str(state) for state in RunStatus if to_status in TRANSITIONS[state]]
        raise Conflict(
            f"run {run_id} is {status} and cannot become {to_status}",
            expected=" or ".join(allowed),
            hint="look at its history",
        )
    changed = connection.execute(
        update(RunRow)
        .where(RunRow.id == run_id, RunRow.status == status.value, RunRow.fence == fence)
        .values(status=to_status.value, fence=fence + 1, **values)
    )
    if changed.rowcount != 1:
        raise Conflict(f"run {run_id} was changed by somebody else", hint="look at it again")
    _record(connection, run_id, now, status, to_status, note=note)


def _complete(
    connection: Connection, run_id: int, run_key: str, now: datetime, note: str, *, reused: bool
) -> None:
    _change(
        connection,
        run_id,
        RunStatus.COMPLETED,
        now,
        note,
        run_key=run_key,
        reused=reused,
        progress=1.0,
        started_at=func.coalesce(RunRow.started_at, utc(now)),
        completed_at=utc(now),
    )


def _fail(connection: Connection, run_id: int, error: RunError, now: datetime) -> None:
    message = clean(error.message, _MAX_MESSAGE)
    _change(
        connection,
        run_id,
        RunStatus.FAILED,
        now,
        f"{clean(error.code, 64)}: {message}",
        error_code=clean(error.code, 64),
        error_message=message,
        error_hint=None if error.hint is None else clean(error.hint, _MAX_MESSAGE),
        completed_at=utc(now),
    )


def _state(connection: Connection, run_id: int) -> tuple[RunStatus, int]:
    row = connection.execute(_STATE, {"id": _id(run_id)}).one_or_none()
    if row is None:
        raise _missing(run_id)
    return RunStatus(row.status), row.fence


def _record(
    connection: Connection,
    run_id: int,
    now: datetime,
    from_status: RunStatus | None,
    to_status: RunStatus | Literal["deleted"],
    *,
    note: str,
) -> None:
    connection.execute(
        _ADD_EVENT,
        {
            "run_id": run_id,
            "at": utc(now),
            "from_status": from_status.value if from_status else None,
            "to_status": str(to_status),
            "note": note,
        },
    )


def _insert_result(
    connection: Connection, result: RunResult, rows: Sequence[dict[str, Any]], now: datetime
) -> None:
    connection.execute(
        _ADD_RESULT,
        {
            "run_key": result.run_key,
            "code_hash": result.code_hash,
            "engine_version": result.engine_version,
            "first_bar": result.first_bar,
            "last_bar": result.last_bar,
            "bars": result.bars,
            "engine_ms": result.engine_ms,
            "created_at": utc(now),
        },
    )
    connection.execute(
        _ADD_DATA,
        [
            {"run_key": result.run_key, "symbol": symbol, "data_hash": data_hash}
            for symbol, data_hash in result.data_hashes.items()
        ],
    )
    connection.execute(_ADD_METRICS, rows)


def _replace_files(connection: Connection, files: Sequence[dict[str, Any]]) -> None:
    run_key = files[0]["run_key"]
    connection.execute(delete(ResultArtifactRow).where(ResultArtifactRow.run_key == run_key))
    connection.execute(_ADD_FILE, files)


def _stored_files(connection: Connection, run_key: str) -> dict[str, str] | None:
    """Files of a recorded result, None when there is none."""
    rows = connection.execute(_FILES, {"run_key": run_key}).all()
    return {row.name: row.sha256 for row in rows} or None


def _data_hashes(connection: Connection, run_key: str) -> dict[str, str]:
    rows = connection.execute(_DATA, {"run_key": run_key}).all()
    return {row.symbol: row.data_hash for row in rows}


def _metrics_by_symbol(connection: Connection, run_key: str) -> dict[str, Metrics]:
    rows = connection.execute(_METRICS, {"run_key": run_key}).all()
    return {row[0]: metrics_of(row[1:]) for row in rows}


def _listed(row: Sequence[Any], symbols_of: Callable[[int], Sequence[str]]) -> Run:
    known, numbers = row[: -len(METRIC_COLUMNS)], row[-len(METRIC_COLUMNS) :]
    is_done = numbers[-1] is not None  # the only metrics column that is never null
    return run_of(known, metrics_of(numbers) if is_done else None, symbols_of)


def _symbols_of(connection: Connection, run_id: int) -> Sequence[str]:
    named = select(RunSymbolRow.symbol).where(RunSymbolRow.run_id == run_id)
    return connection.execute(named.order_by(RunSymbolRow.position)).scalars().all()


def _get(connection: Connection, ref: int | str) -> Run:
    row = connection.execute(_RUN.where(_named(ref))).one_or_none()
    if row is None:
        raise _missing(str(ref)[:80])
    run_key = row.run_key
    if run_key is None:
        return run_of(row, None)
    found = _metrics_by_symbol(connection, run_key)
    run = run_of(row, found.pop(WHOLE_RUN))
    return replace(
        run,
        by_symbol={symbol: found[symbol] for symbol in run.spec.symbols if symbol in found},
        data_hashes=_data_hashes(connection, run_key),
        artifacts=_stored_files(connection, run_key) or {},
    )


def _label_of(
    connection: Connection, ref: int | str
) -> Row[int, str, str | None, int | None, str | None, str | None]:
    """Read what can be read of a run whoever wrote its request."""
    row = connection.execute(_LABEL.where(_named(ref))).one_or_none()
    if row is None:
        raise _missing(str(ref)[:80])
    return row


def _is_had(connection: Connection, run_key: str) -> bool:
    had = select(RunRow.id).where(RunRow.run_key == run_key).limit(1)
    return connection.execute(had).one_or_none() is not None


def _named(ref: int | str) -> ColumnElement[bool]:
    if isinstance(ref, int) or (ref.isascii() and ref.isdecimal()):
        return RunRow.id == _id(ref)
    if not storable(ref):
        raise _missing("of that name")
    return or_(RunRow.uuid == ref.lower(), RunRow.job_id == ref)


def _id(ref: int | str) -> int:
    number = number_of(ref)
    if number is None:
        raise _missing(ref[:80] if isinstance(ref, str) else "of that number")
    return number


def _missing(ref: int | str) -> NotFound:
    return NotFound(f"run {ref} does not exist", hint="list the runs to see what there is")


def _conditions(query: RunQuery) -> list[ColumnElement[bool]] | None:
    """Filters of a query; None when no row can match, whatever there is."""
    if not all(storable(text) for text in (query.strategy or "", query.symbol or "")):
        return None
    found: list[ColumnElement[bool]] = []
    if query.strategy:
        # bytes.lower() folds ASCII only, which is what lower() does on both databases here.
        wanted = query.strategy.encode().lower().decode()
        found.append(func.lower(RunRow.strategy).contains(wanted, autoescape=True))
    if query.status:
        found.append(RunRow.status == query.status.value)
    if query.symbol:
        having = select(RunSymbolRow.run_id).where(RunSymbolRow.symbol == query.symbol)
        found.append(RunRow.id.in_(having))
    if query.start:
        found.append(RunRow.created_at >= datetime.combine(query.start, time.min, UTC))
    if query.end:
        found.append(RunRow.created_at <= datetime.combine(query.end, time.max, UTC))
    return found


def _page(query: RunQuery, conditions: Sequence[ColumnElement[bool]]) -> Select[int]:
    rows = select(RunRow.id).where(*conditions)
    key = _OWN_SORTS.get(query.sort_by)
    if key is None:
        key = _rank_of(query.sort_by)
        rows = rows.outerjoin(
            metrics, (metrics.c.run_key == RunRow.run_key) & (metrics.c.symbol == WHOLE_RUN)
        )
        order = (key.asc() if query.sort_order == "asc" else key.desc()).nulls_last()
    else:
        order = key.asc() if query.sort_order == "asc" else key.desc()
    ties = RunRow.id.asc() if query.sort_order == "asc" else RunRow.id.desc()
    return (
        rows.order_by(order, ties).limit(query.page_size).offset((query.page - 1) * query.page_size)
    )


def _rank_of(metric: str) -> ColumnElement[Any]:
    """Order by a metric as numbers; where one has a cap, no loss at all is the most there is."""
    if metric not in RANK_CAPS:
        return metrics.c[metric]
    lossless = f'"{metric}":"{LOSSLESS}"'  # as `metrics_values` writes reasons
    is_lossless = metrics.c.reasons.contains(lossless, autoescape=True)
    return case((is_lossless, sys.float_info.max), else_=metrics.c[metric])
