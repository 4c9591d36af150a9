"""Rows of one series as columns: what is read, aggregated and written inside the catalog."""

from __future__ import annotations

import hashlib
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

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
ARROW_SCHEMA: Final = pa.schema(
    [("timestamp", pa.timestamp("us", "UTC")), *((name, pa.float64()) for name in [*SCHEMA][1:])]
)


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


def to_columns(table: pa.Table) -> Columns:
    """Give the columns of a table in `ARROW_SCHEMA`; null volumes become NaN."""
    ts, *floats = (pl.Series(name, table[name]).to_numpy() for name in SCHEMA)
    return Columns(ts.view(np.int64), *floats)
