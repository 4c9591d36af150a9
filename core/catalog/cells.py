"""From lines to cells: every data line is one row, and a row keeps its cells or is rejected.

A quoted cell cannot run on into the next line, so one stray quote costs one row and not the rest
of the file. Rows with too few cells are rejected; so are rows with more, unless all that is left
over is blank or a single 0 at the end, which some sources append to rows of full width.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl

from core.catalog.columns import BoolArray
from core.catalog.csv_layout import Layout, split_line
from core.domain.bars import IntArray
from core.errors import DataProblem

BLOCK: Final = 250_000
"""Rows whose cells are held as text at the same time."""

# Refused with the other control characters when the file was read, so no cell can hold it.
_UNIT: Final = "\x1f"


@dataclass(frozen=True, slots=True)
class Rows:
    """Data rows of a file.

    Attributes:
        text: One line per row, its cells separated by `delimiter` and nothing quoted.
        numbers: Line number of each row, from 1.
        ragged: Rows whose cells cannot be told, with what was found instead.
        extra: How many rows had something harmless left over.
    """

    text: pl.Series
    delimiter: str
    numbers: IntArray
    ragged: dict[int, str]
    extra: int


def read_rows(lines: pl.Series, layout: Layout) -> Rows:
    """Take the data rows behind the header; blank lines are no rows.

    Raises:
        DataProblem: there are none, or most have another number of cells than the header.
    """
    body = lines.slice(layout.header)
    filled = body.str.contains(r"[^ \t]")
    numbers = np.flatnonzero(filled.to_numpy()) + layout.header + 1
    # A filter copies every line, and most files have no blank one.
    text = body if filled.all() else body.filter(filled)
    if not len(text):
        raise DataProblem(
            "the file has a header but no rows", expected="at least one row of prices"
        )
    text, delimiter, unclosed = _unquote(text, layout.delimiter)
    counts = (text.str.count_matches(delimiter, literal=True) + 1).to_numpy().astype(np.int64)
    counts[unclosed] = 0
    width = len(layout.names)
    common = int(np.bincount(counts).argmax())
    ragged = {
        int(row): f"{counts[row]} cells where the header has {width}"
        if counts[row]
        else "a quote is not closed in its line"
        for row in np.flatnonzero((counts < width) | unclosed)
    }
    longer = np.flatnonzero(counts > width)
    surplus = {
        int(row): f"{counts[row]} cells where the header has {width}"
        for row, rest in zip(longer, _rests(text.gather(longer), delimiter, width), strict=True)
        if not _harmless(rest)
    }
    if common != width and (common < width or len(surplus) > len(text) // 2):
        raise DataProblem(
            f"the header has {width} names, most rows have {common} cells",
            expected="as many names as cells",
            hint="a blank header cell will do for a column that is not needed",
        )
    return Rows(text, delimiter, numbers, ragged | surplus, len(longer) - len(surplus))


def blocks(
    rows: Rows, layout: Layout, wanted: dict[str, int]
) -> Iterator[tuple[slice, pl.DataFrame]]:
    """Give the wanted cells of all rows, stripped, a block of rows at a time.

    Rows that are ragged have blank cells.
    """
    width = len(layout.names)
    ragged = np.zeros(len(rows.text), dtype=np.bool_)
    ragged[list(rows.ragged)] = True
    for start in range(0, len(rows.text), BLOCK):
        part = slice(start, min(start + BLOCK, len(rows.text)))
        text = rows.text[part].set(pl.Series(ragged[part]), rows.delimiter * (width - 1))
        cells = text.str.split_exact(rows.delimiter, width - 1).struct.unnest()
        yield (
            part,
            cells.select(
                pl.col(f"field_{index}").str.strip_chars(" \t").alias(role)
                for role, index in wanted.items()
            ),
        )


def _unquote(text: pl.Series, delimiter: str) -> tuple[pl.Series, str, BoolArray]:
    quoted = text.str.contains('"', literal=True)
    unclosed = np.zeros(len(text), dtype=np.bool_)
    if not quoted.any():
        return text, delimiter, unclosed
    plain: list[str] = []
    where = np.flatnonzero(quoted.to_numpy())
    for row, line in zip(where, text.filter(quoted), strict=True):
        cells = split_line(line, delimiter)
        unclosed[row] = cells is None
        plain.append(_UNIT.join(cells or ()))
    replaced = text.str.replace_all(delimiter, _UNIT, literal=True)
    return replaced.scatter(where, plain), _UNIT, unclosed


def _rests(text: pl.Series, delimiter: str, width: int) -> Iterator[list[str]]:
    for line in text:
        yield line.split(delimiter)[width:]


def _harmless(rest: list[str]) -> bool:
    values = [cell.strip() for cell in rest if cell.strip()]
    return not values or values == ["0"]
