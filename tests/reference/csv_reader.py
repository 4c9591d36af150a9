"""The slow, obvious reader of bars in CSV: the judge of the importer.

It shares no code with `core.catalog`. It is told how a file is laid out and finds nothing out by
itself: lines one by one, cells by the csv module, numbers by Decimal, times by strptime, zones by
zoneinfo. What it accepts and rejects follows the tables of docs/importer.md.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from zoneinfo import ZoneInfo

NO_VALUE = {"", "-", "--", "null", "none", "nil", "nan", "na", "n/a", "#n/a"}
_PLAIN = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,4})?")
_DRESSED = re.compile(r"([+-]?)\$?([0-9]+|[0-9]{1,3}(?:,[0-9]{3})+)(\.[0-9]*)?([KMBTkmbt]?)")
_POWERS = {"": 0, "k": 3, "m": 6, "b": 9, "t": 12}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Dialect:
    """How a file is laid out, told and not found.

    `stamps` are the columns of the time, joined by a blank; `formats` are for strptime, or
    `epoch_ms`. `zone` is the clock of times without one; None if they carry an offset.
    """

    stamps: tuple[int, ...]
    open: int
    high: int
    low: int
    close: int
    volume: int | None
    width: int
    formats: tuple[str, ...]
    delimiter: str = ","
    header: int = 1
    zone: str | None = "UTC"
    dates: bool = False
    step: int = 60
    label: str = "open"


@dataclass
class Reading:
    """Accepted rows by time in microseconds, and rejected lines with their reason."""

    bars: dict[int, tuple[float, float, float, float, float | None]] = field(default_factory=dict)
    rejected: dict[int, str] = field(default_factory=dict)
    rows: int = 0


def read(data: bytes, dialect: Dialect, encoding: str = "utf-8-sig") -> Reading:
    """Read a file row by row."""
    reading = Reading()
    seen: dict[int, list[tuple[int, tuple[Decimal, ...], Decimal | None]]] = {}
    for number, line in _rows(data.decode(encoding), dialect.header):
        reading.rows += 1
        found = _judge(line, dialect)
        if isinstance(found, str):
            reading.rejected[number] = found
            continue
        moment, prices, volume = found
        seen.setdefault(moment, []).append((number, prices, volume))
    for moment, rows in seen.items():
        first = rows[0]
        if any(row[1:] != first[1:] for row in rows):
            reading.rejected |= {row[0]: "conflicting_duplicate" for row in rows}
            continue
        reading.rejected |= {row[0]: "duplicate" for row in rows[1:]}
        opened, high, low, close = (float(price) for price in first[1])
        volume = None if first[2] is None else float(first[2])
        reading.bars[moment] = (opened, high, low, close, volume)
    reading.rejected = dict(sorted(reading.rejected.items()))
    reading.bars = dict(sorted(reading.bars.items()))
    return reading


def _rows(text: str, header: int) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(re.split(r"\r\n|\n|\r", text.rstrip("\x1a")), 1):
        if number > header and line.strip(" \t"):
            yield number, line


def _judge(  # noqa: PLR0911 - one reason after the other
    line: str, dialect: Dialect
) -> tuple[int, tuple[Decimal, ...], Decimal | None] | str:
    """Give the row's moment, prices and volume, or the reason it is rejected."""
    try:
        cells = next(
            csv.reader([line], delimiter=dialect.delimiter, skipinitialspace=True, strict=True)
        )
    except csv.Error:
        return "field_count"
    cells = [cell.strip(" \t") for cell in cells]
    beyond = [cell for cell in cells[dialect.width :] if cell]
    if len(cells) < dialect.width or beyond not in ([], ["0"]):
        return "field_count"
    moment = _moment(" ".join(cells[at] for at in dialect.stamps).strip(), dialect)
    if isinstance(moment, str):
        return moment
    texts = [cells[at] for at in (dialect.open, dialect.high, dialect.low, dialect.close)]
    if any(text.lower() in NO_VALUE for text in texts):
        return "missing_price"
    prices = [number(text) for text in texts]
    if any(price is None for price in prices):
        return "not_a_number"
    opened, high, low, close = sure = tuple(price for price in prices if price is not None)
    if any(float(price) <= 0 for price in sure):
        return "nonpositive_price"
    if not low <= min(opened, close) <= max(opened, close) <= high:
        return "high_low"
    volume = None
    if dialect.volume is not None and cells[dialect.volume].lower() not in NO_VALUE:
        volume = number(cells[dialect.volume])
        if volume is None or not 0 <= volume <= 2**53:
            return "bad_volume"
    return moment, sure, volume


def number(text: str) -> Decimal | None:
    """Read a number that a float64 can hold; None for anything else."""
    if not text.isascii():
        return None
    if _PLAIN.fullmatch(text):
        bare = text
    elif match := _DRESSED.fullmatch(text):
        sign, whole, fraction, power = match.groups()
        bare = f"{sign}{whole.replace(',', '')}{fraction or ''}e{_POWERS[power.lower()]}"
    else:
        return None
    try:
        value = Decimal(bare)
    except InvalidOperation:
        return None
    return None if float(value) in {float("inf"), float("-inf")} else value


def _moment(  # noqa: PLR0911 - one reason after the other
    text: str, dialect: Dialect
) -> int | str:
    if not text.isascii():
        return "bad_time"
    if dialect.formats == ("epoch_ms",):
        return int(text) * 1000 if re.fullmatch("[0-9]{13}", text) else "bad_time"
    if re.search(r":[0-9](?![0-9])", text):  # strptime would take 9:5 for 09:05
        return "bad_time"
    for layout in dialect.formats:
        try:
            stamp = datetime.strptime(text, layout)  # noqa: DTZ007 - zones are what is judged
        except ValueError:
            continue
        break
    else:
        return "bad_time"
    if not 1900 <= stamp.year <= 2100:
        return "bad_time"
    if dialect.dates:
        return micros(stamp.replace(tzinfo=UTC))
    if stamp.tzinfo is None:
        reason = local_problem(stamp, dialect.zone or "UTC")
        if reason:
            return reason
        stamp = stamp.replace(tzinfo=ZoneInfo(dialect.zone or "UTC"))
    moment = micros(stamp.astimezone(UTC))
    return moment - dialect.step * 1_000_000 if dialect.label == "close" else moment


def local_problem(wall: datetime, zone: str) -> str | None:
    """Say why a local time is no single moment."""
    early, late = (wall.replace(tzinfo=ZoneInfo(zone), fold=fold) for fold in (0, 1))
    if early.astimezone(UTC).astimezone(ZoneInfo(zone)).replace(tzinfo=None) != wall:
        return "nonexistent_time"
    return "ambiguous_time" if early.utcoffset() != late.utcoffset() else None


def micros(stamp: datetime) -> int:
    """Microseconds since 1970 of an aware time."""
    return (stamp - _EPOCH) // timedelta(microseconds=1)


def content(reading: Reading) -> Sequence[tuple[int, float, float, float, float, float | None]]:
    """The accepted rows in time order, ready to be compared."""
    return [(moment, *values) for moment, values in reading.bars.items()]
