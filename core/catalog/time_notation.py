"""How times may be written, and which notation the times of a file are written in.

A notation is a family (year first, day or month first, month by name, epoch…), the separator of
its date, and whether a time of day, AM or PM, and a zone follow. Seconds and their fractions may
come and go. The notation of most rows is the notation of the file; rows in another one are none.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple, cast

import numpy as np
import polars as pl

from core.catalog.columns import BoolArray
from core.catalog.numbers import MISSING
from core.domain.bars import Int32Array, IntArray
from core.errors import DataProblem

_TIME: Final = (
    r"(?:(?:[ T]+|, ?)"
    r"(?:(?P<H>[0-9]{1,2}):(?P<M>[0-9]{2})(?::(?P<S>[0-9]{2})(?:[.,](?P<f>[0-9]{1,9}))?)?"
    r"|(?P<c>[0-9]{6}|[0-9]{4})|(?P<h>[0-9]{1,2}))"
    r"(?:[ -]?(?P<p>[AaPp])\.?[Mm]\.?)?)?"
)
_ZONE: Final = r"(?: ?(?P<z>[Zz]|(?:UTC|GMT)?[+-][0-9]{2}(?::?[0-9]{2})?|UTC|GMT))?"
_DATES: Final = {
    "ymd": r"(?P<y>[0-9]{4})(?P<s>[-/.])(?P<m>[0-9]{1,2})(?P<s2>[-/.])(?P<d>[0-9]{1,2})",
    "compact": r"(?P<y>[0-9]{4})(?P<m>[0-9]{2})(?P<d>[0-9]{2})",
    "xxy": r"(?P<a>[0-9]{1,2})(?P<s>[-/.])(?P<b>[0-9]{1,2})(?P<s2>[-/.])(?P<y>[0-9]{4})",
    "xxx": r"(?P<a>[0-9]{1,2})(?P<s>[-/.])(?P<b>[0-9]{1,2})(?P<s2>[-/.])(?P<w>[0-9]{2})",
    "dny": r"(?P<d>[0-9]{1,2})(?P<s>[- ])(?P<n>[A-Za-z]{3,9})(?P<s2>[- ])"
    r"(?:(?P<y>[0-9]{4})|(?P<w>[0-9]{2}))",
    "ndy": r"(?P<n>[A-Za-z]{3,9})\.? (?P<d>[0-9]{1,2}),? (?P<y>[0-9]{4})",
}
_PATTERNS: Final = {name: f"^{date}{_TIME}{_ZONE}$" for name, date in _DATES.items()} | {
    "packed": "^(?P<y>19[0-9]{2}|20[0-9]{2})(?P<m>[0-9]{2})(?P<d>[0-9]{2})"
    "(?P<H>[0-9]{2})(?P<M>[0-9]{2})(?P<S>[0-9]{2})?$",
    "epoch": r"^(?P<e>[0-9]{9,10}|[0-9]{12,13}|[0-9]{15,16}|[0-9]{18,19})(?:\.0*)?$",
}
_FAMILY_NAMES: Final = {
    "ymd": "YYYY{s}MM{s}DD",
    "compact": "YYYYMMDD",
    "dny": "DD{s}Mon{s}Y",
    "ndy": "Mon DD, YYYY",
    "packed": "YYYYMMDDHHMM[SS]",
    "epoch": "epoch",
}
_ORDER_NAMES: Final = {
    "dmy": "DD{s}MM{s}Y",
    "mdy": "MM{s}DD{s}Y",
    "ymd": "YY{s}MM{s}DD",
}
_CLOCKS: Final = ("", " HH:MM[:SS]", " HHMM", " HHMMSS", " HH")
_EPOCHS: Final = {10: "seconds", 13: "milliseconds", 16: "microseconds", 19: "nanoseconds"}
_SEPARATORS: Final = "-/. "
_MONTH_NAMES: Final = (
    *("january", "february", "march", "april", "may", "june", "july"),
    *("august", "september", "october", "november", "december"),
)
_MONTHS: Final = (
    {name: number for number, name in enumerate(_MONTH_NAMES, 1)}
    | {name[:3]: number for number, name in enumerate(_MONTH_NAMES, 1)}
    | {"sept": 9}
)
_SAMPLE: Final = 1_000

BLOCK: Final = 250_000
"""Rows whose parts are held as text at the same time."""

AHEAD: Final = 10_000
"""Added to the minutes of an offset, so that none of them is negative."""

COLON, FOUR_DIGITS, SIX_DIGITS, HOUR_ONLY = 1, 2, 3, 4
"""Kinds of time of day; 0 is none."""


class Notation(NamedTuple):
    """One way to write a time."""

    family: str
    separator: str
    clock: int
    half_days: bool
    zone: bool
    short_year: bool
    digits: int

    def describe(self, order: str | None) -> str:
        """Write the notation for people: `YYYY-MM-DD HH:MM[:SS] zone`.

        Args:
            order: Of day, month and year where the notation leaves it open.
        """
        if self.digits:
            return f"epoch {_EPOCHS[self.digits]}"
        name = _ORDER_NAMES[order] if order else _FAMILY_NAMES[self.family]
        if name.endswith("Y") and not name.endswith("YYYY"):
            name = name[:-1] + ("YY" if self.short_year else "YYYY")
        clock = "" if self.family == "packed" else _CLOCKS[self.clock]
        date = name.replace("{s}", self.separator)
        return f"{date}{clock}{' AM/PM' * self.half_days}{' zone' * self.zone}"


class Written(NamedTuple):
    """Times taken apart.

    Attributes:
        notation: Of the file.
        fits: Rows in that notation.
        parts: Name of a part to its number per row, -1 where it is absent: `y m d` of the date or
            `a b` where their order is open, `w` a year of two digits, `n` a month by name (0 if
            there is none of that name), `H M S` of the clock, `f` nanoseconds, `c` a clock in
            digits, `h` an hour alone, `p` 0 for AM and 1 for PM, `z` minutes ahead of UTC plus
            `AHEAD` (0 if no zone is that far), `e` an epoch.
    """

    notation: Notation
    fits: BoolArray
    parts: dict[str, IntArray | Int32Array]


def take_apart(text: pl.Series) -> Written:
    """Find the notation of a column of stripped texts and take every row apart by it.

    Raises:
        DataProblem: no notation fits, or no single one fits most rows.
    """
    family = _family(text)
    parts = _parts(text, _PATTERNS[family])
    keys = _keys(text, parts)
    known, counts = np.unique(keys[keys >= 0], return_counts=True)
    if not len(known):
        raise _no_times(text)
    best = known[counts.argmax()]
    if len(known) > 1 and 2 * counts.max() <= counts.sum():
        lines = [text[int(np.flatnonzero(keys == key)[0])] for key in known[:3]]
        raise DataProblem(
            f"times are written in several ways, such as {', '.join(map(repr, lines))}",
            expected="one notation for the whole file",
        )
    return Written(_notation(family, int(best)), keys == best, parts)


def _parts(text: pl.Series, pattern: str) -> dict[str, IntArray | Int32Array]:
    found: dict[str, list[IntArray | Int32Array]] = {}
    # As text the parts of a row take ten times the room of their numbers.
    for block in text.to_frame().iter_slices(BLOCK):
        groups = block.to_series().str.extract_groups(pattern).struct.unnest()
        for name in groups.columns:
            found.setdefault(name, []).append(_numbers(name, groups[name]))
    return {
        name: cast("IntArray | Int32Array", np.concatenate(blocks))
        for name, blocks in found.items()
    }


def _numbers(name: str, text: pl.Series) -> IntArray | Int32Array:
    if name in _WORDS:
        known = {word: _WORDS[name](word) for word in text.drop_nulls().unique().to_list()}
        numbers = text.replace_strict(known, default=None, return_dtype=pl.Int32)
    elif name == "f":
        numbers = text.str.pad_end(9, "0").cast(pl.Int32)
    else:
        numbers = text.cast(pl.Int64 if name == "e" else pl.Int32, strict=False)
    return numbers.fill_null(-1).to_numpy()


def _offset(text: str) -> int:
    digits = text.upper().removeprefix("UTC").removeprefix("GMT").replace(":", "")
    if digits in {"", "Z"}:
        return AHEAD
    hours, minutes = int(digits[1:3]), int(digits[3:] or 0)
    if hours > 14 or minutes > 59:  # noqa: PLR2004 - the largest offset there is, and an hour
        return 0
    return AHEAD + (hours * 60 + minutes) * (-1 if digits[0] == "-" else 1)


_WORDS: Final = {
    "s": _SEPARATORS.index,
    "s2": _SEPARATORS.index,
    "n": lambda name: _MONTHS.get(name.lower(), 0),
    "p": lambda half: int(half.lower() == "p"),
    "z": _offset,
}


def _family(text: pl.Series) -> str:
    filled = text.filter(~text.str.to_lowercase().is_in(MISSING))
    sample = filled.head(_SAMPLE)
    found = {name: _matches(sample, pattern) for name, pattern in _PATTERNS.items()}
    best = max(found, key=found.__getitem__)
    if found[best] < len(sample) or _matches(filled, _PATTERNS[best]) < len(filled):
        found = {name: _matches(filled, pattern) for name, pattern in _PATTERNS.items()}
        best = max(found, key=found.__getitem__)
    if not found[best]:
        raise _no_times(text)
    return best


def _matches(text: pl.Series, pattern: str) -> int:
    return int(text.str.contains(pattern).sum())


def _no_times(text: pl.Series) -> DataProblem:
    filled = text.filter(text != "")
    shown = f"such as {filled[0][:60]!r}" if len(filled) else "all are blank"
    return DataProblem(
        f"the times cannot be read, {shown}",
        expected="ISO 8601, DD.MM.YYYY, MM/DD/YYYY, 31-Dec-10, Aug 17, 2023, YYYYMMDD or epochs",
    )


def _keys(text: pl.Series, parts: Mapping[str, IntArray | Int32Array]) -> IntArray:
    """Number the notation of each row, -1 for rows in none."""
    rows = len(text)
    if "e" in parts:
        digits = text.str.extract(r"^([0-9]+)").str.len_bytes().fill_null(0).to_numpy()
        return _epoch_keys(parts["e"], digits.astype(np.int64))
    key = np.zeros(rows, dtype=np.int64)
    good = next(iter(parts.values())) >= 0
    if "s" in parts:
        good &= parts["s"] == parts["s2"]
        key += parts["s"]
    clock = np.zeros(rows, dtype=np.int64)
    clock[parts["H"] >= 0] = COLON
    if "c" in parts:
        width = _digits_of_clock(text)
        clock[(parts["c"] >= 0) & (width == 4)] = FOUR_DIGITS  # noqa: PLR2004
        clock[(parts["c"] >= 0) & (width == 6)] = SIX_DIGITS  # noqa: PLR2004
        clock[parts["h"] >= 0] = HOUR_ONLY
        half = parts["p"] >= 0
        good &= (half | (clock != HOUR_ONLY)) & ~(half & (clock > COLON) & (clock < HOUR_ONLY))
        key += 100 * half + 1_000 * (parts["z"] >= 0)
    key += 10 * clock
    if "w" in parts:
        key += 10_000 * (parts["w"] >= 0)
    return np.where(good, key, -1)


def _epoch_keys(count: IntArray | Int32Array, digits: IntArray) -> IntArray:
    classes = -(-(digits - 1) // 3) * 3 + 1  # 9 and 10 digits are seconds
    keys = np.where(count >= 0, classes * 100_000, -1)
    for unit in _EPOCHS:
        wide = (keys == unit * 100_000) & (digits == unit)
        narrow = (keys == unit * 100_000) & (digits == unit - 1)
        if wide.any() and narrow.any():
            # September 2001 made one digit more. A file may run across it, but a stamp far from
            # it that is one digit short has lost that digit.
            month = 31 * 86_400 * 10 ** (unit - 10)
            if count[wide].min() - count[narrow].max() > month:
                keys[narrow] = -1
    return keys


def _digits_of_clock(text: pl.Series) -> IntArray:
    run = text.str.extract(r"[ T,]([0-9]{6}|[0-9]{4})(?: ?[A-Za-z+-].*)?$")
    return run.str.len_bytes().fill_null(0).to_numpy().astype(np.int64)


def _notation(family: str, key: int) -> Notation:
    return Notation(
        family=family,
        separator=_SEPARATORS[key % 10],
        clock=key // 10 % 10,
        half_days=bool(key // 100 % 10),
        zone=bool(key // 1_000 % 10),
        short_year=bool(key // 10_000 % 10),
        digits=key // 100_000,
    )
