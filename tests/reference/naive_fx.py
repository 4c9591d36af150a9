"""Rates of the judge (R17): which one holds at the opening of a row, and which at its close."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from core.domain.bars import Bars
from core.domain.fx import FxRates
from core.domain.timeframe import Timeframe

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Converter:
    """Finds rates by looking through them, one after the other."""

    def __init__(self, bars: Sequence[Bars], ts: Sequence[int]) -> None:
        self.fx = [each.fx for each in bars]
        self.opens = [EPOCH + timedelta(microseconds=moment) for moment in ts]
        ends: dict[int, list[datetime]] = {moment: [] for moment in ts}
        for each in bars:
            for number, moment in enumerate(each.ts.tolist()):
                ends[moment].append(end_of(each, number))
        self.closes = [min(ends[moment]) for moment in ts]  # the first of the row's bars
        self.found: dict[tuple[int, datetime], float] = {}

    def at_open(self, symbol: int, row: int) -> float:
        return self.latest(symbol, self.opens[row])

    def at_close(self, symbol: int, row: int) -> float:
        return self.latest(symbol, self.closes[row])

    def latest(self, symbol: int, moment: datetime) -> float:
        rates = self.fx[symbol]
        if rates is None:
            return 1.0
        if (symbol, moment) not in self.found:
            self.found[symbol, moment] = latest(rates, moment)
        return self.found[symbol, moment]


def latest(rates: FxRates, moment: datetime) -> float:
    """The last rate known by a moment; the case must come with one."""
    found = []
    for known, rate in zip(rates.known.tolist(), rates.rate.tolist(), strict=True):
        if EPOCH + timedelta(microseconds=known) <= moment:
            found.append(rate)
    return float(found[-1])


def start_of(bars: Bars, number: int) -> datetime:
    """When a bar opens."""
    return EPOCH + timedelta(microseconds=int(bars.ts[number]))


def end_of(bars: Bars, number: int) -> datetime:
    """When a bar is over."""
    opened = start_of(bars, number)
    if bars.timeframe is Timeframe.MN1:
        return opened.replace(year=opened.year + opened.month // 12, month=opened.month % 12 + 1)
    assert bars.timeframe.seconds is not None
    end = opened + timedelta(seconds=bars.timeframe.seconds)
    if bars.timeframe.seconds < 86_400 and bars.market.closes is not None:
        closes, minute = bars.market.closes, int(bars.minute[number])
        bell = opened + timedelta(minutes=closes.hour * 60 + closes.minute - minute)
        if opened < bell < end:
            end = bell
    return end
