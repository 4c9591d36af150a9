"""From times as written to the opening times of bars, and the length of the bars with them.

Bars within a day open at moments: an offset or an epoch says which; else the clock of a zone does,
the caller's or the market's own. Daily and longer bars open on dates: a stamp that shows midnight
names its date as written, whatever the zone; any other names the session it falls in.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from core.catalog.aggregate import calendar_labels
from core.catalog.gates import Gatekeeper
from core.catalog.options import ReadOptions
from core.catalog.periods import find_timeframe
from core.catalog.sessions import US_PER_MINUTE, local_clock
from core.catalog.timestamps import Times
from core.catalog.zones import check_zone, to_utc
from core.domain.bars import US_PER_DAY, IntArray
from core.domain.timeframe import Timeframe
from core.errors import DataProblem, InvalidInput

_SUNDAY: Final = 6


@dataclass(frozen=True, slots=True)
class BarTimes:
    """When bars open.

    Attributes:
        ts: Microseconds UTC; meaningless for rows that have been rejected.
        timeframe: Length of the bars.
        zone: Which clock was read, for people.
        notes: What the caller should know.
    """

    ts: IntArray
    timeframe: Timeframe
    zone: str
    notes: tuple[str, ...]


def place_bars(times: Times, options: ReadOptions, keeper: Gatekeeper) -> BarTimes:
    """Find when the bars of a file open; rows whose moment cannot be told are rejected.

    Raises:
        InvalidInput: the timeframe contradicts the rows, or cannot be told.
        DataProblem: no row has a time, or the rows are an unknown length apart.
    """
    if not keeper.alive.any():
        raise keeper.refusal(f"{len(keeper.lines):,}")
    as_written = (times.written - times.offset)[keeper.alive]
    timeframe = find_timeframe(as_written, options.timeframe)
    if timeframe.is_intraday:
        return _within_days(times, timeframe, options, keeper)
    return _on_dates(times, timeframe, options, keeper)


def _within_days(
    times: Times, timeframe: Timeframe, options: ReadOptions, keeper: Gatekeeper
) -> BarTimes:
    if not times.has_clock:
        raise InvalidInput(
            f"the timeframe is said to be {timeframe}, but the rows have dates without times",
            expected="1d or longer",
            field="timeframe",
        )
    ts, zone, notes = _moments(times, options, keeper)
    if options.label == "close":
        ts = ts - (timeframe.seconds or 0) * 1_000_000
    _reject_off_grid(ts, keeper)
    return BarTimes(ts, timeframe, zone, notes)


def _on_dates(
    times: Times, timeframe: Timeframe, options: ReadOptions, keeper: Gatekeeper
) -> BarTimes:
    market = options.market
    # A close of 00:00 in a market that never stops belongs to the day before.
    ends_day = options.label == "close" and times.has_clock and not market.has_sessions
    if times.dates_only:
        days = (times.written - int(ends_day)) // US_PER_DAY
        zone = "none needed: dates are taken as written"
        notes: tuple[str, ...] = ()
    else:
        ts, zone, notes = _moments(times, options, keeper)
        session, _ = local_clock(ts - int(ends_day), market)
        days = session.astype(np.int64)
    if timeframe is Timeframe.W1 and options.label == "open":
        # Weeks that begin on Sunday are the ISO weeks of the Monday after.
        days = days + ((days + 3) % 7 == _SUNDAY)
    ts = days * US_PER_DAY
    if timeframe is not Timeframe.D1:
        ts = calendar_labels(ts, timeframe)
    return BarTimes(ts, timeframe, zone, notes)


def _moments(
    times: Times, options: ReadOptions, keeper: Gatekeeper
) -> tuple[IntArray, str, tuple[str, ...]]:
    if times.stated:
        note = "the zone option is not used: the times carry their own"
        notes = (note,) if options.zone not in {None, "UTC"} else ()
        return times.written - times.offset, "stated by the times themselves", notes
    if options.zone is not None:
        zone, shown, notes = check_zone(options.zone), f"{options.zone}, as given", ()
    else:
        zone = options.market.zone
        shown = f"{zone}, the market's own"
        notes = (f"the times carry no zone and were read as {zone}, the market's own",)
    ts, ambiguous, nonexistent = to_utc(times.written, zone)

    def local(row: int) -> str:
        return str(np.datetime64(int(times.written[row]), "us").astype("datetime64[s]"))

    keeper.reject(
        np.flatnonzero(nonexistent),
        "nonexistent_time",
        lambda row: f"{local(row)} was skipped by the clocks of {zone}",
    )
    keeper.reject(
        np.flatnonzero(ambiguous),
        "ambiguous_time",
        lambda row: f"{local(row)} occurred twice in {zone}",
    )
    if not keeper.alive.any():
        raise keeper.refusal(f"{len(keeper.lines):,}")
    return ts, shown, notes


def _reject_off_grid(ts: IntArray, keeper: Gatekeeper) -> None:
    within = ts % US_PER_MINUTE
    known, counts = np.unique(within[keeper.alive], return_counts=True)
    if len(known) == 1:
        return
    common = known[counts.argmax()]
    if 2 * counts.max() <= counts.sum():
        raise DataProblem(
            "the rows do not open at the same second of their minutes",
            expected="bars on a grid of minutes",
            hint="these may be trades or ticks; build bars from them first",
        )
    keeper.reject(
        np.flatnonzero(within != common),
        "bad_time",
        lambda row: (
            f"opens {within[row] / 1e6:g} seconds into its minute, the others {common / 1e6:g}"
        ),
    )
