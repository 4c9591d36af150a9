"""Runs: rows of a list, everything about one, its result, its record."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any, Literal, Self

import polars as pl
from pydantic import ConfigDict, Field
from typing_extensions import TypedDict

from api import metrics as units
from api.schemas.base import Answer
from api.schemas.metrics import Badge, Headline, MetricValues, Reasons, SymbolMetrics, badges
from api.schemas.mlflow import MirrorAnswer
from core.domain.costs import CostModel
from core.domain.job import Job
from core.domain.metrics import Metrics
from core.domain.options import EngineOptions
from core.domain.parameters import ParamValue
from core.domain.run import Run, RunPage, RunStatus, Source
from core.domain.timeframe import Timeframe
from core.domain.tracking import Mirror

TRADES_AT_MOST = 10_000
POINTS_AT_MOST = 50_000
REJECTIONS_AT_MOST = 100
SUFFIX = ".parquet"
BENCHMARK = "Symbol the run is measured against; null: its own symbols, bought and held."


class Failure(Answer):
    """Why a run failed."""

    code: str = Field(description="As the code of a problem.")
    message: str
    hint: str | None = None


class Links(Answer):
    """Where to read on."""

    self_: str = Field(alias="self", serialization_alias="self")
    results: str
    artifacts: dict[str, str] = Field(description="Name to download, once completed.")

    @classmethod
    def of(cls, run: Run) -> Self:
        """Links of a run."""
        base = f"/api/backtests/{run.id}"
        return cls(
            self=base,
            results=f"/api/v1/backtests/{run.id}/results",
            artifacts={table.name: table.href for table in artifacts(run)},
        )


class RunRow(Answer):
    """A run as lists show it."""

    id: int
    uuid: str
    job_id: str
    strategy_name: str = Field(description="Id of the strategy.")
    strategy: str = Field(description="The same as `strategy_name`.")
    title: str
    symbols: list[str]
    symbol: str = Field(description="The first of `symbols`.")
    parameters: dict[str, ParamValue]
    timeframe: Timeframe
    start_date: date | None
    end_date: date | None
    initial_capital: float
    benchmark: str | None = Field(description=BENCHMARK)
    status: RunStatus
    progress: float
    source: Source
    reused: bool = Field(description="An equal run was stored already; nothing was computed.")
    metrics: Headline | None = Field(description="Once completed.")
    badges: list[Badge]
    error: Failure | None
    created_at: datetime
    started_at: datetime | None
    completed_at: datetime | None
    mlflow_run_id: str | None = Field(description="Once it is mirrored there.")
    study_id: int | None = Field(description="Of the study that it is a trial of.")
    trial: int | None = Field(description="Its number in that study.")
    name: str | None = Field(description="What people call it.")
    note: str | None = Field(description="What people say of it.")
    links: Links

    @classmethod
    def of(cls, run: Run) -> Self:
        """Show a run."""
        return cls(**row_parts(run))


def row_parts(run: Run) -> dict[str, Any]:
    """The fields every view of a run has."""
    spec = run.spec
    return {
        "id": run.id,
        "uuid": run.uuid,
        "job_id": run.job_id,
        "strategy_name": spec.strategy,
        "strategy": spec.strategy,
        "title": run.title,
        "symbols": list(spec.symbols),
        "symbol": spec.symbols[0],
        "parameters": dict(spec.params),
        "timeframe": spec.timeframe,
        "start_date": spec.start,
        "end_date": spec.end,
        "initial_capital": spec.options.initial_cash,
        "benchmark": spec.benchmark,
        "status": run.status,
        "progress": run.progress,
        "source": run.source,
        "reused": run.reused,
        "metrics": headline(run),
        "badges": badges(run.badges),
        "error": failure(run),
        "created_at": run.created_at,
        "started_at": run.started_at,
        "completed_at": run.completed_at,
        "mlflow_run_id": run.mlflow_run_id,
        "study_id": run.trial and run.trial.study,
        "trial": run.trial and run.trial.number,
        "name": run.name,
        "note": run.note,
        "links": Links.of(run),
    }


def headline(run: Run) -> Headline | None:
    """The few metrics a list shows, of a completed run."""
    return None if run.metrics is None else Headline(units.headline(run.metrics))


def failure(failed: Run | Job) -> Failure | None:
    """Why a run or a job failed, if it did."""
    error = failed.error
    if error is None:
        return None
    return Failure(code=error.code, message=error.message, hint=error.hint)


class Submitted(Answer):
    """A backtest was taken on; `status` is its true state at this moment."""

    job_id: str
    id: int
    uuid: str
    status: RunStatus
    message: str
    created_at: datetime
    reused: bool
    notes: list[str] = Field(
        description="What was assumed because the request left it open, what does nothing, and "
        "what a run that is not done waits for."
    )
    metrics: Headline | None = Field(description="Once completed; `links.self` has all of them.")
    badges: list[Badge]
    error: Failure | None
    mlflow_run_id: str | None = Field(description="Once it is mirrored; `links.self` has it later.")
    mlflow_url: str | None = Field(description="Where people see it there.")
    links: Links


class Deleted(Answer):
    """A run was deleted."""

    success: Literal[True] = True
    message: str
    id: int = Field(description="Its number, which no other run will have.")


class RunList(Answer):
    """One page of runs."""

    backtests: list[RunRow]
    total: int
    page: int
    page_size: int
    total_pages: int

    @classmethod
    def of(cls, found: RunPage) -> Self:
        """Show a page."""
        return cls(
            backtests=[RunRow.of(run) for run in found.runs],
            total=found.total,
            page=found.page,
            page_size=found.page_size,
            total_pages=found.total_pages,
        )


class RunListV1(Answer):
    """One page of runs."""

    success: Literal[True] = True
    total: int
    page: int
    size: int
    results: list[RunRow]


class Provenance(Answer):
    """What the numbers were computed from: equal provenance gives equal bits."""

    run_key: str | None = Field(description="Content address of the result.")
    data_hashes: dict[str, str]
    code_hash: str | None
    engine_version: str | None
    bars: int | None
    first_bar: datetime | None
    last_bar: datetime | None
    engine_ms: float | None


class Artifact(Answer):
    """A table of a completed run, as Parquet."""

    name: str
    file: str
    sha256: str
    href: str


class TradeRow(TypedDict):
    """One round trip, flat to flat; the last may be open and is then marked at the last close."""

    symbol: str
    direction: Literal["long", "short"]
    position: Literal["long", "short"]
    quantity: float
    entry_time: datetime
    entry_price: float
    exit_time: datetime | None
    exit_price: float | None
    exit_reason: str | None
    pnl: float
    normal_pnl: float | None
    return_fraction: float | None
    commission: float
    slippage: float
    bars: int
    mae: float | None
    mfe: float | None
    r_multiple: float | None
    mae_r: float | None
    mfe_r: float | None
    ambiguous: bool
    open: bool


def trade_rows(frame: pl.DataFrame, at_most: int = TRADES_AT_MOST) -> list[TradeRow]:
    """Show the first trades under the names of the answers."""
    head = frame.head(at_most)
    sign = pl.when(pl.col("direction") == "short").then(-1.0).otherwise(1.0)
    shown = head.select(
        "symbol",
        "direction",
        position="direction",
        quantity=pl.col("quantity").abs(),
        entry_time="entry_time",
        entry_price="entry_price",
        exit_time="exit_time",
        exit_price="exit_price",
        exit_reason="exit_reason",
        pnl="pnl",
        normal_pnl=(pl.col("exit_price") - pl.col("entry_price")) * sign,
        return_fraction="return",
        commission="fees",
        slippage="slippage",
        bars="bars",
        mae="mae",
        mfe="mfe",
        r_multiple="r_multiple",
        mae_r="mae_r",
        mfe_r="mfe_r",
        ambiguous="ambiguous",
        open="open",
    )
    rows: list[Any] = shown.with_columns(pl.selectors.float().fill_nan(None)).to_dicts()
    return rows


class EquityPoint(TypedDict):
    """Equity at the close of the bar that opened at `timestamp`."""

    timestamp: datetime
    equity: float


def equity_points(frame: pl.DataFrame) -> list[EquityPoint]:
    """Show an equity curve."""
    rows: list[Any] = frame.select("timestamp", pl.col("equity").fill_nan(None)).to_dicts()
    return rows


class RunDetail(RunRow):
    """Everything about a run."""

    model_config = ConfigDict(ser_json_inf_nan="null")

    metrics: MetricValues | None = Field(description="Once completed.")  # type: ignore[assignment]
    metric_reasons: Reasons
    counters: dict[str, int] = Field(description="What became of the strategy's intents.")
    by_symbol: dict[str, SymbolMetrics]
    trades: list[TradeRow] = Field(description=f"The first {TRADES_AT_MOST} at most.")
    trades_total: int = Field(description="How many there are, open ones included.")
    artifacts: list[Artifact]
    engine_options: EngineOptions
    costs: CostModel
    provenance: Provenance
    policy: str = Field(description="How orders fill, how big they are and what they cost.")
    notes: list[str] = Field(
        description="What was asked for in vain, and why; what a run waits for."
    )
    verdict: str = Field(description="What the run says, and with which cautions.")
    mlflow: MirrorAnswer = Field(description="What of it is in MLflow.")


def detail_parts(
    run: Run,
    *,
    trades: pl.DataFrame | None,
    policy: str,
    notes: Sequence[str],
    verdict: str,
    mirror: Mirror,
) -> dict[str, Any]:
    """The fields of everything about a run."""
    found = run.metrics
    return row_parts(run) | {
        "metrics": None if found is None else MetricValues(units.values(found)),
        "metric_reasons": {} if found is None else units.reasons(found),
        "counters": {} if found is None else dict(found.counters),
        "by_symbol": {name: SymbolMetrics.of(one) for name, one in run.by_symbol.items()},
        "trades": [] if trades is None else trade_rows(trades),
        "trades_total": 0 if trades is None else trades.height,
        "artifacts": artifacts(run),
        "engine_options": run.spec.options,
        "costs": run.spec.costs,
        "provenance": Provenance(
            run_key=run.run_key,
            data_hashes=dict(run.data_hashes),
            code_hash=run.code_hash,
            engine_version=run.engine_version,
            bars=run.bars,
            first_bar=run.first_bar,
            last_bar=run.last_bar,
            engine_ms=run.engine_ms,
        ),
        "policy": policy,
        "notes": list(notes),
        "verdict": verdict,
        "mlflow": MirrorAnswer.of(mirror),
    }


def artifacts(run: Run) -> list[Artifact]:
    """The tables of a run that can be downloaded."""
    return [
        Artifact(
            name=file.removesuffix(SUFFIX),
            file=file,
            sha256=digest,
            href=f"/api/backtests/{run.id}/artifacts/{file.removesuffix(SUFFIX)}",
        )
        for file, digest in run.artifacts.items()
        if file.endswith(SUFFIX)
    ]


class RunResultV1(Answer):
    """What a run computed."""

    equity_curve: list[EquityPoint] = Field(
        description="One point per bar, thinned to `max_points` keeping highs and lows."
    )
    trade_log: list[TradeRow] = Field(description=f"The first {TRADES_AT_MOST} at most.")
    trades_total: int
    metrics: MetricValues
    metric_reasons: Reasons
    counters: dict[str, int]
    badges: list[Badge]
    benchmark: str | None = Field(description=BENCHMARK)
    engine_config: dict[str, Any] = Field(description="The options and costs in effect.")

    @classmethod
    def assembled(cls, run: Run, equity: pl.DataFrame, trades: pl.DataFrame) -> RunResultV1:
        """Show the result of a completed run."""
        found = run.metrics or Metrics(values={})
        return cls.model_construct(
            equity_curve=equity_points(equity),
            trade_log=trade_rows(trades),
            trades_total=trades.height,
            metrics=MetricValues(units.values(found)),
            metric_reasons=units.reasons(found),
            counters=dict(found.counters),
            badges=badges(run.badges),
            benchmark=run.spec.benchmark,
            engine_config=engine_config(run),
        )


def engine_config(run: Run) -> dict[str, Any]:
    """Effective options of a run, with the lots where it is sized in lots."""
    options = run.spec.options
    shown = options.model_dump(mode="json")
    if options.sizing == "lots":
        shown["lots"] = options.size
    shown["costs"] = run.spec.costs.model_dump(mode="json")
    return shown


class RunAnswerV1(Answer):
    """A run with its result; the result is null until it is completed."""

    success: Literal[True] = True
    job_id: str
    id: int
    status: RunStatus
    result: RunResultV1 | None
    notes: list[str] = Field(
        description="What was assumed because the request left it open, what does nothing, and "
        "what a run that is not done waits for."
    )
    links: Links


class RejectedRow(Answer):
    """A row of a file that was not stored."""

    line: int = Field(description="Line in the file, counting from 1.")
    reason: str
    detail: str


class Imported(Answer):
    """What an import did: rows read = rows stored + rows rejected."""

    dataset_id: str = Field(description="Symbol under which the prices can be used again.")
    file: str
    timeframe: Timeframe
    market: str
    outcome: Literal["imported", "appended", "unchanged"]
    rows_read: int
    rows_stored: int
    rejected: dict[str, int] = Field(description="Rejected rows per reason.")
    rejections: list[RejectedRow] = Field(
        description=f"The first {REJECTIONS_AT_MOST} at most, in file order."
    )
    rejections_total: int = Field(description="How many there are.")
    layout: dict[str, str] = Field(
        description="How the file was read: delimiter, columns, time format, zone, order."
    )
    first: datetime
    last: datetime
    content_hash: str
    warnings: list[str]


class UploadAnswerV1(RunAnswerV1):
    """A run over an uploaded file, and what became of the file."""

    dataset: Imported


class RecordFields(Answer):
    """Headline figures of a record, as fractions and positive drawdown."""

    final_value: float | None
    total_return: float | None = Field(description="Fraction: 0.155 is 15.5%.")
    max_drawdown: float | None = Field(description="Fraction from 0 to 1, positive.")
    sharpe_ratio: float | None
    win_rate: float | None = Field(description="Fraction from 0 to 1.")
    total_trades: int | None
    updated_at: datetime


def record_parts(run: Run) -> dict[str, Any]:
    """The fields of a record."""
    found = run.metrics.values if run.metrics else {}
    fall, trades = found.get("max_drawdown"), found.get("trades")
    return {
        "final_value": found.get("final_equity"),
        "total_return": found.get("total_return"),
        # Equity below zero makes a fall of more than everything; a record stops at all of it.
        "max_drawdown": None if fall is None else min(abs(fall), 1.0),
        "sharpe_ratio": found.get("sharpe"),
        "win_rate": found.get("win_rate"),
        "total_trades": None if trades is None else int(trades),
        "updated_at": max(
            filter(None, (run.created_at, run.started_at, run.completed_at, run.edited_at))
        ),
    }


class RecordV1(RunRow, RecordFields):
    """A run as a record."""

    @classmethod
    def recorded(cls, run: Run) -> Self:
        """Show a run as a record."""
        return cls(**row_parts(run), **record_parts(run))


class DetailV1(RunDetail, RecordFields):
    """Everything about a run, and its record."""
