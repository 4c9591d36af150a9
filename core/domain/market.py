"""Markets: when a session begins and ends, and how many a year has.

The session of a bar is a calendar date in the market's own zone. Around-the-clock markets use the
UTC date; spot FX rolls at 17:00 New York, so its session date is that of the coming close.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import time
from math import ceil

from core.domain.timeframe import Timeframe
from core.errors import InvalidInput

_DAY = 86_400


@dataclass(frozen=True, slots=True)
class Market:
    """One market's clock.

    Attributes:
        code: Short name (`XNYS`).
        label: Name for people.
        zone: IANA zone in which sessions are dated and session times are read.
        opens: First minute of the regular session, None when trading never stops.
        closes: End of the regular session (exclusive), None when trading never stops.
        sessions_per_year: Nominal count used when the data is shorter than a year.
        currency: What its prices are in unless a symbol says otherwise; None where that differs
            from symbol to symbol.
        roll_hours: Added to local time before the date is taken (FX: 7, so 17:00 starts a new day).
    """

    code: str
    label: str
    zone: str
    opens: time | None
    closes: time | None
    sessions_per_year: float
    currency: str | None = None
    roll_hours: int = 0

    @property
    def has_sessions(self) -> bool:
        """Whether bars are aligned to a session's opening, not to the roll or UTC midnight."""
        return self.opens is not None

    def bars_per_year(self, timeframe: Timeframe) -> float:
        """Nominal number of bars a year: sessions times the bars a whole session has.

        A session that is no multiple of the bar ends with a shorter one, which counts. Weeks are 52
        and months 12, as for `metrics`.
        """
        if timeframe is Timeframe.W1:
            return 52.0
        if timeframe is Timeframe.MN1 or timeframe.seconds is None:
            return 12.0
        if timeframe is Timeframe.D1:
            return self.sessions_per_year
        length = _DAY
        if self.opens is not None and self.closes is not None:
            length = _seconds(self.closes) - _seconds(self.opens)
        return self.sessions_per_year * ceil(length / timeframe.seconds)


def _seconds(clock: time) -> int:
    return clock.hour * 3600 + clock.minute * 60


MARKETS: dict[str, Market] = {
    market.code: market
    for market in (
        Market("XNYS", "US stocks", "America/New_York", time(9, 30), time(16), 252.0, "USD"),
        Market("XNSE", "India NSE", "Asia/Kolkata", time(9, 15), time(15, 30), 248.0, "INR"),
        Market("XEUR", "Eurex", "Europe/Berlin", time(9), time(22), 254.0, "EUR"),
        Market("FX", "Spot FX", "America/New_York", None, None, 260.0, roll_hours=7),
        Market("24/7", "Around the clock", "UTC", None, None, 365.0),
    )
}


def find_market(code: str) -> Market:
    """Look a market up by its code.

    Raises:
        InvalidInput: no such market.
    """
    try:
        return MARKETS[code]
    except KeyError:
        known = ", ".join(MARKETS)
        raise InvalidInput(
            f"market {code!r} is not known", expected=f"one of {known}", field="market"
        ) from None
