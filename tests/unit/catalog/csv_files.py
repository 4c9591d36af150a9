"""Small CSV files of bars for tests."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta

HEADER = "timestamp,open,high,low,close,volume"


def csv(*lines: str, header: str = HEADER) -> bytes:
    return "\n".join([header, *lines, ""]).encode()


def days(first: date, count: int, *, price: float = 100.0, volume: float = 10.0) -> bytes:
    """Daily rows on weekdays, each a little higher than the one before."""
    rows = []
    day = first
    while len(rows) < count:
        if day.weekday() < 5:
            at = price + len(rows)
            rows.append(f"{day},{at},{at + 1},{at - 1},{at + 0.5},{volume}")
        day += timedelta(days=1)
    return csv(*rows)


def minutes(
    first: datetime, count: int, *, step: int = 60, price: float = 100.0, volume: float = 10.0
) -> bytes:
    """Rows at equal steps from a time on, written as the time writes itself."""
    rows = []
    for at in range(count):
        stamp = (first + timedelta(seconds=step * at)).isoformat()
        rows.append(f"{stamp},{price},{price + 1},{price - 1},{price + 0.5},{volume}")
    return csv(*rows)


def stamped(stamps: Iterable[str], cells: Sequence[str] = ("1", "2", "0.5", "1.5", "7")) -> bytes:
    """The same prices at the given times."""
    return csv(*(",".join((stamp, *cells)) for stamp in stamps))
