"""Requests, results and frames to keep: small, made from a seed, unlike each other."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta

import polars as pl

from core.domain.metrics import COUNTER_NAMES, METRICS, Metrics
from core.domain.run import ARTIFACTS, RunResult, RunSpec
from core.domain.timeframe import Timeframe

NOW = datetime(2026, 4, 1, 9, 30, tzinfo=UTC)


def key(name: object) -> str:
    """A run key."""
    return hashlib.sha256(repr(name).encode()).hexdigest()


def a_spec(strategy: str = "ema_crossover", symbols: tuple[str, ...] = ("AAPL",)) -> RunSpec:
    return RunSpec(
        strategy=strategy,
        params={"fast": 12, "slow": 48.0, "filter": True, "mode": "both"},
        symbols=symbols,
        timeframe=Timeframe.D1,
        start=date(2020, 1, 2),
    )


def some_metrics(seed: int, given: Mapping[str, float | None] | None = None) -> Metrics:
    """Every metric a different number, about one in eight undefined."""
    draw = random.Random(seed)  # noqa: S311 - a seed, no secret
    values: dict[str, float | None] = {
        name: None
        if draw.random() < 0.125
        else float(draw.randrange(500))
        if metric.unit == "count"
        else draw.uniform(-1e3, 1e3)
        for name, metric in METRICS.items()
    }
    values.update(given or {})
    return Metrics(
        values=values,
        reasons={name: "no_trades" for name, value in values.items() if value is None},
        counters={name: draw.randrange(1000) for name in COUNTER_NAMES},
        badges=("short_history", "zero_cost") if draw.random() < 0.5 else (),
    )


def some_frames(seed: int, rows: int = 40) -> dict[str, pl.DataFrame]:
    """The four frames of a run, in their schemas."""
    draw = random.Random(seed)  # noqa: S311 - a seed, no secret
    start = datetime(2024, 1, 2, 14, 30, tzinfo=UTC)

    def value(kind: object, row: int) -> object:
        if kind == pl.String:
            return draw.choice(["AAPL", "MSFT"])
        if kind == pl.Date:
            return (start + timedelta(days=row)).date()
        if kind == pl.Float64:
            return None if draw.random() < 0.1 else draw.uniform(-1e5, 1e5)
        if kind == pl.Int64:
            return draw.randrange(1000)
        if kind == pl.Boolean:
            return draw.random() < 0.5
        return start + timedelta(days=row)

    return {
        name: pl.DataFrame(
            {column: [value(kind, row) for row in range(rows)] for column, kind in schema.items()},
            schema=schema,
        )
        for name, schema in ARTIFACTS.items()
    }


def a_result(
    run_key: str, spec: RunSpec, seed: int, given: Mapping[str, float | None] | None = None
) -> RunResult:
    return RunResult(
        run_key=run_key,
        metrics=some_metrics(seed, given),
        by_symbol={
            symbol: some_metrics(seed + place + 1) for place, symbol in enumerate(spec.symbols)
        },
        frames=some_frames(seed),
        first_bar=datetime(2020, 1, 2, 14, 30, tzinfo=UTC),
        last_bar=datetime(2024, 12, 31, 20, 59, 59, 123456, tzinfo=UTC),
        bars=1258 * len(spec.symbols),
        engine_ms=3.25,
        data_hashes={symbol: key(symbol) for symbol in spec.symbols},
        code_hash=key("code"),
        engine_version="1",
    )
