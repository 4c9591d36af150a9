"""Symbols that may become part of a path, and where the lake keeps their files.

ohlcv/1Y/symbol={S}/year={YYYY}/{S}_{YYYY}.parquet      minute rows of one calendar year (UTC)
ohlcv/{timeframe}/symbol={S}/year=…/{S}_{YYYY}.parquet  rows stored at another frequency
ohlcv/1m/symbol={S}/date={D}/{S}_{D}.parquet            minute rows of one day, read, not written
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from core.domain.timeframe import Timeframe
from core.errors import InvalidInput

PRICES: Final = "ohlcv"
MINUTE_FOLDER: Final = "1Y"
LEGACY_FOLDER: Final = "1m"

# No separators, globs, blanks or leading and trailing dots; case is folded before this is asked.
_SYMBOL: Final = re.compile(r"[A-Z0-9^$]([A-Z0-9._^$&=!-]{0,30}[A-Z0-9^$=!])?")
_SHOWN: Final = 40


def canonical_symbol(text: str) -> str:
    """Give the one spelling of a symbol: `aapl` is AAPL, so no two differ by case on any disk.

    Raises:
        InvalidInput: the text cannot be a symbol.
    """
    # upper() maps some letters outside ASCII into it, so only ASCII is folded.
    folded = text.upper() if text.isascii() else text
    if not _SYMBOL.fullmatch(folded) or not any(sign.isalnum() for sign in folded):
        shown = text if len(text) <= _SHOWN else text[:_SHOWN] + "…"
        raise InvalidInput(
            f"{shown!r} cannot be a symbol",
            expected="1 to 32 of A-Z 0-9 . _ - ^ $ & = !, such as BRK.B, ^NSEI or EURUSD",
            hint="write a pair without its slash: EURUSD for EUR/USD",
            field="symbol",
        )
    return folded


def series_folder(root: Path, symbol: str, timeframe: Timeframe) -> Path:
    """Folder of one series; the symbol must be canonical."""
    folder = MINUTE_FOLDER if timeframe is Timeframe.M1 else timeframe.value
    return root / PRICES / folder / f"symbol={symbol}"


def legacy_folder(root: Path, symbol: str) -> Path:
    """Folder of the older layout with one file of minutes per day."""
    return root / PRICES / LEGACY_FOLDER / f"symbol={symbol}"


def year_file(folder: Path, symbol: str, year: int) -> Path:
    """File with one calendar year (UTC) of the series in a folder."""
    return folder / f"year={year:04d}" / f"{symbol}_{year:04d}.parquet"
