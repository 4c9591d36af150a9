"""The checked door of the engine: bars, signals, options and costs in, a `Simulation` out."""

from __future__ import annotations

import numpy as np
from numba import njit

from core.domain.bars import Bars, FloatArray, IntArray
from core.domain.costs import CostModel
from core.domain.options import EngineOptions
from core.domain.signals import Signals
from core.domain.simulation import (
    Balance,
    BoolArray,
    Fills,
    ReasonArray,
    Simulation,
    Trades,
)
from core.engine import convert, curve, kernels, sizes
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
        InvalidInput: size is share of equity at risk, and the signals have neither stop nor trail.
        StrategyFailed: the signals have the wrong shape, unknown codes or impossible levels.
    """
    total = len(bars)
    if total == 0:
        raise DataProblem(f"there are no bars of {bars.symbol} in the range asked for")
    convert.check_signals(signals, total)
    options = options.of_symbol(bars.symbol)
    if needs_general_driver(bars, options, costs, signals):
        return simulate_account([bars], [signals], options, costs, compiled=compiled).alone()
    equity, held = np.empty(total), np.empty(total, dtype=np.bool_)
    since, steps = np.empty(total + 1, dtype=np.int64), np.empty((2, total + 1))
    most = 2 * total + 2
    table = np.empty((most, 11))
    rows = np.empty((most, 4), dtype=np.int64)
    reason = np.empty(most, dtype=np.uint8)
    ambiguous = np.empty(most, dtype=np.bool_)
    counts = np.zeros(kernels.COUNTERS, dtype=np.int64)
    run = kernels.run_scalar if compiled else kernels.run_scalar_python
    trades, fills, changes, ruined = run(
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
        sizes.sizes_for(signals, options, sizes.volatility_of(bars, options), total),
        convert.config_of(options, signals),
        convert.charges_of(options, costs, bars.session),
        equity,
        since,
        steps,
        held,
        table,
        rows,
        reason,
        ambiguous,
        counts,
    )
    done, closed = executions_of(table, rows, reason, ambiguous, trades, fills)
    cash, quantity = steps[:, :changes].copy()
    balance = Balance(since[:changes].copy(), cash, quantity, total)
    gross = curve.gross_of(balance.since, quantity, bars.close, options.multiplier, equity)
    return Simulation(
        bars=bars,
        initial_cash=options.initial_cash,
        multiplier=options.multiplier,
        equity=equity,
        balance=balance,
        held=held,
        fills=done,
        trades=closed,
        counters=convert.counters_of(counts, signals.conflicts),
        max_drawdown=curve.worst_of(equity, options.initial_cash, ruined),
        gross_exposure=gross / total,
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
        or options.of_symbol(bars.symbol).borrow_rate
        or options.cash_rate
        or options.margin_rate
        or options.pyramid
        or options.max_participation is not None
        or options.intrabar == "path"
        or options.detail is not None
        or options.option is not None
        or options.max_dd_limit is not None
        or costs.impact
        or costs.volume_share
        or costs.slips_by_range
        or costs.rounds
        or (costs.fill_probability < 1.0 and has_limits)
        or bars.has_dividends
        or bars.has_splits
        or (bars.has_funding and options.funding)
        or bars.fx is not None
    )


def executions_of(
    table: FloatArray,
    rows: IntArray,
    reason: ReasonArray,
    ambiguous: BoolArray,
    trades: int,
    fills: int,
) -> tuple[Fills, Trades]:
    """Lay out what the kernel wrote of its first `trades` trades; see `run_scalar`."""
    columns, places, done, when, why = _laid_out(table, rows, reason, trades, fills)
    quantity, price, fee, slippage = done
    own = (*places, *columns, reason[:trades].copy(), ambiguous[:trades].copy())
    return Fills(when, quantity, price, fee, slippage, why), Trades(*own)


@njit(cache=True, nogil=True)
def _laid_out(
    table: FloatArray, rows: IntArray, reason: ReasonArray, trades: int, fills: int
) -> tuple[FloatArray, IntArray, FloatArray, IntArray, ReasonArray]:
    """Turn the trade table of the kernel into columns: of trades, their bars, of fills."""
    columns, bars = np.empty((9, trades)), np.empty((2, trades), dtype=np.int64)
    done, when = np.empty((4, fills)), np.empty(fills, dtype=np.int64)
    why = np.ones(fills, dtype=np.uint8)
    for i in range(trades):
        row, place = table[i], rows[i]
        for k in range(4):
            columns[k, i] = row[k]  # quantity, entry, exit, pnl
        columns[4, i] = row[kernels.FEES_IN] + row[kernels.FEES_OUT]
        columns[5, i] = row[kernels.SLIP_IN] + row[kernels.SLIP_OUT]
        columns[6, i], columns[7, i] = row[kernels.MAE], row[kernels.MFE]
        columns[8, i] = row[kernels.RISK]
        bars[0, i], bars[1, i] = place[kernels.ENTRY_BAR], place[kernels.EXIT_BAR]
        n = place[kernels.ENTRY_SEQ]
        done[0, n], done[1, n] = row[kernels.QUANTITY], row[kernels.ENTRY]
        done[2, n], done[3, n] = row[kernels.FEES_IN], row[kernels.SLIP_IN]
        when[n] = place[kernels.ENTRY_BAR]
        if place[kernels.EXIT_BAR] >= 0:
            n = place[kernels.EXIT_SEQ]
            done[0, n], done[1, n] = -row[kernels.QUANTITY], row[kernels.EXIT]
            done[2, n], done[3, n] = row[kernels.FEES_OUT], row[kernels.SLIP_OUT]
            when[n], why[n] = place[kernels.EXIT_BAR], reason[i]
    return columns, bars, done, when, why
