"""Rows of one series as columns: what is read, aggregated and written inside the catalog."""

from __future__ import annotations

import hashlib
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from core.domain.bars import FloatArray, IntArray

BoolArray = npt.NDArray[np.bool_]

MOMENT: Final = pl.Datetime("us", "UTC")
SCHEMA: Final[dict[str, pl.DataType | pl.datatypes.DataTypeClass]] = {
    "timestamp": MOMENT,
    "open": pl.Float64,
    "high": pl.Float64,
    "low": pl.Float64,
    "close": pl.Float64,
    "volume": pl.Float64,
}
"""Columns of a price file."""


class Columns(NamedTuple):
    """Rows in time order, shape (T,) each: `ts` in microseconds UTC, a missing volume is NaN."""

    ts: IntArray
    open: FloatArray
    high: FloatArray
    low: FloatArray
    close: FloatArray
    volume: FloatArray

    def take(self, rows: slice | IntArray | BoolArray) -> Columns:
        """Select rows."""
        ts, *prices = self
        return Columns(ts[rows], *(column[rows] for column in prices))

    def content_hash(self, kind: str) -> str:
        """SHA-256 over every value of every row, and the kind of row they are."""
        digest = hashlib.sha256(f"{kind}|{len(self.ts)}|".encode())
        for column in self:
            digest.update(np.ascontiguousarray(column).tobytes())
        return digest.hexdigest()


def to_frame(columns: Columns) -> pl.DataFrame:
    """Give the rows as a frame in the schema of a price file; NaN volumes become null."""
    series = [pl.Series("timestamp", columns.ts).cast(MOMENT)]
    series += [
        pl.Series(name, np.ascontiguousarray(column))
        for name, column in zip(Columns._fields[1:], columns[1:], strict=True)
    ]
    return pl.DataFrame(series).with_columns(pl.col("volume").fill_nan(None))


def to_columns(frame: pl.DataFrame) -> Columns:
    """Give the columns of a frame in the schema of a price file; null volumes become NaN."""
    return Columns(
        frame["timestamp"].to_numpy().view(np.int64),
        *(_floats(frame[name]) for name in Columns._fields[1:]),
    )


def _floats(column: pl.Series) -> FloatArray:
    if column.null_count():  # one NaN only: hashes are taken over bytes
        column = column.fill_null(float("nan"))
    return column.to_numpy().astype(np.float64, copy=False)
