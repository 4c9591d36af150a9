"""Signals: what a strategy wants, one row per bar.

A row is an intent, not an order: the engine turns intents into orders at the next bar and counts
every one it drops. Codes follow rule R2 of docs/engine_rules.md.
"""

from __future__ import annotations

from collections.abc import Callable
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


Judge = Callable[[int, int, float], str | None]
"""Asked at row t about a position (+1 long, -1 short) and its entry price: why to leave it."""


@dataclass(frozen=True, eq=False, slots=True)
class ExitRule:
    """Decides bar by bar whether to leave, by the price at which the position was entered.

    LONG and SHORT rows are then entries only: they act when flat and never close anything. What
    the rule says to leave is filled like a FLAT row. A reason that ends with `exit`, in any case,
    lets the signal of its own row act at once; after others it must wait for the next row.

    Attributes:
        begin: Gives a judge with a memory of its own; it is asked about each bar once, in order.
        intraday_only: Without `intraday` the rule is not asked and the opposite signal reverses.
    """

    begin: Callable[[], Judge]
    intraday_only: bool = False


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
        size: How big a position is, in what `sizing` of the run counts: one number, or one per row
            with NaN for the run's own; None for that throughout (R3).
        conflicts: Rows that asked for long and short at once and became HOLD.
        exits: Leaves positions by their entry price; None for what codes and levels say.
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
    exits: ExitRule | None = None
    size: float | FloatArray | None = None

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
        size: Any = None,
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
        given = {name: value for name, value in given.items() if value is not None}
        if not given:
            raise StrategyFailed(
                "signals without any condition", expected="at least one of long, short, exit"
            )
        fused = given["long"].side_codes(short) if _can_fuse(given) else None
        codes, conflicts = _codes(given) if fused is None else fused
        length = len(codes)
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
            conflicts=conflicts,
            size=None if size is None else _numbers(size),
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


def _can_fuse(given: dict[str, Any]) -> bool:
    """Say whether the conditions may know a shorter way to their codes."""
    return given.keys() == {"long", "short"} and hasattr(given["long"], "side_codes")


def _codes(given: dict[str, Any]) -> tuple[CodeArray, int]:
    """Give the codes of conditions and the number of conflicts.

    Arithmetic of bytes, which the processor does 32 or 64 at a time: assignments through masks
    take fifteen times as long.
    """
    flags = {name: _flags(name, value).view(np.int8) for name, value in given.items()}
    lengths = {name: len(value) for name, value in flags.items()}
    if len(set(lengths.values())) != 1:
        raise StrategyFailed(f"conditions differ in length: {lengths}")
    length = next(iter(lengths.values()))
    codes = np.full(length, Code.HOLD, dtype=np.int8)
    leave, leave_long, leave_short = (
        flags.get(name) for name in ("exit", "exit_long", "exit_short")
    )
    if leave_long is not None:
        codes += leave_long * np.int8(Code.CLOSE_LONG - Code.HOLD)
    if leave_short is not None:
        codes += leave_short * np.int8(Code.CLOSE_SHORT - Code.HOLD)
    if leave_long is not None and leave_short is not None:
        both = leave_long & leave_short
        leave = both if leave is None else leave | both
    if leave is not None:
        codes *= leave ^ np.int8(1)  # FLAT is 0
    long, short = flags.get("long"), flags.get("short")
    conflicts = 0
    if long is not None and short is not None:
        both = long & short
        conflicts = int(np.count_nonzero(both))
        enter = long | short
        if conflicts:
            wanted = long * np.int8(Code.LONG) + short * np.int8(Code.SHORT)
            wanted += both * np.int8(Code.HOLD)
        else:
            wanted = long - short
    elif long is not None:
        enter, wanted = long, long
    elif short is not None:
        enter, wanted = short, -short
    else:
        return codes, 0
    codes *= enter ^ np.int8(1)
    codes += wanted
    return codes, conflicts


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
