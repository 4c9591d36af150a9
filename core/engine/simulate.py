"""The checked door of the engine: bars, signals, options and costs in, a `Simulation` out."""

from __future__ import annotations

import numpy as np

from core.domain.bars import Bars, FloatArray
from core.domain.costs import CostModel
from core.domain.options import EngineOptions
from core.domain.signals import Signals
from core.domain.simulation import Fills, ReasonArray, Simulation, Trades
from core.engine import convert, curve, kernels
from core.engine.account import simulate_account
from core.errors import DataProblem

ENGINE_VERSION = "3"
_NO_ENTRY_PRICE = convert.locked(np.empty(0))


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
    convert.check_signals(signals, total)
    if needs_general_driver(bars, options, costs, signals):
        return simulate_account([bars], [signals], options, costs, compiled=compiled).alone()
    equity, cash, quantity = np.empty(total), np.empty(total), np.empty(total)
    held = np.empty(total, dtype=np.bool_)
    most = 2 * total + 2
    table = np.empty((most, 11))
    rows = np.empty((most, 4), dtype=np.int64)
    reason = np.empty(most, dtype=np.uint8)
    ambiguous = np.empty(most, dtype=np.bool_)
    counts = np.zeros(kernels.COUNTERS, dtype=np.int64)
    run = kernels.run_scalar if compiled else kernels.run_scalar_python
    trades, fills, ruined = run(
        bars.open,
        bars.high,
        bars.low,
        bars.close,
        bars.session,
        convert.flags_of(bars, options),
        convert.locked(signals.codes, np.int8),
        _NO_ENTRY_PRICE if signals.entry_price is None else convert.locked(signals.entry_price),
        signals.entry_kind == "stop",
        convert.protection_of(signals.stop),
        convert.protection_of(signals.target),
        convert.protection_of(signals.trail),
        convert.limits_of(options, 1) if convert.has_limits(options) else None,
        convert.config_of(options, signals),
        convert.charges_of(options, costs, bars.session),
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
        counters=convert.counters_of(counts, signals.conflicts),
        max_drawdown=curve.worst_of(equity, options.initial_cash, ruined),
        gross_exposure=curve.gross_of(quantity, bars.close, options.multiplier, equity) / total,
        ruined=bool(ruined),
    )


def needs_general_driver(
    bars: Bars, options: EngineOptions, costs: CostModel, signals: Signals | None = None
) -> bool:
    """Whether one symbol's run uses a rule that only the general driver knows.

    Args:
        bars: Of the run.
        options: Account and fill rules.
        costs: Fees and price concession.
        signals: What is to be traded; None where any signals could come.
    """
    has_limits = signals is None or not (signals.entry_price is None and signals.target is None)
    return bool(
        options.maintenance_margin
        or options.borrow_rate
        or options.pyramid
        or options.max_participation is not None
        or options.intrabar == "path"
        or options.detail is not None
        or options.option is not None
        or costs.impact
        or costs.volume_share
        or (costs.fill_probability < 1.0 and has_limits)
        or bars.has_dividends
        or bars.has_splits
        or (bars.has_funding and options.funding)
        or bars.fx is not None
    )


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
