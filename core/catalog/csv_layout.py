"""How a file of bars is laid out: delimiter, header line, and which column is which.

A header is believed, never guessed: it must name a time and open, high, low and close in words
known here or given by the caller. Without a header only two layouts are taken for what they are:
the twelve columns of exchange klines, and a time followed by open, high, low, close and perhaps
volume, the latter only if no row of the file contradicts it (`assumed`).
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import polars as pl

from core.catalog.column_names import (
    NUMBER,
    PRICES,
    SYMBOL_NAMES,
    TRADE_NAMES,
    check_roles,
    find_roles,
    is_complete,
    looks_like_header,
    normal_name,
    refuse_unknown,
)
from core.catalog.numbers import MISSING
from core.errors import DataProblem, InvalidInput

MAX_COLUMNS: Final = 200
DELIMITERS: Final = (",", ";", "\t", "|")

_HEADER_WITHIN: Final = 40
_SAMPLE: Final = 200
_KLINE_COLUMNS: Final = 12
_CLOCK: Final = re.compile(r"[0-9]{1,2}:[0-9]{2}(:[0-9]{2}(\.[0-9]+)?)?( ?[AaPp][Mm])?", re.ASCII)
_DIGIT_CLOCK: Final = re.compile(r"[0-9]{4}|[0-9]{6}", re.ASCII)
_DATE: Final = re.compile(
    r"[0-9]{8}|[0-9]{1,4}[-/.][0-9]{1,2}[-/.][0-9]{1,4}|[0-9]{1,2}[- ][A-Za-z]{3,9}[- ][0-9]{2,4}",
    re.ASCII,
)
_STAMP: Final = re.compile(rf"[0-9]{{9,19}}|(?:{_DATE.pattern})[T ].+|{_DATE.pattern}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Layout:
    """How to read the lines of a file.

    Attributes:
        delimiter: Between cells.
        header: Line number of the header, 0 if there is none.
        names: Of the columns, in order; `#1`, `#2`… without a header.
        roles: Role to column index.
        assumed: The order of columns was assumed, not stated.
        notes: Choices worth telling the caller.
    """

    delimiter: str
    header: int
    names: tuple[str, ...]
    roles: Mapping[str, int]
    assumed: bool = False
    notes: tuple[str, ...] = ()

    @property
    def symbol_column(self) -> int | None:
        """Index of a column that names the instrument, if there is one."""
        for index, name in enumerate(self.names):
            if normal_name(name) in SYMBOL_NAMES and index not in self.roles.values():
                return index
        return None


def split_line(line: str, delimiter: str) -> list[str] | None:
    """Split one line into stripped cells; None if its quotes do not close in it."""
    if '"' not in line:
        return [cell.strip(" \t") for cell in line.split(delimiter)]
    try:
        cells = next(csv.reader([line], delimiter=delimiter, skipinitialspace=True, strict=True))
    except csv.Error:
        return None
    return [cell.strip(" \t") for cell in cells]


def detect_layout(lines: pl.Series, columns: Mapping[str, str] | None) -> Layout:
    """Find out how a file is laid out.

    Args:
        lines: All lines of the file.
        columns: Role to column name as the caller states it, for some or all roles; in a file
            without a header the name is the column's number, `1` for the first.

    Raises:
        InvalidInput: `columns` names what is not there.
        DataProblem: the file has no layout of bars.
    """
    check_roles(columns or {})
    first = [(number, line) for number, line in enumerate(lines.head(_SAMPLE), 1) if line.strip()]
    best: tuple[int, list[str], dict[str, int]] | None = None
    for number, line in first[:_HEADER_WITHIN]:
        for delimiter in DELIMITERS:
            cells = split_line(line, delimiter)
            if cells is None or len(cells) == 1:
                continue
            if len(cells) > MAX_COLUMNS:
                raise DataProblem(
                    f"line {number} has {len(cells):,} columns", expected=f"at most {MAX_COLUMNS}"
                )
            roles, notes = find_roles(cells, columns or {})
            if is_complete(roles):
                refuse_unknown(cells, columns or {})
                return _split_time(
                    Layout(delimiter, number, tuple(cells), roles, notes=notes), lines
                )
            if looks_like_header(cells) and (best is None or len(roles) > len(best[2])):
                best = (number, cells, roles)
    if best is not None and best[2]:
        refuse_unknown(best[1], columns or {})
        raise _incomplete(*best)
    _refuse_trades_header(first)
    return _headerless([line for _, line in first], columns)


def _incomplete(number: int, cells: list[str], roles: Mapping[str, int]) -> DataProblem:
    plain = {normal_name(cell) for cell in cells}
    missing = [role for role in PRICES if role not in roles]
    if plain & TRADE_NAMES and len(missing) >= len(PRICES) - 1:
        return _trades(f"line {number} names {', '.join(cells[:8])}")
    if not ("timestamp" in roles or {"date", "time"} <= roles.keys()):
        missing.insert(0, "time")
    return DataProblem(
        f"line {number} looks like the header ({', '.join(cells[:12])}), "
        f"but names no column for {' and '.join(missing)}",
        expected="columns for time, open, high, low and close, and volume if there is one",
        hint="say which column is which with the columns option, such as open=Bid Open",
        field="columns",
    )


def _trades(found: str) -> DataProblem:
    return DataProblem(
        f"{found}: these are trades, not bars",
        expected="one row per bar with time, open, high, low and close",
        hint="build bars from the trades first",
    )


def _refuse_trades_header(first: Sequence[tuple[int, str]]) -> None:
    for number, line in first[:_HEADER_WITHIN]:
        for delimiter in DELIMITERS:
            cells = split_line(line, delimiter) or []
            names = {normal_name(cell) for cell in cells}
            if "price" in names and names & TRADE_NAMES:
                raise _trades(f"line {number} names {', '.join(cells[:8])}")


def _split_time(layout: Layout, lines: pl.Series) -> Layout:
    """Give a date and a time of day their own names where the header has one name for both."""
    stamp = layout.roles.get("timestamp")
    if stamp is None:
        return layout
    rows = _sample_rows(lines, layout)
    counts = Counter(len(row) for row in rows)
    if not counts or counts.most_common(1)[0][0] != len(layout.names) + 1:
        return layout
    wide = [row for row in rows if len(row) == len(layout.names) + 1]
    if not all(_is_date_then_clock(row[stamp], row[stamp + 1]) for row in wide):
        return layout
    shifted = {
        role: index + 1 if index > stamp else index
        for role, index in layout.roles.items()
        if role != "timestamp"
    }
    names = (*layout.names[: stamp + 1], "(time)", *layout.names[stamp + 1 :])
    note = (
        f"the header has {len(layout.names)} names for {len(names)} columns; "
        f"{layout.names[stamp]} is a date with its time in the next column"
    )
    return replace(
        layout,
        names=names,
        roles={"date": stamp, "time": stamp + 1} | shifted,
        notes=(*layout.notes, note),
    )


def _sample_rows(lines: pl.Series, layout: Layout) -> list[list[str]]:
    sample = lines.slice(layout.header, _SAMPLE)
    rows = (split_line(line, layout.delimiter) for line in sample if line.strip())
    return [row for row in rows if row is not None]


def _is_date_then_clock(date: str, clock: str) -> bool:
    return bool(_DATE.fullmatch(date)) and bool(
        _CLOCK.fullmatch(clock) or _DIGIT_CLOCK.fullmatch(clock)
    )


def _headerless(lines: Sequence[str], columns: Mapping[str, str] | None) -> Layout:
    for delimiter in DELIMITERS:
        rows = [row for line in lines if (row := split_line(line, delimiter)) is not None]
        width, share = _common_width(rows)
        if width < 2 or share < 0.5:  # noqa: PLR2004 - one column is no table; half is no majority
            continue
        row = next(row for row in rows if len(row) == width)
        if not all(_is_value(cell) for cell in row):
            continue
        names = tuple(f"#{index + 1}" for index in range(width))
        if columns:
            return Layout(delimiter, 0, names, _numbered(columns, width))
        return _known_order(delimiter, names, row)
    raise DataProblem(
        f"none of the first {_HEADER_WITHIN} lines is a header of bars; "
        f"line 1 reads {lines[0].strip()[:80]!r}",
        expected="a header naming time, open, high, low and close",
        hint="say which column is which with the columns option",
        field="columns",
    )


def _known_order(delimiter: str, names: tuple[str, ...], row: Sequence[str]) -> Layout:
    width = len(row)
    if width == _KLINE_COLUMNS and _is_kline(row):
        roles = ("timestamp", *PRICES, "volume")
        return Layout(delimiter, 0, names, dict(zip(roles, range(6), strict=True)))
    split = width > len(PRICES) + 1 and _is_date_then_clock(row[0], row[1])
    leading = ("date", "time") if split else ("timestamp",)
    roles = (*leading, *PRICES, "volume")
    if _STAMP.fullmatch(row[0]) and width in (len(roles) - 1, len(roles)):
        taken = dict(zip(roles[:width], range(width), strict=True))
        note = f"no header: columns taken as {', '.join(roles[:width])}"
        return Layout(delimiter, 0, names, taken, assumed=True, notes=(note,))
    if width < len(PRICES) + 1:
        raise _trades(f"the file has no header and {width} columns, such as {', '.join(row)}")
    raise DataProblem(
        f"the file has no header and {width} columns, such as {', '.join(row[:8])}",
        expected="a header naming time, open, high, low and close",
        hint="say which column is which by number: columns timestamp=1, open=2, high=3 …",
        field="columns",
    )


def _is_kline(row: Sequence[str]) -> bool:
    opened, closed = row[0], row[6]
    if not (opened.isdigit() and closed.isdigit() and len(opened) == len(closed) >= 13):  # noqa: PLR2004 - milliseconds
        return False
    return int(opened) < int(closed) and all(NUMBER.fullmatch(cell) for cell in row[1:6])


def _numbered(columns: Mapping[str, str], width: int) -> dict[str, int]:
    roles: dict[str, int] = {}
    for role, number in columns.items():
        plain = number.strip().lstrip("#")
        if not plain.isascii() or not plain.isdigit() or not 1 <= int(plain) <= width:
            raise InvalidInput(
                f"columns says that {role} is {number!r}, but the file has no header",
                expected=f"the number of a column, 1 to {width}",
                field="columns",
            )
        roles[role] = int(plain) - 1
    if not is_complete(roles):
        raise InvalidInput(
            "columns must name time, open, high, low and close of a file without header",
            expected="timestamp, or date and time; open; high; low; close",
            field="columns",
        )
    return roles


def _common_width(rows: Sequence[Sequence[str]]) -> tuple[int, float]:
    counts = Counter(len(row) for row in rows)
    if not counts:
        return 0, 0.0
    width, count = counts.most_common(1)[0]
    return width, count / len(rows)


def _is_value(cell: str) -> bool:
    return (
        cell.lower() in MISSING
        or NUMBER.fullmatch(cell) is not None
        or _STAMP.fullmatch(cell) is not None
        or _CLOCK.fullmatch(cell) is not None
    )
