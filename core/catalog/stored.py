"""Which files hold a series, and reading their rows.

A file the lake published itself is hashed before its first rows are believed: a flipped bit in
Parquet data usually decodes to other, plausible prices. Files laid into the layout by somebody
else carry no hash and are only checked for prices that cannot be.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl

from core.catalog.columns import MOMENT, SCHEMA, Columns, to_columns
from core.catalog.head import FileEntry, Head
from core.catalog.names import legacy_folder, series_folder, year_file
from core.domain.timeframe import Timeframe
from core.errors import DataProblem

_YEAR: Final = re.compile(r"year=([0-9]{4})")
_DATE: Final = re.compile(r"date=([0-9]{4})-([0-9]{2})-([0-9]{2})")
_VERIFIED: Final = 10_000


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
        self._verified: dict[tuple[Path, int, int, int], str] = {}

    def read(
        self, parts: list[Part], lower: int | None = None, upper: int | None = None
    ) -> Columns:
        """Read rows with `lower <= ts < upper`, in time order.

        Raises:
            DataProblem: a file is damaged, foreign or holds prices that cannot be.
            OSError: a file has been moved in the meantime.
        """
        self.verify(parts)
        try:
            frame = _scan(parts, lower, upper).collect()
        except pl.exceptions.PolarsError as error:
            raise DataProblem(
                f"{parts[0].path.name} cannot be read as a price file: {_first_line(error)}",
                expected="Parquet with " + ", ".join(SCHEMA),
            ) from error
        rows = to_columns(frame)
        if any(part.entry is None for part in parts):
            rows = _checked(rows, parts[0].path.name)
        return rows

    def verify(self, parts: Sequence[Part]) -> None:
        """Hash the files of parts that have not been hashed since they changed.

        Raises:
            DataProblem: a file is not what was imported.
            OSError: a file has been moved in the meantime.
        """
        for part in parts:
            if part.entry is not None:
                self._verify(part, part.entry)

    def _verify(self, part: Part, entry: FileEntry) -> None:
        stat = part.path.stat()
        key = (part.path, stat.st_ino, stat.st_mtime_ns, stat.st_size)
        if self._verified.get(key) == entry.sha256:
            return
        if hashlib.sha256(part.path.read_bytes()).hexdigest() != entry.sha256:
            raise DataProblem(
                f"{part.path.name} is damaged: its bytes are not those that were imported",
                hint="restore the file from a backup, or remove the symbol and import it again",
            )
        if len(self._verified) >= _VERIFIED:
            self._verified.clear()
        self._verified[key] = entry.sha256


def _scan(parts: Sequence[Part], lower: int | None, upper: int | None) -> pl.LazyFrame:
    rows = pl.scan_parquet([part.path for part in parts], glob=False, hive_partitioning=False)
    if any(part.entry is None for part in parts):
        stamp = pl.col("timestamp").cast(pl.Datetime("us"))
        rows = rows.select(
            stamp.dt.replace_time_zone("UTC"),
            *(pl.col(name).cast(pl.Float64) for name in Columns._fields[1:]),
        )
    else:
        rows = rows.select(SCHEMA.keys())
    if lower is not None:
        rows = rows.filter(pl.col("timestamp") >= pl.lit(lower).cast(MOMENT))
    if upper is not None:
        rows = rows.filter(pl.col("timestamp") < pl.lit(upper).cast(MOMENT))
    return rows


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
