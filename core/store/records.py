"""Rows into words and back."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, TypeVar, cast

from pydantic import BaseModel, ValidationError
from sqlalchemy import Column

from core.domain.metrics import COUNTER_NAMES, METRICS, REASONS, Metrics
from core.domain.run import Run, RunError, RunSpec, RunStatus, Source, Trial
from core.domain.timeframe import Timeframe
from core.errors import DataProblem, InvalidInput
from core.faults import sentence_of
from core.store.tables import ResultRow, RunRow, metrics

Spec = TypeVar("Spec", bound=BaseModel)

NOT_COMPUTED: Final = "not_computed"
_MAX_ID: Final = 2**31 - 1
_METRIC_NAMES: Final = tuple(METRICS)
_INTEGERS: Final = frozenset(name for name, metric in METRICS.items() if metric.unit == "count")

RUN_COLUMNS: Final[tuple[Column[Any], ...]] = tuple(RunRow.__table__.columns)  # type: ignore[arg-type]
RESULT_COLUMNS: Final[tuple[Column[Any], ...]] = tuple(ResultRow.__table__.columns)  # type: ignore[arg-type]
METRIC_COLUMNS: Final[tuple[Column[Any], ...]] = tuple(
    metrics.c[name] for name in (*METRICS, *COUNTER_NAMES, "reasons", "badges")
)
_RUN_NAMES: Final = tuple(column.name for column in RUN_COLUMNS)
_RESULT_NAMES: Final = tuple(column.name for column in RESULT_COLUMNS)


def metrics_values(run_key: str, symbol: str, given: Metrics) -> dict[str, Any]:
    """A row of the metrics table.

    Raises:
        DataProblem: a metric is missing, not finite, or None without a reason.
    """
    where = f"metrics of {symbol or 'the run'}"
    if set(given.values) != set(METRICS) or set(given.counters) != set(COUNTER_NAMES):
        odd = (set(given.values) ^ set(METRICS)) | (set(given.counters) ^ set(COUNTER_NAMES))
        raise DataProblem(f"{where} lack or add {', '.join(sorted(odd))}", expected="the catalogue")
    undefined = {name for name, value in given.values.items() if value is None}
    if undefined != set(given.reasons) or not set(given.reasons.values()) <= set(REASONS):
        raise DataProblem(
            f"{where} give reasons for {', '.join(sorted(given.reasons)) or 'nothing'}",
            expected=f"a known reason for each of {', '.join(sorted(undefined)) or 'nothing'}",
        )
    row: dict[str, Any] = {"run_key": run_key, "symbol": symbol}
    for name, value in given.values.items():
        row[name] = None if value is None else _number(where, name, value)
    for name in COUNTER_NAMES:
        row[name] = int(given.counters[name])
    row["reasons"] = json.dumps(dict(given.reasons), sort_keys=True, separators=(",", ":"))
    row["badges"] = ",".join(given.badges)
    return row


def metrics_of(values: Sequence[Any]) -> Metrics:
    """Metrics from the values of `METRIC_COLUMNS`; those its version did not have say so."""
    numbers = dict(zip(_METRIC_NAMES, values, strict=False))
    counters = values[len(_METRIC_NAMES) : -2]
    reasons, badges = values[-2:]
    return Metrics(
        values={name: None if value is None else float(value) for name, value in numbers.items()},
        # A result of a version without a metric has neither the number nor a reason.
        reasons={name: NOT_COMPUTED for name, value in numbers.items() if value is None}
        | json.loads(reasons),
        counters=dict(zip(COUNTER_NAMES, counters, strict=True)),
        badges=tuple(badges.split(",")) if badges else (),
    )


def run_of(
    values: Sequence[Any],
    metrics: Metrics | None,
    symbols_of: Callable[[int], Sequence[str]] | None = None,
) -> Run:
    """A run from the values of `RUN_COLUMNS` and `RESULT_COLUMNS`, and its metrics.

    Args:
        values: Of the columns.
        metrics: Of the whole run.
        symbols_of: Gives the symbols of a run. With it, a request that cannot be read is replaced
            by what columns say of it, and the reason is the run's error.

    Raises:
        DataProblem: the stored request cannot be read.
    """
    split = len(_RUN_NAMES)
    row = dict(zip(_RUN_NAMES, values[:split], strict=True))
    result = dict(zip(_RESULT_NAMES, values[split:], strict=True))
    failed = row["error_code"] is not None
    error = RunError(row["error_code"], row["error_message"], row["error_hint"]) if failed else None
    try:
        spec = stored_spec(RunSpec, row, "run")
    except DataProblem as unreadable:
        if symbols_of is None:
            raise
        spec = spec_of_columns(row, symbols_of(row["id"]))
        error = RunError(unreadable.code, unreadable.message, unreadable.hint)
    return Run(
        id=row["id"],
        uuid=row["uuid"],
        job_id=row["job_id"],
        spec=spec,
        title=row["title"],
        status=RunStatus(row["status"]),
        source=cast("Source", row["source"]),
        created_at=row["created_at"],
        started_at=row["started_at"],
        completed_at=row["completed_at"],
        progress=row["progress"],
        run_key=row["run_key"],
        reused=row["reused"],
        error=error,
        metrics=metrics,
        code_hash=result["code_hash"],
        engine_version=result["engine_version"],
        first_bar=result["first_bar"],
        last_bar=result["last_bar"],
        bars=result["bars"],
        engine_ms=result["engine_ms"],
        queued_as=row["queued_as"],
        mirrored_as=row["mirrored_as"],
        mlflow_experiment_id=row["mlflow_experiment_id"],
        mlflow_run_id=row["mlflow_run_id"],
        trial=None if row["study_id"] is None else Trial(row["study_id"], row["trial"]),
        name=row["name"],
        note=row["note"],
        edited_at=row["edited_at"],
    )


def spec_of_columns(row: Mapping[str, Any], symbols: Sequence[str]) -> RunSpec:
    """What the columns of a run or study say of a request that cannot be read; not checked."""
    known = row["timeframe"] in set(Timeframe)
    return RunSpec.model_construct(
        strategy=row["strategy"],
        params={},
        symbols=tuple(symbols) or ("?",),
        timeframe=Timeframe(row["timeframe"]) if known else Timeframe.D1,
        start=row.get("start_date"),
        end=row.get("end_date"),
    )


def number_of(ref: int | str) -> int | None:
    """Read the number of a row; None for one no database can hold."""
    if isinstance(ref, str) and len(ref) > len(str(_MAX_ID)):
        return None
    number = int(ref)
    return number if 0 < number <= _MAX_ID else None


def utc(moment: datetime) -> datetime:
    """Say a moment in UTC.

    Raises:
        InvalidInput: nobody can say when it was.
    """
    if moment.tzinfo is None:
        raise InvalidInput(f"time {moment} has no zone", expected="a time in UTC")
    return moment.astimezone(UTC)


def storable(text: str) -> bool:
    """Whether every database can hold the text: no NUL, no half of a surrogate pair."""
    return "\x00" not in text and text.encode("utf-8", "ignore").decode() == text


def clean(text: str, limit: int) -> str:
    """Text of unknown origin, made storable and bounded."""
    kept = text.replace("\x00", "\ufffd").encode("utf-8", "replace").decode("utf-8")
    return kept if len(kept) <= limit else f"{kept[: limit - 1]}…"


def _number(where: str, name: str, value: float) -> float | int:
    if not math.isfinite(value):
        raise DataProblem(
            f"{where}: {name} is {value}", expected="a finite number, or None with a reason"
        )
    if name in _INTEGERS:
        if value != int(value):
            raise DataProblem(f"{where}: {name} is {value}", expected="a whole number")
        return int(value)
    return float(value) + 0.0  # -0.0 would read as a loss of nothing


def stored_spec(kind: type[Spec], row: Mapping[str, Any], what: str) -> Spec:
    """Read the request of a row.

    Args:
        kind: Of request.
        row: Its `id` and `spec` count.
        what: A run or a study, in a word.

    Raises:
        DataProblem: it cannot be read.
    """
    try:
        return kind.model_validate_json(row["spec"])
    except ValidationError as error:
        raise DataProblem(
            f"the stored request of {what} {row['id']} cannot be read: "
            f"{sentence_of(error.errors()[0])}",
            hint="it was written by another version; restore the backup or upgrade",
        ) from error
