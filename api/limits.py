"""How much one answer of prices may hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Self

from core.domain.timeframe import Timeframe
from core.errors import InvalidInput
from core.settings import Settings


class TooLarge(InvalidInput):
    """More is asked for than one answer may hold."""

    code = "request_too_large"

    @classmethod
    def by(cls, found: int, unit: str, most: int) -> Self:
        """Say how much was asked for and how much may be."""
        return cls(
            f"the request is too large: {found} {unit}",
            found=f"{found} {unit}",
            expected=f"at most {most} {unit} at once",
            hint="ask for a shorter period or a longer timeframe",
            field="start_date",
        )


@dataclass(frozen=True, slots=True)
class CandleLimits:
    """Limits of one answer.

    Attributes:
        max_rows: Most bars.
        max_days: Longest period per timeframe; 0, or no entry, means any.
    """

    max_rows: int
    max_days: Mapping[Timeframe, int]

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Read the limits of a server.

        Raises:
            InvalidInput: an entry is not a timeframe and a number of days.
        """
        return cls(settings.candles_max_rows, dict(map(_entry, settings.candles_max_days)))

    def check_days(self, timeframe: Timeframe, start: date, end: date) -> None:
        """Refuse a period that is longer than the timeframe allows.

        Raises:
            InvalidInput: too long, or it ends before it starts.
        """
        if start > end:
            raise InvalidInput(
                f"start_date {start} is after end_date {end}",
                found=start,
                expected="start_date <= end_date",
                field="start_date",
            )
        most = self.max_days.get(timeframe, 0)
        days = (end - start).days + 1
        if most and days > most:
            raise TooLarge.by(days, f"days of {timeframe} bars", most)

    def check_rows(self, rows: int) -> None:
        """Refuse an answer that is too long.

        Raises:
            InvalidInput: too many bars.
        """
        if rows > self.max_rows:
            raise TooLarge.by(rows, "bars", self.max_rows)


def _entry(text: str) -> tuple[Timeframe, int]:
    name, _, days = text.partition("=")
    if not days.strip().isdecimal():
        raise InvalidInput(
            f"WORKBENCH_CANDLES_MAX_DAYS has {text!r}",
            found=text,
            expected="a timeframe and a number of days, such as 1m=31",
            field="candles_max_days",
        )
    return Timeframe.parse(name), int(days)
