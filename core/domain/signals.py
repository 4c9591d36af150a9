"""Signals: what a strategy wants, one row per bar.

A row is an intent, not an order: the engine turns intents into orders at the next bar and counts
every one it drops. Codes follow rule R2 of docs/engine_rules.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Literal, Self

import numpy as np
import numpy.typing as npt

from core.domain.bars import FloatArray
from core.errors import StrategyFailed

CodeArray = npt.NDArray[np.int8]
Unit = Literal["percent", "points", "price"]


class Code(IntEnum):
    """Intent of one row."""

    LONG = 1
    SHORT = -1
    FLAT = 0
    HOLD = 2
    CLOSE_LONG = 3
    CLOSE_SHORT = -3


@dataclass(frozen=True, slots=True)
class Level:
    """A protective level with its unit: one number, or one per row (NaN: none for that row)."""

    value: float | FloatArray
    unit: Unit


def pct(value: Any) -> Level:
    """Level at a distance of `value` percent of the entry fill (2.0 means two percent)."""
    return Level(_numbers(value), "percent")


def points(value: Any) -> Level:
    """Level at a distance of `value` in price points from the entry fill."""
    return Level(_numbers(value), "points")


def price(value: Any) -> Level:
    """Level at an absolute price."""
    return Level(_numbers(value), "price")


@dataclass(frozen=True, eq=False)
class Signals:
    """Intents of one symbol, shape (T,).

    Attributes:
        codes: int8, see `Code`.
        stop, target: Protection read at the decision row and anchored to the actual entry fill.
        trail: Distance of a trailing stop, percent or points.
        max_bars: Leave after this many bars, counting the entry bar; 0 means never.
        entry_price: Limit or stop price of a resting entry, NaN for a market entry at that row.
        entry_kind: What `entry_price` means.
        ttl: Bars a resting entry lives (R20).
        priority: Shape (T,): with shared cash, entries of lower numbers come first; None: equal.
        conflicts: Rows that asked for long and short at once and became HOLD.
    """

    codes: CodeArray
    stop: Level | None = None
    target: Level | None = None
    trail: Level | None = None
    max_bars: int = 0
    entry_price: FloatArray | None = None
    entry_kind: Literal["limit", "stop"] = "limit"
    ttl: int = 1
    priority: FloatArray | None = None
    conflicts: int = 0

    @classmethod
    def side(
        cls,
        *,
        long: Any = None,
        short: Any = None,
        exit: Any = None,  # noqa: A002 - the trade's own word
        exit_long: Any = None,
        exit_short: Any = None,
        stop: Level | None = None,
        target: Level | None = None,
        trail: Level | None = None,
        max_bars: int = 0,
        entry_price: Any = None,
        entry_kind: Literal["limit", "stop"] = "limit",
        ttl: int = 1,
        priority: Any = None,
    ) -> Self:
        """Build signals from conditions, each of shape (T,) and true where it wants something.

        Neither long nor short at a row is HOLD: a position stays until something says otherwise.
        Long and short at the same row cancel out, become HOLD and are counted as a conflict. An
        entry beats a close of the same row. NaN comparisons are false, so warm-up rows hold.

        Raises:
            StrategyFailed: a condition is not one-dimensional or lengths differ.
        """
        given = {
            "long": long,
            "short": short,
            "exit": exit,
            "exit_long": exit_long,
            "exit_short": exit_short,
        }
        flags = {name: _flags(name, value) for name, value in given.items() if value is not None}
        if not flags:
            raise StrategyFailed(
                "signals without any condition", expected="at least one of long, short, exit"
            )
        lengths = {name: len(value) for name, value in flags.items()}
        if len(set(lengths.values())) != 1:
            raise StrategyFailed(f"conditions differ in length: {lengths}")
        length = next(iter(lengths.values()))
        codes = np.full(length, Code.HOLD, dtype=np.int8)
        off = np.zeros(length, dtype=np.bool_)
        leave_long, leave_short = flags.get("exit_long", off), flags.get("exit_short", off)
        codes[leave_long] = Code.CLOSE_LONG
        codes[leave_short] = Code.CLOSE_SHORT
        codes[(leave_long & leave_short) | flags.get("exit", off)] = Code.FLAT
        up, down = flags.get("long", off), flags.get("short", off)
        codes[up] = Code.LONG
        codes[down] = Code.SHORT
        both = up & down
        codes[both] = Code.HOLD
        resting = None if entry_price is None else np.asarray(_numbers(entry_price), np.float64)
        if resting is not None and resting.shape != (length,):
            raise StrategyFailed(
                f"entry_price has shape {resting.shape}", expected=f"({length},), one per bar"
            )
        return cls(
            codes=codes,
            stop=stop,
            target=target,
            trail=trail,
            max_bars=max_bars,
            entry_price=resting,
            entry_kind=entry_kind,
            ttl=ttl,
            priority=None if priority is None else np.asarray(priority, dtype=np.float64),
            conflicts=int(np.count_nonzero(both)),
        )


@dataclass(frozen=True, eq=False)
class Weights:
    """Wanted shares of equity of a universe, shape (T, S).

    Attributes:
        values: float64: 0.1 is a tenth of equity, negative is short, 0 flat, NaN no opinion.
        stop, target, trail: Protection of what is opened; arrays have shape (T, S).
    """

    values: FloatArray
    stop: Level | None = None
    target: Level | None = None
    trail: Level | None = None


def _flags(name: str, value: Any) -> npt.NDArray[np.bool_]:
    array = np.asarray(value)
    if array.ndim != 1 or array.dtype != np.bool_:
        raise StrategyFailed(
            f"condition {name!r} has dtype {array.dtype} and shape {array.shape}",
            expected="a one-dimensional array of booleans, one per bar",
        )
    return array


def _numbers(value: Any) -> float | FloatArray:
    array = np.asarray(value, dtype=np.float64)
    return float(array) if array.ndim == 0 else array
