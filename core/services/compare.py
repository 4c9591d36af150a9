"""Runs side by side: curves on one footing, metrics with directions, and what differs."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from core.domain.metrics import METRICS, Direction, MetricUnit
from core.domain.run import Run
from core.domain.timeframe import Timeframe
from core.services.decimation import thin

LEAST, MOST = 2, 12
BASE = 100.0
_ANNUAL = frozenset({"cagr", "calmar", "upi", "alpha"})


@dataclass(frozen=True, slots=True)
class MetricRow:
    """One metric over all runs.

    Attributes:
        values: In the order of the runs; None where undefined.
        best: Positions of the runs that are best; empty when the metric has no better or worse,
            fewer than two runs compete in it, or all are equal. Runs that traded nothing or were
            ruined do not compete, nor in annual figures those of less than a year; nobody does in
            a metric against the benchmark where the benchmarks differ. A profit factor that no
            loss bounds is the highest.
        direction: `none` also there.
    """

    name: str
    label: str
    unit: MetricUnit
    direction: Direction
    values: tuple[float | None, ...]
    best: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Difference:
    """Something the runs do not have in common.

    Attributes:
        name: Dotted: `params.fast`, `options.fill`, `costs.bps`, `data.AAPL`, `code`, `engine`.
        values: In the order of the runs; None where a run has no such thing.
    """

    name: str
    values: tuple[Any, ...]


@dataclass(frozen=True, eq=False, slots=True)
class Comparison:
    """Runs side by side.

    Attributes:
        runs: In the order asked for.
        equity: `timestamp` and one column per run, named by its id as text: equity as a multiple
            of `BASE`, which every run has at the moment from which all have a curve (at its own
            beginning, if there is no such moment). Runs of one timeframe are aligned by bar, others
            by session. Weekly and monthly bars stand at the last day of their period. Null before a
            run begins and after it ends, and throughout if it has nothing to be a multiple of.
        metrics: One row per metric, in the order of the catalogue.
        differences: What differs between the requests, data, code and engine.
    """

    runs: tuple[Run, ...]
    equity: pl.DataFrame
    metrics: tuple[MetricRow, ...]
    differences: tuple[Difference, ...]


def compare(
    runs: Sequence[Run], curves: Sequence[pl.DataFrame], *, max_points: int | None
) -> Comparison:
    """Set completed runs side by side.

    Args:
        runs: Two or more, each completed.
        curves: Their `equity` artifacts.
        max_points: Of the aligned curves; extremes of each are kept.
    """
    return Comparison(
        runs=tuple(runs),
        equity=_align(runs, curves, max_points),
        metrics=tuple(_metric_row(name, runs) for name in METRICS),
        differences=tuple(_differences(runs)),
    )


def _align(
    runs: Sequence[Run], curves: Sequence[pl.DataFrame], max_points: int | None
) -> pl.DataFrame:
    by_session = len({run.spec.timeframe for run in runs}) > 1
    columns = [
        _curve(run, curve, by_session=by_session) for run, curve in zip(runs, curves, strict=True)
    ]
    common = max(column["timestamp"][0] for column in columns)
    if any(column["timestamp"][-1] < common for column in columns):
        common = None
    aligned: pl.DataFrame | None = None
    for run, column in zip(runs, columns, strict=True):
        rebased = _rebase(column, common, run.spec.options.initial_cash)
        aligned = (
            rebased
            if aligned is None
            else aligned.join(rebased, on="timestamp", how="full", coalesce=True)
        )
    if aligned is None:
        return pl.DataFrame()
    names = aligned.columns[1:]
    aligned = aligned.sort("timestamp").with_columns(
        # A market that is closed while another trades keeps its last value; the end stays the end.
        pl.when(pl.col(name).is_null().reverse().cum_min().reverse())
        .then(None)
        .otherwise(pl.col(name).forward_fill())
        .alias(name)
        for name in names
    )
    return thin(aligned, max_points, names)


def _curve(run: Run, curve: pl.DataFrame, *, by_session: bool) -> pl.DataFrame:
    name = str(run.id)
    curve = _at_period_end(curve, run.spec.timeframe)
    if not by_session:
        return curve.select("timestamp", pl.col("equity").alias(name))
    return (
        curve.group_by("session", maintain_order=True)
        .agg(pl.col("equity").last().alias(name))
        .select(pl.col("session").cast(pl.Datetime("us", "UTC")).alias("timestamp"), name)
    )


def _at_period_end(curve: pl.DataFrame, timeframe: Timeframe) -> pl.DataFrame:
    """Move weeks and months from their first day, their label, to their last: it is known then."""
    stamps = pl.col("timestamp", "session")
    if timeframe is Timeframe.W1:
        return curve.with_columns(stamps.dt.offset_by("6d"))
    if timeframe is Timeframe.MN1:
        return curve.with_columns(stamps.dt.month_end())
    return curve


def _rebase(column: pl.DataFrame, common: Any, initial_cash: float) -> pl.DataFrame:
    """Express a curve as a multiple of its last value at or before the common start.

    Without a common start the curve's own first value counts; before any value, the initial cash.
    What was nothing or in debt then has no multiples: all None.
    """
    name = column.columns[1]
    if common is None:
        base, shown = column[name][0], column
    else:
        known = column.filter(pl.col("timestamp") <= common)
        base = known[name][-1] if known.height else initial_cash
        # A run whose market was closed at the common start has its last value there.
        start = known.tail(1).with_columns(
            pl.lit(common).cast(column.schema["timestamp"]).alias("timestamp")
        )
        shown = pl.concat([start, column.filter(pl.col("timestamp") > common)])
    rebased = pl.col(name) / base * BASE if base > 0 else pl.lit(None, pl.Float64)
    return shown.with_columns(rebased.alias(name))


def _metric_row(name: str, runs: Sequence[Run]) -> MetricRow:
    metric = METRICS[name]
    values = tuple(run.metrics[name] if run.metrics else None for run in runs)
    known = {
        place: value
        for place, run in enumerate(runs)
        if run.metrics is not None
        and _competes(run, name)
        and (value := run.metrics.rank_value(name)) is not None
    }
    direction = metric.direction
    if metric.group == "benchmark" and len({_held(run) for run in runs}) > 1:
        direction = "none"  # more alpha over less of a benchmark is no better
    best: tuple[int, ...] = ()
    if direction != "none" and len(known) > 1:
        least, most = min(known.values()), max(known.values())
        top = most if direction == "higher" else least
        if least != most:
            best = tuple(place for place, value in known.items() if value == top)
    return MetricRow(name, metric.label, metric.unit, direction, values, best)


def _held(run: Run) -> frozenset[str]:
    """Symbols of a run's benchmark."""
    return frozenset([run.spec.benchmark] if run.spec.benchmark else run.spec.symbols)


def _competes(run: Run, name: str) -> bool:
    """Whether a run may be called the best in a metric."""
    metrics = run.metrics
    if metrics is None or not ((metrics["trades"] or 0) + (metrics["open_trades"] or 0)):
        return False
    if "ruined" in metrics.badges:
        return False
    return not (name in _ANNUAL and "short_history" in metrics.badges)


def _differences(runs: Sequence[Run]) -> list[Difference]:
    told = [_facts(run) for run in runs]
    names = dict.fromkeys(name for facts in told for name in facts)
    groups = list(dict.fromkeys(name.partition(".")[0] for name in names))
    found = []
    # What only a later run has, such as a parameter, stands among its kind.
    for name in sorted(names, key=lambda name: groups.index(name.partition(".")[0])):
        values = tuple(facts.get(name) for facts in told)
        if any(value != values[0] for value in values):
            found.append(Difference(name, values))
    return found


def _brief(value: Any) -> Any:
    """Say in a few words what has parts; a table of fees is a number of entries and a hash."""
    if isinstance(value, dict):
        words = {True: "yes", False: "no"}
        parts = {
            key: words[each] if isinstance(each, bool) else _brief(each)
            for key, each in value.items()
        }
        return ", ".join(f"{key} {each}" for key, each in parts.items()) or None
    if not isinstance(value, list):
        return value
    if not value or isinstance(value[0], str):
        return ", ".join(value) or None
    digest = hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:12]
    return f"{len(value)} {'entry' if len(value) == 1 else 'entries'}, {digest}"


def _facts(run: Run) -> Mapping[str, Any]:
    facts: dict[str, Any] = {}
    for name, value in run.spec.model_dump(mode="json").items():
        if isinstance(value, dict):
            facts |= {f"{name}.{key}": _brief(each) for key, each in value.items()}
        else:
            facts[name] = _brief(value)
    facts["benchmark"] = run.spec.benchmark or "own symbols"
    facts |= {f"data.{symbol}": digest[:12] for symbol, digest in run.data_hashes.items()}
    facts["code"] = run.code_hash[:12] if run.code_hash else None
    facts["engine"] = run.engine_version
    return facts
