"""What a caller may say about a file of bars, checked before the file is touched."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final, Literal, get_args

from core.catalog.timestamps import DateOrder
from core.catalog.zones import check_zone
from core.domain.market import Market
from core.domain.timeframe import Timeframe
from core.errors import InvalidInput

Label = Literal["open", "close"]

MAX_SPLITS: Final = 100
MAX_RATIO: Final = 10_000.0


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """How to read a file; docs/importer.md explains each option.

    Attributes:
        market: Whose sessions the bars belong to.
        zone: Clock of times that carry none; None for the market's own.
        timeframe: Length of the bars; None to find it from the rows.
        label: Whether a stamp says when its bar opened or when it closed.
        date_order: Order of day, month and year in dates of numbers.
        columns: Role to name of column, for names that are not known here.
        splits: Date from which on the file's prices are after a split, and its ratio.
    """

    market: Market
    zone: str | None = None
    timeframe: Timeframe | None = None
    label: Label = "open"
    date_order: DateOrder = "auto"
    columns: Mapping[str, str] | None = None
    splits: Sequence[tuple[date, float]] = ()

    def __post_init__(self) -> None:
        """Refuse what cannot be meant."""
        if self.zone is not None:
            check_zone(self.zone)
        _one_of("label", self.label, get_args(Label))
        _one_of("date_order", self.date_order, get_args(DateOrder))
        _check_splits(self.splits)


def _one_of(field: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise InvalidInput(
            f"{field} cannot be {value!r}", expected=f"one of {', '.join(choices)}", field=field
        )


def _check_splits(splits: Sequence[tuple[date, float]]) -> None:
    days = [day for day, _ in splits]
    if len(splits) > MAX_SPLITS or len(set(days)) != len(days):
        raise InvalidInput(
            "splits repeats a date, or names more dates than a share has",
            expected=f"at most {MAX_SPLITS} different dates",
            field="splits",
        )
    for day, ratio in splits:
        if isinstance(day, datetime) or not isinstance(day, date):
            raise InvalidInput(f"{day!r} is not the date of a split", field="splits")
        if not (math.isfinite(ratio) and 1 / MAX_RATIO <= ratio <= MAX_RATIO and ratio != 1):
            raise InvalidInput(
                f"a split of {ratio!r} on {day} cannot be",
                expected="new shares per old one, such as 2 for 2:1 or 0.1 for 1:10",
                field="splits",
            )
