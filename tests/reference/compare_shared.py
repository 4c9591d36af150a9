"""Compares outcomes of one account over several symbols, whoever made them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from core.domain.simulation import PortfolioSimulation
from core.engine.account import simulate_account
from tests.reference.naive_shared import run_shared
from tests.reference.naive_symbol import SharedFill, SharedOutcome, SharedTrade

ROW_COLUMNS = ("ts", "cash", "equity", "quantity", "held")
FIGURES = (
    "interest",
    "max_drawdown",
    "gross_exposure",
    "ruined",
    "stopped",
    "borrow",
    "accrued",
    "dividends",
    "funding",
)
EVENTS = {"fills": SharedFill, "trades": SharedTrade}
SHOWN = 3
FILL_REST = tuple(SharedFill.__dataclass_fields__)[2:-1]
TRADE_REST = tuple(SharedTrade.__dataclass_fields__)[1:-1]


def shared_differences(left: SharedOutcome, right: Any) -> list[str]:
    """Every place where an outcome and another differ, NaN being equal to NaN; empty when none.

    Args:
        left: What the judge says.
        right: Anything with the same fields: rows as lists or arrays (`quantity` of shape (T, S)),
            fills and trades as lists of objects or as one object of columns, counters as a mapping.
            `of_symbols` is compared where there is one.
    """
    found = []
    for name in ROW_COLUMNS:
        found += _of_lines(name, _line(getattr(left, name)), _line(getattr(right, name)))
    for name, kind in EVENTS.items():
        columns = tuple(kind.__dataclass_fields__)
        found += _of_events(name, columns, getattr(left, name), getattr(right, name))
    found += [
        f"counter {key}: {value} against {right.counters[key]}"
        for key, value in left.counters.items()
        if value != right.counters[key]
    ]
    figures = [*FIGURES, "of_symbols"] if hasattr(right, "of_symbols") else FIGURES
    found += [
        f"{name}: {getattr(left, name)!r} against {getattr(right, name)!r}"
        for name in figures
        if not _same(getattr(left, name), getattr(right, name))
    ]
    return found


def outcome_of_account(account: PortfolioSimulation) -> SharedOutcome:
    """What the general driver says, in the judge's shape."""
    fills, trades = account.fills, account.trades
    fill_columns = (
        fills.bar,
        account.fill_symbol,
        *(getattr(fills, name) for name in FILL_REST),
        np.ones(len(fills)) if fills.fx is None else fills.fx,
    )
    trade_columns = (
        account.trade_symbol,
        *(getattr(trades, name) for name in TRADE_REST),
        np.ones(len(trades)) if trades.fx is None else trades.fx,
    )
    return SharedOutcome(
        ts=account.ts.tolist(),
        fills=[SharedFill(*row) for row in zip(*map(_line, fill_columns), strict=True)],
        trades=[SharedTrade(*row) for row in zip(*map(_line, trade_columns), strict=True)],
        cash=account.cash.tolist(),
        equity=account.equity.tolist(),
        quantity=account.quantity.tolist(),
        held=account.held.tolist(),
        counters=asdict(account.counters),
        max_drawdown=account.max_drawdown,
        gross_exposure=account.gross_exposure,
        ruined=account.ruined,
        borrow=account.borrow,
        accrued=account.carry,
        dividends=account.dividends,
        of_symbols=list(
            zip(
                account.borrow_of.tolist(),
                account.carry_of.tolist(),
                account.dividends_of.tolist(),
                account.funding_of.tolist(),
                strict=True,
            )
        ),
        funding=account.funding,
        stopped=account.stopped,
        interest=account.interest,
    )


def compiled(*case: Any) -> SharedOutcome:
    return outcome_of_account(simulate_account(*case))


def twin(*case: Any) -> SharedOutcome:
    return outcome_of_account(simulate_account(*case, compiled=False))


SHARED_ENGINES = {"reference": run_shared, "compiled": compiled, "twin": twin}


def _line(values: Any) -> list[Any]:
    return values.tolist() if isinstance(values, np.ndarray) else list(values)


def _of_lines(name: str, left: list[Any], right: list[Any]) -> list[str]:
    if len(left) != len(right):
        return [f"{name}: {len(left)} rows against {len(right)}"]
    return [
        f"{name}[{row}]: {a!r} against {b!r}"
        for row, (a, b) in enumerate(zip(left, right, strict=True))
        if not _same(a, b)
    ][:SHOWN]


def _of_events(name: str, columns: tuple[str, ...], left: Sequence[Any], right: Any) -> list[str]:
    others = _rows(right, columns)
    found = [] if len(left) == len(others) else [f"{name}: {len(left)} against {len(others)}"]
    for n, (one, other) in enumerate(zip(left, others, strict=False)):
        found += [
            f"{name}[{n}].{key}: {getattr(one, key)!r} against {value!r}"
            for key, value in zip(columns, other, strict=True)
            if not _same(getattr(one, key), value)
        ]
    return found


def _rows(events: Any, columns: tuple[str, ...]) -> list[tuple[Any, ...]]:
    """Events as tuples, from a list of objects or from an object of columns."""
    if isinstance(events, (list, tuple)):
        return [tuple(getattr(each, name) for name in columns) for each in events]
    return list(zip(*(_line(getattr(events, name)) for name in columns), strict=True))


def _same(a: Any, b: Any) -> bool:
    if isinstance(a, (list, tuple)) or isinstance(b, (list, tuple)):
        return len(a) == len(b) and all(_same(x, y) for x, y in zip(a, b, strict=True))
    return bool(a == b) or (isinstance(a, float) and bool(np.isnan(a)) and bool(np.isnan(b)))
