"""Good files of bars, and ways to damage them that declare beforehand what may come of it.

A mutation is not a plausible changed digit: nobody could tell. It is a change whose right outcome
can be said before anything is imported:

- `EQUAL`: the same bars as the undamaged file, nothing rejected;
- `LISTED`: exactly the bars and the rejected lines, each with its reason, that the slow reader of
  tests/reference finds in the damaged file, and no reason the mutation does not name;
- `REFUSED`: a WorkbenchError.
"""

from __future__ import annotations

import gzip
import io
import random
import re
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from tests.reference.csv_reader import Dialect

EQUAL, LISTED, REFUSED = "equal", "listed", "refused"


@dataclass(frozen=True)
class Base:
    """A good file: header and rows as cells, and how to read it."""

    name: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    dialect: Dialect
    options: dict[str, Any]
    ends: str = "\n"
    quoted: bool = False

    def text(self, rows: Sequence[Sequence[str]] | None = None, *, header: bool = True) -> str:
        lines = [self.line(row) for row in (self.rows if rows is None else rows)]
        if header:
            lines.insert(0, self.line(self.header))
        return "".join(line + self.ends for line in lines)

    def line(self, cells: Sequence[str]) -> str:
        if self.quoted:
            cells = [f'"{cell}"' for cell in cells]
        return self.dialect.delimiter.join(cells)


@dataclass(frozen=True)
class Mutant:
    """A damaged file and what may come of it."""

    data: bytes
    allowed: str
    reasons: frozenset[str] = frozenset()
    name: str = "bars.csv"
    options: dict[str, Any] = field(default_factory=dict)
    encoding: str = "utf-8-sig"


Mutation = Callable[[random.Random, Base], Mutant]
KINDS: dict[str, Mutation] = {}


def kind(mutation: Mutation) -> Mutation:
    KINDS[mutation.__name__] = mutation
    return mutation


# Good files -----------------------------------------------------------------------------------


def prices(rng: random.Random, count: int, digits: int = 2) -> list[list[str]]:
    """Make rows of open, high, low, close, volume that move in every row."""
    rows = []
    close = rng.uniform(80, 120)
    for _ in range(count):
        opened = close * rng.uniform(0.995, 1.005)
        close = opened * rng.choice((0.99, 1.01)) * rng.uniform(0.999, 1.001)
        high = max(opened, close) * 1.004
        low = min(opened, close) * 0.996
        cells = [f"{price:.{digits}f}" for price in (opened, high, low, close)]
        rows.append([*cells, str(rng.randrange(1_000, 90_000))])
    return rows


def daily(rng: random.Random, count: int) -> Base:
    day = date(2021, 1, 4)
    rows = []
    for cells in prices(rng, count):
        rows.append((day.isoformat(), *cells))
        day += timedelta(days=3 if day.weekday() == 4 else 1)
    return Base(
        "daily",
        ("Date", "Open", "High", "Low", "Close", "Volume"),
        tuple(rows),
        Dialect((0,), 1, 2, 3, 4, 5, 6, ("%Y-%m-%d",), dates=True),
        {"market": "XNYS"},
    )


def minutes(rng: random.Random, count: int) -> Base:
    start = datetime(2024, 12, 23, 9, 15)  # noqa: DTZ001 - the offset is written beside it
    rows = tuple(
        ((start + timedelta(minutes=at)).isoformat() + "+05:30", *cells)
        for at, cells in enumerate(prices(rng, count))
    )
    return Base(
        "minutes",
        ("timestamp", "open", "high", "low", "close", "volume"),
        rows,
        Dialect((0,), 1, 2, 3, 4, 5, 6, ("%Y-%m-%dT%H:%M:%S%z",), zone=None),
        {"market": "XNSE"},
        ends="\r\n",
    )


def hourly(rng: random.Random, count: int) -> Base:
    start = datetime(2023, 5, 12, 22, 0)  # noqa: DTZ001
    rows = tuple(
        (f"{start + timedelta(hours=at):%d.%m.%Y %H:%M:%S.000}", *cells)
        for at, cells in enumerate(prices(rng, count, 5))
    )
    return Base(
        "hourly",
        ("Time", "Open", "High", "Low", "Close", "Volume"),
        rows,
        Dialect((0,), 1, 2, 3, 4, 5, 6, ("%d.%m.%Y %H:%M:%S.%f",), delimiter=";", step=3600),
        {"market": "FX", "zone": "UTC"},
    )


def split(rng: random.Random, count: int) -> Base:
    """Date and time apart, month first, on New York's clock, around its change in March."""
    start = datetime(2015, 3, 6, 15, 30, tzinfo=ZoneInfo("America/New_York")).astimezone(UTC)
    stamps = [
        (start + timedelta(minutes=5 * at)).astimezone(ZoneInfo("America/New_York"))
        for at in range(6 * count)
    ]
    market = [stamp for stamp in stamps if stamp.weekday() < 5] or stamps
    chosen = [*market[: count // 2], *_monday(market, count - count // 2)]
    rows = tuple(
        (f"{stamp:%m/%d/%Y}", f"{stamp:%H:%M}", *cells)
        for stamp, cells in zip(chosen, prices(rng, len(chosen)), strict=True)
    )
    return Base(
        "split",
        ("Date", " Time", " Open", " High", " Low", " Close", " Volume"),
        rows,
        Dialect((0, 1), 2, 3, 4, 5, 6, 7, ("%m/%d/%Y %H:%M",), zone="America/New_York", step=300),
        {"market": "XNYS"},
    )


def _monday(stamps: list[datetime], count: int) -> list[datetime]:
    monday = datetime(2015, 3, 16, 9, 30, tzinfo=ZoneInfo("America/New_York"))
    return [monday + timedelta(minutes=5 * at) for at in range(count)]


def epochs(rng: random.Random, count: int) -> Base:
    start = 1_637_971_200_000
    rows = tuple(
        (str(start + 300_000 * at), *cells) for at, cells in enumerate(prices(rng, count, 4))
    )
    return Base(
        "epochs",
        ("open_time", "o", "h", "l", "c", "v"),
        rows,
        Dialect((0,), 1, 2, 3, 4, 5, 6, ("epoch_ms",), step=300),
        {"market": "24/7"},
    )


def quoted(rng: random.Random, count: int) -> Base:
    """All cells quoted, close first, thousands commas, K for thousands, newest first."""
    day = date(2023, 8, 17)
    rows = []
    for opened, high, low, close, volume in prices(rng, count):
        dressed = [f"{float(price) * 311:,.1f}" for price in (close, opened, high, low)]
        amount = f"{int(volume) / 1000:.2f}K"
        rows.append((f"{day:%b %d, %Y}", *dressed, amount, "-1.22%"))
        day -= timedelta(days=1)
    return Base(
        "quoted",
        ("Date", "Price", "Open", "High", "Low", "Vol.", "Change %"),
        tuple(rows),
        Dialect((0,), 2, 3, 4, 1, 5, 7, ("%b %d, %Y",), dates=True),
        {"market": "24/7"},
        quoted=True,
    )


BASES = (daily, minutes, hourly, split, epochs, quoted)


def base(rng: random.Random, *among: str) -> Base:
    """Make a good file, of one of the named layouts if any are named."""
    makers = [maker for maker in BASES if not among or maker.__name__ in among]
    return rng.choice(makers)(rng, rng.randrange(40, 70))


# Changes that change nothing ------------------------------------------------------------------


def equal(text: str | bytes, **more: Any) -> Mutant:
    return Mutant(text if isinstance(text, bytes) else text.encode(), EQUAL, **more)


@kind
def untouched(rng: random.Random, good: Base) -> Mutant:
    return equal(good.text())


@kind
def blank_lines(rng: random.Random, good: Base) -> Mutant:
    lines = good.text().split(good.ends)
    for _ in range(rng.randrange(1, 6)):
        lines.insert(rng.randrange(len(lines)), rng.choice(("", " ", "\t", "  ")))
    return equal(good.ends.join(lines))


@kind
def blank_end(rng: random.Random, good: Base) -> Mutant:
    return equal(good.text() + good.ends * rng.randrange(1, 5))


@kind
def other_line_ends(rng: random.Random, good: Base) -> Mutant:
    return equal(good.text().replace(good.ends, rng.choice(("\n", "\r\n", "\r"))))


@kind
def mixed_line_ends(rng: random.Random, good: Base) -> Mutant:
    lines = good.text().split(good.ends)[:-1]
    return equal("".join(line + rng.choice(("\n", "\r\n", "\r")) for line in lines))


@kind
def byte_order_mark(rng: random.Random, good: Base) -> Mutant:
    return equal(b"\xef\xbb\xbf" + good.text().encode())


@kind
def utf16(rng: random.Random, good: Base) -> Mutant:
    if rng.random() < 0.5:
        return equal(b"\xff\xfe" + good.text().encode("utf-16-le"))
    return equal(b"\xfe\xff" + good.text().encode("utf-16-be"))


@kind
def gzip_called_gz(rng: random.Random, good: Base) -> Mutant:
    return equal(gzip.compress(good.text().encode()), name=rng.choice(("a.csv.gz", "B.TXT.GZ")))


@kind
def gzip_of_two_members(rng: random.Random, good: Base) -> Mutant:
    data = good.text().encode()
    cut = rng.randrange(1, len(data))
    return equal(gzip.compress(data[:cut]) + gzip.compress(data[cut:]), name="bars.csv.gz")


@kind
def quotes_around_cells(rng: random.Random, good: Base) -> Mutant:
    return equal(replace(good, quoted=True).text())


@kind
def blanks_around_cells(rng: random.Random, good: Base) -> Mutant:
    padded = [[rng.choice(("", " ", "\t")) + cell + " " for cell in row] for row in good.rows]
    return equal(replace(good, quoted=False).text(padded) if not good.quoted else good.text(padded))


@kind
def header_in_other_letters(rng: random.Random, good: Base) -> Mutant:
    change = rng.choice((str.upper, str.lower, str.title, lambda name: f"<{name.strip()}>"))
    return equal(replace(good, header=tuple(change(name) for name in good.header)).text())


@kind
def columns_in_other_order(rng: random.Random, good: Base) -> Mutant:
    order = list(range(len(good.header)))
    rng.shuffle(order)
    rows = [[row[at] for at in order] for row in good.rows]
    return equal(replace(good, header=tuple(good.header[at] for at in order)).text(rows))


@kind
def a_column_nobody_knows(rng: random.Random, good: Base) -> Mutant:
    at = rng.randrange(len(good.header) + 1)
    if good.name == "split":
        at = len(good.header)
    header = (*good.header[:at], "remark", *good.header[at:])
    rows = [[*row[:at], rng.choice(("", "x", "1.5")), *row[at:]] for row in good.rows]
    return equal(replace(good, header=header).text(rows))


@kind
def a_column_with_the_symbol(rng: random.Random, good: Base) -> Mutant:
    rows = [["SBER", *row] for row in good.rows]
    return equal(replace(good, header=("<TICKER>", *good.header)).text(rows))


@kind
def delimiter_at_the_end(rng: random.Random, good: Base) -> Mutant:
    count = rng.randrange(1, 3)
    return equal(
        good.text([[*row, *[""] * count] for row in good.rows].copy())
        if not good.quoted
        else good.text()
    )


@kind
def zero_at_the_end_of_some(rng: random.Random, good: Base) -> Mutant:
    rows = [[*row, "0"] if rng.random() < 0.2 else row for row in good.rows]
    return equal(good.text(rows))


@kind
def shuffled(rng: random.Random, good: Base) -> Mutant:
    return equal(good.text(rng.sample(good.rows, len(good.rows))))


@kind
def reversed_rows(rng: random.Random, good: Base) -> Mutant:
    return equal(good.text(good.rows[::-1]))


@kind
def other_ways_to_write_a_number(rng: random.Random, good: Base) -> Mutant:
    def other(cell: str) -> str:
        plain = cell.replace(",", "")
        return rng.choice(("+" + cell, "0" + plain, plain + "0" * ("." in plain), plain + "e0"))

    at = good.dialect
    spots = {at.open, at.high, at.low, at.close}
    rows = [
        [other(cell) if where in spots else cell for where, cell in enumerate(row)]
        for row in good.rows
    ]
    return equal(good.text(rows))


@kind
def banner_above(rng: random.Random, good: Base) -> Mutant:
    banner = rng.choice(("Timestamps are UTC,https://example.test", "# made by hand", "Prices"))
    lines = [banner] * rng.randrange(1, 4)
    return equal("".join(line + good.ends for line in lines) + good.text())


@kind
def no_end_of_last_line(rng: random.Random, good: Base) -> Mutant:
    return equal(good.text().removesuffix(good.ends))


@kind
def end_mark_of_dos(rng: random.Random, good: Base) -> Mutant:
    return equal(good.text() + "\x1a")


@kind
def other_delimiter(rng: random.Random, good: Base) -> Mutant:
    sign = rng.choice((",", ";", "\t", "|"))
    if sign == "," and good.name == "quoted":
        sign = ";"
    return equal(replace(good, dialect=replace(good.dialect, delimiter=sign)).text())


@kind
def header_removed(rng: random.Random, good: Base) -> Mutant:
    if good.name == "quoted":  # close comes first there, so the rows speak against the order
        return Mutant(good.text(header=False).encode(), REFUSED)
    return equal(good.text(header=False))


# Rows that must be rejected, and only they ----------------------------------------------------


def listed(good: Base, rows: Sequence[Sequence[str]], *reasons: str, **more: Any) -> Mutant:
    return Mutant(good.text(rows).encode(), LISTED, frozenset(reasons), **more)


def some(rng: random.Random, good: Base) -> list[int]:
    """A few rows; the first stays, so that dates keep being decided and steps being seen."""
    return rng.sample(range(1, len(good.rows)), rng.randrange(1, 5))


def changed(
    rng: random.Random, good: Base, change: Callable[[list[str]], Sequence[str]]
) -> list[Sequence[str]]:
    rows: list[Sequence[str]] = list(good.rows)
    for at in some(rng, good):
        rows[at] = change(list(rows[at]))
    return rows


def with_cell(at: int, value: str) -> Callable[[list[str]], list[str]]:
    def change(row: list[str]) -> list[str]:
        row[at] = value
        return row

    return change


def price_column(rng: random.Random, good: Base) -> int:
    at = good.dialect
    return rng.choice((at.open, at.high, at.low, at.close))


@kind
def row_twice(rng: random.Random, good: Base) -> Mutant:
    rows = list(good.rows)
    for at in some(rng, good):
        rows.insert(rng.randrange(len(rows)), good.rows[at])
    return listed(good, rows, "duplicate")


@kind
def row_twice_with_other_values(rng: random.Random, good: Base) -> Mutant:
    rows = list(good.rows)
    for at in some(rng, good):
        other = list(good.rows[at])
        other[good.dialect.close] = other[good.dialect.open]
        rows.insert(rng.randrange(len(rows)), tuple(other))
    return listed(good, rows, "conflicting_duplicate", "duplicate")


@kind
def high_and_low_exchanged(rng: random.Random, good: Base) -> Mutant:
    at = good.dialect

    def change(row: list[str]) -> list[str]:
        row[at.high], row[at.low] = row[at.low], row[at.high]
        return row

    return listed(good, changed(rng, good, change), "high_low")


@kind
def close_outside_the_range(rng: random.Random, good: Base) -> Mutant:
    at = rng.choice((good.dialect.close, good.dialect.open))
    value = rng.choice(("999999.5", "0.0001"))
    return listed(good, changed(rng, good, with_cell(at, value)), "high_low")


@kind
def price_not_above_zero(rng: random.Random, good: Base) -> Mutant:
    value = rng.choice(("0", "-1.5", "0.00", "-0", "1e-999", "-12.25"))
    cell = with_cell(price_column(rng, good), value)
    return listed(good, changed(rng, good, cell), "nonpositive_price")


@kind
def price_missing(rng: random.Random, good: Base) -> Mutant:
    value = rng.choice(("", "-", "null", "NaN", "N/A", " ", "None"))
    cell = with_cell(price_column(rng, good), value)
    return listed(good, changed(rng, good, cell), "missing_price")


@kind
def price_that_is_no_number(rng: random.Random, good: Base) -> Mutant:
    values = (
        "abc",
        "12.3.4",
        "1_000",
        "0x1F",
        "\uff11\uff12",  # digits, but of full width
        "12 3",
        "--5",
        "inf",
        "1e999",
        "1e",
        "5%",
        "é",
    )
    cell = with_cell(price_column(rng, good), rng.choice(values))
    return listed(good, changed(rng, good, cell), "not_a_number")


@kind
def price_with_a_foreign_byte(rng: random.Random, good: Base) -> Mutant:
    cell = with_cell(price_column(rng, good), "12\xe9")
    text = good.text(changed(rng, good, cell))
    return Mutant(text.encode("latin-1"), LISTED, frozenset({"not_a_number"}), encoding="latin-1")


@kind
def cell_too_few(rng: random.Random, good: Base) -> Mutant:
    cut = rng.randrange(1, len(good.header))
    return listed(good, changed(rng, good, lambda row: row[:cut]), "field_count")


@kind
def cell_too_many(rng: random.Random, good: Base) -> Mutant:
    def change(row: list[str]) -> list[str]:
        row.insert(rng.randrange(len(row)), rng.choice(("7", "x", "000")))
        return row

    rows = changed(rng, good, change)
    return listed(good, rows, "field_count")


@kind
def quote_never_closed(rng: random.Random, good: Base) -> Mutant:
    lines = good.text().split(good.ends)
    for at in some(rng, good):
        cells = [cell.strip('"') for cell in good.rows[at]]
        cells[rng.randrange(len(cells))] = '"' + cells[0]
        lines[at + 1] = good.dialect.delimiter.join(cells)
    return Mutant(good.ends.join(lines).encode(), LISTED, frozenset({"field_count"}))


@kind
def thousands_comma_without_quotes(rng: random.Random, good: Base) -> Mutant:
    if good.dialect.delimiter != "," or good.quoted:
        return untouched(rng, good)

    def change(row: list[str]) -> list[str]:
        row[good.dialect.open] = "1,234.5"
        return row

    return listed(good, changed(rng, good, change), "field_count")


@kind
def date_that_is_none(rng: random.Random, good: Base) -> Mutant:
    wrong = {
        "daily": ("2021-02-30", "2021-32-32", "2021-00-10", "20-01-2021", "2021-1", "0021-01-04"),
        "minutes": (
            "2024-02-30T10:00:00+05:30",
            "2024-12-23T25:00:00+05:30",
            "2024-12-23T10:61:00",
        ),
        "hourly": ("31.02.2023 10:00:00.000", "10.00.2023 10:00:00.000", "10.05.2023 24:00:00.000"),
        "split": ("02/30/2015", "03/06/15", "2015-03-06", "03.06.2015"),
        "epochs": ("16379712000", "x", "1637971200000000", "-1637971200000", "1.6e12"),
        "quoted": ("Feb 30, 2023", "Foo 12, 2023", "2023-08-12", "Aug 12"),
    }
    cell = with_cell(good.dialect.stamps[0], rng.choice(wrong[good.name]))
    return listed(good, changed(rng, good, cell), "bad_time")


@kind
def one_month_thirteen(rng: random.Random, good: Base) -> Mutant:
    good = base(rng, "daily")
    rows: list[Sequence[str]] = list(good.rows)
    at = rng.randrange(1, len(rows))
    rows[at] = with_cell(0, "2021-13-01")(list(rows[at]))
    return replace(listed(good, rows, "bad_time"), options={"base": good})


@kind
def time_missing(rng: random.Random, good: Base) -> Mutant:
    cell = with_cell(good.dialect.stamps[-1], rng.choice(("", "-", "null")))
    return listed(good, changed(rng, good, cell), "bad_time")


@kind
def clock_that_is_none(rng: random.Random, good: Base) -> Mutant:
    good = base(rng, "split")
    cell = with_cell(1, rng.choice(("9:5", "25:00", "10:60", "10:00:61", "AM", "1000", "10.30")))
    return replace(listed(good, changed(rng, good, cell), "bad_time"), options={"base": good})


@kind
def volume_that_is_none(rng: random.Random, good: Base) -> Mutant:
    value = rng.choice(("-5", "abc", "1e300", "9007199254740994", "inf", "1 000"))
    rows = changed(rng, good, with_cell(good.dialect.volume or 0, value))
    return listed(good, rows, "bad_volume")


@kind
def volume_missing(rng: random.Random, good: Base) -> Mutant:
    value = rng.choice(("", "-", "null", "n/a"))
    return listed(good, changed(rng, good, with_cell(good.dialect.volume or 0, value)))


@kind
def header_again_in_the_middle(rng: random.Random, good: Base) -> Mutant:
    rows = list(good.rows)
    rows.insert(rng.randrange(1, len(rows)), good.header)
    return listed(good, rows, "bad_time")


@kind
def remark_among_the_rows(rng: random.Random, good: Base) -> Mutant:
    lines = good.text().split(good.ends)
    remark = rng.choice(("# end of page", "Total", "no data", "<hr>", "=SUM(A1)"))
    lines.insert(rng.randrange(2, len(lines)), remark)
    return Mutant(good.ends.join(lines).encode(), LISTED, frozenset({"field_count"}))


@kind
def hour_that_was_skipped(rng: random.Random, good: Base) -> Mutant:
    good = base(rng, "split")
    rows = [*good.rows, ("03/08/2015", "02:30", *good.rows[-1][2:])]
    return replace(listed(good, rows, "nonexistent_time"), options={"base": good})


@kind
def hour_that_came_twice(rng: random.Random, good: Base) -> Mutant:
    good = base(rng, "split")
    rows = [*good.rows, ("11/01/2015", "01:30", *good.rows[-1][2:])]
    return replace(listed(good, rows, "ambiguous_time"), options={"base": good})


@kind
def last_line_cut(rng: random.Random, good: Base) -> Mutant:
    text = good.text().removesuffix(good.ends)
    start = text.rfind(good.ends) + len(good.ends)
    cut = rng.randrange(start + 1, len(text))
    # A line cut in its last cell still reads: the slow reader says what is then right.
    reasons = {"field_count", "bad_time", "missing_price", "high_low", "bad_volume"}
    return Mutant(text[:cut].encode(), LISTED, frozenset(reasons))


@kind
def several_defects(rng: random.Random, good: Base) -> Mutant:
    rows: list[Sequence[str]] = list(good.rows)
    spots = rng.sample(range(1, len(rows)), 4)
    at = good.dialect
    rows[spots[0]] = with_cell(at.open, "-3")(list(rows[spots[0]]))
    rows[spots[1]] = with_cell(at.high, "")(list(rows[spots[1]]))
    rows[spots[2]] = with_cell(at.stamps[0], "never")(list(rows[spots[2]]))
    rows[spots[3]] = list(rows[spots[3]])[:2]
    reasons = ("nonpositive_price", "missing_price", "bad_time", "field_count")
    return listed(good, rows, *reasons)


# Files that must be refused -------------------------------------------------------------------


def refused(data: str | bytes, **more: Any) -> Mutant:
    return Mutant(data if isinstance(data, bytes) else data.encode(), REFUSED, **more)


@kind
def nothing_at_all(rng: random.Random, good: Base) -> Mutant:
    return refused(rng.choice((b"", b" ", b"\n\n\n", b"\xef\xbb\xbf", b"\xff\xfe")))


@kind
def header_alone(rng: random.Random, good: Base) -> Mutant:
    return refused(good.text([]))


@kind
def gzip_not_called_gz(rng: random.Random, good: Base) -> Mutant:
    return refused(gzip.compress(good.text().encode()))


@kind
def called_gz_without_gzip(rng: random.Random, good: Base) -> Mutant:
    return refused(good.text(), name="bars.csv.gz")


@kind
def gzip_in_gzip(rng: random.Random, good: Base) -> Mutant:
    return refused(gzip.compress(gzip.compress(good.text().encode())), name="bars.csv.gz")


@kind
def gzip_cut(rng: random.Random, good: Base) -> Mutant:
    data = gzip.compress(good.text().encode())
    return refused(data[: rng.randrange(3, len(data) - 1)], name="bars.csv.gz")


@kind
def gzip_with_a_flipped_bit(rng: random.Random, good: Base) -> Mutant:
    data = bytearray(gzip.compress(good.text().encode()))
    data[rng.randrange(20, len(data) - 8)] ^= 1 << rng.randrange(8)
    return refused(bytes(data), name="bars.csv.gz")


@kind
def other_container(rng: random.Random, good: Base) -> Mutant:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("bars.csv", good.text())
    magics = (
        b"\xfd7zXZ\x00",
        b"(\xb5/\xfd",
        b"BZh9",
        b"PAR1",
        b"ARROW1",
        b"%PDF-1.7",
        b"7z\xbc\xaf",
    )
    data = rng.choice((archive.getvalue(), rng.choice(magics) + good.text().encode()))
    return refused(data, name=rng.choice(("bars.csv", "bars.zip", "bars.parquet")))


@kind
def another_language(rng: random.Random, good: Base) -> Mutant:
    texts = (
        "[[1509836520000, 1, 2, 0.5, 1.5, 10]]",
        '{"t": [1], "o": [2]}',
        "<!DOCTYPE html><html><body>404</body></html>",
        "<?xml version='1.0'?><rows/>",
        "SELECT * FROM bars;",
        "import os\nprint(os)\n",
    )
    return refused(rng.choice(texts))


@kind
def control_character(rng: random.Random, good: Base) -> Mutant:
    text = good.text()
    at = rng.randrange(len(text))
    return refused(text[:at] + rng.choice("\x00\x01\x07\x0b\x0c\x1f\x7f") + text[at:])


@kind
def utf16_without_mark(rng: random.Random, good: Base) -> Mutant:
    return refused(good.text().encode(rng.choice(("utf-16-le", "utf-16-be"))))


@kind
def price_column_missing(rng: random.Random, good: Base) -> Mutant:
    at = price_column(rng, good)
    rows = [[*row[:at], *row[at + 1 :]] for row in good.rows]
    return refused(replace(good, header=(*good.header[:at], *good.header[at + 1 :])).text(rows))


@kind
def price_column_twice(rng: random.Random, good: Base) -> Mutant:
    at = price_column(rng, good)
    header = (*good.header, good.header[at])
    return refused(replace(good, header=header).text([[*row, row[at]] for row in good.rows]))


@kind
def header_short_of_a_name(rng: random.Random, good: Base) -> Mutant:
    return refused(replace(good, header=good.header[:-1]).text())


@kind
def header_with_a_name_too_many(rng: random.Random, good: Base) -> Mutant:
    return refused(replace(good, header=(*good.header, "more")).text())


@kind
def no_header_and_close_before_high(rng: random.Random, good: Base) -> Mutant:
    at = good.dialect
    if good.name == "quoted":
        return refused(good.text(header=False))
    rows = [list(row) for row in good.rows]
    for row in rows:
        row[at.high], row[at.low], row[at.close] = row[at.close], row[at.high], row[at.low]
    return refused(good.text(rows, header=False))


@kind
def no_header_and_close_before_high_in_a_still_market(rng: random.Random, good: Base) -> Mutant:
    """Most rows are flat and tell nothing; the few that move speak against the assumed order."""
    good = base(rng, "daily", "minutes", "epochs")
    at = good.dialect
    rows = [list(row) for row in good.rows]
    for number, row in enumerate(rows):
        if number % 8:
            row[at.high] = row[at.low] = row[at.close] = row[at.open]
        row[at.high], row[at.low], row[at.close] = row[at.close], row[at.high], row[at.low]
    return refused(good.text(rows, header=False))


@kind
def most_rows_bad(rng: random.Random, good: Base) -> Mutant:
    rows: list[Sequence[str]] = list(good.rows)
    for at in range(len(rows) // 2 + 2):
        rows[at] = with_cell(good.dialect.low, "-1")(list(rows[at]))
    return refused(good.text(rows))


@kind
def two_instruments(rng: random.Random, good: Base) -> Mutant:
    rows = [[rng.choice(("AAPL", "MSFT")), *row] for row in good.rows]
    rows[0][0], rows[1][0] = "AAPL", "MSFT"
    return refused(replace(good, header=("Symbol", *good.header)).text(rows))


@kind
def day_or_month(rng: random.Random, good: Base) -> Mutant:
    good = base(rng, "daily")
    rows = [
        (f"{1 + at % 12:02d}/{1 + at // 12:02d}/2021", *row[1:]) for at, row in enumerate(good.rows)
    ]
    return refused(good.text(rows))


@kind
def day_and_month_first(rng: random.Random, good: Base) -> Mutant:
    good = base(rng, "daily")
    rows = [(f"{date.fromisoformat(row[0]):%m/%d/%Y}", *row[1:]) for row in good.rows]
    at = rng.randrange(len(rows))
    rows[at] = (f"{20 + at % 8}/01/2021", *rows[at][1:])
    return refused(good.text(rows))


@kind
def year_day_month(rng: random.Random, good: Base) -> Mutant:
    good = base(rng, "daily")
    rows = [(f"{date.fromisoformat(row[0]):%Y-%d-%m}", *row[1:]) for row in good.rows]
    return refused(good.text(rows))


@kind
def years_of_two_digits(rng: random.Random, good: Base) -> Mutant:
    good = base(rng, "daily")
    rows = [(f"{date.fromisoformat(row[0]):%d/%m/%y}", *row[1:]) for row in good.rows]
    return refused(good.text(rows))


@kind
def decimal_commas(rng: random.Random, good: Base) -> Mutant:
    good = base(rng, "hourly")
    rows = [
        [cell.replace(".", ",") if at else cell for at, cell in enumerate(row)] for row in good.rows
    ]
    return refused(good.text(rows))


@kind
def commas_that_may_be_either(rng: random.Random, good: Base) -> Mutant:
    good = base(rng, "hourly")
    rows = [
        [cell if not at else f"1,{int(float(cell)) % 900 + 100}" for at, cell in enumerate(row)]
        for row in good.rows
    ]
    for row in rows:
        row[1:5] = sorted(row[1:5])[1], sorted(row[1:5])[3], min(row[1:5]), row[4]
    return refused(good.text(rows))


@kind
def trades(rng: random.Random, good: Base) -> Mutant:
    header = rng.choice((None, "timestamp,price,amount", "time,price,size,side"))
    rows = [f"{1_315_922_016 + 7 * at},{5 + at / 100:.2f},{1 + at % 3}.0" for at in range(60)]
    if header and "side" in header:
        rows = [row + ",buy" for row in rows]
    return refused("\n".join(([header] if header else []) + rows) + "\n")


@kind
def a_length_nobody_knows(rng: random.Random, good: Base) -> Mutant:
    good = base(rng, "epochs")
    step = rng.choice((1_000, 7_000, 120_000, 420_000, 7_200_000))
    rows = [(str(1_637_971_200_000 + step * at), *row[1:]) for at, row in enumerate(good.rows)]
    return refused(good.text(rows))


@kind
def line_too_long(rng: random.Random, good: Base) -> Mutant:
    lines = good.text().split(good.ends)
    lines[rng.randrange(len(lines))] += "x" * 20_001
    return refused(good.ends.join(lines))


@kind
def columns_too_many(rng: random.Random, good: Base) -> Mutant:
    more = 201 - len(good.header) + rng.randrange(20)
    header = (*good.header, *(f"x{at}" for at in range(more)))
    return refused(replace(good, header=header).text([[*row, *["1"] * more] for row in good.rows]))


@kind
def an_option_against_the_file(rng: random.Random, good: Base) -> Mutant:
    wrong: list[dict[str, Any]] = [
        {"timeframe": "4h"},
        {"columns": {"open": "no such column"}},
        {"columns": {"prize": "Open"}},
        {"zone": "Mars/Olympus"},
        {"label": "middle"},
    ]
    return refused(good.text(), options=rng.choice(wrong))


@kind
def noise(rng: random.Random, good: Base) -> Mutant:
    return refused(rng.randbytes(rng.randrange(1, 3_000)))


@kind
def prose(rng: random.Random, good: Base) -> Mutant:
    words = re.findall(r"\w+", __doc__ or "")
    return refused("\n".join(" ".join(rng.choices(words, k=9)) for _ in range(40)))
