"""Frames as bytes: the same rows always give the same Parquet file, on any thread count.

Rows are written in one chunk with fixed row groups and level, so neither the history of a frame in
memory nor the machine shows in the file. What is undefined is null; NaN and infinity are refused.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from polars.exceptions import ColumnNotFoundError, PolarsError

from core.domain.run import ARTIFACTS, CONVERTED, FX
from core.errors import DataProblem, InvalidInput

SUFFIX: Final = ".parquet"
_ROW_GROUP: Final = 65_536
_LEVEL: Final = 3


@dataclass(frozen=True, slots=True)
class Shelf:
    """Which frames a result has.

    Attributes:
        schemas: By name; None where the columns differ from result to result.
        optional: Names that may be missing.
    """

    schemas: Mapping[str, Mapping[str, Any] | None]
    optional: frozenset[str] = frozenset()

    def file_name(self, name: str) -> str:
        """File of an artifact; both `equity` and `equity.parquet` name it.

        Raises:
            InvalidInput: no artifact of that name.
        """
        stem = name.removesuffix(SUFFIX)
        if stem not in self.schemas:
            raise InvalidInput(
                f"artifact {name!r} is not known", expected=f"one of {', '.join(self.schemas)}"
            )
        return stem + SUFFIX

    def is_complete(self, names: Iterable[str]) -> bool:
        """Whether these are the frames, or files, of a result."""
        found = {name.removesuffix(SUFFIX) for name in names}
        return self.schemas.keys() - self.optional <= found <= self.schemas.keys()

    def encode_all(self, frames: Mapping[str, pl.DataFrame]) -> dict[str, bytes]:
        """Encode the frames of a result by file name.

        Raises:
            DataProblem: a frame is missing, unknown, of another schema, or holds NaN or infinity.
        """
        if not self.is_complete(frames):
            raise DataProblem(
                f"frames are {', '.join(sorted(frames)) or 'missing'}",
                expected=", ".join(sorted(self.schemas)),
            )
        for name, frame in frames.items():
            self._check(name, dict(frame.schema))
        return {name + SUFFIX: _encode(name, frames[name]) for name in sorted(frames)}

    def decode(self, name: str, content: bytes, columns: Sequence[str] | None) -> pl.DataFrame:
        """Read a file's content back, all columns or some.

        Raises:
            InvalidInput: a column the artifact does not have.
            DataProblem: the content is not such a file.
        """
        schema = self.schemas[name.removesuffix(SUFFIX)]
        if columns is not None and schema is None:
            schema = _schema_of(name, content)
        unknown = [column for column in columns or () if column not in (schema or {})]
        if unknown:
            raise InvalidInput(
                f"{name} has no column {', '.join(map(repr, unknown))}",
                expected=f"some of {', '.join(schema or {})}",
            )
        wanted = None if columns is None else list(columns)
        try:
            return pl.read_parquet(io.BytesIO(content), columns=wanted)
        except (PolarsError, OSError) as error:
            raise DataProblem(f"{name} is not a Parquet file of a result: {error}") from error

    def check_file(self, name: str, content: bytes) -> None:
        """Refuse a file that another program wrote with another schema.

        Raises:
            DataProblem: the columns are not those of the artifact.
        """
        self._check(name, _schema_of(name, content))

    def _check(self, name: str, found: Mapping[str, Any]) -> None:
        expected = self.schemas[name.removesuffix(SUFFIX)]
        if expected is not None:
            _check_schema(name, found, expected)


RUN: Final = Shelf(ARTIFACTS)
"""The four frames of a run."""


def _schema_of(name: str, content: bytes) -> dict[str, Any]:
    try:
        return dict(pl.read_parquet_schema(io.BytesIO(content)))
    except (PolarsError, ColumnNotFoundError, OSError) as error:
        raise DataProblem(f"{name} is not a Parquet file: {error}") from error


def _encode(name: str, frame: pl.DataFrame) -> bytes:
    floats = [column for column in frame if column.dtype in {pl.Float64, pl.Float32}]
    broken = [column.name for column in floats if not _is_sound(column)]
    if broken:
        raise DataProblem(
            f"column {', '.join(broken)} of {name} holds NaN or infinity",
            expected="finite numbers, null where undefined",
        )
    content = io.BytesIO()
    # By Arrow, which starts no threads for it: a process forked later does the same at once.
    pq.write_table(
        pa.RecordBatchReader.from_stream(frame).read_all(),
        content,
        compression="zstd",
        compression_level=_LEVEL,
        row_group_size=_ROW_GROUP,
        use_dictionary=[name for name, kind in frame.schema.items() if kind == pl.String],
        store_schema=False,
    )
    return content.getvalue()


def _is_sound(column: pl.Series) -> bool:
    finite = np.count_nonzero(np.isfinite(column.to_numpy()))  # nulls come as NaN
    return bool(finite == len(column) - column.null_count())


def _check_schema(name: str, found: Mapping[str, Any], expected: Mapping[str, Any]) -> None:
    if name.removesuffix(SUFFIX) in CONVERTED and FX in found:
        expected = {**expected, FX: pl.Float64}
    if list(found.items()) == list(expected.items()):
        return
    wrong = [
        f"{column} is {found.get(column, 'missing')}, not {kind}"
        for column, kind in expected.items()
        if found.get(column) != kind
    ]
    wrong += [f"{column} is unknown" for column in found if column not in expected]
    raise DataProblem(
        f"columns of {name} differ: {'; '.join(wrong) or 'they are in another order'}",
        expected=", ".join(expected),
    )
