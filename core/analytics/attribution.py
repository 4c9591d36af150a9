"""What each symbol of one account contributed to it.

The contribution of a symbol is money: what its sales brought less what its purchases and fees took,
plus what accrued on it (dividends and options' gains, less borrow and funding), plus its position
at the last close. At every time contributions add up to what the account has gained, but for the
interest on its cash, which is no symbol's. Metrics of a
symbol are those of the curve that begins with the cash of the whole account and gains this symbol's
contribution only.
"""

from __future__ import annotations

from dataclasses import fields, replace
from typing import TypeVar

import numpy as np

from core.analytics import drawdown
from core.domain.bars import FloatArray, IntArray
from core.domain.simulation import Counters, Fills, PortfolioSimulation, Trades

Table = TypeVar("Table", Fills, Trades)


def contributions(account: PortfolioSimulation) -> FloatArray:
    """Compute the money each symbol has gained by each time.

    Returns:
        Shape (T, S); 0 before a symbol is first traded. Rows sum to `equity - initial_cash`, up to
        the interest on cash and rounding.
    """
    fills = account.fills
    paid = np.zeros(account.quantity.shape)
    value = fills.quantity * fills.price * account.multiplier
    cost = (value if fills.fx is None else value * fills.fx) + fills.fee
    np.add.at(paid, (fills.bar, account.fill_symbol), cost)
    gained: FloatArray = _values(account) + account.accrued - np.cumsum(paid, axis=0)
    return gained


def each_symbol(account: PortfolioSimulation) -> list[PortfolioSimulation]:
    """Give each symbol alone, in the order of the account's bars.

    `equity` begins with the cash of the whole account; `gross_exposure` stays a share of the
    account's own equity, so that those of all symbols add up. Of the counters only entries are
    known, and as ambiguous bars count the trades marked so: the engine counts for the account.
    """
    gained, values = contributions(account), _values(account)
    alive = account.equity > 0.0
    found = []
    for place, bars in enumerate(account.bars):
        equity = account.initial_cash + gained[:, place]
        value, one = values[:, place], slice(place, place + 1)
        of_fills = np.flatnonzero(account.fill_symbol == place)
        of_trades = np.flatnonzero(account.trade_symbol == place)
        fills, trades = _taken(account.fills, of_fills), _taken(account.trades, of_trades)
        held = account.quantity[:, place] != 0.0
        held[1:] |= held[:-1].copy()
        held[fills.bar] = True
        share = np.divide(np.abs(value), account.equity, out=np.zeros(len(value)), where=alive)
        found.append(
            PortfolioSimulation(
                bars=(bars,),
                initial_cash=account.initial_cash,
                multiplier=account.multiplier,
                ts=account.ts,
                session=account.session,
                mark=account.mark[:, one],
                equity=equity,
                cash=equity - value,
                quantity=account.quantity[:, one],
                accrued=account.accrued[:, one],
                held=held,
                fills=fills,
                fill_symbol=np.zeros(len(fills), dtype=np.int64),
                trades=trades,
                trade_symbol=np.zeros(len(trades), dtype=np.int64),
                counters=Counters(
                    entries=len(trades), ambiguous_bars=int(np.count_nonzero(trades.ambiguous))
                ),
                max_drawdown=drawdown.max_drawdown(equity, account.initial_cash),
                gross_exposure=float(share.sum()) / len(share),
                ruined=bool((equity <= 0.0).any()),
                borrow=float(account.borrow_of[place]),
                carry=float(account.carry_of[place]),
                dividends=float(account.dividends_of[place]),
                borrow_of=account.borrow_of[one],
                carry_of=account.carry_of[one],
                dividends_of=account.dividends_of[one],
                funding=float(account.funding_of[place]),
                funding_of=account.funding_of[one],
                fx=None if account.fx is None else account.fx[:, one],
            )
        )
    return found


def _values(account: PortfolioSimulation) -> FloatArray:
    """Positions at the last close, money, shape (T, S)."""
    flat = account.quantity == 0.0
    held = account.quantity * account.mark * account.multiplier
    values: FloatArray = np.where(flat, 0.0, held if account.fx is None else held * account.fx)
    return values


def _taken(table: Table, rows: IntArray) -> Table:
    columns = {each.name: getattr(table, each.name) for each in fields(table)}
    taken = {name: column[rows] for name, column in columns.items() if column is not None}
    return replace(table, **taken)
