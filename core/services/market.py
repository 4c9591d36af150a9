"""Prices: what there is, bars to look at, imports."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Literal

import polars as pl

from core.catalog import Catalog
from core.domain.dataset import ImportReport, Series
from core.domain.timeframe import Timeframe
from core.errors import NotFound


class Market:
    """What users may wish of prices."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    def symbols(self) -> list[str]:
        """Name every symbol that has bars, sorted."""
        return self._catalog.symbols()

    def series(self, symbol: str | None = None) -> list[Series]:
        """Describe every stored series, or those of one symbol.

        Raises:
            NotFound: the symbol has no bars.
        """
        return self._catalog.series(symbol)

    def timeframes(self, symbol: str | None = None) -> list[Timeframe]:
        """List the bar lengths a symbol can be served in; those of any symbol without one.

        Raises:
            NotFound: the symbol has no bars.
        """
        if symbol is not None:
            return self._catalog.timeframes(symbol)
        found = {each for name in self.symbols() for each in self._catalog.timeframes(name)}
        return [each for each in Timeframe if each in found]

    def bars_frame(
        self,
        symbol: str,
        timeframe: Timeframe,
        start: date | None = None,
        end: date | None = None,
    ) -> pl.DataFrame:
        """Give bars of the sessions from `start` to `end`, both inclusive, as a frame.

        Raises:
            NotFound: no such symbol, or no bars in these sessions.
            DataProblem: the length cannot be built, or a file is damaged.
        """
        return self._catalog.frame(symbol, timeframe, start, end)

    def lowest_price(
        self,
        symbols: Sequence[str],
        timeframe: Timeframe,
        start: date | None = None,
        end: date | None = None,
    ) -> float | None:
        """Give the lowest price of some symbols in these sessions; None where there is none.

        Raises:
            DataProblem: the length cannot be built, or a file is damaged.
        """
        lows = []
        for symbol in symbols:
            try:
                bars = self._catalog.bars(symbol, timeframe, start, end)
            except NotFound:
                continue
            lows += [float(bars.low.min())] if len(bars) else []
        return min(lows, default=None)

    def currency_of(self, symbol: str) -> str | None:
        """Give the currency a symbol's prices are in, None where nothing says."""
        return self._catalog.currency_of(symbol)

    def last_import(self, symbol: str) -> ImportReport | None:
        """Report of the last import that changed this symbol, None if there was none.

        Raises:
            NotFound: the symbol has no bars.
        """
        return self._catalog.last_import(symbol)

    def import_csv(
        self,
        source: Path | bytes,
        *,
        name: str,
        symbol: str,
        market: str = "XNYS",
        currency: str | None = None,
        zone: str | None = None,
        timeframe: Timeframe | None = None,
        label: Literal["open", "close"] = "open",
        date_order: Literal["auto", "dmy", "mdy", "ymd"] = "auto",
        columns: Mapping[str, str] | None = None,
        synthetic: bool = False,
        description: str = "",
        source_note: str = "",
        splits: Sequence[tuple[date, float]] = (),
        progress: Callable[[float], None] | None = None,
    ) -> ImportReport:
        """Import a file of prices; see docs/importer.md.

        Raises:
            InvalidInput: the file or what was said about it cannot be used.
            DataProblem: it contradicts itself or what is stored.
        """
        from core.catalog.importer import import_csv  # noqa: PLC0415 - most processes never import

        return import_csv(
            self._catalog,
            source,
            name=name,
            symbol=symbol,
            market=market,
            currency=currency,
            zone=zone,
            timeframe=timeframe,
            label=label,
            date_order=date_order,
            columns=columns,
            synthetic=synthetic,
            description=description,
            source_note=source_note,
            splits=splits,
            progress=progress,
        )

    def import_demo(self, progress: Callable[[float], None] | None = None) -> list[ImportReport]:
        """Import the demo prices; what is there already stays."""
        from core.catalog.demo import import_demo  # noqa: PLC0415 - once in a lifetime

        return import_demo(self._catalog, progress)

    def change_token(self) -> str:
        """Give a text that changes when anything is published."""
        return self._catalog.change_token()
