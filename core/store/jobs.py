"""Jobs: who waits, who works. Every change is a compare-and-set that must hit exactly one row."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from types import SimpleNamespace
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Row, and_, func, insert, or_, select, update

from core.domain.job import (
    JOB_TRANSITIONS,
    LONGEST_KEY,
    LOST,
    MOST_ATTEMPTS,
    Claim,
    Job,
    JobError,
    JobEvent,
    JobPage,
    JobQuery,
    JobState,
    JobStats,
    Progress,
)
from core.domain.run import RunError, RunStatus
from core.errors import Conflict, InvalidInput, NotFound
from core.store.database import Database
from core.store.leases import Instant, LeaseClock, lease_clock
from core.store.records import clean, number_of, storable, utc
from core.store.repositories import follow_job
from core.store.tables import JobEventRow, JobRow

_LONGEST_STEP: Final = 200
_LONGEST_MESSAGE: Final = 10_000
_HIGHEST: Final = 1_000
_RECENT: Final = 1_000  # jobs whose time is averaged
JOB_COLUMNS: Final = tuple(each for each in JobRow.__table__.columns if each.name != "interim")
_NAMES: Final = tuple(column.name for column in JOB_COLUMNS)
_ADD: Final = insert(JobRow).returning(*JOB_COLUMNS)
_ADD_EVENT: Final = insert(JobEventRow)


class JobRepository:
    """The queue and its history.

    Args:
        database: Where the rows are.
        clock: Of leases.
        most_attempts: How often a job is begun before it is given up as lost.
    """

    def __init__(
        self,
        database: Database,
        *,
        clock: LeaseClock = lease_clock,
        most_attempts: int = MOST_ATTEMPTS,
    ) -> None:
        self._database = database
        self._clock = clock
        self._most_attempts = most_attempts

    # --- asking for work --------------------------------------------------------------------

    def submit(
        self,
        kind: str,
        payload: Mapping[str, Any],
        *,
        now: datetime,
        priority: int = 0,
        key: str | None = None,
    ) -> Job:
        """Put a job in the queue; see `submitting`."""
        with self.submitting(kind, payload, now=now, priority=priority, key=key) as (_, job):
            return job

    @contextmanager
    def submitting(
        self,
        kind: str,
        payload: Mapping[str, Any],
        *,
        now: datetime,
        priority: int = 0,
        key: str | None = None,
    ) -> Iterator[tuple[Connection | None, Job]]:
        """Put a job in the queue, together with whatever else is written in the same transaction.

        Args:
            kind: Which task is to do it.
            payload: What the task is told; plain data.
            now: The time to record.
            priority: Higher ones are taken first.
            key: The caller's name for this wish. The same wish under the same key gives the job
                that is already there, and no connection: nothing more is to be written.

        Raises:
            Conflict: the key was used for another wish.
            InvalidInput: the key or the priority cannot be used.
        """
        body, digest = _body(kind, payload)
        _check(key, priority)
        with self._database.write() as connection:
            known = None if key is None else _by_key(connection, key)
            if known is not None:
                if known.body_hash != digest:
                    raise Conflict(
                        f"key {key!r} was used for another request, job {known.id}",
                        hint="Send the request under a key of its own",
                    )
                yield None, job_of(known)
                return
            yield (
                connection,
                job_of(_put(connection, kind, body, digest, now=now, priority=priority, key=key)),
            )

    def cancel(self, ref: int | str, *, now: datetime) -> Job:
        """Cancel a job that waits; ask its worker to end one that runs.

        Raises:
            NotFound: no such job.
            Conflict: it is over.
        """
        with self._database.write() as connection:
            row = _row(connection, ref)
            state = JobState(row.state)
            if state.is_final:
                raise Conflict(f"job {row.id} is {state} already", hint="Nothing is left to cancel")
            if state is JobState.PENDING:
                _change(connection, row, JobState.CANCELLED, now, "cancelled while it waited",
                        completed_at=utc(now), is_cancel_wanted=True)  # fmt: skip
            elif not row.is_cancel_wanted:
                connection.execute(
                    update(JobRow).where(JobRow.id == row.id).values(is_cancel_wanted=True)
                )
                _record(
                    connection, row.id, JobEvent(now, row.attempt, state, state, "cancel wanted")
                )
            return job_of(_row(connection, row.id))

    # --- working ----------------------------------------------------------------------------

    def claim(
        self,
        worker: str,
        *,
        lease: float,
        now: datetime,
        kinds: Sequence[str] | None = None,
        only: int | None = None,
    ) -> Claim | None:
        """Take the next job, for so many seconds; None if nothing waits.

        Jobs whose lease ended unrenewed wait again first, or are given up after enough attempts.

        Args:
            worker: Name of who takes it.
            lease: Seconds until others may take it, unless it is renewed.
            now: The time to record.
            kinds: What this worker can do; None for everything.
            only: Number of the one job it is there for; None for all.
        """
        if not self._is_wanted(kinds):
            return None
        with self._database.write() as connection:
            instant = self._clock(connection)
            self._sweep(connection, instant, now)
            waits = JobRow.state == JobState.PENDING.value
            known = waits if kinds is None else waits & JobRow.kind.in_(kinds)
            known = known if only is None else known & (JobRow.id == only)
            # PostgreSQL skips what another worker is taking; SQLite has one writer at a time.
            pick = (
                select(JobRow.id)
                .where(known)
                .order_by(JobRow.turn, JobRow.id)
                .limit(1)
                .with_for_update(skip_locked=True)
            )
            row = connection.execute(
                update(JobRow)
                .where(JobRow.id == pick.scalar_subquery(), waits)
                .values(
                    state=JobState.RUNNING.value,
                    fence=JobRow.fence + 1,
                    attempt=JobRow.attempt + 1,
                    worker=worker,
                    lease_until=instant.seconds + lease,
                    lease_clock=instant.clock,
                    started_at=func.coalesce(JobRow.started_at, utc(now)),
                )
                .returning(*JOB_COLUMNS)
            ).one_or_none()
            if row is None:
                return None
            note = f"taken by {worker}"
            taken = JobEvent(now, row.attempt, JobState.PENDING, JobState.RUNNING, note)
            _record(connection, row.id, taken)
            follow_job(connection, row.id, RunStatus.RUNNING, note, now=now)
            return Claim(job_of(row), row.fence)

    def _is_wanted(self, kinds: Sequence[str] | None) -> bool:
        """Look, without keeping writers waiting, whether a job waits or a lease is over."""
        with self._database.read() as connection:
            instant = self._clock(connection)
            waits = JobRow.state == JobState.PENDING.value
            found = select(JobRow.id).where(
                or_(
                    waits if kinds is None else waits & JobRow.kind.in_(kinds),
                    and_(JobRow.state == JobState.RUNNING.value, *_is_over(instant)),
                )
            )
            return connection.execute(found.limit(1)).one_or_none() is not None

    def beat(self, claims: Mapping[Claim, Progress], *, lease: float) -> dict[Claim, bool]:
        """Renew leases and note progress; says of each whether its end is wanted.

        A claim that was lost is missing in the answer.
        """
        wanted: dict[Claim, bool] = {}
        with self._database.write() as connection:
            instant = self._clock(connection)
            for claim, progress in claims.items():
                cancel = connection.execute(
                    update(JobRow)
                    .where(*_held(claim))
                    .values(
                        lease_until=instant.seconds + lease,
                        lease_clock=instant.clock,
                        done=progress.done,
                        total=progress.total,
                        step=clean(progress.step, _LONGEST_STEP),
                        interim=JobRow.interim if progress.interim is None else progress.interim,
                    )
                    .returning(JobRow.is_cancel_wanted)
                ).scalar_one_or_none()
                if cancel is not None:
                    wanted[claim] = cancel
        return wanted

    @contextmanager
    def completing(self, claim: Claim, *, now: datetime) -> Iterator[Connection]:
        """Complete a job, together with whatever else is written in the same transaction.

        Raises:
            Conflict: the job was lost to another worker, or is over; nothing is written.
        """
        with self._database.write() as connection:
            row = self._row_of(connection, claim)
            total = max(row.total, row.done, 1)
            _change(connection, row, JobState.COMPLETED, now, "completed",
                    completed_at=utc(now), done=total, total=total, interim=None)  # fmt: skip
            yield connection

    def fail(self, claim: Claim, error: JobError, *, now: datetime) -> None:
        """Fail a job through its own fault; raises as `completing`."""
        with self._database.write() as connection:
            _fail(connection, self._row_of(connection, claim), error, now)

    def cancelled(self, claim: Claim, *, now: datetime) -> None:
        """Note that a job's work was ended because somebody wanted it; raises as `completing`."""
        with self._database.write() as connection:
            row = self._row_of(connection, claim)
            _change(connection, row, JobState.CANCELLED, now, "cancelled", completed_at=utc(now))

    def give_back(self, claim: Claim, note: str, *, now: datetime, counts: bool) -> None:
        """Let a job wait again, or be over if somebody wants it cancelled; raises as `completing`.

        Args:
            claim: Of this worker.
            note: Why.
            now: The time to record.
            counts: Whether this was an attempt; not when its worker is only leaving.
        """
        with self._database.write() as connection:
            row = self._row_of(connection, claim)
            if row.is_cancel_wanted:
                _change(connection, row, JobState.CANCELLED, now, f"{note}; cancelled",
                        completed_at=utc(now))  # fmt: skip
                return
            attempt = row.attempt if counts else row.attempt - 1
            _change(connection, row, JobState.PENDING, now, note, attempt=attempt)

    # --- reading ----------------------------------------------------------------------------

    def get(self, ref: int | str) -> Job:
        """Find a job by its number or uuid.

        Raises:
            NotFound: no such job.
        """
        with self._database.read() as connection:
            return job_of(_row(connection, ref))

    def interim(self, job_id: int) -> Any:
        """Give what a job shows that is not completed, plain data; None if that is nothing."""
        with self._database.read() as connection:
            text = connection.execute(
                select(JobRow.interim).where(JobRow.id == job_id)
            ).scalar_one_or_none()
        return None if text is None else json.loads(text)

    def list(self, query: JobQuery) -> JobPage:
        """Select and cut a page of jobs in the database."""
        conditions: list[ColumnElement[bool]] = []
        if query.state is not None:
            conditions.append(JobRow.state == query.state.value)
        if query.kind is not None:
            if not storable(query.kind):
                return JobPage((), 0)
            conditions.append(JobRow.kind == query.kind)
        order = JobRow.id.asc() if query.oldest_first else JobRow.id.desc()
        with self._database.read() as connection:
            total = connection.execute(
                select(func.count()).select_from(JobRow).where(*conditions)
            ).scalar_one()
            rows = connection.execute(
                select(*JOB_COLUMNS)
                .where(*conditions)
                .order_by(order)
                .limit(query.limit)
                .offset(query.offset)
            ).all()
        return JobPage(tuple(job_of(row) for row in rows), total)

    def over(self, numbers: Sequence[int]) -> set[int]:
        """Say which of these jobs are over, or do not exist."""
        with self._database.read() as connection:
            living = connection.execute(
                select(JobRow.id).where(
                    JobRow.id.in_(numbers),
                    JobRow.state.in_([JobState.PENDING.value, JobState.RUNNING.value]),
                )
            ).scalars()
            return set(numbers) - set(living)

    def stats(self) -> JobStats:
        """Count the jobs of each state, and say how long the newest completed ones took."""
        with self._database.read() as connection:
            counts = dict(
                connection.execute(select(JobRow.state, func.count()).group_by(JobRow.state)).all()
            )
            took = connection.execute(
                select(JobRow.started_at, JobRow.completed_at)
                .where(JobRow.state == JobState.COMPLETED.value)
                .order_by(JobRow.id.desc())
                .limit(_RECENT)
            ).all()
        seconds = [(end - begin).total_seconds() for begin, end in took if begin and end]
        return JobStats(
            {state: counts.get(state.value, 0) for state in JobState},
            sum(seconds) / len(seconds) if seconds else None,
        )

    def history(self, ref: int | str) -> Sequence[JobEvent]:
        """Every event of a job, oldest first.

        Raises:
            NotFound: no such job.
        """
        with self._database.read() as connection:
            job_id = _row(connection, ref).id
            rows = connection.execute(
                select(
                    JobEventRow.at,
                    JobEventRow.attempt,
                    JobEventRow.from_state,
                    JobEventRow.to_state,
                    JobEventRow.note,
                )
                .where(JobEventRow.job_id == job_id)
                .order_by(JobEventRow.id)
            ).all()
        return [
            JobEvent(
                row.at,
                row.attempt,
                JobState(row.from_state) if row.from_state else None,
                JobState(row.to_state),
                row.note,
            )
            for row in rows
        ]

    def change_token(self) -> str:
        """A text that changes whenever a job changes state or a running one moves on."""
        with self._database.read() as connection:
            newest, moved = connection.execute(
                select(
                    select(func.max(JobEventRow.id)).scalar_subquery(),
                    select(func.sum(JobRow.done))
                    .where(JobRow.state == JobState.RUNNING.value)
                    .scalar_subquery(),
                )
            ).one()
        return f"{newest or 0}.{moved or 0}"

    # --- inside -----------------------------------------------------------------------------

    def _sweep(self, connection: Connection, instant: Instant, now: datetime) -> None:
        """Let jobs wait again whose workers are gone, or give them up."""
        rows = connection.execute(
            select(*JOB_COLUMNS).where(JobRow.state == JobState.RUNNING.value, *_is_over(instant))
        ).all()
        for row in rows:
            note = f"lost: {row.worker} did not renew its lease"
            if row.is_cancel_wanted:
                _change(connection, row, JobState.CANCELLED, now, f"{note}; cancelled",
                        completed_at=utc(now))  # fmt: skip
            elif row.attempt < self._most_attempts:
                _change(connection, row, JobState.PENDING, now, note)
            else:
                words = f"its workers died {row.attempt} times while they had it"
                hint = "Look at the workers' logs, then submit it again"
                _fail(connection, row, JobError(LOST, words, hint), now)

    @staticmethod
    def _row_of(connection: Connection, claim: Claim) -> Row[Any]:
        row = connection.execute(select(*JOB_COLUMNS).where(*_held(claim))).one_or_none()
        if row is None:
            raise Conflict(
                f"job {claim.job.id} is no longer this worker's", hint="Throw its work away"
            )
        return row


def _is_over(instant: Instant) -> tuple[ColumnElement[bool], ...]:
    """Whether a lease has ended: by this clock, or it was of another."""
    other = JobRow.lease_clock != instant.clock
    return (or_(other, JobRow.lease_until < instant.seconds),)


def _held(claim: Claim) -> tuple[ColumnElement[bool], ...]:
    return (
        JobRow.id == claim.job.id,
        JobRow.fence == claim.fence,
        JobRow.state == JobState.RUNNING.value,
    )


def _change(
    connection: Connection,
    row: Row[Any],
    to_state: JobState,
    now: datetime,
    note: str,
    **values: Any,
) -> None:
    state = JobState(row.state)
    if to_state not in JOB_TRANSITIONS[state]:
        raise Conflict(f"job {row.id} is {state} and cannot become {to_state}")
    changed = connection.execute(
        update(JobRow)
        .where(JobRow.id == row.id, JobRow.state == state.value, JobRow.fence == row.fence)
        .values(state=to_state.value, lease_until=None, lease_clock=None, **values)
    )
    if changed.rowcount != 1:
        raise Conflict(f"job {row.id} was changed by somebody else", hint="Look at it again")
    _record(connection, row.id, JobEvent(now, row.attempt, state, to_state, note))
    if to_state in {JobState.PENDING, JobState.CANCELLED}:
        follow_job(connection, row.id, RunStatus(to_state.value), note, now=now)


def _fail(connection: Connection, row: Row[Any], error: JobError, now: datetime) -> None:
    message = clean(error.message, _LONGEST_MESSAGE)
    told = RunError(error.code, error.message, error.hint)
    follow_job(connection, row.id, RunStatus.FAILED, message, now=now, error=told)
    _change(
        connection,
        row,
        JobState.FAILED,
        now,
        f"{clean(error.code, 64)}: {message}",
        completed_at=utc(now),
        error_code=clean(error.code, 64),
        error_message=message,
        error_hint=None if error.hint is None else clean(error.hint, _LONGEST_MESSAGE),
    )


def _record(connection: Connection, job_id: int, event: JobEvent) -> None:
    connection.execute(
        _ADD_EVENT,
        {
            "job_id": job_id,
            "at": utc(event.at),
            "attempt": event.attempt,
            "from_state": event.from_state.value if event.from_state else None,
            "to_state": event.to_state.value,
            "note": event.note,
        },
    )


def put_job(
    connection: Connection, kind: str, payload: Mapping[str, Any], *, now: datetime, priority: int
) -> int:
    """Put a job in the queue in a transaction that is under way; give its number."""
    body, digest = _body(kind, payload)
    number: int = _put(connection, kind, body, digest, now=now, priority=priority).id
    return number


def _body(kind: str, payload: Mapping[str, Any]) -> tuple[str, str]:
    body = json.dumps(payload, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return body, hashlib.sha256(f"{kind}\n{body}".encode()).hexdigest()


def _put(
    connection: Connection,
    kind: str,
    body: str,
    digest: str,
    *,
    now: datetime,
    priority: int,
    key: str | None = None,
) -> Row[Any]:
    row = connection.execute(
        _ADD,
        {
            "uuid": str(uuid.uuid4()),
            "kind": kind,
            "payload": body,
            "key": key,
            "body_hash": digest,
            "state": JobState.PENDING.value,
            "turn": -priority,
            "attempt": 0,
            "fence": 0,
            "done": 0,
            "total": 0,
            "step": "",
            "is_cancel_wanted": False,
            "created_at": utc(now),
        },
    ).one()
    _record(connection, row.id, JobEvent(now, 0, None, JobState.PENDING, "submitted"))
    return row


def _check(key: str | None, priority: int) -> None:
    if key is not None and not (0 < len(key) <= LONGEST_KEY and storable(key)):
        raise InvalidInput(
            f"the idempotency key is {key[:40]!r}",
            expected=f"1 to {LONGEST_KEY} printable characters",
            field="idempotency_key",
        )
    if abs(priority) > _HIGHEST:
        raise InvalidInput(
            f"priority is {priority}", expected=f"-{_HIGHEST} to {_HIGHEST}", field="priority"
        )


def _by_key(connection: Connection, key: str) -> Row[Any] | None:
    return connection.execute(select(*JOB_COLUMNS).where(JobRow.key == key)).one_or_none()


def _row(connection: Connection, ref: int | str) -> Row[Any]:
    name = ref[:80] if isinstance(ref, str) else ref if number_of(ref) else "of that number"
    missing = NotFound(f"job {name} does not exist", hint="List the jobs to see what there is")
    if isinstance(ref, int) or (ref.isascii() and ref.isdecimal()):
        number = number_of(ref)
        named = None if number is None else JobRow.id == number
    else:
        named = JobRow.uuid == ref.lower() if storable(ref) else None
    if named is None:
        raise missing
    row = connection.execute(select(*JOB_COLUMNS).where(named)).one_or_none()
    if row is None:
        raise missing
    return row


def job_of(values: Sequence[Any]) -> Job:
    """Make a job of the values of `JOB_COLUMNS`."""
    row = SimpleNamespace(**dict(zip(_NAMES, values, strict=True)))
    error = None
    if row.error_code is not None:
        error = JobError(row.error_code, row.error_message, row.error_hint)
    return Job(
        id=row.id,
        uuid=row.uuid,
        kind=row.kind,
        payload=json.loads(row.payload),
        state=JobState(row.state),
        priority=-row.turn,
        attempt=row.attempt,
        worker=row.worker,
        done=row.done,
        total=row.total,
        step=row.step,
        is_cancel_wanted=row.is_cancel_wanted,
        error=error,
        created_at=row.created_at,
        started_at=row.started_at,
        completed_at=row.completed_at,
    )
