"""Options, costs and signals of the domain as the numbers that kernels take."""

from __future__ import annotations

from datetime import date, time
from math import inf
from typing import Any, TypeVar, cast

import numpy as np

from core.domain.bars import Bars, FloatArray, Int32Array, IntArray
from core.domain.costs import CostModel, Fees
from core.domain.options import EngineOptions
from core.domain.signals import CodeArray, Level, Signals
from core.domain.simulation import Counters, ReasonArray
from core.engine import kernels
from core.errors import StrategyFailed

_EPOCH = date(1970, 1, 1)

Column = TypeVar("Column", bound=np.ndarray[Any, Any])

UNITS = {"percent": kernels.PERCENT, "points": kernels.POINTS, "price": kernels.PRICE}
_ROUNDINGS = {
    "none": kernels.UNROUNDED,
    "cent_up": kernels.CENT_UP,
    "cent_nearest": kernels.CENT_NEAREST,
}
ENTRY_KINDS = ("limit", "stop")
# Slots of a kernel's counters; the last only the general driver has, in the order of `desk`.
SLOTS = {
    "entries": kernels.ENTRIES,
    "dropped_lot": kernels.DROPPED_LOT,
    "scaled_cash": kernels.SCALED_CASH,
    "rejected": kernels.REJECTIONS,
    "expired": kernels.EXPIRED,
    "blocked": kernels.BLOCKED,
    "limited": kernels.LIMITED,
    "volume_capped": kernels.VOLUME_CAPPED,
    "margin_calls": kernels.MARGIN_CALLS,
    "ambiguous_bars": kernels.AMBIGUOUS,
    "unsized": kernels.UNSIZED,
    "missed_limits": kernels.COUNTERS,
    "detail_missing": kernels.COUNTERS + 1,
    "detail_conflicts": kernels.COUNTERS + 2,
}
KNOWN_CODES = np.array([1, -1, 0, 2, 3, -3], dtype=np.int8)


def check_signals(signals: Signals, total: int) -> None:
    """Check what a strategy gave for `total` bars.

    Raises:
        StrategyFailed: the wrong shape, unknown codes or impossible levels.
    """
    if signals.exits is not None:
        raise StrategyFailed(
            "the signals have an exit rule that was not asked", expected="core.engine.exits first"
        )
    codes = signals.codes
    check_column("signal codes", codes, np.int8, total)
    if not kernels.all_known(locked(codes, np.int8)):
        row = int(np.argmin(np.isin(codes, KNOWN_CODES)))
        raise StrategyFailed(
            f"signal code {int(codes[row])} at bar {row} is not known",
            expected="1, -1, 0 (flat), 2 (hold), 3 or -3 (close long or short)",
        )
    for name, least in (("ttl", 1), ("max_bars", 0)):
        _check_bars(name, getattr(signals, name), least)
    for name in ("stop", "target", "trail"):
        level = getattr(signals, name)
        if level is not None:
            check_level(name, level, (total,))
    for name in ("priority", "entry_price"):
        column = getattr(signals, name)
        if column is not None:
            check_column(name, column, np.float64, total)
    if signals.entry_kind not in ENTRY_KINDS:
        raise StrategyFailed(
            f"entry_kind is {signals.entry_kind!r:.40}", expected=" or ".join(ENTRY_KINDS)
        )
    if signals.priority is not None:
        _check_ranks(signals.priority, codes)


def check_column(name: str, column: Any, kind: type[np.generic], total: int) -> None:
    """Check that a strategy gave an array of one number per bar; whole ones are prices too.

    Raises:
        StrategyFailed: it is no array, or one of another kind or shape.
    """
    expected = f"{kind.__name__} of shape ({total},), one per bar"
    if not isinstance(column, np.ndarray):
        raise StrategyFailed(f"{name}: found {type(column).__name__}", expected=expected)
    is_whole = kind is np.float64 and column.dtype.kind in "iu"
    if not (is_whole or column.dtype == kind) or column.shape != (total,):
        raise StrategyFailed(
            f"{name} have dtype {column.dtype} and shape {column.shape}", expected=expected
        )


def _check_ranks(priority: FloatArray, codes: CodeArray) -> None:
    unranked = np.isnan(priority) & (np.abs(codes) == 1)
    if bool(unranked.any()):
        raise StrategyFailed(
            f"priority at bar {int(np.argmax(unranked))}, which enters, is NaN",
            expected="a number wherever a code is 1 or -1",
        )


def _check_bars(name: str, count: Any, least: int) -> None:
    is_whole = isinstance(count, int | np.integer) and not isinstance(count, bool)
    if not is_whole or count < least:
        raise StrategyFailed(
            f"{name} is {count!r:.40}", expected=f"a whole number of bars, {least} or more"
        )


def check_level(name: str, level: Any, shape: tuple[int, ...]) -> None:
    """Check a protective level of signals or weights of that shape.

    Raises:
        StrategyFailed: it is no level, has another shape, a value that is no distance, or an unfit
            unit.
    """
    if not isinstance(level, Level):
        raise StrategyFailed(
            f"{name} is {level!r:.40}", expected="pct(...), points(...) or price(...)"
        )
    values = np.asarray(level.value)
    if level.unit not in UNITS or values.dtype.kind not in "fiu":
        raise StrategyFailed(
            f"{name} is a level of {values.dtype} in {level.unit!r:.40}",
            expected=f"numbers in one of {', '.join(UNITS)}",
        )
    if values.shape not in {(), shape}:
        raise StrategyFailed(
            f"{name} has shape {values.shape}", expected=f"one number or shape {shape}"
        )
    if bool(np.any(values <= 0)) or bool(np.any(np.isinf(values))):
        raise StrategyFailed(
            f"{name} has values that are not above 0", expected="positive numbers, NaN for none"
        )
    if name == "trail" and level.unit == "price":
        raise StrategyFailed("trail is given as a price", expected="pct(...) or points(...)")


def locked(column: Column, dtype: type[np.generic] = np.float64) -> Column:
    """Give a read-only view, without gaps: arrays of one type, so that one kernel fits them all.

    Series of indicators cannot be written, those a strategy made can, and numba would compile
    another kernel for every mixture of the two, for seconds each.
    """
    view = np.ascontiguousarray(column, dtype=dtype).view()
    view.flags.writeable = False
    return cast("Column", view)


_NO_LEVEL = kernels.Protection(locked(np.array([np.nan])), 0, kernels.PERCENT)


def protection_of(level: Level | None) -> kernels.Protection:
    """Give a level of one symbol to the scalar kernel."""
    if level is None:
        return _NO_LEVEL
    values = locked(np.reshape(level.value, -1))
    return kernels.Protection(values, 1 if np.ndim(level.value) else 0, UNITS[level.unit])


def config_of(options: EngineOptions, signals: Signals) -> kernels.Config:
    """Give the account and fill rules."""
    lots = options.sizing == "lots"
    return kernels.Config(
        cash=float(options.initial_cash),
        fill_at_close=options.fill == "close",
        delay=options.delay,
        percent=options.sizing == "percent_of_equity",
        size=float(options.size * options.lot_size if lots else options.size),
        size_at_fill=options.size_ref == "fill",
        lot=float(options.lot_size),
        margin=float(options.initial_margin),
        reject=options.on_insufficient == "reject",
        shorts=options.allow_short,
        touch=options.fill_on_touch,
        intraday=options.intraday,
        close_at_end=options.close_at_end,
        max_bars=signals.max_bars,
        ttl=signals.ttl,
        at_close=options.protection == "close",
    )


def charges_of(options: EngineOptions, costs: CostModel, session: Int32Array) -> kernels.Charges:
    """Give what fills cost in each of these sessions, shape (T,)."""
    fees, period = _fee_table(costs, session)
    return kernels.Charges(
        fees=fees,
        period=period,
        period_step=1 if len(fees) > 1 else 0,
        per_trade=float(costs.per_trade),
        slip=(costs.slippage_bps + costs.half_spread_bps) / 10_000,
        slip_points=float(costs.slippage_points),
        tick=float(costs.tick),
        multiplier=float(options.multiplier),
        plain=all(_is_plain(row) for row in fees.reshape(-1, fees.shape[-1])),
    )


def _is_plain(row: FloatArray) -> bool:
    """Whether a row of fees is a share of the value and nothing else; a rebate is cut to 0."""
    plain = _fee_row(Fees(), is_sale=True)
    plain[kernels.RATE] = row[kernels.RATE]
    return bool(np.array_equal(row, plain)) and row[kernels.RATE] >= 0.0


def limits_of(options: EngineOptions, symbols: int) -> kernels.Limits:
    """Give the rules of R14 in their first state."""
    has_target = options.daily_target is not None or options.daily_loss is not None
    return kernels.Limits(
        day=np.zeros(3),
        streak=np.tile(np.array([0, -1]), (symbols, 1)),
        target=inf if options.daily_target is None else float(options.daily_target),
        loss=inf if options.daily_loss is None else float(options.daily_loss),
        in_points=options.daily_unit == "points",
        flatten=has_target and options.daily_action == "flatten",
        entries=options.max_trades_per_day or 0,
        cooldown=options.cooldown_bars,
        losses=options.cooldown_losses,
    )


def has_limits(options: EngineOptions) -> bool:
    """Whether any rule of R14 is in use."""
    limits = (options.daily_target, options.daily_loss, options.max_trades_per_day)
    return options.cooldown_bars > 0 or any(limit is not None for limit in limits)


def _fee_table(costs: CostModel, session: Int32Array) -> tuple[FloatArray, IntArray]:
    """Fee coefficients of each period, shape (P, 2, 14), and the period of each bar, shape (T,)."""
    periods = costs.schedule()
    table = np.array(
        [[_fee_row(fees, is_sale) for is_sale in (False, True)] for _, fees in periods]
    )
    if len(periods) == 1:
        return table, np.zeros(1, dtype=np.int64)
    since = np.array([(day - _EPOCH).days for day, _ in periods if day is not None])
    return table, np.searchsorted(since, session, side="right")


def _fee_row(fees: Fees, is_sale: bool) -> list[float]:
    side_bps = fees.sell_charge_bps if is_sale else fees.buy_charge_bps
    return [
        fees.fixed,
        fees.per_unit,
        fees.bps / 10_000,
        fees.minimum,
        inf if fees.maximum_rate is None else fees.maximum_rate,
        inf if fees.maximum is None else fees.maximum,
        1.0 + fees.commission_tax,
        (fees.charge_bps + side_bps) / 10_000,
        fees.charge_per_unit,
        fees.sell_charge_per_unit if is_sale else 0.0,
        inf if not is_sale or fees.sell_charge_maximum is None else fees.sell_charge_maximum,
        _ROUNDINGS[fees.rounding],
        fees.charge_bps / 10_000,
        side_bps / 10_000,
    ]


def flags_of(bars: Bars, options: EngineOptions) -> ReasonArray:
    """Give what each bar is to its session (R13, R14)."""
    flags = np.zeros(len(bars), dtype=np.uint8)
    if options.intraday or has_limits(options):
        last = np.empty(len(bars), dtype=np.bool_)
        np.not_equal(bars.session[1:], bars.session[:-1], out=last[:-1])
        last[-1] = True
        flags[last] |= kernels.SESSION_LAST
        flags[0] |= kernels.SESSION_FIRST
        flags[1:][last[:-1]] |= kernels.SESSION_FIRST
    if options.square_off is not None:
        due = bars.minute >= _minute(options.square_off)
        flags[due] |= kernels.SQUARE_OFF_DUE | kernels.NO_ENTRY
    if options.no_entry_after is not None:
        flags[bars.minute >= _minute(options.no_entry_after)] |= kernels.NO_ENTRY
    if options.close_at_end:
        flags[-1] |= kernels.LAST_BAR
    return flags


def _minute(clock: time) -> int:
    return clock.hour * 60 + clock.minute


def counters_of(counts: IntArray, conflicts: int) -> Counters:
    """Name the slots of a kernel's counters."""
    named = {name: int(counts[slot]) for name, slot in SLOTS.items() if slot < len(counts)}
    return Counters(conflicts=conflicts, **named)
