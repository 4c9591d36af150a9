"""Rows of one series as columns: what is read, aggregated and written inside the catalog."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from core.domain.bars import NO_ACTION, FloatArray, IntArray

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
"""Columns of every price file."""
ACTIONS: Final = ("dividend", "split", "funding")
"""Columns of a price file in which something of the kind happens."""
ARROW_SCHEMA: Final = pa.schema(
    [("timestamp", pa.timestamp("us", "UTC")), *((name, pa.float64()) for name in [*SCHEMA][1:])]
)


class Columns(NamedTuple):
    """Rows in time order, shape (T,) each: `ts` in microseconds UTC, a missing volume is NaN.

    `dividend`, `split` and `funding` are None where nothing of the kind is known.
    """

    ts: IntArray
    open: FloatArray
    high: FloatArray
    low: FloatArray
    close: FloatArray
    volume: FloatArray
    dividend: FloatArray | None = None
    split: FloatArray | None = None
    funding: FloatArray | None = None

    def take(self, rows: slice | IntArray | BoolArray) -> Columns:
        """Select rows."""
        return Columns._make(None if column is None else column[rows] for column in self)

    def action(self, name: str) -> FloatArray:
        """Give a column of `ACTIONS`, of rows without any where there is none."""
        column: FloatArray | None = getattr(self, name)
        return np.full(len(self.ts), NO_ACTION[name]) if column is None else column

    @property
    def acted(self) -> tuple[str, ...]:
        """Columns of `ACTIONS` in which something happens."""
        return tuple(name for name in ACTIONS if bool((self.action(name) != NO_ACTION[name]).any()))

    def content_hash(self, kind: str) -> str:
        """SHA-256 over every value of every row, and the kind of row they are."""
        digest = hashlib.sha256(f"{kind}|{len(self.ts)}|".encode())
        for name in (*self._fields[:6], *self.acted):
            if name in ACTIONS:
                digest.update(name.encode())
            digest.update(np.ascontiguousarray(getattr(self, name)).tobytes())
        return digest.hexdigest()


def joined(parts: Sequence[Columns]) -> Columns:
    """Put rows one after the other, at least one part of them."""
    known = [name for name in ACTIONS if any(getattr(part, name) is not None for part in parts)]
    return Columns(
        *(np.concatenate(column) for column in zip(*(part[:6] for part in parts), strict=True)),
        **{name: np.concatenate([part.action(name) for part in parts]) for name in known},
    )


def to_frame(columns: Columns) -> pl.DataFrame:
    """Give the rows as a frame in the schema of a price file; NaN volumes become null.

    Columns of actions are there only if something happens in them.
    """
    series = [pl.Series("timestamp", columns.ts).cast(MOMENT)]
    series += [
        pl.Series(name, np.ascontiguousarray(getattr(columns, name)))
        for name in (*Columns._fields[1:6], *columns.acted)
    ]
    return pl.DataFrame(series).with_columns(pl.col("volume").fill_nan(None))


def to_columns(table: pa.Table) -> Columns:
    """Give the columns of a table in `ARROW_SCHEMA`; null volumes become NaN, null actions none."""
    ts, *floats = (pl.Series(name, table[name]).to_numpy() for name in SCHEMA)
    actions = {
        name: pl.Series(name, table[name]).fill_null(NO_ACTION[name]).to_numpy()
        for name in ACTIONS
        if name in table.column_names
    }
    return Columns(ts.view(np.int64), *floats, **actions)
