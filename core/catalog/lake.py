"""The catalog: what bars there are, and bars of any length on demand."""

from __future__ import annotations

import difflib
import re
import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Final, TypeVar

import numpy as np
import polars as pl

from core.catalog.aggregate import aggregate, calendar_labels, can_build, labels_of
from core.catalog.columns import Columns, to_frame
from core.catalog.head import Head, HeadReader, SymbolEntry
from core.catalog.names import PRICES, canonical_symbol
from core.catalog.reports import read_report
from core.catalog.sessions import EPOCH, day_number, local_clock, session_starts
from core.catalog.stored import Part, PartReader, parts_of, stored_timeframes
from core.catalog.terms import on_terms
from core.domain.bars import US_PER_DAY, Adjust, Bars, Int32Array, IntArray
from core.domain.dataset import ImportReport, Series
from core.domain.detail import Detail
from core.domain.market import Market, find_market
from core.domain.timeframe import Timeframe
from core.errors import DataProblem, InvalidInput, NotFound, Unavailable

T = TypeVar("T")

UNDECLARED_MARKET: Final = "24/7"
"""Market of files somebody laid into the lake without saying what they are."""

FX_MARKET: Final = "FX"
_PAIR: Final = re.compile(r"[A-Z]{6}")

_ATTEMPTS: Final = 60
_PAUSE: Final = 0.005
# Bounds far outside any price keep the arithmetic of zones and years within its range.
_EARLIEST: Final = date(1800, 1, 1)
_LATEST: Final = date(2999, 12, 31)


class Catalog:
    """Bars under one root folder. Safe for threads; other processes may publish at any time.

    Args:
        root: Folder of the lake. It need not exist yet.
    """

    def __init__(self, root: Path) -> None:
        self.root = Path(root)
        self._heads = HeadReader(self.root)
        self._parts = PartReader()

    def symbols(self) -> list[str]:
        """Name every symbol that has bars, sorted."""
        head = self._heads.read()
        names = {name for name, entry in head.symbols.items() if entry.series}
        found = self._folders() | (head.symbols.keys() - names)
        names |= {name for name in found - names if stored_timeframes(head, self.root, name)}
        return sorted(names)

    def series(self, symbol: str | None = None) -> list[Series]:
        """Describe every stored series, or those of one symbol.

        Raises:
            NotFound: the symbol has no bars.
        """
        names = self.symbols() if symbol is None else [self._known(symbol)]
        return [
            self._describe(name, timeframe)
            for name in names
            for timeframe in stored_timeframes(self._heads.read(), self.root, name)
        ]

    def timeframes(self, symbol: str) -> list[Timeframe]:
        """List the bar lengths that can be served from what is stored, shortest first.

        Raises:
            NotFound: the symbol has no bars.
        """
        stored = stored_timeframes(self._heads.read(), self.root, self._known(symbol))
        return [
            target for target in Timeframe if any(can_build(source, target) for source in stored)
        ]

    def bars(
        self,
        symbol: str,
        timeframe: Timeframe,
        start: date | None = None,
        end: date | None = None,
        adjust: Adjust = "split",
    ) -> Bars:
        """Build bars from the sessions of `start` to `end`, both inclusive, and nothing outside.

        They are put on the terms of `adjust` as `on_terms` does, splits after `end` unknown.

        Weeks and months built here from shorter bars and cut by `start` or `end` are made of the
        sessions inside. Weeks and months stored as such cannot be cut: those that are not wholly
        inside are left out, so that no bar knows a price after `end`.

        Raises:
            NotFound: no such symbol, or no bars of it in these sessions.
            DataProblem: the length cannot be built from what is stored, or a file is damaged.
        """
        name = self._known(symbol)
        rows, market = self._rows(name, timeframe, start, end)
        if timeframe.is_intraday:
            session, minute = local_clock(rows.ts, market)
        else:
            session = _dates(rows.ts)
            minute = np.zeros(len(rows.ts), dtype=np.int32)
        bars = Bars(
            symbol=name,
            timeframe=timeframe,
            market=market,
            session=session,
            minute=minute,
            **rows._asdict(),
        )
        return on_terms(bars, adjust)

    def sessions(
        self,
        symbol: str,
        timeframe: Timeframe,
        start: date | None = None,
        end: date | None = None,
    ) -> Int32Array:
        """Give the session of every bar that `bars` would build, from their times alone.

        Returns:
            Days since 1970, not descending, shape (T,).

        Raises:
            NotFound, DataProblem: as for `bars`.
        """
        name = self._known(symbol)
        market = self.market_of(name)

        def read(head: Head) -> IntArray:
            source, parts, span = self._place(head, name, timeframe, (start, end))
            ts = self._parts.times(parts, *span)
            if source is timeframe or not len(ts):
                return ts
            labels, kept = labels_of(ts, source, timeframe, market)
            return np.unique(labels[kept])

        ts = self._consistently(name, read)
        if not len(ts):
            raise self._nothing_there(name, start, end)
        return local_clock(ts, market)[0] if timeframe.is_intraday else _dates(ts)

    def finer(self, symbol: str, timeframe: Timeframe) -> list[Timeframe]:
        """List the shorter lengths whose bars make up those of a length, shortest first.

        Raises:
            NotFound: the symbol has no bars.
        """
        return [
            each
            for each in self.timeframes(symbol)
            if each is not timeframe and can_build(each, timeframe)
        ]

    def detail(
        self,
        bars: Bars,
        timeframe: Timeframe,
        start: date | None = None,
        end: date | None = None,
        adjust: Adjust = "split",
    ) -> Detail:
        """Find the finer bars inside bars, on the terms of those.

        Args:
            bars: What `bars` gave for the same sessions and terms.
            timeframe: Length of the finer ones, one of `finer`.
            start: First session the bars were asked for.
            end: Last session they were asked for.
            adjust: Terms they were asked on.

        Returns:
            Those that bars of this length would be made of; none where there are none.

        Raises:
            DataProblem: a file is damaged.
        """
        try:
            found = self.bars(bars.symbol, timeframe, start, end)
        except NotFound:
            found = bars.head(0)
        place = np.zeros(0, dtype=np.int64)
        if len(found):
            labels, kept = labels_of(found.ts, timeframe, bars.timeframe, bars.market)
            place = np.searchsorted(bars.ts, labels)
            here = kept & (place < len(bars))
            here[here] = bars.ts[place[here]] == labels[here]
            found, place = found.where(here), place[here]
        scale = np.ones(len(bars))
        if adjust != "split":
            # Both are split-adjusted alike; what else was done to a bar is done to what is inside.
            split = self.bars(bars.symbol, bars.timeframe, start, end).head(len(bars))
            scale = bars.open / split.open
        factor = scale[place]
        return Detail(
            timeframe=timeframe,
            ts=found.ts.copy(),
            first=np.searchsorted(place, np.arange(len(bars) + 1)).astype(np.int64),
            **{name: getattr(found, name) * factor for name in ("open", "high", "low", "close")},
        )

    def frame(
        self,
        symbol: str,
        timeframe: Timeframe,
        start: date | None = None,
        end: date | None = None,
    ) -> pl.DataFrame:
        """Build the same bars, split-adjusted, as a frame.

        Columns are timestamp (UTC), open, high, low, close, volume, and dividend where there are
        some.

        Raises:
            NotFound, DataProblem: as for `bars`.
        """
        rows, _ = self._rows(self._known(symbol), timeframe, start, end)
        if "split" in rows.acted:
            bars = self.bars(symbol, timeframe, start, end)
            rows = Columns(*(getattr(bars, name) for name in Columns._fields))
        return to_frame(rows)

    def last_import(self, symbol: str) -> ImportReport | None:
        """Report of the last import that changed a series of this symbol, None if there was none.

        Raises:
            NotFound: the symbol has no bars.
        """
        entry = self._heads.read().symbols.get(self._known(symbol))
        reports = [series.report for series in entry.series.values()] if entry else []
        # names begin with the number of the publication
        return read_report(self.root, max(reports)) if reports else None

    def change_token(self) -> str:
        """Give a text that changes when anything is published."""
        return str(self._heads.read().revision)

    def market_of(self, symbol: str) -> Market:
        """Market whose clock a symbol follows."""
        entry = self._heads.read().symbols.get(symbol)
        return find_market(entry.market if entry else UNDECLARED_MARKET)

    def currency_of(self, symbol: str) -> str | None:
        """Currency a symbol's prices are in, None where nothing says.

        It is what an import said, else that of its market; of spot FX the second half of a pair:
        `EURUSD` is in USD.
        """
        entry = self._heads.read().symbols.get(symbol)
        if entry is not None and entry.currency is not None:
            return entry.currency
        market = self.market_of(symbol)
        if market.code == FX_MARKET and _PAIR.fullmatch(symbol):
            return symbol[3:]
        return market.currency

    def parts(self, symbol: str, timeframe: Timeframe) -> list[Part]:
        """Files a stored series consists of, in time order and undamaged.

        Raises:
            DataProblem: a file is not what was imported.
            OSError: a file has been moved in the meantime.
        """
        parts = parts_of(self._heads.read(), self.root, symbol, timeframe)
        self._parts.verify(parts)
        return parts

    # ------------------------------------------------------------------------------------------

    def _rows(
        self, name: str, timeframe: Timeframe, start: date | None, end: date | None
    ) -> tuple[Columns, Market]:
        market = self.market_of(name)

        def read(head: Head) -> Columns:
            source, parts, span = self._place(head, name, timeframe, (start, end))
            if not parts:
                return Columns(*(np.empty(0, dtype=kind) for kind in (np.int64, *[float] * 5)))
            return aggregate(self._parts.read(parts, *span), source, timeframe, market)

        rows = self._consistently(name, read)
        if not len(rows.ts):
            raise self._nothing_there(name, start, end)
        return rows, market

    def _place(
        self,
        head: Head,
        name: str,
        timeframe: Timeframe,
        days: tuple[date | None, date | None],
    ) -> tuple[Timeframe, list[Part], tuple[int | None, int | None]]:
        """Say what bars are built from: the stored length, its files, and which of their rows."""
        start, end = days
        if start is not None and end is not None and start > end:
            raise InvalidInput(
                f"start {start} is after end {end}",
                expected="a start on or before the end",
                field="start",
            )
        source = self._source(head, name, timeframe)
        span = _bounds(source, self.market_of(name), start, end)
        return source, _overlapping(parts_of(head, self.root, name, source), *span), span

    def _consistently(self, name: str, read: Callable[[Head], T]) -> T:
        """Repeat a reading during which the symbol's files were replaced under our hands."""
        for attempt in range(_ATTEMPTS):
            before = self._entry(name)
            try:
                result = read(self._heads.read())
            except DataProblem:
                if self._entry(name) == before:
                    raise
            except OSError as error:
                # A published file moves once, from its staging place into its own; an import
                # of many years moves many, one after the other.
                if self._entry(name) == before and attempt == _ATTEMPTS - 1:
                    raise DataProblem(
                        f"a file of {name} is not where it should be, or cannot be opened",
                        hint="restore it from a backup, or import the symbol again",
                    ) from error
                time.sleep(_PAUSE)
            else:
                if self._entry(name) == before:
                    return result
        raise Unavailable(
            f"{name} is being imported again and again while it is read",
            hint="try again when the imports are done",
        )

    def _entry(self, name: str) -> SymbolEntry | None:
        return self._heads.read().symbols.get(name)

    def _source(self, head: Head, name: str, target: Timeframe) -> Timeframe:
        """Choose the stored series to build from: itself, else daily rows, else the shortest."""
        if parts_of(head, self.root, name, target):
            return target
        stored = stored_timeframes(head, self.root, name)
        if Timeframe.D1 in stored and can_build(Timeframe.D1, target):
            return Timeframe.D1
        for source in stored:
            if can_build(source, target):
                return source
        raise DataProblem(
            f"{name} is stored as {', '.join(stored)}; {target} bars cannot be built from that",
            expected="a stored length that divides it",
            hint=f"ask for one of {', '.join(self.timeframes(name))}",
            field="timeframe",
        )

    def _known(self, symbol: str) -> str:
        name = canonical_symbol(symbol)
        entry = self._heads.read().symbols.get(name)
        if entry and entry.series:
            return name
        if stored_timeframes(self._heads.read(), self.root, name):
            return name
        known = self.symbols()
        close = difflib.get_close_matches(name, known, n=3)
        hint = f"did you mean {' or '.join(close)}?" if close else None
        if not known:
            hint = "the catalog is empty: import a CSV file or load the demo data"
        raise NotFound(
            f"no bars of {name} in the catalog",
            expected=None if close or not known else _some(known),
            hint=hint,
            field="symbol",
        )

    def _nothing_there(self, name: str, start: date | None, end: date | None) -> NotFound:
        spans = "; ".join(
            f"{each.timeframe} from {each.first:%Y-%m-%d} to {each.last:%Y-%m-%d}"
            for each in self.series(name)
        )
        wanted = " ".join(
            f"{word} {day}" for word, day in (("from", start), ("to", end)) if day is not None
        )
        return NotFound(f"no bars of {name} {wanted}".rstrip(), expected=f"sessions of {spans}")

    def _folders(self) -> set[str]:
        names = set()
        for folder in self.root.glob(f"{PRICES}/*/symbol=*"):
            name = folder.name.removeprefix("symbol=")
            if folder.is_dir() and name.isascii() and name == name.upper():
                names.add(name)
        return names

    def _describe(self, name: str, timeframe: Timeframe) -> Series:
        head = self._heads.read()
        entry = head.symbols.get(name) or SymbolEntry(market=UNDECLARED_MARKET)
        if timeframe in entry.series:
            stored = entry.series[timeframe]
            first, last, count = stored.first, stored.last, stored.rows
        else:
            rows = self._parts.read(parts_of(head, self.root, name, timeframe))
            first, last, count = int(rows.ts[0]), int(rows.ts[-1]), len(rows.ts)
        return Series(
            symbol=name,
            timeframe=timeframe,
            market=entry.market,
            first=moment(first),
            last=moment(last),
            rows=count,
            synthetic=entry.synthetic,
            currency=self.currency_of(name),
            description=entry.description,
            source=entry.source,
        )


def _dates(ts: IntArray) -> Int32Array:
    return (ts // US_PER_DAY).astype(np.int32)


def moment(ts: int) -> datetime:
    """Give microseconds since 1970 as a UTC time."""
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=ts)


def _bounds(
    source: Timeframe, market: Market, start: date | None, end: date | None
) -> tuple[int | None, int | None]:
    """First moment inside and first moment beyond the labels of bars wholly in the sessions."""
    days = [
        None if start is None else day_number(max(start, _EARLIEST)),
        None if end is None else day_number(min(end, _LATEST)) + 1,
    ]
    if source.is_intraday:
        lower, upper = (
            None if day is None else int(session_starts(np.array([day]), market)[0]) for day in days
        )
    else:
        lower, upper = (None if day is None else day * US_PER_DAY for day in days)
        if upper is not None and source is Timeframe.W1:
            upper -= 6 * US_PER_DAY
        elif upper is not None and source is Timeframe.MN1:
            # Every month before that of the first day beyond is over.
            upper = int(calendar_labels(np.array([upper]), source)[0])
    return lower, upper


def _overlapping(parts: list[Part], lower: int | None, upper: int | None) -> list[Part]:
    # A year of slack for files laid by others, who may have cut their years by local time.
    slack = 1 if any(part.entry is None for part in parts) else 0
    first = -(10**6) if lower is None else _year(lower) - slack
    last = 10**6 if upper is None else _year(upper - 1) + slack
    return [part for part in parts if first <= part.year <= last]


def _year(ts: int) -> int:
    return (EPOCH + timedelta(days=ts // US_PER_DAY)).year


def _some(names: list[str], count: int = 8) -> str:
    shown = ", ".join(names[:count])
    return f"one of {shown}" + (f" and {len(names) - count} more" if len(names) > count else "")
