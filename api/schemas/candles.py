"""Bars of the market."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

import polars as pl
from typing_extensions import TypedDict

from api.schemas.base import Answer
from api.words import SourceResolution
from core.domain.timeframe import Timeframe


class Candle(TypedDict):
    """One bar, labelled by the time it opens, UTC; daily and longer ones by their date."""

    symbol: str
    timestamp: datetime
    unix_time: int
    open: float
    high: float
    low: float
    close: float
    volume: float | None


class Candles(Answer):
    """Bars of one symbol; both dates are inclusive session dates."""

    symbol: str
    timeframe: Timeframe
    source_resolution: SourceResolution
    start_date: date
    end_date: date
    count: int
    data: list[Candle]

    @classmethod
    def of(
        cls,
        frame: pl.DataFrame,
        *,
        symbol: str,
        timeframe: Timeframe,
        source_resolution: SourceResolution,
        start: date,
        end: date,
    ) -> Candles:
        """Show bars."""
        rows: list[Any] = frame.select(
            symbol=pl.lit(symbol),
            timestamp="timestamp",
            unix_time=pl.col("timestamp").dt.epoch("s"),
            open="open",
            high="high",
            low="low",
            close="close",
            volume=pl.col("volume").fill_nan(None),
        ).to_dicts()
        return cls.model_construct(
            symbol=symbol,
            timeframe=timeframe,
            source_resolution=source_resolution,
            start_date=start,
            end_date=end,
            count=frame.height,
            data=rows,
        )
