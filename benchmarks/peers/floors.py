"""What one would write by hand for exactly this work, and the judges of parity.

`w1` and the sweeps are the floors: the rule and nothing else. `guarded` plays W3 by the rules of each
engine and `rebalance` W4, so that a difference in equity is explained to the cent by a named rule.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
from numba import njit

from benchmarks.peers import work

LOOP = {"cache": True, "nogil": True, "error_model": "numpy"}
ABREAST = 48


@njit(**LOOP)
def average(x, span):
    """EMA from the first value, NaN before row span - 1."""
    out = np.empty(len(x))
    a, y = 2.0 / (span + 1.0), x[0]
    out[0] = y if span == 1 else np.nan
    for t in range(1, len(x)):
        y = a * x[t] + (1.0 - a) * y
        out[t] = y if t >= span - 1 else np.nan
    return out


@njit(**LOOP)
def w1(o, c, fast, slow, units, start, rate, equity, table, rows):
    """Trade the crossover from prices: averages in the loop, equity per bar, one row per trade."""
    a, b = 2.0 / (fast + 1.0), 2.0 / (slow + 1.0)
    one = other = c[0]
    cash, q, entry, fee_in, code, n = start, 0.0, 0.0, 0.0, 0.0, 0
    equity[0] = start
    for t in range(1, len(o)):
        if code != 0.0 and code * q <= 0.0:
            fee = rate * units * o[t]
            if q != 0.0:
                cash += q * o[t] - fee
                table[n, 0], table[n, 1], table[n, 2] = q, entry, o[t]
                table[n, 3] = (o[t] - entry) * q - fee_in - fee
                rows[n, 1] = t
                n += 1
            q, entry, fee_in = code * units, o[t], fee
            cash -= q * o[t] + fee
            rows[n, 0] = t
        one = a * c[t] + (1.0 - a) * one
        other = b * c[t] + (1.0 - b) * other
        if t >= slow - 1:
            code = 1.0 if one > other else (-1.0 if one < other else 0.0)
        equity[t] = cash + q * c[t]
    return n


def run_w1(bars, fast=work.FAST, slow=work.SLOW):
    """Give equity and the trades table of W1."""
    total = len(bars["close"])
    equity, table, rows = np.empty(total), np.empty((total, 4)), np.empty((total, 2), np.int64)
    n = w1(
        bars["open"], bars["close"], float(fast), float(slow), float(work.UNITS), work.CASH,
        work.FEE, equity, table, rows,
    )  # fmt: skip
    return equity, table[:n].copy(), rows[:n].copy()


@njit(**LOOP)
def lane(o, c, ends, fast, slow, first, units, start, rate, out, daily):
    """Run one lane of the sweep: averages are given, metrics and daily returns in the same pass."""
    cash, q, n, marked, peak, drawdown = start, 0.0, 0, start, start, 0.0
    before, s1, s2, d = start, 0.0, 0.0, 0
    for t in range(len(o)):
        if t > first:
            x, y = fast[t - 1], slow[t - 1]
            code = 1.0 if x > y else -1.0
            if code != q and x != y:
                step = code - q
                cash -= units * o[t] * (step + rate * abs(step))
                n += q != 0.0
                q = code
        marked = cash + units * q * c[t]
        if marked > peak:
            peak = marked
        else:
            drawdown = min(drawdown, marked - peak)
        if ends[t]:
            r = marked / before - 1.0
            daily[d] = r
            s1, s2, before, d = s1 + r, s2 + r * r, marked, d + 1
    out[0], out[1], out[2], out[3] = marked, n, drawdown, _sharpe(s1, s2, d)


@njit(**LOOP)
def _sharpe(s1, s2, d):
    mean = s1 / d
    return mean / np.sqrt((s2 - d * mean * mean) / (d - 1)) * np.sqrt(252.0)


@njit(**LOOP)
def inner_lanes(o, c, ends, fasts, slow, first, units, start, rate, out, daily):
    """Run `ABREAST` lanes that share a slow average: bars outside, lanes inside, nothing branches.

    `fasts` holds a row of `ABREAST` values per bar. All state is one array cut at constant places:
    with an array for each, LLVM would have to fear that they overlap, and would not vectorise.
    """
    s = np.zeros(10 * ABREAST)
    cash, q, code, n, peak = 0, ABREAST, 2 * ABREAST, 3 * ABREAST, 4 * ABREAST
    drawdown, marked, before = 5 * ABREAST, 6 * ABREAST, 7 * ABREAST
    s1, s2, d = 8 * ABREAST, 9 * ABREAST, 0
    for i in range(ABREAST):
        s[cash + i] = s[peak + i] = s[marked + i] = s[before + i] = start
    for t in range(len(o)):
        price, mark, y = units * o[t], units * c[t], slow[t]
        if t >= first:
            for i in range(ABREAST):
                x, held, wanted = fasts[t * ABREAST + i], s[q + i], s[code + i]
                wanted = wanted if wanted != 0.0 else held
                step = wanted - held
                left = s[cash + i] - price * (step + rate * abs(step))
                now, top, worst = left + wanted * mark, s[peak + i], s[drawdown + i]
                top = now if now > top else top
                s[n + i] += 1.0 if abs(step) == 2.0 else 0.0
                s[cash + i], s[q + i], s[marked + i], s[peak + i] = left, wanted, now, top
                s[drawdown + i] = now - top if now - top < worst else worst
                s[code + i] = 1.0 if x > y else (-1.0 if x < y else 0.0)
        if ends[t]:
            for i in range(ABREAST):
                r = s[marked + i] / s[before + i] - 1.0
                daily[d, i] = r
                s[s1 + i] += r
                s[s2 + i] += r * r
                s[before + i] = s[marked + i]
            d += 1
    for i in range(ABREAST):
        out[i, 0], out[i, 1], out[i, 2] = s[marked + i], s[n + i], s[drawdown + i]
        out[i, 3] = _sharpe(s[s1 + i], s[s2 + i], d)


class Lanes(NamedTuple):
    """A sweep's answer: final equity, trades, drawdown in money, Sharpe; and returns (lanes, days)."""

    table: np.ndarray
    daily: np.ndarray


def _ends(bars):
    ends = np.ones(len(bars["session"]), dtype=np.bool_)
    np.not_equal(bars["session"][1:], bars["session"][:-1], out=ends[:-1])
    return ends


def sweep_scalar(bars, lanes, threads=2) -> Lanes:
    """Sweep with one loop per lane on threads of its own."""
    o, c, ends = bars["open"], bars["close"], _ends(bars)
    spans = {span: average(c, float(span)) for span in {s for lane in lanes for s in lane}}
    out, daily = np.empty((len(lanes), 4)), np.empty((len(lanes), int(ends.sum())))

    def some(begin: int) -> None:
        for number in range(begin, min(begin + 16, len(lanes))):
            fast, slow = lanes[number]
            lane(
                o, c, ends, spans[fast], spans[slow], slow - 1, float(work.UNITS), work.CASH,
                work.FEE, out[number], daily[number],
            )  # fmt: skip

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(some, range(0, len(lanes), 16)))
    return Lanes(out, daily)


def sweep_inner(bars, threads=2) -> Lanes:
    """Sweep W2 with the lanes of one slow span side by side."""
    o, c, ends = bars["open"], bars["close"], _ends(bars)
    fasts = np.zeros((len(c), ABREAST))
    for column, span in enumerate(work.FASTS):
        fasts[:, column] = average(c, float(span))
    days = int(ends.sum())

    def some(slow: int) -> Lanes:
        out, daily = np.empty((ABREAST, 4)), np.empty((days, ABREAST))
        inner_lanes(
            o, c, ends, fasts.ravel(), average(c, float(slow)), slow - 1, float(work.UNITS),
            work.CASH, work.FEE, out, daily,
        )  # fmt: skip
        asked = sum(fast < slow for fast in work.FASTS)
        return Lanes(out[:asked], daily[:, :asked].T)

    with ThreadPoolExecutor(threads) as pool:
        parts = list(pool.map(some, work.SLOWS))
    return Lanes(*(np.concatenate(column) for column in zip(*parts, strict=True)))


class Rules(NamedTuple):
    """Where engines differ about a guarded position.

    Attributes:
        entry_bar: Stop and target already live in the bar of the entry.
        stop_first: They are judged on the whole bar before the orders of its open.
        at_decision: They are set from the close of the decision, not from the fill.
        two_bars: A reversal closes at one open and opens at the next.
        no_gaps: A level that the open has passed fills at the level, or at the bar's nearest price.
        asks_flat: Who holds a side does not ask for it, so after a gap has taken a position out
            nothing is opened on the same side at that open.
        last_bar: The last bar there is ends its session, so a position is closed at its close.
    """

    entry_bar: bool = True
    stop_first: bool = False
    at_decision: bool = False
    two_bars: bool = False
    no_gaps: bool = False
    asks_flat: bool = False
    last_bar: bool = False


@njit(**LOOP)
def _hit(side, o, h, l, stop, target, no_gaps):
    """Price at which a whole bar takes a position out, stop before target, or 0."""
    low, high = (l, h) if side > 0 else (-h, -l)
    if no_gaps:
        if low <= side * stop:
            return side * min(side * stop, high)
        if high >= side * target:
            return side * max(side * target, low)
        return 0.0
    if side * o <= side * stop:
        return o
    if low <= side * stop:
        return stop
    if side * o >= side * target:
        return o
    return target if high > side * target else 0.0


@njit(**LOOP)
def guarded(o, h, l, c, codes, enter, leave, stop_f, target_f, units, start, rate, rules):
    """Play W3 by some engine's rules; final equity and closed trades."""
    entry_bar, stop_first, at_decision, two_bars, no_gaps, asks_flat, last_bar = rules
    cash, q, stop, target, n = start, 0.0, 0.0, 0.0, 0
    for t in range(1, len(o)):
        code = float(codes[t - 1])
        flat_before, out, opened = q == 0.0, False, False
        px = 0.0
        side = 1.0 if q > 0 else -1.0
        if q != 0.0 and stop_first:
            px = _hit(side, o[t], h[t], l[t], stop, target, no_gaps)
            out = px != 0.0
        elif q != 0.0 and (side * o[t] <= side * stop or side * o[t] > side * target):
            px = o[t]
            out = asks_flat and code == side
        if q != 0.0 and px == 0.0 and (leave[t] or (enter[t] and code == -side)):
            px = o[t]
        if px != 0.0:
            cash += q * px - rate * (units * px)
            q, n = 0.0, n + 1
        if q == 0.0 and not out and enter[t] and code != 0.0 and (flat_before or not two_bars):
            q, opened = code * units, True
            cash -= q * o[t] + rate * (units * o[t])
            anchor = c[t - 1] if at_decision else o[t]
            stop, target = anchor * (1.0 - code * stop_f), anchor * (1.0 + code * target_f)
        if q != 0.0 and not stop_first and (entry_bar or not opened):
            px = _hit(1.0 if q > 0 else -1.0, o[t], h[t], l[t], stop, target, no_gaps)
            if px != 0.0:
                cash += q * px - rate * (units * px)
                q, n = 0.0, n + 1
    if last_bar and q != 0.0:
        cash += q * c[-1] - rate * (units * c[-1])
        q, n = 0.0, n + 1
    return cash + q * c[-1], n


def run_guarded(bars, rules: Rules):
    """Give final equity and closed trades of W3 by these rules."""
    one, other = (average(bars["close"], float(span)) for span in (work.FAST, work.SLOW))
    codes = (one > other).astype(np.int8) - (one < other).astype(np.int8)
    return guarded(
        bars["open"], bars["high"], bars["low"], bars["close"], codes, work.may_enter(bars),
        work.must_leave(bars), work.STOP, work.TARGET, float(work.UNITS), work.CASH, work.FEE,
        tuple(rules),
    )  # fmt: skip


def rebalance(bars, how: str):
    """Play W4; final equity and orders.

    `how`: `decision`: sized by close and equity of the decision, filled at the next open. `open`: sized
    by the open it fills at, everything marked there. `close`: sized and filled at the decision's close,
    an order being as large as its share of equity allows after its own fee.
    """
    o, c = bars["open"], bars["close"]
    rows, weights = work.target_weights(bars["ts"], c)
    cash, q, orders = work.CASH, np.zeros(c.shape[1]), 0
    for row, wanted in zip(rows, weights, strict=True):
        price = c[row] if how == "close" else o[row + 1]
        sized = o[row + 1] if how == "open" else c[row]
        step = wanted * (cash + q @ sized) / sized - q
        if how == "close":
            step /= 1.0 + work.FEE * np.sign(step)
        step = np.where(wanted == 0.0, -q, step)
        cash -= step @ price + work.FEE * (np.abs(step) @ price)
        q += step
        orders += int(np.count_nonzero(step))
    return float(cash + q @ c[-1]), orders
