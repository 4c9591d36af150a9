"""One backtest from bars to result; nothing depends on where, when or by whom it is run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from functools import cache, partial
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from core.analytics.attribution import each_symbol
from core.analytics.summary import summarise
from core.catalog import Catalog, on_terms
from core.domain.bars import Bars
from core.domain.costs import CostModel
from core.domain.metrics import Metrics
from core.domain.options import EngineOptions
from core.domain.run import RATES, RunResult, RunSpec, run_key
from core.domain.signals import Signals, Weights
from core.domain.simulation import PortfolioSimulation, Traded
from core.domain.strategy import Strategy
from core.domain.timeframe import Timeframe
from core.engine.dice import same_dice
from core.engine.measures import summarise_run
from core.engine.simulate import ENGINE_VERSION, needs_general_driver
from core.engine.trading import trade
from core.engine.version import code_digest
from core.engine.view import universe_view_of, view_of
from core.errors import DataProblem, StrategyFailed
from core.registry.blame import blamed
from core.services import currencies, frames
from core.services.currencies import converted

EPOCH_DAY = date(1970, 1, 1).toordinal()


@cache
def engine_version() -> str:
    """Name what computes: the rules' version and a hash of the code and libraries below them."""
    own = (Path(__file__), Path(frames.__file__), Path(currencies.__file__))
    return f"{ENGINE_VERSION}+{code_digest(*own)}"


def load_bars(spec: RunSpec, catalog: Catalog) -> list[Bars]:
    """Read the bars a run uses, one entry per symbol in the order of the spec.

    Raises:
        NotFound: a symbol or its timeframe is not in the catalog.
        DataProblem: a symbol has no bars between the dates.
    """
    found = []
    for symbol in spec.symbols:
        bars = catalog.bars(symbol, spec.timeframe, spec.start, spec.end, spec.options.adjust)
        if not len(bars):
            raise DataProblem(
                f"there are no {spec.timeframe} bars of {symbol} between "
                f"{spec.start or 'the beginning'} and {spec.end or 'the end'}",
                hint="Choose dates with prices",
            )
        found.append(bars)
    detail = spec.options.detail
    if detail is not None:
        found = with_detail(spec, found, detail, catalog)
    return converted(found, spec, catalog)


def with_detail(
    spec: RunSpec, bars: Sequence[Bars], detail: Timeframe, catalog: Catalog
) -> list[Bars]:
    """Read the finer bars inside the bars of a run."""
    adjust = spec.options.adjust
    return [
        replace(each, detail=catalog.detail(each, detail, spec.start, spec.end, adjust))
        for each in bars
    ]


def load_benchmark(spec: RunSpec, bars: Sequence[Bars], catalog: Catalog) -> Bars | None:
    """Read the bars of the benchmark a request names, in the sessions of the run's own.

    Args:
        spec: The completed request.
        bars: Of its symbols, none empty.
        catalog: Prices.

    Returns:
        None where the request names none.

    Raises:
        NotFound: it is not in the catalog, or has no bars between the dates.
        DataProblem: it has no bars in these sessions.
    """
    if spec.benchmark is None:
        return None
    for each in bars:
        if each.symbol == spec.benchmark:
            return each
    first = min(int(each.session[0]) for each in bars)
    last = max(int(each.session[-1]) for each in bars)
    # Cut after reading: weeks cut by a date would be made of fewer days than those of the run.
    # On the terms of after the splits in these sessions, whatever came later.
    found = on_terms(
        catalog.bars(spec.benchmark, spec.timeframe, spec.start, spec.end, "raw").between(
            first, last
        ),
        "split",
    )
    if not len(found):
        days = [date.fromordinal(EPOCH_DAY + day) for day in (first, last)]
        raise DataProblem(
            f"the benchmark {spec.benchmark} has no {spec.timeframe} bars between {days[0]} and "
            f"{days[1]}, the sessions of the run",
            hint="Choose a benchmark with prices there, or none",
        )
    return converted([found], spec, catalog)[0]


def data_hashes_of(bars: Sequence[Bars], benchmark: Bars | None = None) -> dict[str, str]:
    """Give the hash of the prices a run uses, by symbol; that of the benchmark is the last.

    Finer bars have one of their own, by symbol and length. Those of rates follow, as `fx:EURUSD`:
    of what the bars can have used of them.
    """
    used = [*bars] if benchmark is None else [*bars, benchmark]
    hashes = {each.symbol: each.data_hash for each in used}
    for each in bars:
        if each.detail is not None:
            hashes[f"{each.symbol} {each.detail.timeframe}"] = each.detail.data_hash
    first = min(int(each.ts[0]) for each in used)
    last = max(int(each.over[-1]) for each in used)
    for each in used:
        if each.fx is not None:
            hashes[f"{RATES}{each.fx.series}"] = each.fx.between(first, last).data_hash
    return hashes


def key_of(
    spec: RunSpec, bars: Sequence[Bars], code_hash: str, benchmark: Bars | None = None
) -> str:
    """Give the address under which the result of this work is, or will be, kept."""
    return run_key(spec, data_hashes_of(bars, benchmark), code_hash, engine_version())


def execute(
    spec: RunSpec,
    bars: Sequence[Bars],
    strategy: type[Strategy],
    *,
    code: Path,
    code_hash: str,
    synthetic: bool,
    benchmark: Bars | None = None,
) -> RunResult:
    """Run a backtest: signals, fills, metrics, frames.

    Args:
        spec: The completed request.
        bars: One per symbol, in the order of the spec, none empty.
        strategy: Its class.
        code: Folder the class was loaded from; errors name lines of files in it only.
        code_hash: Of that code.
        synthetic: Whether any of the prices came from a generator.
        benchmark: What `load_benchmark` gave.

    Raises:
        StrategyFailed: the strategy raised or gave signals that make no sense.
    """
    began = perf_counter()
    wanted = decide(spec, bars, strategy, code)
    traded = trade(bars, wanted, spec.options, spec.costs)
    measured = partial(measure, costs=spec.costs, synthetic=synthetic, benchmark=benchmark)
    whole = measured(traded, options=spec.options)
    names = [each.symbol for each in bars]
    by_symbol = {names[0]: whole}
    if len(bars) > 1:
        by_symbol = {
            name: measured(part, options=spec.options)
            for name, part in zip(names, _each_symbol(traded), strict=True)
        }
    engine_ms = (perf_counter() - began) * 1e3
    return RunResult(
        run_key=key_of(spec, bars, code_hash, benchmark),
        metrics=whole,
        by_symbol=by_symbol,
        frames=frames.frames_of(traded, spec.options.initial_cash, benchmark),
        first_bar=_moment(min(each.ts[0] for each in bars)),
        last_bar=_moment(max(each.ts[-1] for each in bars)),
        bars=sum(len(each) for each in bars),
        engine_ms=engine_ms,
        data_hashes=data_hashes_of(bars, benchmark),
        code_hash=code_hash,
        engine_version=engine_version(),
    )


def assume(
    spec: RunSpec,
    bars: Sequence[Bars],
    strategy: type[Strategy],
    rules: Sequence[EngineOptions],
    *,
    code: Path,
    synthetic: bool,
    benchmark: Bars | None = None,
) -> list[Metrics | str]:
    """Ask once what is wanted and trade it under each of several rules; otherwise as `execute`.

    Returns:
        For each rule its metrics; or why there are none, where its finer bars do not fit.
    """
    wanted = decide(spec, bars, strategy, code)
    found: list[Metrics | str] = []
    for options in rules:
        try:
            traded = trade(bars, wanted, options, spec.costs)
        except DataProblem as error:
            if options.detail is spec.options.detail:
                raise
            found.append(error.message)
            continue
        found.append(
            measure(
                traded,
                options=options,
                costs=spec.costs,
                synthetic=synthetic,
                benchmark=benchmark,
            )
        )
    return found


def measure(
    traded: Traded,
    *,
    options: EngineOptions,
    costs: CostModel,
    synthetic: bool = False,
    benchmark: Bars | None = None,
) -> Metrics:
    """Measure what `trade` gave; one symbol alone with the bits it has as a lane of a sweep."""
    if isinstance(traded, PortfolioSimulation) or len(traded) != 1:
        return summarise(
            traded, options=options, costs=costs, synthetic=synthetic, benchmark=benchmark
        )
    return summarise_run(
        traded[0], options=options, costs=costs, synthetic=synthetic, benchmark=benchmark
    )


def decide(
    spec: RunSpec, bars: Sequence[Bars], strategy: type[Strategy], code: Path
) -> list[Signals] | Weights:
    """Ask the strategy of a request what it wants of each symbol, or of all; raises as both."""
    with same_dice():
        with blamed(code):
            built = strategy.build(spec.params)
        if strategy.universe:
            return weights_of(built, bars, code)
        return [signals_of(built, each, code) for each in bars]


def needs_accounts(
    strategy: type[Strategy],
    bars: Sequence[Bars],
    rules: Sequence[EngineOptions],
    costs: CostModel,
) -> bool:
    """Whether any of these rules is traded by the general driver, whose kernel loads slowly."""
    return strategy.universe or any(
        (options.account == "shared" and len(bars) > 1)
        or any(needs_general_driver(each, options, costs) for each in bars)
        for options in rules
    )


def _each_symbol(traded: Traded) -> Sequence[Traded]:
    """Give the sleeves, or what each symbol contributed to the account they share."""
    if isinstance(traded, PortfolioSimulation):
        return each_symbol(traded)
    return [[each] for each in traded]


def signals_of(strategy: Strategy, bars: Bars, code: Path) -> Signals:
    """Ask a strategy for its signals.

    Raises:
        StrategyFailed: it raised, or gave something else; the engine checks what is inside.
    """
    answer = _asked(strategy, partial(view_of, bars), code)
    if not isinstance(answer, Signals):
        raise StrategyFailed(
            f"generate_signals gave {type(answer).__name__}",
            expected="Signals, for instance Signals.side(long=..., short=...)",
        )
    return answer


def weights_of(strategy: Strategy, bars: Sequence[Bars], code: Path) -> Weights:
    """Ask a strategy for its weights of all symbols; raises as `signals_of`."""
    answer = _asked(strategy, partial(universe_view_of, bars), code)
    if not isinstance(answer, Weights):
        raise StrategyFailed(
            f"generate_signals gave {type(answer).__name__}",
            expected="Weights of shape (rows, symbols), for universe is True",
        )
    kind = getattr(answer.values, "dtype", type(answer.values).__name__)
    if kind != np.float64:
        raise StrategyFailed(f"weights are {kind}", expected="an array of float64")
    return answer


def _asked(strategy: Strategy, view: Callable[[], Any], code: Path) -> Any:
    # What a strategy does to numpy's error handling must not outlive its call.
    with blamed(code), np.errstate(all="ignore"):
        return strategy.generate_signals(view())


def _moment(microseconds: int) -> datetime:
    return datetime.fromtimestamp(int(microseconds) // 1_000_000, UTC).replace(
        microsecond=int(microseconds) % 1_000_000
    )
