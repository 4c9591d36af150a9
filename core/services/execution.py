"""One backtest from bars to result; nothing depends on where, when or by whom it is run."""

from __future__ import annotations

import hashlib
import importlib.metadata
import platform
import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime
from functools import cache, partial
from itertools import chain
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

import core
from core.analytics.combine import Curve, buy_and_hold, combine
from core.analytics.summary import summarise
from core.analytics.trade_stats import risk_multiples, trade_returns
from core.catalog import Catalog, on_terms
from core.domain.bars import Bars
from core.domain.costs import CostModel
from core.domain.metrics import Metrics
from core.domain.options import EngineOptions
from core.domain.run import ARTIFACTS, RunResult, RunSpec, run_key
from core.domain.signals import Signals
from core.domain.simulation import Reason, Simulation
from core.domain.strategy import Strategy
from core.engine.simulate import ENGINE_VERSION, simulate
from core.engine.view import view_of
from core.errors import DataProblem, StrategyFailed
from core.registry.blame import blamed

HASH_DIGITS = 12
DICE_SEED = 20_240_101
EPOCH_DAY = date(1970, 1, 1).toordinal()
_WORDS = {reason.value: reason.name.lower() for reason in Reason}
# What else decides the last bit of a result or the bytes of its files.
_LIBRARIES = ("numpy", "numba", "llvmlite", "polars", "pyarrow")


@cache
def engine_version() -> str:
    """Name what computes: the rules' version and a hash of the code and libraries below them."""
    root = Path(core.__file__).parent
    digest = hashlib.sha256()
    files = [
        path for room in ("domain", "engine", "analytics") for path in (root / room).rglob("*.py")
    ]
    for path in sorted([*files, Path(__file__).resolve()]):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(root)}\0{len(content)}\0".encode())
        digest.update(content)
    for name in _LIBRARIES:
        digest.update(f"{name}={importlib.metadata.version(name)};".encode())
    digest.update(f"{platform.python_version_tuple()[:2]};{platform.machine()}".encode())
    return f"{ENGINE_VERSION}+{digest.hexdigest()[:HASH_DIGITS]}"


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
    return found


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
    return found


def data_hashes_of(bars: Sequence[Bars], benchmark: Bars | None = None) -> dict[str, str]:
    """Give the hash of the prices a run uses, by symbol; that of the benchmark is the last."""
    used = [*bars] if benchmark is None else [*bars, benchmark]
    return {each.symbol: each.data_hash for each in used}


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
    signals = decide(spec, bars, strategy, code)
    sleeve = _sleeve(spec.options, len(bars))
    simulations = trade(bars, signals, sleeve, spec.costs)
    measured = partial(summarise, costs=spec.costs, synthetic=synthetic, benchmark=benchmark)
    whole = measured(simulations, options=spec.options)
    by_symbol = {
        each.bars.symbol: whole if len(simulations) == 1 else measured([each], options=sleeve)
        for each in simulations
    }
    engine_ms = (perf_counter() - began) * 1e3
    return RunResult(
        run_key=key_of(spec, bars, code_hash, benchmark),
        metrics=whole,
        by_symbol=by_symbol,
        frames=frames_of(simulations, spec.options.initial_cash, benchmark),
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
) -> list[Metrics]:
    """Ask once for signals and trade them under each of several rules; otherwise as `execute`."""
    signals = decide(spec, bars, strategy, code)
    return [
        summarise(
            trade(bars, signals, _sleeve(options, len(bars)), spec.costs),
            options=options,
            costs=spec.costs,
            synthetic=synthetic,
            benchmark=benchmark,
        )
        for options in rules
    ]


def decide(
    spec: RunSpec, bars: Sequence[Bars], strategy: type[Strategy], code: Path
) -> list[Signals]:
    """Ask the strategy of a request for its signals on each symbol; raises as `signals_of`."""
    with _same_dice():
        with blamed(code):
            built = strategy.build(spec.params)
        return [signals_of(built, each, code) for each in bars]


def trade(
    bars: Sequence[Bars], signals: Sequence[Signals], sleeve: EngineOptions, costs: CostModel
) -> list[Simulation]:
    """Trade each symbol in its sleeve."""
    return [
        simulate(each, wanted, sleeve, costs) for each, wanted in zip(bars, signals, strict=True)
    ]


def _sleeve(options: EngineOptions, count: int) -> EngineOptions:
    return options.model_copy(update={"initial_cash": options.initial_cash / count})


def signals_of(strategy: Strategy, bars: Bars, code: Path) -> Signals:
    """Ask a strategy for its signals.

    Raises:
        StrategyFailed: it raised, or gave something else; the engine checks what is inside.
    """
    with blamed(code):
        # What a strategy does to numpy's error handling must not outlive its call.
        with np.errstate(all="ignore"):
            signals: Any = strategy.generate_signals(view_of(bars))
        if not isinstance(signals, Signals):
            raise StrategyFailed(
                f"generate_signals gave {type(signals).__name__}",
                expected="Signals, for instance Signals.side(long=..., short=...)",
            )
        return signals


@contextmanager
def _same_dice() -> Iterator[None]:
    """Seed the global generators, so that a strategy that forgot to gives the same bits again."""
    before, before_numpy = random.getstate(), np.random.get_state()  # noqa: NPY002 - the old one is meant
    random.seed(DICE_SEED)
    np.random.seed(DICE_SEED)  # noqa: NPY002, TID251 - likewise
    try:
        yield
    finally:
        random.setstate(before)
        np.random.set_state(before_numpy)  # noqa: NPY002 - likewise


def frames_of(
    simulations: Sequence[Simulation], initial_cash: float, benchmark: Bars | None = None
) -> Mapping[str, pl.DataFrame]:
    """Lay a run out as the frames of `ARTIFACTS`; times are the opening times of bars.

    Nothing here wakes a thread of polars, so a process may do it and fork afterwards.
    """
    return {
        "equity": _frame("equity", _equity(simulations, initial_cash, benchmark)),
        "positions": _stack("positions", [_positions(each) for each in simulations]),
        "trades": _stack("trades", [_trades(each) for each in simulations], by="entry_time"),
        "fills": _stack("fills", [_fills(each) for each in simulations], by="timestamp"),
    }


_Column = list[Any] | npt.NDArray[Any]


def _equity(
    simulations: Sequence[Simulation], initial_cash: float, benchmark: Bars | None
) -> dict[str, _Column]:
    curve: Curve = combine(simulations)
    if benchmark is None:
        held = buy_and_hold([each.bars for each in simulations], initial_cash)
    else:
        held = buy_and_hold([benchmark], initial_cash, curve.ts)
    peak = np.maximum(np.maximum.accumulate(curve.equity), initial_cash)
    return {
        "timestamp": curve.ts,
        "session": curve.session,
        "equity": curve.equity,
        "benchmark": held,
        "drawdown": curve.equity / peak - 1.0,
    }


def _positions(simulation: Simulation) -> dict[str, _Column]:
    bars = simulation.bars
    return {
        "symbol": [bars.symbol] * len(bars),
        "timestamp": bars.ts,
        "session": bars.session,
        "close": bars.close,
        "quantity": simulation.quantity,
        "value": simulation.quantity * bars.close * simulation.multiplier,
        "cash": simulation.cash,
        "equity": simulation.equity,
    }


def _trades(simulation: Simulation) -> dict[str, _Column]:
    trades, bars = simulation.trades, simulation.bars
    is_open = trades.exit_bar < 0
    last = np.where(is_open, len(bars) - 1, trades.exit_bar)
    exit_time = bars.ts[last].astype("datetime64[us]")
    exit_time[is_open] = np.datetime64("NaT")
    return {
        "symbol": [bars.symbol] * len(trades),
        "direction": ["long" if side > 0 else "short" for side in trades.quantity.tolist()],
        "quantity": np.abs(trades.quantity),
        "entry_time": bars.ts[trades.entry_bar],
        "entry_price": trades.entry_price,
        "exit_time": exit_time,
        "exit_price": trades.exit_price,
        "exit_reason": [
            None if still else _WORDS[code]
            for still, code in zip(is_open.tolist(), trades.exit_reason.tolist(), strict=True)
        ],
        "pnl": trades.pnl,
        "return": trade_returns(trades, simulation.multiplier),
        "fees": trades.fees,
        "slippage": trades.slippage,
        "bars": last - trades.entry_bar,
        "mae": trades.mae,
        "mfe": trades.mfe,
        "r_multiple": risk_multiples(trades),
        "ambiguous": trades.ambiguous,
        "open": is_open,
    }


def _fills(simulation: Simulation) -> dict[str, _Column]:
    fills, bars = simulation.fills, simulation.bars
    return {
        "symbol": [bars.symbol] * len(fills),
        "timestamp": bars.ts[fills.bar],
        "quantity": fills.quantity,
        "price": fills.price,
        "fee": fills.fee,
        "slippage": fills.slippage,
        "reason": [_WORDS[code] for code in fills.reason.tolist()],
    }


def _stack(
    name: str, parts: Sequence[Mapping[str, _Column]], by: str | None = None
) -> pl.DataFrame:
    """Put symbols one below the other, or in order of a time; equal times keep their order."""
    if len(parts) == 1:
        return _frame(name, parts[0])
    columns = {column: _joined([part[column] for part in parts]) for column in parts[0]}
    if by is not None:
        order = np.argsort(columns[by], kind="stable")
        columns = {column: _ordered(values, order) for column, values in columns.items()}
    return _frame(name, columns)


def _joined(parts: Sequence[Any]) -> _Column:
    return [*chain(*parts)] if isinstance(parts[0], list) else np.concatenate(parts)


def _ordered(values: Any, order: npt.NDArray[np.intp]) -> _Column:
    return [values[row] for row in order] if isinstance(values, list) else values[order]


def _frame(name: str, columns: Mapping[str, _Column]) -> pl.DataFrame:
    schema = ARTIFACTS[name]
    return pl.DataFrame([_series(column, columns[column], schema[column]) for column in schema])


def _series(name: str, values: Any, kind: Any) -> pl.Series:
    if isinstance(values, list):
        return pl.Series(name, values, dtype=kind)
    # Only multiples of an unknown risk are NaN; everything else must be finite to be kept.
    return pl.Series(name, values, nan_to_null=name == "r_multiple").cast(kind)


def _moment(microseconds: int) -> datetime:
    return datetime.fromtimestamp(int(microseconds) // 1_000_000, UTC).replace(
        microsecond=int(microseconds) % 1_000_000
    )
