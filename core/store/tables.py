"""Tables. Nothing a user filters or sorts by is hidden in JSON; a metric is a typed column."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    Dialect,
    Double,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import TypeDecorator, TypeEngine

from core.domain.job import JobState
from core.domain.metrics import COUNTER_NAMES, METRICS
from core.domain.run import RunStatus

WHOLE_RUN: Final = ""
"""In place of a symbol: the metrics of all sleeves together."""


class UtcDateTime(TypeDecorator[datetime]):
    """A moment in UTC; one without a zone is refused, because nobody can say when it was."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Turn any zone into UTC on the way in."""
        del dialect
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value} has no time zone")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Say UTC on the way out, where SQLite has dropped it."""
        del dialect
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def _code(length: int) -> TypeEngine[str]:
    """Text that sorts by its bytes on every database, whatever the server's language."""
    return String(length).with_variant(String(length, collation="C"), "postgresql")


class Base(DeclarativeBase):
    """Base of the tables, with constraint names that migrations can rely on."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {datetime: UtcDateTime(), str: Text(), float: Double(), date: Date()}  # noqa: RUF012 - declared so by SQLAlchemy


class ResultRow(Base):
    """A computed result, shared by every run that asked for the same thing."""

    __tablename__ = "results"

    run_key: Mapped[str] = mapped_column(String(64), primary_key=True)
    code_hash: Mapped[str]
    engine_version: Mapped[str]
    first_bar: Mapped[datetime]
    last_bar: Mapped[datetime]
    bars: Mapped[int]
    engine_ms: Mapped[float]
    created_at: Mapped[datetime]


class ResultDataRow(Base):
    """The data a result was computed from, one row per symbol."""

    __tablename__ = "result_data"

    run_key: Mapped[str] = mapped_column(ForeignKey(ResultRow.run_key), primary_key=True)
    symbol: Mapped[str] = mapped_column(primary_key=True)
    data_hash: Mapped[str]


class ResultArtifactRow(Base):
    """A file of a result, one row per file."""

    __tablename__ = "result_artifacts"

    run_key: Mapped[str] = mapped_column(ForeignKey(ResultRow.run_key), primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True)
    sha256: Mapped[str] = mapped_column(String(64))
    bytes: Mapped[int] = mapped_column(BigInteger)


class RunRow(Base):
    """A submission. `fence` grows with every change of state and guards each of them."""

    __tablename__ = "runs"
    __table_args__ = (
        CheckConstraint(
            "status IN ({})".format(", ".join(f"'{status}'" for status in RunStatus)),
            name="status",
        ),
        CheckConstraint("progress >= 0 AND progress <= 1", name="progress"),
        CheckConstraint(
            "status <> 'completed' OR run_key IS NOT NULL", name="completed_has_result"
        ),
        # Covers filtering, counting and ordering of lists without touching the wide rows.
        Index(None, "created_at", "status", "strategy", "run_key"),
        Index(None, "strategy"),
        Index(None, "status"),
        Index(None, "run_key"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    uuid: Mapped[str] = mapped_column(String(36), unique=True)
    job_id: Mapped[str] = mapped_column(String(64), unique=True)
    strategy: Mapped[str] = mapped_column(_code(200))
    title: Mapped[str]
    timeframe: Mapped[str] = mapped_column(String(8))
    start_date: Mapped[date | None]
    end_date: Mapped[date | None]
    status: Mapped[str] = mapped_column(_code(16))
    progress: Mapped[float]
    source: Mapped[str] = mapped_column(String(16))
    owner: Mapped[str]
    spec: Mapped[str]
    run_key: Mapped[str | None] = mapped_column(ForeignKey(ResultRow.run_key))
    reused: Mapped[bool] = mapped_column(Boolean)
    error_code: Mapped[str | None]
    error_message: Mapped[str | None]
    error_hint: Mapped[str | None]
    created_at: Mapped[datetime]
    started_at: Mapped[datetime | None]
    completed_at: Mapped[datetime | None]
    fence: Mapped[int]
    queued_as: Mapped[int | None] = mapped_column(ForeignKey("jobs.id"), index=True)
    mirrored_as: Mapped[int | None] = mapped_column(ForeignKey("jobs.id"))
    mlflow_experiment_id: Mapped[str | None] = mapped_column(String(64))
    mlflow_run_id: Mapped[str | None] = mapped_column(String(64))
    name: Mapped[str | None]
    note: Mapped[str | None]
    edited_at: Mapped[datetime | None]
    study_id: Mapped[int | None] = mapped_column(ForeignKey("studies.id"))
    trial: Mapped[int | None]


class RunSymbolRow(Base):
    """A symbol of a run, in the order it was asked for."""

    __tablename__ = "run_symbols"
    __table_args__ = (Index(None, "symbol", "run_id"),)

    run_id: Mapped[int] = mapped_column(ForeignKey(RunRow.id), primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True)
    symbol: Mapped[str]


class RunEventRow(Base):
    """A change of state; the newest id tells pollers whether anything happened.

    Rows are only ever added: what is told of a run outlives it.
    """

    __tablename__ = "run_events"
    __table_args__ = (Index(None, "run_id"), {"sqlite_autoincrement": True})

    id: Mapped[int] = mapped_column(primary_key=True)
    run_id: Mapped[int]
    at: Mapped[datetime]
    from_status: Mapped[str | None] = mapped_column(String(16))
    to_status: Mapped[str] = mapped_column(String(16))
    note: Mapped[str]


# Groups of metrics, and counters, that migrations added; a database adds columns at the end.
# Columns of metrics that came after the first migration, in the order in which they came.
ADDED: Final = (
    *(name for name, metric in METRICS.items() if metric.group == "benchmark"),
    *("limited", "volume_capped", "margin_calls"),
    *("dividends", "borrow", "carry"),
    *("missed_limits", "detail_missing", "detail_conflicts"),
    *("funding", "psr", "min_trl", "sessions", "mae_r", "mfe_r", "total_costs"),
    *("unsized", "interest"),
)


def _column(name: str) -> Column[Any]:
    """Make the column of a metric, empty where it is not defined, or of a counter."""
    if name in COUNTER_NAMES:
        return Column(name, Integer, nullable=False, server_default="0" if name in ADDED else None)
    is_whole = METRICS[name].unit == "count" and name not in ADDED
    kind: TypeEngine[Any] = Integer() if is_whole else Double()
    return Column(name, kind, nullable=True)


metrics = Table(
    "metrics",
    Base.metadata,
    Column("run_key", String(64), ForeignKey(ResultRow.run_key), primary_key=True),
    Column("symbol", Text, primary_key=True),
    *(_column(name) for name in (*METRICS, *COUNTER_NAMES) if name not in ADDED),
    Column("reasons", Text, nullable=False),
    Column("badges", Text, nullable=False),
    *(_column(name) for name in ADDED),
)


class JobRow(Base):
    """A piece of work. `fence` grows with every claim; who writes with an older one has lost it.

    `turn` is the priority with its sign turned, because an index runs one way.
    """

    __tablename__ = "jobs"
    __table_args__ = (
        CheckConstraint(
            "state IN ({})".format(", ".join(f"'{state}'" for state in JobState)), name="state"
        ),
        CheckConstraint("done >= 0 AND total >= 0", name="progress"),
        CheckConstraint(
            "state <> 'running' OR (worker IS NOT NULL AND lease_until IS NOT NULL)",
            name="running_has_worker",
        ),
        # The order in which jobs are taken.
        Index(None, "state", "turn", "id"),
        Index(None, "kind", "id"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    uuid: Mapped[str] = mapped_column(String(36), unique=True)
    kind: Mapped[str] = mapped_column(_code(32))
    payload: Mapped[str]
    key: Mapped[str | None] = mapped_column(String(200), unique=True)
    body_hash: Mapped[str] = mapped_column(String(64))
    state: Mapped[str] = mapped_column(_code(16))
    turn: Mapped[int]
    attempt: Mapped[int]
    fence: Mapped[int]
    worker: Mapped[str | None]
    lease_until: Mapped[float | None]
    lease_clock: Mapped[str | None]
    done: Mapped[int] = mapped_column(BigInteger)
    total: Mapped[int] = mapped_column(BigInteger)
    step: Mapped[str]
    is_cancel_wanted: Mapped[bool] = mapped_column(Boolean)
    error_code: Mapped[str | None]
    error_message: Mapped[str | None]
    error_hint: Mapped[str | None]
    created_at: Mapped[datetime]
    started_at: Mapped[datetime | None]
    completed_at: Mapped[datetime | None]
    interim: Mapped[str | None]


class JobEventRow(Base):
    """A change of a job's state; rows are only ever added."""

    __tablename__ = "job_events"
    __table_args__ = (Index(None, "job_id"), {"sqlite_autoincrement": True})

    id: Mapped[int] = mapped_column(primary_key=True)
    job_id: Mapped[int] = mapped_column(ForeignKey(JobRow.id))
    at: Mapped[datetime]
    attempt: Mapped[int]
    from_state: Mapped[str | None] = mapped_column(String(16))
    to_state: Mapped[str] = mapped_column(String(16))
    note: Mapped[str]


class StudyRow(Base):
    """A study: what was asked, and when it is over what was found. Its state is its job's."""

    __tablename__ = "studies"
    __table_args__ = (
        Index(None, "strategy"),
        Index(None, "symbol"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    uuid: Mapped[str] = mapped_column(String(36), unique=True)
    job_id: Mapped[int] = mapped_column(ForeignKey(JobRow.id), unique=True)
    strategy: Mapped[str] = mapped_column(_code(200))
    title: Mapped[str]
    symbol: Mapped[str] = mapped_column(_code(200))
    timeframe: Mapped[str] = mapped_column(String(8))
    method: Mapped[str] = mapped_column(String(16))
    objective: Mapped[str]
    source: Mapped[str] = mapped_column(String(16))
    spec: Mapped[str]
    code_hash: Mapped[str]
    created_at: Mapped[datetime]
    key: Mapped[str | None] = mapped_column(String(64))
    trials: Mapped[int | None]
    eligible: Mapped[int | None]
    best_value: Mapped[float | None]
    light: Mapped[str | None] = mapped_column(_code(8))
    deflated: Mapped[float | None]
    pbo: Mapped[float | None]
    plateau: Mapped[float | None]
    findings: Mapped[str | None]
    mirrored_as: Mapped[int | None] = mapped_column(ForeignKey("jobs.id"))
    mlflow_experiment_id: Mapped[str | None] = mapped_column(String(64))
    mlflow_run_id: Mapped[str | None] = mapped_column(String(64))


class StudyArtifactRow(Base):
    """A file of a study, one row per file."""

    __tablename__ = "study_artifacts"

    study_id: Mapped[int] = mapped_column(ForeignKey(StudyRow.id), primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True)
    sha256: Mapped[str] = mapped_column(String(64))
    bytes: Mapped[int] = mapped_column(BigInteger)
