"""The cells of all rows as texts of time and columns of numbers, with what was wrong in each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import polars as pl

from core.catalog.cells import Rows, blocks
from core.catalog.column_names import PRICES, ZERO_IS_NO_SPLIT, normal_name
from core.catalog.columns import ACTIONS, BoolArray
from core.catalog.csv_layout import Layout
from core.catalog.gates import MAX_REJECTIONS
from core.catalog.numbers import Numbers, read_numbers
from core.domain.bars import NO_ACTION, FloatArray
from core.errors import DataProblem

_SYMBOLS_SHOWN: Final = 5
_SHOWN: Final = 40


@dataclass(slots=True)
class PriceCells:
    """Columns of a file, shape (rows,) each.

    Attributes:
        times: Stamps as written, date and time of day joined by a blank.
        prices: Open, high, low, close; NaN where there is no number.
        volume: NaN where there is none.
        actions: Dividends and split ratios, where the file has such a column.
        missing, not_numbers, bad_volumes, bad_actions: Rows with a problem, and what was found.
        unknown_volumes: Rows of a file with a volume column that have none.
        instrument: What a column of symbols calls the instrument, if there is one.
    """

    times: pl.Series
    prices: tuple[FloatArray, FloatArray, FloatArray, FloatArray]
    volume: FloatArray
    unknown_volumes: BoolArray
    actions: dict[str, FloatArray] = field(default_factory=dict)
    missing: dict[int, str] = field(default_factory=dict)
    not_numbers: dict[int, str] = field(default_factory=dict)
    bad_volumes: dict[int, str] = field(default_factory=dict)
    bad_actions: dict[str, dict[int, str]] = field(
        default_factory=lambda: {name: {} for name in ACTIONS}
    )
    instrument: str | None = None


@dataclass(slots=True)
class _Style:
    grouped: bool = False
    point_decided: bool = False
    decimal_commas: bool = False

    def see(self, numbers: Numbers) -> None:
        self.grouped |= numbers.grouped
        self.point_decided |= numbers.point_decided
        self.decimal_commas |= numbers.decimal_commas


def read_cells(rows: Rows, layout: Layout, progress: Callable[[float], None]) -> PriceCells:
    """Read the cells that matter, a block of rows at a time.

    Raises:
        DataProblem: the file holds several instruments, its numbers may be read in two ways, or
            more cells are wrong than can be listed.
    """
    count = len(rows.numbers)
    cells = PriceCells(
        times=pl.Series([], dtype=pl.String),
        prices=(np.empty(count), np.empty(count), np.empty(count), np.empty(count)),
        volume=np.full(count, np.nan),
        unknown_volumes=np.zeros(count, dtype=np.bool_),
    )
    wanted = dict(layout.roles)
    if layout.symbol_column is not None:
        wanted["symbol"] = layout.symbol_column
    times: list[pl.Series] = []
    symbols: set[str] = set()
    style = _Style()
    for part, frame in blocks(rows, layout, wanted):
        times.append(_stamps(frame))
        if "symbol" in frame:
            symbols |= set(frame["symbol"].unique().to_list())
        _read_prices(cells, frame, part, style)
        if "volume" in frame:
            _read_volume(cells, frame["volume"], part, style)
        for name in layout.roles.keys() & set(ACTIONS):
            _read_action(cells, name, frame[name], part, style)
        progress(part.stop / count)
    _read_zeros(cells, layout)
    cells.times = pl.concat(times)
    cells.instrument = _one_symbol(symbols - {""})
    _refuse_doubtful_commas(cells, style, count)
    return cells


def _stamps(frame: pl.DataFrame) -> pl.Series:
    if "timestamp" in frame:
        return frame["timestamp"]
    joined = frame.select(pl.concat_str("date", "time", separator=" ").str.strip_chars(" "))
    return joined.to_series()


def _read_prices(cells: PriceCells, frame: pl.DataFrame, part: slice, style: _Style) -> None:
    for name, column in zip(PRICES, cells.prices, strict=True):
        numbers = read_numbers(frame[name])
        style.see(numbers)
        column[part] = numbers.values
        _note(cells.missing, frame[name], numbers.missing, part, name)
        wrong = np.isnan(numbers.values) & ~numbers.missing
        _note(cells.not_numbers, frame[name], wrong, part, name)


def _read_volume(cells: PriceCells, text: pl.Series, part: slice, style: _Style) -> None:
    numbers = read_numbers(text)
    style.see(numbers)
    cells.volume[part] = numbers.values + 0.0  # minus zero is zero
    cells.unknown_volumes[part] = numbers.missing
    wrong = np.isnan(numbers.values) & ~numbers.missing
    _note(cells.bad_volumes, text, wrong, part, "volume")


def _read_action(cells: PriceCells, name: str, text: pl.Series, part: slice, style: _Style) -> None:
    numbers = read_numbers(text)
    style.see(numbers)
    column = cells.actions.setdefault(name, np.full(len(cells.volume), NO_ACTION[name]))
    column[part] = np.where(numbers.missing, NO_ACTION[name], numbers.values + 0.0)
    wrong = np.isnan(numbers.values) & ~numbers.missing
    _note(cells.bad_actions[name], text, wrong, part, name)


def _read_zeros(cells: PriceCells, layout: Layout) -> None:
    at = layout.roles.get("split")
    if at is not None and normal_name(layout.names[at]) in ZERO_IS_NO_SPLIT:
        ratios = cells.actions["split"]
        ratios[ratios == 0] = 1.0


def _note(
    problems: dict[int, str], text: pl.Series, wrong: BoolArray, part: slice, name: str
) -> None:
    for row in np.flatnonzero(wrong):
        found = repr(text[int(row)][:_SHOWN]) if text[int(row)] else "blank"
        problems.setdefault(part.start + int(row), f"{name} is {found}")
    if len(problems) > MAX_REJECTIONS:
        line = next(iter(problems.values()))
        raise DataProblem(
            f"more than {MAX_REJECTIONS:,} rows hold no {name}, the first because {line}",
            expected="a file whose rows are mostly good",
        )


def _one_symbol(symbols: set[str]) -> str | None:
    if len(symbols) > 1:
        shown = ", ".join(sorted(symbols)[:_SYMBOLS_SHOWN])
        raise DataProblem(
            f"the file holds {len(symbols):,} instruments: {shown}"
            + (" and more" if len(symbols) > _SYMBOLS_SHOWN else ""),
            expected="one instrument per file",
            hint="cut the file by instrument and import the parts one by one",
        )
    return next(iter(symbols), None)


def _refuse_doubtful_commas(cells: PriceCells, style: _Style, count: int) -> None:
    if style.decimal_commas and len(cells.not_numbers) > count // 2:
        row, found = next(iter(cells.not_numbers.items()))
        raise DataProblem(
            f"numbers seem to have a decimal comma: in data row {row + 1} {found}",
            expected="a decimal point",
            hint="export the file with English number formats",
        )
    if style.grouped and not style.point_decided:
        raise DataProblem(
            "the commas in its numbers may part thousands or decimals, and no number decides it",
            expected="a decimal point in some number, or no commas",
            hint="export the file without thousands separators",
        )
