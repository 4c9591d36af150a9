"""What the catalog holds and what an import did."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from core.domain.timeframe import Timeframe


@dataclass(frozen=True, slots=True)
class Series:
    """Bars of one symbol at the frequency they are stored in.

    `currency` is what its prices are in, None where nothing says.
    """

    symbol: str
    timeframe: Timeframe
    market: str
    first: datetime
    last: datetime
    rows: int
    synthetic: bool = False
    currency: str | None = None
    description: str = ""
    source: str = ""


@dataclass(frozen=True, slots=True)
class Rejection:
    """A row of a file that was not stored.

    Attributes:
        line: Line in the file, counting from 1 as editors do.
        reason: Stable code: `bad_time`, `missing_price`, `not_a_number`, `nonpositive_price`,
            `high_low`, `duplicate`, `conflicting_duplicate`, `bad_volume`,
            `bad_dividend`, `bad_split`, `bad_funding`, `field_count`,
            `nonexistent_time`, `ambiguous_time`.
        detail: What was found, for people.
    """

    line: int
    reason: str
    detail: str


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What an import did: rows read = rows stored + rows rejected.

    Attributes:
        rows_read: Data rows of the file (header, banner and blank lines do not count).
        rows_stored: Rows of the file that are now in the lake, new and already there.
        rows_new: Rows that were not there before.
        rejections: Every row not stored, in file order.
        outcome: `imported`, `appended` (history went on), `unchanged` (all rows were there).
        warnings: Things worth knowing that stop nothing.
        layout: How the file was read: delimiter, columns, time format, zone, order.
    """

    symbol: str
    timeframe: Timeframe
    market: str
    rows_read: int
    rows_stored: int
    rows_new: int
    outcome: Literal["imported", "appended", "unchanged"]
    first: datetime
    last: datetime
    content_hash: str
    rejections: tuple[Rejection, ...] = ()
    warnings: tuple[str, ...] = ()
    layout: Mapping[str, str] = field(default_factory=dict)

    @property
    def rejected_by_reason(self) -> dict[str, int]:
        """Number of rejected rows per reason."""
        counts: dict[str, int] = {}
        for rejection in self.rejections:
            counts[rejection.reason] = counts.get(rejection.reason, 0) + 1
        return counts
