"""The checked door of the engine: bars, signals, options and costs in, a `Simulation` out."""

from __future__ import annotations

from datetime import date, time
from math import inf
from typing import Literal

import numpy as np

from core.domain.bars import Bars, FloatArray, Int32Array, IntArray
from core.domain.costs import CostModel, Fees
from core.domain.options import EngineOptions
from core.domain.signals import Level, Signals
from core.domain.simulation import Counters, Fills, ReasonArray, Simulation, Trades
from core.engine import kernels
from core.errors import DataProblem, StrategyFailed

ENGINE_VERSION = "2"
_EPOCH = date(1970, 1, 1)

_UNITS = {"percent": kernels.PERCENT, "points": kernels.POINTS, "price": kernels.PRICE}
_NO_LEVEL = kernels.Protection(np.array([np.nan]), 0, kernels.PERCENT)
_NO_ENTRY_PRICE = np.empty(0)
_CODE_IS_KNOWN = np.zeros(256, dtype=np.bool_)
_CODE_IS_KNOWN[np.array([1, -1, 0, 2, 3, -3], dtype=np.int8).view(np.uint8)] = True


def simulate(
    bars: Bars,
    signals: Signals,
    options: EngineOptions,
    costs: CostModel,
    *,
    compiled: bool = True,
) -> Simulation:
    """Trade `signals` on `bars` by the rules of docs/engine_rules.md.

    Args:
        bars: T bars of one symbol, at least one.
        signals: One row per bar.
        options: Account and fill rules.
        costs: Fees and price concession.
        compiled: False runs the plain-Python twin, which gives the same bits slowly.

    Returns:
        Everything that happened, per bar, per fill and per trade.

    Raises:
        DataProblem: there are no bars.
        StrategyFailed: the signals have the wrong shape, unknown codes or impossible levels.
    """
    total = len(bars)
    if total == 0:
        raise DataProblem(f"there are no bars of {bars.symbol} in the range asked for")
    _check(signals, total)
    equity, cash, quantity = np.empty(total), np.empty(total), np.empty(total)
    held = np.empty(total, dtype=np.bool_)
    most = 2 * total + 2
    table = np.empty((most, 11))
    rows = np.empty((most, 4), dtype=np.int64)
    reason = np.empty(most, dtype=np.uint8)
    ambiguous = np.empty(most, dtype=np.bool_)
    counts = np.zeros(7, dtype=np.int64)
    run = kernels.run_scalar if compiled else kernels.run_scalar_python
    trades, fills, drawdown, gross, ruined = run(
        bars.open,
        bars.high,
        bars.low,
        bars.close,
        bars.session,
        _flags(bars, options),
        signals.codes,
        _NO_ENTRY_PRICE if signals.entry_price is None else signals.entry_price,
        signals.entry_kind == "stop",
        _protection(signals.stop),
        _protection(signals.target),
        _protection(signals.trail),
        _config(options, costs, signals.max_bars, bars.session),
        equity,
        cash,
        quantity,
        held,
        table,
        rows,
        reason,
        ambiguous,
        counts,
    )
    table, rows, reason = table[:trades].T.copy(), rows[:trades].T.copy(), reason[:trades].copy()
    return Simulation(
        bars=bars,
        initial_cash=options.initial_cash,
        multiplier=options.multiplier,
        equity=equity,
        cash=cash,
        quantity=quantity,
        held=held,
        fills=_fills(table, rows, reason, int(fills)),
        trades=_trades(table, rows, reason, ambiguous[:trades].copy()),
        counters=Counters(
            entries=int(counts[kernels.ENTRIES]),
            conflicts=signals.conflicts,
            dropped_lot=int(counts[kernels.DROPPED_LOT]),
            scaled_cash=int(counts[kernels.SCALED_CASH]),
            rejected=int(counts[kernels.REJECTIONS]),
            expired=int(counts[kernels.EXPIRED]),
            blocked=int(counts[kernels.BLOCKED]),
            ambiguous_bars=int(counts[kernels.AMBIGUOUS]),
        ),
        max_drawdown=float(drawdown),
        gross_exposure=float(gross) / total,
        ruined=bool(ruined),
    )


def _check(signals: Signals, total: int) -> None:
    codes = signals.codes
    if codes.dtype != np.int8 or codes.shape != (total,):
        raise StrategyFailed(
            f"signal codes have dtype {codes.dtype} and shape {codes.shape}",
            expected=f"int8 of shape ({total},), one per bar",
        )
    known = _CODE_IS_KNOWN[codes.view(np.uint8)]
    if not known.all():
        row = int(np.argmin(known))
        raise StrategyFailed(
            f"signal code {int(codes[row])} at bar {row} is not known",
            expected="1, -1, 0 (flat), 2 (hold), 3 or -3 (close long or short)",
        )
    if signals.max_bars < 0:
        raise StrategyFailed(f"max_bars is {signals.max_bars}", expected="0 or more")
    levels: tuple[tuple[Literal["stop", "target", "trail"], Level | None], ...] = (
        ("stop", signals.stop),
        ("target", signals.target),
        ("trail", signals.trail),
    )
    for name, level in levels:
        if level is None:
            continue
        values = np.asarray(level.value)
        if values.shape not in {(), (total,)}:
            raise StrategyFailed(
                f"{name} has shape {values.shape}", expected=f"one number or shape ({total},)"
            )
        if bool(np.any(values <= 0)) or bool(np.any(np.isinf(values))):
            raise StrategyFailed(
                f"{name} has values that are not above 0", expected="positive numbers, NaN for none"
            )
        if name == "trail" and level.unit == "price":
            raise StrategyFailed("trail is given as a price", expected="pct(...) or points(...)")
    entry = signals.entry_price
    if entry is not None and entry.shape != (total,):
        raise StrategyFailed(f"entry_price has shape {entry.shape}", expected=f"({total},)")


def _protection(level: Level | None) -> kernels.Protection:
    if level is None:
        return _NO_LEVEL
    values = np.ascontiguousarray(level.value, dtype=np.float64).reshape(-1)
    step = 1 if isinstance(level.value, np.ndarray) and level.value.ndim else 0
    return kernels.Protection(values, step, _UNITS[level.unit])


def _config(
    options: EngineOptions, costs: CostModel, max_bars: int, session: Int32Array
) -> kernels.Config:
    fees, period = _fee_table(costs, session)
    lots = options.sizing == "lots"
    return kernels.Config(
        cash=float(options.initial_cash),
        fill_at_close=options.fill == "close",
        delay=options.delay,
        percent=options.sizing == "percent_of_equity",
        size=float(options.size * options.lot_size if lots else options.size),
        size_at_fill=options.size_ref == "fill",
        lot=float(options.lot_size),
        multiplier=float(options.multiplier),
        margin=float(options.initial_margin),
        reject=options.on_insufficient == "reject",
        shorts=options.allow_short,
        touch=options.fill_on_touch,
        intraday=options.intraday,
        close_at_end=options.close_at_end,
        max_bars=max_bars,
        fees=fees,
        period=period,
        period_step=1 if len(fees) > 1 else 0,
        slip=(costs.slippage_bps + costs.half_spread_bps) / 10_000,
        tick=float(costs.tick),
    )


def _fee_table(costs: CostModel, session: Int32Array) -> tuple[FloatArray, IntArray]:
    """Fee coefficients of each period, shape (P, 2, 11), and the period of each bar, shape (T,)."""
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
    ]


def _flags(bars: Bars, options: EngineOptions) -> ReasonArray:
    flags = np.zeros(len(bars), dtype=np.uint8)
    if options.intraday:
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


def _fills(table: FloatArray, rows: np.ndarray, reason: ReasonArray, count: int) -> Fills:
    bar = np.empty(count, dtype=np.int64)
    quantity, price, fee, slippage = (np.empty(count) for _ in range(4))
    why = np.ones(count, dtype=np.uint8)
    closed = rows[kernels.EXIT_BAR] >= 0
    ins, outs = rows[kernels.ENTRY_SEQ], rows[kernels.EXIT_SEQ][closed]
    bar[ins], bar[outs] = rows[kernels.ENTRY_BAR], rows[kernels.EXIT_BAR][closed]
    quantity[ins] = table[kernels.QUANTITY]
    quantity[outs] = -table[kernels.QUANTITY][closed]
    price[ins], price[outs] = table[kernels.ENTRY], table[kernels.EXIT][closed]
    fee[ins], fee[outs] = table[kernels.FEES_IN], table[kernels.FEES_OUT][closed]
    slippage[ins], slippage[outs] = table[kernels.SLIP_IN], table[kernels.SLIP_OUT][closed]
    why[outs] = reason[closed]
    return Fills(bar, quantity, price, fee, slippage, why)


def _trades(
    table: FloatArray, rows: np.ndarray, reason: ReasonArray, ambiguous: np.ndarray
) -> Trades:
    return Trades(
        entry_bar=rows[kernels.ENTRY_BAR],
        exit_bar=rows[kernels.EXIT_BAR],
        quantity=table[kernels.QUANTITY],
        entry_price=table[kernels.ENTRY],
        exit_price=table[kernels.EXIT],
        pnl=table[kernels.PNL],
        fees=table[kernels.FEES_IN] + table[kernels.FEES_OUT],
        slippage=table[kernels.SLIP_IN] + table[kernels.SLIP_OUT],
        mae=table[kernels.MAE],
        mfe=table[kernels.MFE],
        risk=table[kernels.RISK],
        exit_reason=reason,
        ambiguous=ambiguous,
    )
