"""Runs a case through the judge and both forms of the kernel, in one shape to compare."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np

from core.domain.simulation import Simulation
from core.engine.account import simulate_account
from core.engine.simulate import simulate
from tests.factories import Case
from tests.reference import naive

FILL_COLUMNS = ("bar", "quantity", "price", "fee", "slippage", "reason")
TRADE_COLUMNS = (
    "entry_bar",
    "exit_bar",
    "quantity",
    "entry_price",
    "exit_price",
    "pnl",
    "fees",
    "slippage",
    "mae",
    "mfe",
    "risk",
    "exit_reason",
    "ambiguous",
)
BAR_COLUMNS = ("cash", "equity", "quantity", "held")
FIGURES = ("max_drawdown", "gross_exposure", "ruined", "stopped")


def by_reference(case: Case) -> naive.Outcome:
    return naive.run(case.bars, case.signals, case.options, case.costs)


def compiled(case: Case) -> naive.Outcome:
    return outcome_of(simulate(case.bars, case.signals, case.options, case.costs))


def twin(case: Case) -> naive.Outcome:
    return outcome_of(simulate(case.bars, case.signals, case.options, case.costs, compiled=False))


def account_of_one(case: Case, *, compile_it: bool = True) -> naive.Outcome:
    """The general driver with one symbol, which has to follow the same rules."""
    account = simulate_account(
        [case.bars], [case.signals], case.options, case.costs, compiled=compile_it
    )
    return outcome_of(account.alone())


ENGINES = {"reference": by_reference, "compiled": compiled, "twin": twin}
DRIVERS = ENGINES | {
    "general compiled": account_of_one,
    "general twin": lambda case: account_of_one(case, compile_it=False),
}


def outcome_of(simulation: Simulation) -> naive.Outcome:
    fills, trades = simulation.fills, simulation.trades
    return naive.Outcome(
        fills=[naive.Fill(*row) for row in _rows(fills, FILL_COLUMNS)],
        trades=[naive.Trade(*row) for row in _rows(trades, TRADE_COLUMNS)],
        cash=simulation.cash.tolist(),
        equity=simulation.equity.tolist(),
        quantity=simulation.quantity.tolist(),
        held=simulation.held.tolist(),
        counters=asdict(simulation.counters),
        max_drawdown=simulation.max_drawdown,
        gross_exposure=simulation.gross_exposure,
        ruined=simulation.ruined,
        stopped=simulation.stopped,
    )


def _rows(table: Any, columns: tuple[str, ...]) -> list[tuple[Any, ...]]:
    return list(zip(*(getattr(table, name).tolist() for name in columns), strict=True))


def differences(left: naive.Outcome, right: naive.Outcome) -> list[str]:
    """Every place where two outcomes are not equal, NaN being equal to NaN; empty when none."""
    found = []
    for name in BAR_COLUMNS:
        a, b = getattr(left, name), getattr(right, name)
        if len(a) != len(b):
            found.append(f"{name}: {len(a)} rows against {len(b)}")
        found += [
            f"{name}[{t}]: {x!r} against {y!r}"
            for t, (x, y) in enumerate(zip(a, b, strict=False))
            if not _same(x, y)
        ][:3]
    for name in ("fills", "trades"):
        a, b = getattr(left, name), getattr(right, name)
        if len(a) != len(b):
            found.append(f"{name}: {len(a)} against {len(b)}")
        for n, (x, y) in enumerate(zip(a, b, strict=False)):
            found += [
                f"{name}[{n}].{key}: {value!r} against {vars(y)[key]!r}"
                for key, value in vars(x).items()
                if not _same(value, vars(y)[key])
            ]
    found += [
        f"counter {key}: {value} against {right.counters[key]}"
        for key, value in left.counters.items()
        if value != right.counters[key]
    ]
    found += [
        f"{name}: {getattr(left, name)!r} against {getattr(right, name)!r}"
        for name in FIGURES
        if not _same(getattr(left, name), getattr(right, name))
    ]
    return found


def _same(a: Any, b: Any) -> bool:
    return bool(a == b) or (isinstance(a, float) and bool(np.isnan(a)) and bool(np.isnan(b)))
