"""Local clocks to UTC, with the hours a clock skips or repeats told apart and never guessed."""

from __future__ import annotations

import zoneinfo

import numpy as np
import polars as pl

from core.catalog.columns import BoolArray
from core.domain.bars import IntArray
from core.errors import InvalidInput


def check_zone(zone: str) -> str:
    """Accept the IANA name of a zone.

    Raises:
        InvalidInput: there is no such zone.
    """
    try:
        zoneinfo.ZoneInfo(zone)
        pl.Series([0]).cast(pl.Datetime("us")).dt.replace_time_zone(zone)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError, pl.exceptions.PolarsError):
        raise InvalidInput(
            f"zone {zone[:60]!r} is not known",
            expected="an IANA name such as America/New_York, Asia/Kolkata or UTC",
            field="zone",
        ) from None
    return zone


def to_utc(wall: IntArray, zone: str) -> tuple[IntArray, BoolArray, BoolArray]:
    """Give the moments local times stand for.

    Returns:
        Moments in microseconds UTC (0 where there is not exactly one), where a time occurs twice,
        and where it does not occur.
    """
    local = pl.Series(wall).cast(pl.Datetime("us"))
    earliest, latest = (
        local.dt.replace_time_zone(zone, ambiguous=which, non_existent="null").to_physical()
        for which in ("earliest", "latest")
    )
    nonexistent = earliest.is_null().to_numpy()
    ambiguous = (earliest != latest).fill_null(value=False).to_numpy()
    moments = earliest.fill_null(0).to_numpy()
    return np.where(ambiguous, 0, moments), ambiguous, nonexistent
