"""Runs: what was asked (RunSpec), what came out (RunResult), and both once kept (Run)."""

from __future__ import annotations

import difflib
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import Any, Literal, NamedTuple, Self

import polars as pl
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from core.domain.cost_presets import DEFAULT_COSTS, costs_from, find_costs
from core.domain.costs import CostModel
from core.domain.metrics import METRICS, Metrics
from core.domain.options import EngineOptions
from core.domain.parameters import ParamValue
from core.domain.timeframe import Timeframe

Source = Literal["ui", "api", "cli", "python", "demo"]


class RunStatus(StrEnum):
    """States of a run. "Lost" is an event in its history, not a state."""

    PENDING = "pending"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        """Whether nothing more will happen."""
        return self in {RunStatus.COMPLETED, RunStatus.FAILED, RunStatus.CANCELLED}


# A pending run completes without running when an equal result is already stored; a running one
# waits again when it was queued and its worker is gone.
TRANSITIONS: dict[RunStatus, frozenset[RunStatus]] = {
    RunStatus.PENDING: frozenset(
        {RunStatus.RUNNING, RunStatus.COMPLETED, RunStatus.FAILED, RunStatus.CANCELLED}
    ),
    RunStatus.RUNNING: frozenset(
        {RunStatus.PENDING, RunStatus.COMPLETED, RunStatus.FAILED, RunStatus.CANCELLED}
    ),
    RunStatus.COMPLETED: frozenset(),
    RunStatus.FAILED: frozenset(),
    RunStatus.CANCELLED: frozenset(),
}


class RunEvent(NamedTuple):
    """One line of a run's history; `from_status` is None where the run was submitted."""

    at: datetime
    from_status: RunStatus | None
    to_status: RunStatus
    note: str


Label = Literal["name", "note"]
"""What people write on a run."""
LONGEST_NAME = 300
LONGEST_NOTE = 10_000
"""Signs of what people call a run, and of what they say of it."""

LATER_OPTIONS = ("risk_free",)


class RunSpec(BaseModel):
    """A backtest request. Two equal specs on equal data and code give equal bits.

    Attributes:
        strategy: Registry id; dotted names of the seeds are resolved to ids by the service.
        params: Parameters; missing ones take their defaults when the service completes the spec.
        symbols: One to fifty symbols of the catalog; several trade in equal sleeves or on one
            account, see `EngineOptions.account`.
        start, end: First and last session date, both inclusive; None means all there is.
        benchmark: Symbol of the catalog to measure against, bought at its first open of the run and
            held; None for the run's own symbols, bought so and held in the same equal sleeves.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    strategy: str = Field(min_length=1, max_length=200)
    params: dict[str, ParamValue] = Field(default_factory=dict)
    symbols: tuple[str, ...] = Field(min_length=1, max_length=50)
    timeframe: Timeframe = Timeframe.D1
    start: date | None = None
    end: date | None = None
    options: EngineOptions = Field(default_factory=EngineOptions)
    costs: CostModel = Field(default_factory=lambda: find_costs(DEFAULT_COSTS))
    benchmark: str | None = Field(None, min_length=1, max_length=200)

    @field_validator("costs", mode="before")
    @classmethod
    def _in_any_words(cls, costs: Any) -> Any:
        return costs_from(costs)

    @field_validator("symbols")
    @classmethod
    def _distinct(cls, symbols: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(symbols)) != len(symbols):
            raise ValueError("symbols are repeated")
        return symbols

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.start and self.end and self.start > self.end:
            raise ValueError(f"start {self.start} is after end {self.end}")
        shares = self.options.account == "shared" and len(self.symbols) > 1
        if shares and self.options.intrabar_margin:
            raise ValueError(
                f"intrabar_margin is for one symbol, and {len(self.symbols)} share an account; "
                "expected one symbol, account=sleeves, or intrabar_margin=false"
            )
        return self

    def canonical(self) -> str:
        """The spec as JSON with sorted keys: the same request always gives the same text.

        `LATER_OPTIONS` are left out where nothing is said, so that a request keeps the text it had
        before there were any.
        """
        asked = self.model_dump(mode="json")
        for name in LATER_OPTIONS:
            if getattr(self.options, name) == EngineOptions.model_fields[name].default:
                del asked["options"][name]
        return json.dumps(asked, sort_keys=True, separators=(",", ":"))


def run_key(
    spec: RunSpec, data_hashes: Mapping[str, str], code_hash: str, engine_version: str
) -> str:
    """Content address of a result: SHA-256 over everything its bits depend on, 64 hex digits."""
    parts = {
        "spec": spec.canonical(),
        "data": dict(sorted(data_hashes.items())),
        "code": code_hash,
        "engine": engine_version,
    }
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


EQUITY_SCHEMA: dict[str, Any] = {
    "timestamp": pl.Datetime("us", "UTC"),
    "session": pl.Date,
    "equity": pl.Float64,
    "benchmark": pl.Float64,
    "drawdown": pl.Float64,
}
# Cash and equity are those of the sleeve, or of the account that symbols share.
POSITIONS_SCHEMA: dict[str, Any] = {
    "symbol": pl.String,
    "timestamp": pl.Datetime("us", "UTC"),
    "session": pl.Date,
    "close": pl.Float64,
    "quantity": pl.Float64,
    "value": pl.Float64,
    "cash": pl.Float64,
    "equity": pl.Float64,
}
TRADES_SCHEMA: dict[str, Any] = {
    "symbol": pl.String,
    "direction": pl.String,
    "quantity": pl.Float64,
    "entry_time": pl.Datetime("us", "UTC"),
    "entry_price": pl.Float64,
    "exit_time": pl.Datetime("us", "UTC"),
    "exit_price": pl.Float64,
    "exit_reason": pl.String,
    "pnl": pl.Float64,
    "return": pl.Float64,
    "fees": pl.Float64,
    "slippage": pl.Float64,
    "bars": pl.Int64,
    "mae": pl.Float64,
    "mfe": pl.Float64,
    "r_multiple": pl.Float64,
    "ambiguous": pl.Boolean,
    "open": pl.Boolean,
}
FILLS_SCHEMA: dict[str, Any] = {
    "symbol": pl.String,
    "timestamp": pl.Datetime("us", "UTC"),
    "quantity": pl.Float64,
    "price": pl.Float64,
    "fee": pl.Float64,
    "slippage": pl.Float64,
    "reason": pl.String,
}
FX = "fx"
"""Last column of positions and fills where a symbol is in another currency than the account: its
rate at the close, or of the fill. Prices are in the symbol's currency, the rest in the account's.
"""
CONVERTED = ("positions", "fills")
RATES = "fx:"
"""Before the name of a series of rates among the hashes of what a run used."""
ARTIFACTS: dict[str, dict[str, Any]] = {
    "equity": EQUITY_SCHEMA,
    "positions": POSITIONS_SCHEMA,
    "trades": TRADES_SCHEMA,
    "fills": FILLS_SCHEMA,
}


@dataclass(frozen=True, eq=False, slots=True)
class RunResult:
    """What a run computed, before it is kept.

    Attributes:
        metrics: Of the whole run (all symbols together).
        by_symbol: Metrics of each sleeve, or of what each symbol contributed to a shared account,
            in the order of the spec.
        frames: One frame per name of `ARTIFACTS`, in that schema.
        first_bar, last_bar: Opening time of the first and last bar used, UTC.
        bars: Bars used, over all symbols.
        engine_ms: Time in signals, engine and metrics.
    """

    run_key: str
    metrics: Metrics
    by_symbol: Mapping[str, Metrics]
    frames: Mapping[str, pl.DataFrame]
    first_bar: datetime
    last_bar: datetime
    bars: int
    engine_ms: float
    data_hashes: Mapping[str, str]
    code_hash: str
    engine_version: str


@dataclass(frozen=True, slots=True)
class StoredResult:
    """A result as it is kept, found by what it was computed from.

    Attributes:
        by_symbol: As in `RunResult`, by name of the symbol.
        artifacts: File name to SHA-256.
        created_at: When it was first computed.
    """

    run_key: str
    metrics: Metrics
    by_symbol: Mapping[str, Metrics]
    data_hashes: Mapping[str, str]
    artifacts: Mapping[str, str]
    code_hash: str
    engine_version: str
    first_bar: datetime
    last_bar: datetime
    bars: int
    engine_ms: float
    created_at: datetime


class Trial(NamedTuple):
    """What a run was promoted from: the number of a study, and of a trial in it."""

    study: int
    number: int


@dataclass(frozen=True, slots=True)
class RunError:
    """Why a run failed, as the errors of the core say it."""

    code: str
    message: str
    hint: str | None = None


@dataclass(frozen=True, slots=True)
class Run:
    """One submission as recorded. Several runs may share one result.

    Attributes:
        id: Row number, what people type.
        uuid: Stable identity for machines.
        job_id: Name in the seeds' shape: `api_20260401093000_1a2b3c4d`.
        spec: Completed: id of the strategy, every parameter, canonical symbols.
        title: Of the strategy, for people.
        source: The door it came through.
        run_key: Address of the result once completed.
        reused: Whether the result was already there and nothing was computed.
        metrics: Of the whole run, once completed.
        data_hashes: Per symbol, that of the benchmark included, once completed.
        artifacts: File name to SHA-256, once completed.
        queued_as: Number of its job; None where it is computed at once.
        mirrored_as: Number of the job that writes it to MLflow; None where tracking is off.
        mlflow_experiment_id, mlflow_run_id: Its names there, once it is written.
        trial: What it was promoted from; None for what somebody asked for by itself.
        name, note: What people call it and say of it; None where they do not.
        edited_at: When they last did.
    """

    id: int
    uuid: str
    job_id: str
    spec: RunSpec
    title: str
    status: RunStatus
    source: Source
    created_at: datetime
    started_at: datetime | None = None
    completed_at: datetime | None = None
    progress: float = 0.0
    run_key: str | None = None
    reused: bool = False
    error: RunError | None = None
    metrics: Metrics | None = None
    by_symbol: Mapping[str, Metrics] = field(default_factory=dict)
    data_hashes: Mapping[str, str] = field(default_factory=dict)
    code_hash: str | None = None
    engine_version: str | None = None
    artifacts: Mapping[str, str] = field(default_factory=dict)
    first_bar: datetime | None = None
    last_bar: datetime | None = None
    bars: int | None = None
    engine_ms: float | None = None
    queued_as: int | None = None
    mirrored_as: int | None = None
    mlflow_experiment_id: str | None = None
    mlflow_run_id: str | None = None
    trial: Trial | None = None
    name: str | None = None
    note: str | None = None
    edited_at: datetime | None = None

    @property
    def badges(self) -> tuple[str, ...]:
        """Cautions that travel with the numbers."""
        return self.metrics.badges if self.metrics else ()


OWN_SORTS = ("created_at", "id", "strategy", "status")
SORTABLE: tuple[str, ...] = (*OWN_SORTS, *METRICS)
"""What runs can be listed by: the one list that every door reads."""


class RunQuery(BaseModel):
    """Which runs to list, in what order. Rows without the sort metric come last either way.

    Attributes:
        strategy: Part of the strategy id, case-insensitive.
        sort_by: A name of `SORTABLE`.
        symbol: Exact symbol among the run's symbols.
        start, end: Submitted on or after / on or before this UTC date.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    strategy: str | None = Field(None, max_length=200)
    status: RunStatus | None = None
    symbol: str | None = Field(None, max_length=40)
    start: date | None = None
    end: date | None = None
    sort_by: str = "created_at"
    sort_order: Literal["asc", "desc"] = "desc"
    page: int = Field(1, ge=1, le=1_000_000)
    page_size: int = Field(50, ge=1, le=100)

    @field_validator("sort_by")
    @classmethod
    def _known(cls, name: str) -> str:
        if name not in SORTABLE:
            close = difflib.get_close_matches(name, SORTABLE, n=3, cutoff=0.5)
            meant = f"; did you mean {' or '.join(close)}?" if close else ""
            raise ValueError(
                f"cannot sort by {name[:40]!r}; expected {', '.join(OWN_SORTS)}, or the name of a "
                f"metric such as sharpe{meant}"
            )
        return name


@dataclass(frozen=True, slots=True)
class RunPage:
    """One page of runs and how many there are in all."""

    runs: tuple[Run, ...]
    total: int
    page: int
    page_size: int

    @property
    def total_pages(self) -> int:
        """Pages in all, at least 1."""
        return max(1, -(-self.total // self.page_size))


@dataclass(frozen=True, slots=True)
class Reproduction:
    """Outcome of computing a stored run again.

    Attributes:
        identical: Every artifact has the stored hash.
        changed_inputs: What differs from the original run: `data:AAPL`, `code`, `engine`; empty
            when all inputs are the same, and then `identical` must hold.
        artifacts: Name to (stored hash, new hash).
    """

    run: Run
    identical: bool
    changed_inputs: tuple[str, ...]
    artifacts: Mapping[str, tuple[str, str]]
