"""The gates a row must pass, in order; the first one it fails names the reason.

`field_count`, `bad_time`, `ambiguous_time` / `nonexistent_time`, `missing_price`, `not_a_number`,
`nonpositive_price`, `high_low`, `bad_volume`, `bad_dividend`, `bad_split`,
`conflicting_duplicate` / `duplicate`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Final

import numpy as np

from core.catalog.columns import ACTIONS, BoolArray, Columns
from core.catalog.options import MAX_RATIO
from core.domain.bars import FloatArray, IntArray
from core.domain.dataset import Rejection
from core.errors import DataProblem

MAX_REJECTED_SHARE: Final = 0.5
MAX_REJECTIONS: Final = 200_000
MAX_VOLUME: Final = 2.0**53
"""Above it a float64 no longer holds every whole number."""

_SHOWN: Final = 5


class Gatekeeper:
    """Keeps the rows that passed so far and the reasons of those that did not.

    Args:
        lines: Line number of each row.
    """

    def __init__(self, lines: IntArray) -> None:
        self.lines = lines
        self.alive: BoolArray = np.ones(len(lines), dtype=np.bool_)
        self._rejections: dict[int, Rejection] = {}

    def reject(self, rows: Iterable[int], reason: str, detail: Callable[[int], str]) -> None:
        """Reject rows that are still alive.

        Raises:
            DataProblem: more rows have been rejected than can be listed.
        """
        for row in rows:
            if not self.alive[row]:
                continue
            self.alive[row] = False
            line = int(self.lines[row])
            self._rejections[int(row)] = Rejection(line, reason, detail(int(row)))
            if len(self._rejections) > MAX_REJECTIONS:
                raise self.refusal(f"more than {MAX_REJECTIONS:,}")

    def reject_each(self, problems: Mapping[int, str], reason: str) -> None:
        """Reject rows with what was found in each."""
        self.reject(sorted(problems), reason, problems.__getitem__)

    @property
    def rejections(self) -> tuple[Rejection, ...]:
        """What was rejected so far, in file order."""
        return tuple(self._rejections[row] for row in sorted(self._rejections))

    def check_share(self) -> None:
        """Refuse the file if too little of it is left.

        Raises:
            DataProblem: no row passed, or more than half of them did not.
        """
        count = len(self._rejections)
        if count == len(self.lines) or count > MAX_REJECTED_SHARE * len(self.lines):
            raise self.refusal(f"{count:,}")

    def refusal(self, count: str, hint: str | None = None) -> DataProblem:
        """Build the error that refuses the file, with counts and the first lines."""
        rejections = self.rejections
        counts = Counter(rejection.reason for rejection in rejections).most_common()
        reasons = ", ".join(f"{number:,} {reason}" for reason, number in counts)
        first = "; ".join(f"line {each.line}: {each.detail}" for each in rejections[:_SHOWN])
        return DataProblem(
            f"{count} of {len(self.lines):,} rows were rejected ({reasons}): {first}",
            expected=f"at most {MAX_REJECTED_SHARE:.0%} rejected rows, and at least one good one",
            hint=hint or "check how the file was read, or correct it at its source",
        )


def judge_prices(keeper: Gatekeeper, rows: Columns) -> None:
    """Reject prices that cannot be."""
    for name in ("open", "high", "low", "close"):
        price: FloatArray = getattr(rows, name)
        wrong = {int(row): f"{name} is {float(price[row])!r}" for row in np.flatnonzero(price <= 0)}
        keeper.reject_each(wrong, "nonpositive_price")
    outside = _outside(rows)
    keeper.reject(
        np.flatnonzero(outside),
        "high_low",
        lambda row: (
            f"open {float(rows.open[row])!r} and close {float(rows.close[row])!r} do not lie "
            f"between low {float(rows.low[row])!r} and high {float(rows.high[row])!r}"
        ),
    )


def judge_volume(keeper: Gatekeeper, volume: FloatArray) -> None:
    """Reject volumes that cannot be; a missing one is none of them."""
    wrong = np.flatnonzero((volume < 0) | (volume > MAX_VOLUME))
    keeper.reject(wrong, "bad_volume", lambda row: f"volume is {float(volume[row])!r}")


def judge_actions(keeper: Gatekeeper, rows: Columns) -> None:
    """Reject dividends, splits and funding that cannot be."""
    dividend, split = rows.action("dividend"), rows.action("split")
    keeper.reject(
        np.flatnonzero(dividend < 0),
        "bad_dividend",
        lambda row: f"dividend is {float(dividend[row])!r}, expected cash per unit, 0 for none",
    )
    keeper.reject(
        np.flatnonzero((split < 1 / MAX_RATIO) | (split > MAX_RATIO)),
        "bad_split",
        lambda row: (
            f"split is {float(split[row])!r}, expected new units per old one such as 2 for 2:1, "
            "1 for none"
        ),
    )
    funding = rows.action("funding")
    keeper.reject(
        np.flatnonzero(~(np.abs(funding) < 1)),
        "bad_funding",
        lambda row: (
            f"funding is {float(funding[row])!r}, expected a share of the position's value such as "
            "0.0001 for 0.01%, 0 for none"
        ),
    )


def judge_duplicates(keeper: Gatekeeper, rows: Columns) -> None:
    """Reject rows for a moment that has one already.

    Of equal rows the first stays. Of rows that differ none does: nothing in the file says which
    of them is right.
    """
    alive = np.flatnonzero(keeper.alive)
    order = alive[np.argsort(rows.ts[alive], kind="stable")]
    again = rows.ts[order][1:] == rows.ts[order][:-1]
    if not again.any():
        return
    order = order[np.append(again, [False]) | np.append([False], again)]
    ts = rows.ts[order]
    begins = np.append([True], ts[1:] != ts[:-1])
    first, group = np.flatnonzero(begins), np.cumsum(begins) - 1
    leader = order[first[group]]
    differs = ~same_values(rows.take(order), rows.take(leader))
    conflicting = np.logical_or.reduceat(differs, first)[group]
    # The row to name in each message: the first of its group or, for that one, the first rival.
    rival = dict(zip(group[differs][::-1], order[differs][::-1], strict=True))
    other = {
        row: lead if apart or not against else rival[at]
        for row, lead, apart, against, at in zip(
            order, leader, differs, conflicting, group, strict=True
        )
    }
    keeper.reject(
        np.sort(order[conflicting]),
        "conflicting_duplicate",
        lambda row: f"line {keeper.lines[other[row]]} has other values for the same time",
    )
    keeper.reject(
        np.sort(order[~begins]),
        "duplicate",
        lambda row: f"line {keeper.lines[other[row]]} is the same row",
    )


def same_values(left: Columns, right: Columns) -> BoolArray:
    """Whether rows agree in every value; two missing volumes agree.

    Where `left` knows nothing of dividends, splits or funding, it does not contradict any.
    """
    same: BoolArray = left.volume == right.volume
    same |= np.isnan(left.volume) & np.isnan(right.volume)
    for name in ("open", "high", "low", "close"):
        same &= getattr(left, name) == getattr(right, name)
    for name in ACTIONS:
        if getattr(left, name) is not None:
            same &= left.action(name) == right.action(name)
    return same


def _outside(rows: Columns) -> BoolArray:
    above = np.maximum(rows.open, rows.close) > rows.high
    below = np.minimum(rows.open, rows.close) < rows.low
    return (rows.high < rows.low) | above | below
