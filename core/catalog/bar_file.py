"""A file of bars, read and judged: every data row ends among the bars or among the rejections."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from core.catalog.aggregate import in_regular_session
from core.catalog.bar_times import BarTimes, place_bars
from core.catalog.cells import Rows, read_rows
from core.catalog.columns import BoolArray, Columns
from core.catalog.csv_layout import Layout, detect_layout
from core.catalog.gates import (
    Gatekeeper,
    judge_actions,
    judge_duplicates,
    judge_prices,
    judge_volume,
)
from core.catalog.options import ReadOptions
from core.catalog.price_cells import PriceCells, read_cells
from core.catalog.sessions import local_clock
from core.catalog.source import Source, read_source
from core.catalog.splits import adjust, settle
from core.catalog.timestamps import Times, read_times
from core.domain.bars import US_PER_DAY, IntArray
from core.domain.timeframe import Timeframe
from core.errors import InvalidInput

_DELIMITERS: Final = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}


@dataclass(frozen=True, slots=True)
class BarFile:
    """What a file holds.

    Attributes:
        bars: Good rows in time order.
        row_of: Row number of each of them, as the gatekeeper counts rows.
        keeper: Which rows were rejected, and why.
        rows_read: Data rows of the file.
        layout: How it was read, for people.
        warnings: Worth knowing, stopping nothing.
    """

    bars: Columns
    row_of: IntArray
    timeframe: Timeframe
    keeper: Gatekeeper
    rows_read: int
    layout: dict[str, str]
    warnings: tuple[str, ...]


def read_bar_file(
    source: Path | bytes,
    name: str,
    options: ReadOptions,
    progress: Callable[[float], None] = lambda _: None,
) -> BarFile:
    """Read and judge a whole file.

    Raises:
        NotFound: the file is not there.
        DataProblem: it is no file of bars, or too little of it is good.
        InvalidInput: an option contradicts the file.
    """
    text = read_source(source, name)
    progress(0.1)
    layout = detect_layout(text.lines, options.columns)
    rows = read_rows(text.lines, layout)
    keeper = Gatekeeper(rows.numbers)
    keeper.reject_each(rows.ragged, "field_count")
    progress(0.2)
    cells = read_cells(rows, layout, lambda share: progress(0.2 + 0.4 * share))
    times = read_times(cells.times, options.date_order)
    keeper.reject_each(times.problems, "bad_time")
    placed = place_bars(times, options, keeper)
    progress(0.8)
    bars = Columns(placed.ts, *cells.prices, cells.volume, **cells.actions)
    _judge(keeper, cells, bars, assumed=layout.assumed)
    progress(0.9)
    kept = np.flatnonzero(keeper.alive)
    order = kept[np.argsort(bars.ts[kept], kind="stable")]
    good = bars.take(order)
    time_order = _order(bars.ts[kept])
    warnings = [
        *layout.notes,
        *placed.notes,
        *_file_notes(text, rows),
        *_row_notes(good, cells.unknown_volumes[order], placed.timeframe, options),
    ]
    if time_order == "mixed":
        warnings.append("the rows are not in time order; they were sorted")
    good, about = settle(good)
    warnings += about
    if options.splits:
        if "split" in good.acted:
            raise InvalidInput(
                "splits are given, and the file has a column of splits that its prices show",
                expected="one of them",
                hint="leave the splits option out: the column is stored",
                field="splits",
            )
        session = _sessions(good.ts, placed.timeframe, options)
        good, doubts = adjust(good, session, options.splits)
        warnings += doubts
    return BarFile(
        bars=good,
        row_of=order,
        timeframe=placed.timeframe,
        keeper=keeper,
        rows_read=len(rows.numbers),
        layout=_describe(text, layout, times, placed, options)
        | {"order": time_order}
        | ({"instrument": cells.instrument} if cells.instrument else {}),
        warnings=tuple(warnings),
    )


def _judge(keeper: Gatekeeper, cells: PriceCells, bars: Columns, *, assumed: bool) -> None:
    keeper.reject_each(cells.missing, "missing_price")
    keeper.reject_each(cells.not_numbers, "not_a_number")
    judge_prices(keeper, bars)
    if assumed and not keeper.alive.all():
        # The order of columns was taken for granted: a single row against it is one too many.
        raise keeper.refusal(
            f"{int((~keeper.alive).sum()):,}",
            hint="the file has no header; say which column is which by number: "
            "columns timestamp=1, open=2, high=3, low=4, close=5",
        )
    keeper.reject_each(cells.bad_volumes, "bad_volume")
    judge_volume(keeper, cells.volume)
    keeper.reject_each(cells.bad_actions["dividend"], "bad_dividend")
    keeper.reject_each(cells.bad_actions["split"], "bad_split")
    keeper.reject_each(cells.bad_actions["funding"], "bad_funding")
    judge_actions(keeper, bars)
    judge_duplicates(keeper, bars)
    keeper.check_share()


def _sessions(ts: IntArray, timeframe: Timeframe, options: ReadOptions) -> IntArray:
    if timeframe.is_intraday:
        return local_clock(ts, options.market)[0].astype(np.int64)
    return ts // US_PER_DAY


def _order(ts: IntArray) -> str:
    steps = np.diff(ts)
    if bool(np.all(steps >= 0)):
        return "oldest first"
    return "newest first" if bool(np.all(steps <= 0)) else "mixed"


# Words ----------------------------------------------------------------------------------------


def _file_notes(text: Source, rows: Rows) -> list[str]:
    notes = []
    if text.encoding == "Latin-1":
        notes.append("the file is not UTF-8 and was read as Latin-1")
    if text.line_ends == "mixed":
        notes.append("the file mixes kinds of line ends")
    if text.ends_open:
        notes.append(
            "the last line has no line end: if the file was cut, its last row may be short"
        )
    if rows.extra:
        notes.append(
            f"{rows.extra:,} rows have a blank or 0 beyond the last column; it was ignored"
        )
    return notes


def _row_notes(
    good: Columns, unknown_volumes: BoolArray, timeframe: Timeframe, options: ReadOptions
) -> list[str]:
    notes = []
    if unknown := int(unknown_volumes.sum()):
        notes.append(f"{unknown:,} rows have no volume")
    market = options.market
    if timeframe.is_intraday and market.opens and market.closes:
        outside = int((~in_regular_session(good.ts, timeframe, market)).sum())
        hours = f"{market.opens:%H:%M}-{market.closes:%H:%M} {market.zone}"
        if 2 * outside > len(good.ts):
            notes.append(f"most rows lie outside {hours}: is the zone right?")
        elif outside:
            notes.append(f"{outside:,} rows lie outside {hours}; daily bars leave them out")
    return notes


def _describe(
    text: Source, layout: Layout, times: Times, placed: BarTimes, options: ReadOptions
) -> dict[str, str]:
    used = {index: role for role, index in layout.roles.items()}
    columns = [f"{role}={layout.names[index]}" for role, index in layout.roles.items()]
    ignored = [name for index, name in enumerate(layout.names) if index not in used and name]
    words = {
        "encoding": text.encoding,
        "compression": text.compression,
        "line_ends": text.line_ends,
        "delimiter": _DELIMITERS[layout.delimiter],
        "header": f"line {layout.header}" if layout.header else "none",
        "columns": ", ".join(columns),
        "ignored": ", ".join(ignored),
        "time": times.notation,
        "zone": placed.zone,
        "label": options.label,
        "timeframe": "as given" if options.timeframe else "found from the rows",
        "splits": ", ".join(f"{day} {ratio:g}:1" for day, ratio in sorted(options.splits)),
    }
    return {name: word for name, word in words.items() if word}
