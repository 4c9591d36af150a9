"""The demo: real daily prices, synthetic minutes, three backtests to look at."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from core import bootstrap
from core.bootstrap.records import move_schema
from core.cli.output import Reply, error_data, line, progress, sentence
from core.cli.prices import report_data
from core.cli.runs import summary_data
from core.domain.dataset import ImportReport
from core.domain.run import Run, RunQuery, RunSpec
from core.domain.timeframe import Timeframe
from core.errors import (
    Conflict,
    DataProblem,
    InvalidInput,
    NotFound,
    StrategyFailed,
    WorkbenchError,
)

if TYPE_CHECKING:
    from rich.console import Console

    from core.services import Services

DEMO_SYMBOLS = ("AAPL", "GOOG", "IBM", "MSFT", "SYNTH-NIFTY")
CUT_SHORT = {"lost", "stopped"}
DEMO_RUNS = (
    RunSpec(strategy="ema_crossover", symbols=("AAPL", "MSFT")),
    RunSpec(strategy="donchian_breakout", symbols=("GOOG", "IBM")),
    RunSpec(strategy="ema10_scalper", symbols=("SYNTH-NIFTY",), timeframe=Timeframe.M1),
)


def demo(args: Namespace) -> Reply:
    """Import the demo prices and run the demo backtests; what is there already stays.

    What stands in the way of one of them, a symbol with other prices or a strategy that was changed
    or removed, is said and leaves the others alone.
    """
    move_schema()
    left_out: list[WorkbenchError] = []
    with bootstrap.build(executor="inline") as services:
        reports: list[ImportReport] = []
        with progress("Importing demo prices", quiet=args.json) as tick, _said(left_out):
            reports = import_prices(services, tick)
        runs = []
        with progress("Running demo backtests", quiet=args.json) as tick:
            for done, spec in enumerate(DEMO_RUNS):
                with _said(left_out):
                    found = find_run(services, spec)
                    runs.append(found or services.backtests.submit(spec, source="demo"))
                tick((done + 1) / len(DEMO_RUNS))
    data = {
        "imported": [report_data(report) for report in reports],
        "runs": [summary_data(run) for run in runs],
        "left_out": [error_data(problem) for problem in left_out],
    }

    def show(out: Console) -> None:
        for report in reports:
            span = f"{report.first:%Y-%m-%d} to {report.last:%Y-%m-%d}"
            line(out, f"Demo prices of {report.symbol}: {report.rows_stored:,} bars, {span}")
        for run in runs:
            symbols = ", ".join(run.spec.symbols)
            line(out, f"Demo run {run.id}: {run.title} on {symbols}, {_outcome(run)}")
        for problem in left_out:
            line(out, f"Left out: {sentence(problem)}")

    return Reply(data, show)


@contextmanager
def _said(left_out: list[WorkbenchError]) -> Iterator[None]:
    try:
        yield
    except (InvalidInput, NotFound, Conflict, DataProblem, StrategyFailed) as problem:
        left_out.append(problem)


def import_prices(services: Services, tick: Callable[[float], None]) -> list[ImportReport]:
    """Import the demo prices, unless every symbol of them is in the lake."""
    if set(DEMO_SYMBOLS) <= set(services.market.symbols()):
        return []
    return services.market.import_demo(tick)


def find_run(services: Services, spec: RunSpec) -> Run | None:
    """Find the demo run that was made of this request, the oldest first.

    One that was cut short does not count; one that failed does, or every start would add another.
    """
    query = RunQuery(
        strategy=spec.strategy, symbol=spec.symbols[0], sort_order="asc", page_size=100
    )
    wanted = services.backtests.complete(spec)
    return next(
        (
            run
            for run in services.backtests.list(query).runs
            if run.source == "demo" and run.spec == wanted and not _was_cut_short(run)
        ),
        None,
    )


def _was_cut_short(run: Run) -> bool:
    return not run.status.is_final or (run.error is not None and run.error.code in CUT_SHORT)


def _outcome(run: Run) -> str:
    if run.metrics is None:
        return f"failed: {run.error.message}" if run.error else run.status.value
    total, trades = run.metrics["total_return"], run.metrics["trades"]
    return f"{total:+.1%} in {trades:.0f} trades" if total is not None and trades else "no trades"
