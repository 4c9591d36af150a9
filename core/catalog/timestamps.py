"""From times as written to moments, bending nothing: an impossible date is a rejected row.

Whether 03/04 is the third of April or the fourth of March is decided by rows that can only be one
of them. Without such rows, or with rows of both kinds, the caller must say.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import polars as pl

from core.catalog.columns import BoolArray
from core.catalog.numbers import MISSING
from core.catalog.time_notation import (
    AHEAD,
    COLON,
    FOUR_DIGITS,
    HOUR_ONLY,
    SIX_DIGITS,
    Written,
    take_apart,
)
from core.domain.bars import US_PER_DAY, Int32Array, IntArray
from core.errors import DataProblem, InvalidInput

DateOrder = Literal["auto", "dmy", "mdy", "ymd"]
KnownOrder = Literal["dmy", "mdy", "ymd"]

FIRST_YEAR: Final = 1900
LAST_YEAR: Final = 2100

_Ints = IntArray | Int32Array
_PIVOT: Final = 69
"""Years of two digits from here on are of the last century, as in POSIX."""
_EPOCH_NS: Final = {10: 10**9, 13: 10**6, 16: 10**3, 19: 1}
_SHOWN: Final = 60


@dataclass(frozen=True, slots=True)
class Times:
    """Times of all rows.

    Attributes:
        written: What the source's clock shows, microseconds since 1970; 0 for problems.
        offset: That clock minus UTC, as far as the stamps themselves say it, else 0.
        problems: Rows without a time in the file's notation, with what was found.
        stated: The stamps say their zone themselves: by an offset, or by being epochs.
        dates_only: Every stamp is midnight, so it names a date.
        has_clock: A time of day is written beside the date.
        notation: For people.
    """

    written: IntArray
    offset: IntArray
    problems: dict[int, str]
    stated: bool
    dates_only: bool
    has_clock: bool
    notation: str


def read_times(text: pl.Series, date_order: DateOrder = "auto") -> Times:
    """Read a column of stripped texts, date and time of day joined by a blank.

    Raises:
        DataProblem: no notation fits most rows, or day and month cannot be told apart.
        InvalidInput: `date_order` contradicts the file.
    """
    stamps = take_apart(text)
    if stamps.notation.family == "epoch":
        return _epochs(stamps, text)
    order = _order(stamps, text, date_order)
    days, dated = _days(stamps, order)
    clock, clocked = _clock(stamps)
    offset, zoned = _offsets(stamps)
    good = stamps.fits & dated & clocked & zoned
    written = np.where(good, days * US_PER_DAY + clock, 0)
    notation = stamps.notation.describe(order)
    return Times(
        written=written,
        offset=np.where(good, offset, 0),
        problems=_problems(text, good, notation),
        stated=stamps.notation.zone,
        dates_only=_midnights(written[good]),
        has_clock=stamps.notation.clock > 0,
        notation=notation,
    )


def _epochs(stamps: Written, text: pl.Series) -> Times:
    unit = _EPOCH_NS[stamps.notation.digits]
    count = stamps.parts["e"].astype(np.int64)
    if unit >= 1_000:  # noqa: PLR2004 - nanoseconds in a microsecond
        written, whole = count * (unit // 1_000), np.ones(len(count), dtype=np.bool_)
    else:
        written, whole = count // 1_000, count % 1_000 == 0
    year = written.astype("datetime64[us]").astype("datetime64[Y]").astype(np.int64) + 1970
    good = stamps.fits & whole & (year >= FIRST_YEAR) & (year <= LAST_YEAR)
    written = np.where(good, written, 0)
    notation = stamps.notation.describe(None)
    return Times(
        written=written,
        offset=np.zeros(len(written), dtype=np.int64),
        problems=_problems(text, good, notation),
        stated=True,
        dates_only=_midnights(written[good]),
        has_clock=True,
        notation=notation,
    )


def _midnights(written: IntArray) -> bool:
    return bool(len(written)) and not bool(np.any(written % US_PER_DAY))


def _problems(text: pl.Series, good: BoolArray, notation: str) -> dict[int, str]:
    problems = {}
    for row in np.flatnonzero(~good):
        cell = text[int(row)]
        if cell.lower() in MISSING:
            problems[int(row)] = "no time"
        else:
            problems[int(row)] = f"{cell[:_SHOWN]!r} is no time written as {notation}"
    return problems


# Day and month --------------------------------------------------------------------------------


def _order(stamps: Written, text: pl.Series, declared: DateOrder) -> KnownOrder | None:
    """Decide the order of day, month and year where the notation leaves it open."""
    family = stamps.notation.family
    if family in {"ymd", "compact", "packed"}:
        if declared not in {"auto", "ymd"}:
            raise _contradicts(declared, text, stamps.fits)
        _refuse_day_before_month(stamps)
        return None
    if family == "xxx":
        if declared == "auto":
            raise DataProblem(
                f"dates such as {_example(text, stamps.fits)} may be read in several ways",
                expected="years of four digits, or to be told the order",
                hint="import again with date_order dmy, mdy or ymd",
                field="date_order",
            )
        return declared
    if family != "xxy":
        return None
    if declared == "ymd":
        raise _contradicts(declared, text, stamps.fits)
    day_first = stamps.fits & (stamps.parts["a"] > 12) & (stamps.parts["b"] <= 12)  # noqa: PLR2004
    month_first = stamps.fits & (stamps.parts["b"] > 12) & (stamps.parts["a"] <= 12)  # noqa: PLR2004
    if declared == "auto":
        return _decided(text, day_first, month_first, stamps.fits)
    against = month_first if declared == "dmy" else day_first
    if _too_many(against, stamps.fits):
        raise _contradicts(declared, text, against)
    return declared


def _decided(
    text: pl.Series, day_first: BoolArray, month_first: BoolArray, fits: BoolArray
) -> KnownOrder:
    if day_first.any() and month_first.any():
        raise DataProblem(
            f"{_example(text, day_first)} has its day first, "
            f"{_example(text, month_first)} its month first",
            expected="one order of day and month in a file",
            hint="if one of them is a slip, import again with date_order dmy or mdy",
            field="date_order",
        )
    if not day_first.any() and not month_first.any():
        raise DataProblem(
            f"dates such as {_example(text, fits)} may have their day or their month first, "
            "and no row decides it",
            expected="a row whose day is above 12",
            hint="import again with date_order dmy or mdy",
            field="date_order",
        )
    return "dmy" if day_first.any() else "mdy"


def _refuse_day_before_month(stamps: Written) -> None:
    month, day = stamps.parts["m"], stamps.parts["d"]
    swapped = stamps.fits & (month > 12) & (month <= 31) & (day <= 12)  # noqa: PLR2004
    if _too_many(swapped, stamps.fits):
        raise DataProblem(
            f"{int(swapped.sum())} dates have a month above 12: they seem to be written year, "
            "day, month",
            expected="year, month, day",
        )


def _too_many(rows: BoolArray, of: BoolArray) -> bool:
    # One slip is a rejected row; more than a slip and 1% say that the order itself is wrong.
    return int(rows.sum()) > 1 + int(of.sum()) // 100


def _contradicts(declared: DateOrder, text: pl.Series, rows: BoolArray) -> InvalidInput:
    return InvalidInput(
        f"date_order is {declared}, but the file has dates such as {_example(text, rows)}",
        expected="an order that fits the file",
        field="date_order",
    )


def _example(text: pl.Series, rows: BoolArray) -> str:
    return repr(text[int(np.flatnonzero(rows)[0])][:_SHOWN])


# Arithmetic -----------------------------------------------------------------------------------


def _days(stamps: Written, order: KnownOrder | None) -> tuple[IntArray, BoolArray]:
    """Days since 1970, and whether there is such a day."""
    year, month, day = _year_month_day(stamps, order)
    valid = (year >= FIRST_YEAR) & (year <= LAST_YEAR) & (month >= 1) & (month <= 12) & (day >= 1)  # noqa: PLR2004
    months = np.where(valid, (year - 1970) * 12 + month - 1, 0).astype(np.int64)
    first, following = (
        (months + step).astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)
        for step in (0, 1)
    )
    days: IntArray = first + day - 1
    return days, valid & (days < following)


def _year_month_day(stamps: Written, order: KnownOrder | None) -> tuple[_Ints, _Ints, _Ints]:
    parts = stamps.parts
    if stamps.notation.family == "xxx":
        a, b, c = parts["a"], parts["b"], parts["w"]
        year, month, day = {"ymd": (a, b, c), "dmy": (c, b, a), "mdy": (c, a, b)}[order or ""]
        return _century(year), month, day
    if stamps.notation.family == "xxy":
        a, b = parts["a"], parts["b"]
        return (parts["y"], b, a) if order == "dmy" else (parts["y"], a, b)
    year = _century(parts["w"]) if stamps.notation.short_year else parts["y"]
    return year, parts["n"] if "n" in parts else parts["m"], parts["d"]


def _century(short: _Ints) -> _Ints:
    return np.where(short >= _PIVOT, 1900 + short, 2000 + short)


def _clock(stamps: Written) -> tuple[IntArray, BoolArray]:
    """Microseconds since midnight, and whether there is such a time."""
    hour, minute, second, fraction = _hour_minute_second(stamps)
    if stamps.notation.half_days:
        valid = (hour >= 1) & (hour <= 12)  # noqa: PLR2004
        hour = hour % 12 + 12 * stamps.parts["p"]
    else:
        valid = (hour >= 0) & (hour <= 23)  # noqa: PLR2004
    valid &= (minute < 60) & (second < 60) & (fraction % 1_000 == 0)  # noqa: PLR2004
    seconds = ((hour * 60 + minute) * 60 + second).astype(np.int64)
    return seconds * 1_000_000 + fraction // 1_000, valid


def _hour_minute_second(stamps: Written) -> tuple[_Ints, _Ints, _Ints, _Ints]:
    parts, kind = stamps.parts, stamps.notation.clock
    none = np.zeros(len(stamps.fits), dtype=np.int32)
    if kind == COLON:
        second, fraction = (np.maximum(parts.get(name, none), 0) for name in ("S", "f"))
        return parts["H"], parts["M"], second, fraction
    if kind == FOUR_DIGITS:
        return parts["c"] // 100, parts["c"] % 100, none, none
    if kind == SIX_DIGITS:
        return parts["c"] // 10_000, parts["c"] // 100 % 100, parts["c"] % 100, none
    if kind == HOUR_ONLY:
        return parts["h"], none, none, none
    return none, none, none, none


def _offsets(stamps: Written) -> tuple[IntArray, BoolArray]:
    """Microseconds the stamp is ahead of UTC, and whether there is such an offset."""
    rows = len(stamps.fits)
    if not stamps.notation.zone:
        return np.zeros(rows, dtype=np.int64), np.ones(rows, dtype=np.bool_)
    ahead = stamps.parts["z"].astype(np.int64)
    return (ahead - AHEAD) * 60_000_000, ahead > 0
