"""Longer bars from shorter ones: open first, high max, low min, close last, volume summed.

Markets with sessions: intraday buckets are counted from the session's opening, so the first bar of
a New York day starts 09:30 and the last one may be short. Bars before the opening are counted back
from it, bars after the close forward from the close; no bucket crosses either. A day is made of
the bars of its regular session, or of all its bars if it has none there (an evening session).

Markets without sessions: intraday buckets are counted from 1970 UTC, a day is a session date. Where
the date rolls at another hour than midnight (spot FX: 17:00 New York), buckets are counted from the
roll; none crosses it, so the last one of a date may be short when clocks change.

Dividends of a bucket are added. Funding is too, from after the opening of one bucket up to that of
the next, which it belongs to. A split within one counts from its opening: what comes before it in
the bucket is put on the terms after it, so that a bar never mixes both.

Weeks are ISO weeks and months calendar months of session dates, labelled by their first day. A sum
with an unknown part is unknown: one missing volume makes the volume of its bucket missing.
"""

from __future__ import annotations

import numpy as np

from core.catalog.columns import BoolArray, Columns
from core.catalog.sessions import local_clock, midnights, regular_hours
from core.domain.bars import US_PER_DAY, FloatArray, Int32Array, IntArray
from core.domain.market import Market
from core.domain.timeframe import Timeframe

_MONDAY = 3
"""1970-01-01 was a Thursday, three days after a Monday."""


def can_build(source: Timeframe, target: Timeframe) -> bool:
    """Whether bars of one length can be put together from bars of another."""
    if source is target:
        return True
    if target.is_intraday:
        step, length = source.seconds, target.seconds
        return source.is_intraday and bool(step and length and length % step == 0)
    if target is Timeframe.D1:
        return source.is_intraday
    return source.is_intraday or source is Timeframe.D1


def aggregate(rows: Columns, source: Timeframe, target: Timeframe, market: Market) -> Columns:
    """Build bars of length `target` from rows in time order of length `source`."""
    if source is target or not len(rows.ts):
        return rows
    if target.is_intraday:
        return _reduce(rows, _intraday_labels(rows.ts, source, target, market))
    if source.is_intraday:
        rows = _days(rows, source, market)
    return rows if target is Timeframe.D1 else _reduce(rows, calendar_labels(rows.ts, target))


def labels_of(
    ts: IntArray, source: Timeframe, target: Timeframe, market: Market
) -> tuple[IntArray, BoolArray]:
    """Say in which bar of length `target` each bar of length `source` lies, by its label.

    Returns:
        Labels, and whether the bar would be part of it: what is outside the regular session is no
        part of a day, unless there is nothing else.
    """
    if target.is_intraday:
        return _intraday_labels(ts, source, target, market), np.ones(len(ts), dtype=np.bool_)
    kept = np.ones(len(ts), dtype=np.bool_)
    if source.is_intraday:
        session, kept = _sessions(ts, source, market)
        ts = session.astype(np.int64) * US_PER_DAY
    return (ts if target is Timeframe.D1 else calendar_labels(ts, target)), kept


def calendar_labels(ts: IntArray, target: Timeframe) -> IntArray:
    """First moment (UTC) of the ISO week or calendar month each date lies in."""
    days = ts // US_PER_DAY
    if target is Timeframe.W1:
        return (days - (days + _MONDAY) % 7) * US_PER_DAY
    months = days.astype("datetime64[D]").astype("datetime64[M]")
    return months.astype("datetime64[D]").astype(np.int64) * US_PER_DAY


def in_regular_session(ts: IntArray, source: Timeframe, market: Market) -> BoolArray:
    """Whether each intraday bar shares time with the regular session of its date."""
    session, _ = local_clock(ts, market)
    hours = regular_hours(session, market)
    if hours is None:
        return np.ones(len(ts), dtype=np.bool_)
    begins, ends = hours
    # An hourly bar of 09:00 holds 09:30-10:00: it counts by its end, not by its label.
    return (ts + _length(source) > begins) & (ts < ends)


def _sessions(ts: IntArray, source: Timeframe, market: Market) -> tuple[Int32Array, BoolArray]:
    """Session of each bar, and whether its day is made of it."""
    session, _ = local_clock(ts, market)
    regular = in_regular_session(ts, source, market)
    starts = _starts(session)
    has_regular = np.logical_or.reduceat(regular, starts)
    return session, regular | ~np.repeat(has_regular, np.diff(starts, append=len(session)))


def _days(rows: Columns, source: Timeframe, market: Market) -> Columns:
    session, kept = _sessions(rows.ts, source, market)
    rows = _actions_kept(rows, kept)
    return _reduce(rows.take(kept), session[kept].astype(np.int64) * US_PER_DAY)


def _actions_kept(rows: Columns, kept: BoolArray) -> Columns:
    """Move what happens on rows left out to the next row that is kept."""
    if not rows.acted:
        return rows
    dividend, split = rows.action("dividend").copy(), rows.action("split").copy()
    funding = rows.action("funding").copy()
    places = np.flatnonzero(kept)
    for row in np.flatnonzero(~kept & ((dividend != 0.0) | (split != 1.0) | (funding != 0.0))):
        at = int(np.searchsorted(places, row))
        if at < len(places):
            # A split after a dividend divides it.
            dividend[places[at]] += dividend[row] / split[places[at]]
            split[places[at]] *= split[row]
            funding[places[at]] += funding[row]
    return rows._replace(dividend=dividend, split=split, funding=funding)


def _intraday_labels(
    ts: IntArray, source: Timeframe, target: Timeframe, market: Market
) -> IntArray:
    length = _length(target)
    session, _ = local_clock(ts, market)
    hours = regular_hours(session, market)
    if hours is None and market.roll_hours:
        start = midnights(session, market)
        return start + (ts - start) // length * length
    if hours is None:
        return ts // length * length
    begins, ends = hours
    # A bar that reaches into the session belongs to its first bucket.
    moment = np.where((ts < begins) & (ts + _length(source) > begins), begins, ts)
    anchor = np.where(moment < ends, begins, ends)
    labels: IntArray = np.maximum(
        anchor + (moment - anchor) // length * length, midnights(session, market)
    )
    return labels


def _length(timeframe: Timeframe) -> int:
    return (timeframe.seconds or 0) * 1_000_000


def _starts(labels: IntArray | Int32Array) -> IntArray:
    return np.concatenate(([0], np.flatnonzero(np.diff(labels)) + 1))


def _reduce(rows: Columns, labels: IntArray) -> Columns:
    starts = _starts(labels)
    last = np.concatenate((starts[1:], [len(labels)])) - 1
    dividend = split = funding = None
    if "funding" in rows.acted:
        paid = rows.action("funding")
        funding = paid[starts]
        funding[1:] += np.add.reduceat(paid, starts)[:-1] - paid[starts[:-1]]
    if rows.acted:
        ratios = rows.action("split")
        terms = np.multiply.accumulate(ratios)
        later = np.repeat(terms[last], last - starts + 1) / terms
        split = np.multiply.reduceat(ratios, starts)
        dividend = np.add.reduceat(rows.action("dividend") / later, starts)
        rows = _divided(rows, later)
    return Columns(
        ts=labels[starts],
        open=rows.open[starts],
        high=np.maximum.reduceat(rows.high, starts),
        low=np.minimum.reduceat(rows.low, starts),
        close=rows.close[last],
        volume=np.add.reduceat(rows.volume, starts),
        dividend=dividend,
        split=split,
        funding=funding,
    )


def _divided(rows: Columns, factor: FloatArray) -> Columns:
    prices = {name: getattr(rows, name) / factor for name in ("open", "high", "low", "close")}
    return rows._replace(**prices, volume=rows.volume * factor)
