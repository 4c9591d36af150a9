"""Returns by calendar month, compounded: rows are years, columns months, the last one the year.

The page draws this one as a table, so that every number stays text: searchable, copyable, readable
by a screen reader.
"""

from __future__ import annotations

from datetime import date
from typing import NamedTuple

import polars as pl

from core.domain.timeframe import Timeframe

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


class YearRow(NamedTuple):
    """One year: twelve monthly returns and the year's, fractions; None where nothing was run."""

    year: int
    months: tuple[float | None, ...]
    total: float


class MonthsInfo(NamedTuple):
    """What the table says.

    Attributes:
        years: Newest last.
        scale: Absolute return at which a cell is fully coloured.
    """

    years: tuple[YearRow, ...]
    scale: float


def months_info(
    frame: pl.DataFrame, *, initial_cash: float, timeframe: Timeframe = Timeframe.D1
) -> MonthsInfo:
    """Compound an equity frame (schema `EQUITY_SCHEMA`, every session) into months and years.

    A month's return is its last equity over the last equity before it; the first month starts from
    `initial_cash`. The scale is the 90th percentile of absolute monthly returns, so that one wild
    month does not bleach the others. A weekly bar counts in the month of its Sunday: sessions name
    its Monday, but its gain is known at its end.
    """
    day = pl.col("session")
    if timeframe is Timeframe.W1:
        day = day.dt.offset_by("6d")
    closes = (
        frame.group_by(day.dt.truncate("1mo").alias("month"), maintain_order=True)
        .agg(pl.col("equity").last())
        .sort("month")
    )
    monthly: dict[date, float] = {}
    yearly: dict[int, float] = {}
    before = initial_cash
    for month, equity in closes.iter_rows():
        change = equity / before - 1 if before > 0 else 0.0
        monthly[month] = change
        yearly[month.year] = (1 + yearly.get(month.year, 0.0)) * (1 + change) - 1
        before = equity
    years = tuple(
        YearRow(
            year=year,
            months=tuple(monthly.get(date(year, number, 1)) for number in range(1, 13)),
            total=total,
        )
        for year, total in sorted(yearly.items())
    )
    sizes = sorted(abs(change) for change in monthly.values())
    scale = sizes[min(len(sizes) - 1, int(0.9 * len(sizes)))] if sizes else 0.0
    return MonthsInfo(years=years, scale=scale)
