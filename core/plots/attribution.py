"""What each symbol contributed to a run, in money and as a share of all.

The page draws this one as a table with bars in it, so that every number stays text.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from core.domain.metrics import Metrics


class AttributionRow(NamedTuple):
    """One symbol.

    Attributes:
        pnl: Money it contributed.
        points: That over the initial cash of the run; these sum to its total return.
        share: That over the net profit of the run; None where the run gained nothing.
        start, width: Of its bar, from the left, as shares of the room for bars.
    """

    symbol: str
    pnl: float
    points: float
    share: float | None
    start: float
    width: float
    metrics: Metrics


class InterestRow(NamedTuple):
    """What the cash of a shared account earned less what it cost; see `AttributionRow`."""

    pnl: float
    points: float
    share: float | None


class AttributionInfo(NamedTuple):
    """What the table says.

    Attributes:
        rows: Best contribution first.
        net_profit: Of the run, the sum of all contributions and of interest.
        zero: Where bars begin, as a share of the room for them.
        accrued: Options' accruals less borrow, money, part of the contributions; 0 for none.
        interest: On the cash of a shared account, part of no contribution; None for none.
    """

    rows: tuple[AttributionRow, ...]
    net_profit: float
    zero: float
    accrued: float
    interest: InterestRow | None


CENT = 0.005


def attribution_info(
    by_symbol: Mapping[str, Metrics],
    *,
    net_profit: float,
    initial_cash: float,
    accrued: float = 0.0,
    interest: float = 0.0,
) -> AttributionInfo:
    """Order contributions, and lay out a bar for each on one scale around zero."""
    gained = {symbol: float(each["net_profit"] or 0.0) for symbol, each in by_symbol.items()}
    low, high = min(0.0, *gained.values()), max(0.0, *gained.values())
    room = high - low or 1.0

    def share_of(pnl: float) -> float | None:
        return pnl / net_profit if abs(net_profit) >= CENT else None

    rows = [
        AttributionRow(
            symbol=symbol,
            pnl=pnl,
            points=pnl / initial_cash,
            share=share_of(pnl),
            start=(min(pnl, 0.0) - low) / room,
            width=abs(pnl) / room,
            metrics=by_symbol[symbol],
        )
        for symbol, pnl in sorted(gained.items(), key=lambda item: -item[1])
    ]
    return AttributionInfo(
        tuple(rows),
        net_profit,
        -low / room,
        accrued if abs(accrued) >= CENT else 0.0,
        InterestRow(interest, interest / initial_cash, share_of(interest))
        if abs(interest) >= CENT
        else None,
    )
