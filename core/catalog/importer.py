"""Importing a CSV file: read, judged, compared with what is stored, published whole.

docs/importer.md says what is accepted, every gate and every option.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Final, Literal

import numpy as np

from core.catalog.bar_file import BarFile, read_bar_file
from core.catalog.columns import BoolArray, Columns, joined
from core.catalog.gates import same_values
from core.catalog.head import Head, SymbolEntry
from core.catalog.lake import Catalog, moment
from core.catalog.names import canonical_symbol
from core.catalog.options import Label, ReadOptions
from core.catalog.publish import describe, publish, writing
from core.catalog.stored import PartReader, parts_of
from core.catalog.timestamps import DateOrder
from core.domain.bars import IntArray
from core.domain.dataset import ImportReport
from core.domain.fx import CURRENCY
from core.domain.market import find_market
from core.domain.timeframe import Timeframe
from core.errors import Conflict, InvalidInput

MAX_NAME: Final = 255
MAX_TEXT: Final = 2_000


def import_csv(
    catalog: Catalog,
    source: Path | bytes,
    *,
    name: str,
    symbol: str,
    market: str = "XNYS",
    currency: str | None = None,
    zone: str | None = None,
    timeframe: Timeframe | None = None,
    label: Label = "open",
    date_order: DateOrder = "auto",
    columns: Mapping[str, str] | None = None,
    synthetic: bool = False,
    description: str = "",
    source_note: str = "",
    splits: Sequence[tuple[date, float]] = (),
    progress: Callable[[float], None] | None = None,
) -> ImportReport:
    """Import a file of bars into the lake.

    Rows already stored are left alone; rows that contradict stored ones are rejected: history is
    added to, never rewritten. Importing the same file again changes nothing.

    Args:
        catalog: Lake to import into.
        source: The file, or its bytes.
        name: Name of the file; only its ending is looked at.
        symbol: To store the bars under; case does not matter.
        market: Code of the market whose sessions the bars belong to.
        currency: What the prices are in (`USD`); that of the market, or of the pair, if not given.
        zone: Clock of times that carry none; the market's own if not given.
        timeframe: Length of the bars; found from the rows if not given.
        label: Whether a stamp says when its bar opened or when it closed.
        date_order: Order of day, month and year where the file leaves it open.
        columns: Role (timestamp, date, time, open, high, low, close, volume) to column name.
        synthetic: The prices are made, not traded.
        description: Kept with the symbol.
        source_note: Where the prices come from, kept with the symbol; the file's name if empty.
        splits: Date and ratio of splits the file's prices are not adjusted for.
        progress: Told the fraction done, from 0 to 1; may raise to stop the import.

    Raises:
        InvalidInput: an option cannot be, or contradicts the file.
        NotFound: the file is not there.
        DataProblem: the file is no file of bars, or too little of it is good.
        Conflict: the symbol is known with another market, or the lake holds foreign files of it.
        Unavailable: the lake cannot be written now.
    """
    name, symbol = _checked_name(name), canonical_symbol(symbol)
    about = SymbolEntry(
        market=find_market(market).code,
        synthetic=synthetic,
        currency=_checked_currency(currency),
        description=_checked_text("description", description),
        source=_checked_text("source_note", source_note or name),
    )
    options = ReadOptions(
        find_market(market), zone, timeframe, label, date_order, columns, tuple(splits)
    )
    tell = _only_forward(progress)
    file = read_bar_file(source, name, options, lambda share: tell(0.8 * share))
    with writing(catalog.root) as head:
        about = _agreed(head, symbol, about)
        fresh, stored, report = _compared(catalog.root, head, symbol, about, file)
        tell(0.9)
        if report.rows_new:
            publish(
                catalog.root,
                head,
                symbol=symbol,
                timeframe=file.timeframe,
                about=about,
                years=_merged(stored, fresh),
                report=report,
            )
        elif about.currency != head.symbols[symbol].currency:
            describe(catalog.root, head, symbol, about)
    tell(1.0)
    return report


def _compared(
    root: Path, head: Head, symbol: str, about: SymbolEntry, file: BarFile
) -> tuple[Columns, Columns, ImportReport]:
    """Compare a file with the lake: new rows, stored rows of the same years, and the report."""
    before = about.series.get(file.timeframe)
    parts = parts_of(head, root, symbol, file.timeframe)
    if parts and before is None:
        raise Conflict(
            f"the lake holds {file.timeframe} files of {symbol} that were not imported",
            hint="import under another symbol, or move those files away",
        )
    years = set(_years(file.bars.ts).tolist())
    touched = [part for part in parts if part.year in years]
    stored = PartReader().read(touched) if touched else file.bars.take(slice(0, 0))
    there = _reject_against(stored, file)
    good = file.keeper.alive[file.row_of]
    bars, fresh = file.bars.take(good), file.bars.take(good & ~there)
    outcome: Literal["imported", "appended", "unchanged"] = "imported"
    if before is not None:
        outcome = "appended" if len(fresh.ts) else "unchanged"
    report = ImportReport(
        symbol=symbol,
        timeframe=file.timeframe,
        market=about.market,
        rows_read=file.rows_read,
        rows_stored=len(bars.ts),
        rows_new=len(fresh.ts),
        outcome=outcome,
        first=moment(int(bars.ts[0])),
        last=moment(int(bars.ts[-1])),
        content_hash=bars.content_hash(file.timeframe),
        rejections=file.keeper.rejections,
        warnings=file.warnings,
        layout=file.layout,
    )
    return fresh, stored, report


def _reject_against(stored: Columns, file: BarFile) -> BoolArray:
    """Reject rows that contradict stored ones, and say which rows are stored already."""
    if not len(stored.ts):
        return np.zeros(len(file.bars.ts), dtype=np.bool_)
    at = np.minimum(np.searchsorted(stored.ts, file.bars.ts), len(stored.ts) - 1)
    there: BoolArray = stored.ts[at] == file.bars.ts
    against = there & ~same_values(file.bars, stored.take(at))
    place = dict(zip(file.row_of[against].tolist(), at[against].tolist(), strict=True))
    prices = (stored.open, stored.high, stored.low, stored.close, stored.volume)
    file.keeper.reject(
        sorted(place),
        "conflicting_duplicate",
        lambda row: (
            "the lake has other values for the same time: open, high, low, close, volume "
            + ", ".join(repr(float(column[place[row]])) for column in prices)
        ),
    )
    file.keeper.check_share()
    return there


def _merged(stored: Columns, fresh: Columns) -> dict[int, Columns]:
    """Give every row of each year that has new ones, in time order."""
    rows = joined([stored, fresh])
    rows = rows.take(np.argsort(rows.ts, kind="stable"))
    years = _years(rows.ts)
    return {int(year): rows.take(years == year) for year in np.unique(_years(fresh.ts))}


def _years(ts: IntArray) -> IntArray:
    return ts.astype("datetime64[us]").astype("datetime64[Y]").astype(np.int64) + 1970


def _agreed(head: Head, symbol: str, about: SymbolEntry) -> SymbolEntry:
    known = head.symbols.get(symbol)
    if known is None:
        return about
    for field, what in (
        ("market", "market"),
        ("synthetic", "synthetic"),
        ("currency", "currency"),
    ):
        old, new = getattr(known, field), getattr(about, field)
        if old != new and not (field == "currency" and None in {old, new}):
            raise Conflict(
                f"{symbol} is known with {what} {old}, this import says {new}",
                expected=f"{what} {old}",
                hint="correct the option, or import under another symbol",
            )
    return about.model_copy(
        update={
            "description": about.description or known.description,
            "currency": about.currency or known.currency,
            "series": known.series,
        }
    )


def _checked_name(name: str) -> str:
    base = name.replace("\\", "/").rsplit("/", 1)[-1].strip()
    if not base or len(base) > MAX_NAME or not base.isprintable():
        raise InvalidInput(
            f"{name[:60]!r} cannot be the name of a file",
            expected=f"1 to {MAX_NAME} printable characters",
            field="name",
        )
    return base


def _checked_currency(code: str | None) -> str | None:
    if code is None or CURRENCY.fullmatch(code.strip().upper()):
        return code and code.strip().upper()
    raise InvalidInput(
        f"{code[:20]!r} cannot be a currency", expected="a code such as USD", field="currency"
    )


def _checked_text(field: str, text: str) -> str:
    if len(text) > MAX_TEXT:
        raise InvalidInput(
            f"{field} has {len(text):,} characters", expected=f"at most {MAX_TEXT:,}", field=field
        )
    return text


def _only_forward(progress: Callable[[float], None] | None) -> Callable[[float], None]:
    reached = -1.0

    def tell(share: float) -> None:
        nonlocal reached
        if progress is not None and share > reached:
            reached = share
            progress(share)

    return tell
