"""Which files hold a series, and reading their rows.

A file the lake published itself is hashed before its first rows are believed: a flipped bit in
Parquet data usually decodes to other, plausible prices. Files laid into the layout by somebody
else carry no hash and are only checked for prices that cannot be.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from core.catalog.columns import ACTIONS, ARROW_SCHEMA, SCHEMA, Columns, to_columns
from core.catalog.head import FileEntry, Head
from core.catalog.names import legacy_folder, series_folder, year_file
from core.domain.bars import IntArray
from core.domain.timeframe import Timeframe
from core.errors import DataProblem

_YEAR: Final = re.compile(r"year=([0-9]{4})")
_DATE: Final = re.compile(r"date=([0-9]{4})-([0-9]{2})-([0-9]{2})")
_VERIFIED: Final = 10_000
_Key = tuple[Path, int, int, int]


@dataclass(frozen=True, slots=True)
class Part:
    """One file of a series; `entry` is None for files the lake did not publish."""

    path: Path
    year: int
    entry: FileEntry | None = None


def parts_of(head: Head, root: Path, symbol: str, timeframe: Timeframe) -> list[Part]:
    """Files of one series in time order; empty when there are none."""
    known = head.symbols.get(symbol)
    if known and timeframe in known.series:
        folder = series_folder(root, symbol, timeframe)
        return [
            Part(_where(root, folder, symbol, year, entry), year, entry)
            for year, entry in sorted(known.series[timeframe].files.items())
        ]
    parts = list(_found(root, symbol, timeframe))
    if not parts and timeframe is Timeframe.M1:
        parts = list(_legacy(root, symbol))
    return sorted(parts, key=lambda part: (part.year, part.path.name))


def stored_timeframes(head: Head, root: Path, symbol: str) -> list[Timeframe]:
    """Frequencies a symbol is stored in, shortest first."""
    return [each for each in Timeframe if parts_of(head, root, symbol, each)]


class PartReader:
    """Reads rows of parts; remembers which files it has already hashed."""

    def __init__(self) -> None:
        self._verified: dict[_Key, str] = {}

    def read(
        self, parts: list[Part], lower: int | None = None, upper: int | None = None
    ) -> Columns:
        """Read rows with `lower <= ts < upper`, in time order.

        Raises:
            DataProblem: a file is damaged, foreign or holds prices that cannot be.
            OSError: a file has been moved in the meantime.
        """
        files = [_decoded(part.path, self._content(part)) for part in parts]
        # Years in which nothing happened have no column for it.
        table = files[0] if len(files) == 1 else pa.concat_tables(files, promote_options="default")
        rows = to_columns(table)
        rows = _inside(rows, lower, upper)
        if any(part.entry is None for part in parts):
            rows = _checked(rows, parts[0].path.name)
        return rows

    def times(
        self, parts: list[Part], lower: int | None = None, upper: int | None = None
    ) -> IntArray:
        """Read the times alone of the rows that `read` gives; raises as `read`."""
        if any(part.entry is None for part in parts):
            return self.read(parts, lower, upper).ts
        files = [_times(part.path, self._content(part)) for part in parts]
        ts = np.concatenate([np.empty(0, dtype=np.int64), *files])
        begin, end = (
            place if edge is None else int(np.searchsorted(ts, edge))
            for edge, place in ((lower, 0), (upper, len(ts)))
        )
        return ts[begin:end]

    def verify(self, parts: Sequence[Part]) -> None:
        """Hash the files of parts that have not been hashed since they changed.

        Raises:
            DataProblem: a file is not what was imported.
            OSError: a file has been moved in the meantime.
        """
        for part in parts:
            if part.entry and self._verified.get(_key(part, part.path.stat())) != part.entry.sha256:
                self._content(part)

    def _content(self, part: Part) -> bytes:
        with part.path.open("rb") as file:
            key = _key(part, os.fstat(file.fileno()))
            content = file.read()
        if part.entry is None or self._verified.get(key) == part.entry.sha256:
            return content
        if hashlib.sha256(content).hexdigest() != part.entry.sha256:
            raise DataProblem(
                f"{part.path.name} is damaged: its bytes are not those that were imported",
                hint="restore the file from a backup, or remove the symbol and import it again",
            )
        if len(self._verified) >= _VERIFIED:
            self._verified.clear()
        self._verified[key] = part.entry.sha256
        return content


def _key(part: Part, stat: os.stat_result) -> _Key:
    return part.path, stat.st_ino, stat.st_mtime_ns, stat.st_size


def _decoded(path: Path, content: bytes) -> pa.Table:
    with _readable(path):
        table = _table(content)
        if table.schema.equals(ARROW_SCHEMA):
            return table
        # Others may have kept nanoseconds, 32 bits or times without a zone, which are UTC.
        schema = ARROW_SCHEMA
        for name in ACTIONS:
            if name in table.column_names:
                schema = schema.append(pa.field(name, pa.float64()))
        return table.select(schema.names).cast(schema, safe=False)


def _times(path: Path, content: bytes) -> IntArray:
    name = ARROW_SCHEMA.names[0]
    with _readable(path):
        found: IntArray = _table(content, [name])[name].cast(pa.int64()).to_numpy()
        return found


def _table(content: bytes, columns: list[str] | None = None) -> pa.Table:
    # By Arrow, in this thread: those of polars take longer to start than a year takes to read.
    with pq.ParquetFile(pa.BufferReader(content)) as file:
        return file.read(columns=columns, use_threads=False)


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        yield
    except (pa.ArrowException, KeyError, OSError) as error:
        raise DataProblem(
            f"{path.name} cannot be read as a price file: {_first_line(error)}",
            expected="Parquet with " + ", ".join(SCHEMA),
        ) from error


def _inside(rows: Columns, lower: int | None, upper: int | None) -> Columns:
    if lower is None and upper is None:
        return rows
    inside = np.ones(len(rows.ts), dtype=np.bool_)
    if lower is not None:
        inside &= rows.ts >= lower
    if upper is not None:
        inside &= rows.ts < upper
    return rows.take(inside)


def _checked(rows: Columns, name: str) -> Columns:
    if not bool(np.all(rows.ts[1:] > rows.ts[:-1])):
        rows = rows.take(np.argsort(rows.ts, kind="stable"))
        if bool(np.any(rows.ts[1:] == rows.ts[:-1])):
            raise DataProblem(f"{name} and its neighbours hold several rows for one moment")
    inside = (rows.low > 0) & np.isfinite(rows.high)
    inside &= rows.low <= np.minimum(rows.open, rows.close)
    inside &= rows.high >= np.maximum(rows.open, rows.close)
    if not bool(np.all(inside)):
        at = int(np.argmin(inside))
        when = rows.ts[at].astype("datetime64[us]").astype("datetime64[s]")
        raise DataProblem(
            f"{int((~inside).sum()):,} rows of {name} and its neighbours are no bars, the first at "
            f"{when} UTC: " + ", ".join(repr(float(column[at])) for column in rows[1:5]),
            expected="positive open, high, low and close with low <= open, close <= high",
            hint="import the rows as CSV: the importer lists such rows and leaves them out",
        )
    dividend, ratio = rows.action("dividend"), rows.action("split")
    possible = (dividend >= 0) & np.isfinite(dividend) & (ratio > 0) & np.isfinite(ratio)
    if not bool(np.all(possible & (np.abs(rows.action("funding")) < 1))):
        raise DataProblem(
            f"{name} and its neighbours hold dividends, splits or funding that cannot be",
            expected="dividends of 0 or more, split ratios above 0 (1 for none), funding rates "
            "between -1 and 1",
            hint="import the rows as CSV: the importer lists such rows and leaves them out",
        )
    return rows


def _where(root: Path, folder: Path, symbol: str, year: int, entry: FileEntry) -> Path:
    if entry.staged is not None and (staged := root / entry.staged).exists():
        return staged
    return year_file(folder, symbol, year)


def _found(root: Path, symbol: str, timeframe: Timeframe) -> Iterator[Part]:
    for folder in _folders(series_folder(root, symbol, timeframe)):
        if match := _YEAR.fullmatch(folder.name):
            path = folder / f"{symbol}_{match[1]}.parquet"
            if path.is_file():
                yield Part(path, int(match[1]))


def _legacy(root: Path, symbol: str) -> Iterator[Part]:
    for folder in _folders(legacy_folder(root, symbol)):
        if match := _DATE.fullmatch(folder.name):
            path = folder / f"{symbol}_{folder.name.removeprefix('date=')}.parquet"
            if path.is_file():
                yield Part(path, int(match[1]))


def _folders(parent: Path) -> list[Path]:
    return sorted(parent.iterdir()) if parent.is_dir() else []


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or ["unknown error"])[0][:200]
