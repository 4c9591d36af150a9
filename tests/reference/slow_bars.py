"""The slow, obvious way to build longer bars: one bar after the other, with datetime and zoneinfo.

Shares no code with `core.catalog`. A bucket is found for every bar by walking from the session's
opening in steps of the wanted length, on the local clock.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Clock:
    """A market as this reader knows it."""

    zone: str
    opens: time | None = None
    closes: time | None = None
    roll: int = 0


CLOCKS = {
    "XNYS": Clock("America/New_York", time(9, 30), time(16)),
    "XNSE": Clock("Asia/Kolkata", time(9, 15), time(15, 30)),
    "XEUR": Clock("Europe/Berlin", time(9), time(22)),
    "FX": Clock("America/New_York", roll=7),
    "24/7": Clock("UTC"),
}
Bar = tuple[int, float, float, float, float, float]


def session_of(moment: datetime, clock: Clock) -> date:
    """Session date of a moment."""
    wall = moment.astimezone(ZoneInfo(clock.zone)).replace(tzinfo=None)
    return (wall + timedelta(hours=clock.roll)).date()


def regular(moment: datetime, source: timedelta, clock: Clock) -> bool:
    """Whether a bar shares time with the regular session."""
    if clock.opens is None or clock.closes is None:
        return True
    day = session_of(moment, clock)
    begins, ends = (
        datetime.combine(day, at, ZoneInfo(clock.zone)).astimezone(UTC)
        for at in (clock.opens, clock.closes)
    )
    return moment < ends and moment + source > begins


def bucket(moment: datetime, source: timedelta, length: timedelta, clock: Clock) -> datetime:
    """Opening time of the bucket a bar belongs to."""
    if clock.roll:
        rolled = datetime.combine(session_of(moment, clock), time(0)) - timedelta(hours=clock.roll)
        start = rolled.replace(tzinfo=ZoneInfo(clock.zone)).astimezone(UTC)
        while start + length <= moment:
            start += length
        return start
    if clock.opens is None or clock.closes is None:
        return EPOCH + (moment - EPOCH) // length * length
    zone = ZoneInfo(clock.zone)
    day = session_of(moment, clock)
    begins = datetime.combine(day, clock.opens, zone).astimezone(UTC)
    ends = datetime.combine(day, clock.closes, zone).astimezone(UTC)
    midnight = datetime.combine(day, time(0), zone).astimezone(UTC)
    if moment < begins < moment + source:
        return begins
    start = ends if moment >= ends else begins
    while start > moment:
        start -= length
    while start + length <= moment:
        start += length
    return max(start, midnight)


def build(bars: Sequence[Bar], source: int, target: str, market: str) -> list[Bar]:
    """Build bars of length `target` from bars `source` seconds long.

    Args:
        bars: Opening time in microseconds, open, high, low, close, volume; in time order.
        source: Length of the bars in seconds.
        target: `1m`, `1h`, `1d`, `1w`, `1M`…
        market: Key of `CLOCKS`.
    """
    clock = CLOCKS[market]
    length = {"m": timedelta(minutes=1), "h": timedelta(hours=1)}
    step = timedelta(seconds=source)
    groups: dict[datetime, list[Bar]] = {}
    if target[-1] in length:
        for bar in bars:
            label = bucket(when(bar), step, int(target[:-1]) * length[target[-1]], clock)
            groups.setdefault(label, []).append(bar)
        return [_one(label, group) for label, group in sorted(groups.items())]
    days: dict[date, list[Bar]] = {}
    for bar in bars:
        day = when(bar).date() if source >= 86_400 else session_of(when(bar), clock)
        days.setdefault(day, []).append(bar)
    for day, group in sorted(days.items()):
        inside = [bar for bar in group if source >= 86_400 or regular(when(bar), step, clock)]
        label = {
            "1d": day,
            "1w": day - timedelta(days=day.weekday()),
            "1M": day.replace(day=1),
        }[target]
        start = datetime.combine(label, time(0), UTC)
        groups.setdefault(start, []).extend(inside or group)
    return [_one(label, group) for label, group in sorted(groups.items())]


def when(bar: Bar) -> datetime:
    """Opening time of a bar."""
    return EPOCH + timedelta(microseconds=bar[0])


def _one(label: datetime, group: Sequence[Bar]) -> Bar:
    return (
        (label - EPOCH) // timedelta(microseconds=1),
        group[0][1],
        max(bar[2] for bar in group),
        min(bar[3] for bar in group),
        group[-1][4],
        math.fsum(bar[5] for bar in group),
    )
