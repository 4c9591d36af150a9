"""The floor: what one would write by hand for one fixed rule set, with the same outputs.

Market entries at the next open with all equity in whole units, percent stop and target, reversal on
the opposite signal, a fee in basis points of value and slippage. Nothing can be switched; whatever
the engine costs beyond this is the price of its rules. Trade rows are laid out as the engine's.
"""

from __future__ import annotations

from math import floor as whole

import numpy as np
from numba import njit

from core.domain.costs import CostModel
from core.domain.options import EngineOptions
from core.domain.simulation import Balance, Counters, Simulation
from core.engine.simulate import executions_of


@njit(cache=True, nogil=True, error_model="numpy")
def loop(
    o, h, l, c, codes, stop_f, target_f, start, rate, slip, equity, cash_o, q_o, held, tf, ti, why
):
    """Run the fixed rules; returns trades, fills, worst drawdown, summed gross exposure."""
    cash, q, entry, stop, target = start, 0.0, 0.0, 0.0, 0.0
    worst, best, peak, drawdown, gross = 0.0, 0.0, start, 0.0, 0.0
    n, fills = 0, 0
    for t in range(len(o)):
        was = q != 0.0
        code = codes[t - 1] if t > 0 else 2
        side = 1.0 if q > 0 else -1.0
        if was:
            px, ref, reason = 0.0, o[t], 0
            if side * o[t] <= side * stop:
                px, reason = ref * (1.0 - side * slip), 5
            elif side * o[t] > side * target:
                px, reason = ref, 7
            elif code == -int(side):
                px, reason = ref * (1.0 - side * slip), 3
            if reason != 0:
                fee = rate * (abs(q) * px)
                cash = cash + q * px - fee
                worst = min(worst, side * px)
                tf[n, 2], tf[n, 3] = px, (px - entry) * q - tf[n, 4] - fee
                tf[n, 5], tf[n, 7] = fee, abs(px - ref) * abs(q)
                tf[n, 8] = min((worst - side * entry) / entry, 0.0)
                tf[n, 9] = max((best - side * entry) / entry, 0.0)
                ti[n, 1], ti[n, 3], why[n] = t, fills, reason
                n, fills, q = n + 1, fills + 1, 0.0
        if q == 0.0 and (code == 1 or code == -1):
            side = float(code)
            entry = o[t] * (1.0 + side * slip)
            size = float(whole(equity[t - 1] / c[t - 1] + 1e-9))
            if size * entry + rate * (size * entry) > cash:
                size = float(whole(cash / (entry + entry * rate)))
            if size >= 1:
                q = side * size
                fee = rate * (size * entry)
                cash = cash - q * entry - fee
                stop, target = entry * (1.0 - side * stop_f), entry * (1.0 + side * target_f)
                worst = best = side * entry
                was = True
                tf[n, 0], tf[n, 1], tf[n, 4] = q, entry, fee
                tf[n, 6], tf[n, 10] = abs(entry - o[t]) * size, abs(entry - stop) * size
                ti[n, 0], ti[n, 2] = t, fills
                fills += 1
        if q != 0.0:
            low, high = (l[t], h[t]) if side > 0 else (-h[t], -l[t])
            px, ref, reason = 0.0, 0.0, 0
            if low <= side * stop:
                ref, reason = stop, 4
                px = ref * (1.0 - side * slip)
            elif high > side * target:
                px = ref = target
                reason = 6
            if reason != 0:
                fee = rate * (abs(q) * px)
                cash = cash + q * px - fee
                worst = min(worst, side * px)
                tf[n, 2], tf[n, 3] = px, (px - entry) * q - tf[n, 4] - fee
                tf[n, 5], tf[n, 7] = fee, abs(px - ref) * abs(q)
                tf[n, 8] = min((worst - side * entry) / entry, 0.0)
                tf[n, 9] = max((best - side * entry) / entry, 0.0)
                ti[n, 1], ti[n, 3], why[n] = t, fills, reason
                n, fills, q = n + 1, fills + 1, 0.0
            else:
                worst, best = min(worst, low), max(best, high)
        marked = cash + q * c[t]
        equity[t], cash_o[t], q_o[t], held[t] = marked, cash, q, was
        if q != 0.0:
            gross += abs(q) * c[t] / marked
        if marked > peak:
            peak = marked
        else:
            drawdown = min(drawdown, marked / peak - 1.0)
    if q != 0.0:
        px = c[len(o) - 1]
        tf[n, 2], tf[n, 3], tf[n, 5], tf[n, 7] = px, (px - entry) * q - tf[n, 4], 0.0, 0.0
        side = 1.0 if q > 0 else -1.0
        tf[n, 8] = min((worst - side * entry) / entry, 0.0)
        tf[n, 9] = max((best - side * entry) / entry, 0.0)
        ti[n, 1], ti[n, 3], why[n] = -1, -1, 0
        n += 1
    return n, fills, drawdown, gross


def floor_simulate(
    bars, codes, *, stop_pct: float, target_pct: float, options: EngineOptions, costs: CostModel
) -> Simulation:
    """Run the floor loop and hand back the same record the engine does."""
    total = len(bars)
    equity, cash, quantity = np.empty(total), np.empty(total), np.empty(total)
    held = np.empty(total, dtype=np.bool_)
    table, rows = np.empty((2 * total + 2, 11)), np.empty((2 * total + 2, 4), dtype=np.int64)
    why = np.empty(2 * total + 2, dtype=np.uint8)
    n, fills, drawdown, gross = loop(
        bars.open, bars.high, bars.low, bars.close, codes,
        stop_pct / 100.0, target_pct / 100.0, options.initial_cash,
        costs.bps / 10_000, costs.slippage_bps / 10_000,
        equity, cash, quantity, held, table, rows, why,
    )  # fmt: skip
    done, trades = executions_of(table, rows, why, np.zeros(n, dtype=np.bool_), n, fills)
    return Simulation(
        bars=bars,
        initial_cash=options.initial_cash,
        multiplier=1.0,
        equity=equity,
        balance=Balance(np.arange(total), cash, quantity, total),
        held=held,
        fills=done,
        trades=trades,
        counters=Counters(entries=n),
        max_drawdown=drawdown,
        gross_exposure=gross / total,
        ruined=False,
    )
