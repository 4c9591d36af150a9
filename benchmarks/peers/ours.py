"""Our side of the work, the floors beside it, and what each peer's rules should give."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.peers import work
from benchmarks.peers.work import Run
from core.domain.bars import Bars
from core.domain.costs import CostModel
from core.domain.market import MARKETS
from core.domain.options import EngineOptions
from core.domain.signals import Signals, pct
from core.domain.simulation import Simulation
from core.domain.timeframe import Timeframe
from core.engine.measures import summarise_run
from core.engine.simulate import simulate
from core.engine.view import view_of

OPTIONS = EngineOptions(initial_cash=work.CASH, sizing="units", size=work.UNITS)
INTRADAY = OPTIONS.model_copy(
    update={"intraday": True, "square_off": time(*divmod(work.SQUARE_OFF, 60))}
)
COSTS = CostModel(bps=work.FEE * 1e4)


def bars_of(columns: Mapping[str, np.ndarray]) -> Bars:
    """Make bars of the arrays that every engine reads."""
    return Bars(
        symbol="WALK",
        timeframe=Timeframe.M1,
        market=MARKETS["XNYS"],
        volume=np.full(len(columns["ts"]), np.nan),
        **{name: columns[name] for name in Bars.__dataclass_fields__ if name in columns},
    )


def _signals(bars: Bars, *, guard: bool) -> Signals:
    ind = view_of(bars).ind
    fast, slow = ind.ema(work.FAST), ind.ema(work.SLOW)
    return Signals.side(
        long=fast > slow,
        short=fast < slow,
        stop=pct(work.STOP * 100) if guard else None,
        target=pct(work.TARGET * 100) if guard else None,
    )


def _run(bars: Bars, options: EngineOptions, *, guard: bool, every_metric: bool) -> dict[str, Any]:
    bars = replace(bars)  # so that averages are computed and not remembered
    done = simulate(bars, _signals(bars, guard=guard), options, COSTS)
    if every_metric:
        summarise_run(done, options=options, costs=COSTS)
    return _found(done)


def _found(done: Simulation) -> dict[str, Any]:
    closed = int(np.count_nonzero(done.trades.exit_bar >= 0))
    return {"equity": float(done.equity[-1]), "trades": closed}


def _through_services(columns: Mapping[str, np.ndarray]) -> Run:
    from core.domain.run import RunSpec  # noqa: PLC0415 - a cold start pays for what it uses
    from core.services import execution  # noqa: PLC0415 - likewise
    from strategies import ema_crossover  # noqa: PLC0415 - likewise

    bars = bars_of(columns)
    spec = RunSpec(
        strategy="ema_crossover",
        symbols=("WALK",),
        timeframe=Timeframe.M1,
        params={"fast": work.FAST, "slow": work.SLOW},
        options=OPTIONS,
        costs=COSTS,
    )
    code = Path(ema_crossover.__file__).parent

    def run() -> dict[str, Any]:
        strategy = ema_crossover.EMACrossoverStrategy
        fresh = [replace(bars)]
        (done,) = execution.trade(
            fresh, execution.decide(spec, fresh, strategy, code), OPTIONS, COSTS
        )
        execution.measure([done], options=OPTIONS, costs=COSTS)
        return _found(done)

    return run


def _frames(columns: Mapping[str, np.ndarray]) -> Run:
    from core.services import frames  # noqa: PLC0415 - a cold start pays for what it uses

    bars = bars_of(columns)
    done = simulate(bars, _signals(bars, guard=False), OPTIONS, COSTS)

    def run() -> dict[str, Any]:
        frames.frames_of([done], OPTIONS.initial_cash)
        return _found(done)

    return run


def _floor(columns: Mapping[str, np.ndarray]) -> dict[str, Any]:
    from benchmarks.peers import floors  # noqa: PLC0415 - a cold start pays for what it uses

    equity, table, _ = floors.run_w1(columns)
    return {"equity": float(equity[-1]), "trades": len(table)}


def _labels(
    columns: Mapping[str, np.ndarray], options: EngineOptions, *, guard: bool
) -> dict[str, Run]:
    bars = bars_of(columns)
    return {
        "bare": partial(_run, bars, options, guard=guard, every_metric=False),
        "stats": partial(_run, bars, options, guard=guard, every_metric=True),
        "engine": _engine_call(bars, options, guard=guard),
    }


def _engine_call(bars: Bars, options: EngineOptions, *, guard: bool) -> Run:
    signals = _signals(bars, guard=guard)

    def run() -> dict[str, Any]:
        done = simulate(bars, signals, options, COSTS)
        summarise_run(done, options=options, costs=COSTS)
        return _found(done)

    return run


def w1(columns: Mapping[str, np.ndarray]) -> dict[str, Run]:
    """Trade the crossover: averages, signals, simulation; with `stats` all metrics too."""
    return _labels(columns, OPTIONS, guard=False) | {"floor": partial(_floor, columns)}


def w1_services(columns: Mapping[str, np.ndarray]) -> dict[str, Run]:
    """Do W1 as the services do before they publish; `frames` lays the result out for the files."""
    return {"services": _through_services(columns), "frames": _frames(columns)}


def w3(columns: Mapping[str, np.ndarray]) -> dict[str, Run]:
    """Trade it with stop, target and square-off."""
    return _labels(columns, INTRADAY, guard=True)


def w2(columns: Mapping[str, np.ndarray], lanes: Sequence[tuple[int, int]] = ()) -> dict[str, Run]:
    """Sweep, and the floors written by hand."""
    from benchmarks.peers import floors  # noqa: PLC0415 - a cold start pays for what it uses

    lanes = lanes or work.combinations()

    def floor(by_hand: Any) -> dict[str, Any]:
        table = by_hand().table
        best = int(np.argmax(table[:, 3]))
        return {"lanes": lanes, "equity": table[:, 0], "trades": table[:, 1], "best": lanes[best]}

    return {
        "sweep": partial(_sweep, bars_of(columns), lanes),
        "floor scalar": partial(floor, partial(floors.sweep_scalar, columns, lanes)),
        "floor lanes": partial(floor, partial(floors.sweep_inner, columns)),
    }


def _sweep(bars: Bars, lanes: Sequence[tuple[int, int]]) -> dict[str, Any]:
    from core.engine.sweep import Eligibility, sweep  # noqa: PLC0415 - a cold start pays for what it uses
    from strategies.ema_crossover import EMACrossoverStrategy  # noqa: PLC0415 - likewise

    parameters = [{"fast": fast, "slow": slow} for fast, slow in lanes]
    done = sweep(EMACrossoverStrategy, replace(bars), parameters, OPTIONS, COSTS)
    best = done.ranked("sharpe", Eligibility(trades=0))
    return {
        "lanes": lanes,
        "equity": done.column("final_equity"),
        "trades": done.column("trades"),
        "best": lanes[best[0]] if len(best) else None,
    }


def w2_many(columns: Mapping[str, np.ndarray]) -> dict[str, Run]:
    """Sweep the larger grid."""
    return w2(columns, work.many_combinations())


def w4(columns: Mapping[str, np.ndarray]) -> dict[str, Run]:
    """Rebalance, and a loop over months written by hand."""
    from benchmarks.peers import floors  # noqa: PLC0415 - a cold start pays for what it uses

    def floor(how: str) -> dict[str, Any]:
        equity, orders = floors.rebalance(columns, how)
        return {"equity": equity, "trades": orders}

    floors_of = {f"floor {how}": partial(floor, how) for how in ("decision", "open", "close")}
    return floors_of | {
        "bare": _account(columns, every_metric=False),
        "stats": _account(columns, every_metric=True),
    }


def _account(columns: Mapping[str, np.ndarray], *, every_metric: bool) -> Run:
    from core.analytics.summary import summarise  # noqa: PLC0415 - a cold start pays for what it uses
    from core.domain.signals import Weights  # noqa: PLC0415 - likewise
    from core.engine.account import simulate_account  # noqa: PLC0415 - likewise

    ts, close = columns["ts"], columns["close"]
    unknown, session = np.full(len(ts), np.nan), (ts // work.US_PER_DAY).astype(np.int32)
    bars = [
        Bars(
            symbol=f"S{number:03}",
            timeframe=Timeframe.D1,
            market=MARKETS["XNYS"],
            ts=ts,
            session=session,
            minute=np.zeros(len(ts), dtype=np.int32),
            volume=unknown,
            **{
                name: np.ascontiguousarray(columns[name][:, number])
                for name in ("open", "high", "low", "close")
            },
        )
        for number in range(close.shape[1])
    ]
    options = EngineOptions(initial_cash=work.CASH, account="shared", lot_size=0)

    def run() -> dict[str, Any]:
        rows, weights = work.target_weights(ts, close)
        wanted = np.full(close.shape, np.nan)
        wanted[rows] = weights
        done = simulate_account(bars, Weights(wanted), options, COSTS)
        if every_metric:
            summarise(done, options=options, costs=COSTS)
        return {"equity": float(done.equity[-1]), "trades": len(done.fills.bar)}

    return run


def judges(columns: Mapping[str, np.ndarray]) -> dict[str, Run]:
    """Play W3 by each engine's rules."""
    from benchmarks.peers import floors  # noqa: PLC0415 - a cold start pays for what it uses

    def judge(rules: Any) -> dict[str, Any]:
        equity, trades = floors.run_guarded(columns, rules)
        return {"equity": equity, "trades": trades}

    rules = {
        "ours": floors.Rules(last_bar=True),
        "vectorbt": floors.Rules(entry_bar=False, stop_first=True),
        "backtesting.py": floors.Rules(at_decision=True, asks_flat=True),
        "backtrader": floors.Rules(entry_bar=False, asks_flat=True),
        "PyBroker": floors.Rules(entry_bar=False, stop_first=True, two_bars=True, no_gaps=True),
    }
    return {engine: partial(judge, chosen) for engine, chosen in rules.items()}


if __name__ == "__main__":
    cases = {
        "W1": w1,
        "W1 services": w1_services,
        "W2": w2,
        "W2 many": w2_many,
        "W3": w3,
        "W4": w4,
        "judges": judges,
    }
    work.serve("ours", cases)
