"""The slow, obvious way to compute indicators: every value from all rows it needs, in plain lists.

Shares no code with `core.engine.indicators`. Moving averages that never forget are written as the
weighted sums they are, not as recursions; windows are cut out and given to `statistics`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import isnan, nan
from statistics import correlation, fmean, pstdev, stdev
from typing import Any

Line = list[float]


def of_windows(n: int, answer: Callable[..., float], *lines: Sequence[float]) -> Line:
    """Answer for every full window of the lines; NaN where a window contains NaN."""
    out = []
    for t in range(len(lines[0])):
        parts = [line[t - n + 1 : t + 1] if t >= n - 1 else [] for line in lines]
        known = all(part and not any(isnan(value) for value in part) for part in parts)
        out.append(float(answer(*parts)) if known else nan)
    return out


def of_rows(answer: Callable[..., float], *lines: Sequence[float]) -> Line:
    return of_windows(1, lambda *parts: answer(*(part[0] for part in parts)), *lines)


def first_value(x: Sequence[float]) -> int:
    return next((t for t, value in enumerate(x) if not isnan(value)), len(x))


def averaged(x: Sequence[float], n: int, share: float, lead: int, *, seed_by_mean: bool) -> Line:
    """Weights share (1 - share)^age down to the seed, which has what remains.

    Begins at row `lead`; its n-th value is the first.
    """
    out = [nan] * len(x)
    first = lead + n - 1 if seed_by_mean else lead
    for t in range(lead + n - 1, len(x)):
        seed = sum(x[lead : lead + n]) / n if seed_by_mean else x[lead]
        total = seed * (1 - share) ** (t - first)
        for age in range(t - first):
            total += share * (1 - share) ** age * x[t - age]
        out[t] = total
    return out


# One line in, one line out ----------------------------------------------------------------------


def sma(x: Sequence[float], n: int) -> Line:
    return of_windows(n, fmean, x)


def ema(x: Sequence[float], n: int, seed: str = "first") -> Line:
    return averaged(x, n, 2 / (n + 1), first_value(x), seed_by_mean=seed == "sma")


def wma(x: Sequence[float], n: int) -> Line:
    return of_windows(n, lambda part: fmean(part, weights=range(1, n + 1)), x)


def std(x: Sequence[float], n: int, ddof: int = 0) -> Line:
    return of_windows(n, stdev if ddof else pstdev, x)


def zscore(x: Sequence[float], n: int, ddof: int = 0) -> Line:
    def score(part: Sequence[float]) -> float:
        if min(part) == max(part):
            return nan
        return (part[-1] - fmean(part)) / (stdev if ddof else pstdev)(part)

    return of_windows(n, score, x)


def rank(x: Sequence[float], n: int) -> Line:
    def place(part: Sequence[float]) -> float:
        places = [i for i, value in enumerate(sorted(part), start=1) if value == part[-1]]
        return fmean(places) / n

    return of_windows(n, place, x)


def corr(x: Sequence[float], y: Sequence[float], n: int) -> Line:
    def moves(part: Sequence[float]) -> bool:
        return min(part) < max(part)

    def answer(left: Sequence[float], right: Sequence[float]) -> float:
        return correlation(left, right) if moves(left) and moves(right) else nan

    return of_windows(n, answer, x, y)


def highest(x: Sequence[float], n: int) -> Line:
    return of_windows(n, max, x)


def lowest(x: Sequence[float], n: int) -> Line:
    return of_windows(n, min, x)


def roc(x: Sequence[float], n: int) -> Line:
    before = [nan] * n + list(x)
    return [(now - then) / then if then != 0 else nan for now, then in zip(x, before, strict=False)]


def rsi(x: Sequence[float], n: int) -> Line:
    changes = [now - then for now, then in zip(x[1:], x, strict=False)]
    gains = [change if not change < 0 else 0.0 for change in changes]
    losses = [-change if not change > 0 else 0.0 for change in changes]

    def strength(gain: float, loss: float) -> float:
        return 50.0 if gain == loss == 0 else 100 - 100 / (1 + gain / loss) if loss else 100.0

    lead = first_value(x)
    gain, loss = (averaged(part, n, 1 / n, lead, seed_by_mean=True) for part in (gains, losses))
    return [nan, *of_rows(strength, gain, loss)]


# Over bars --------------------------------------------------------------------------------------


class Slow:
    """The same indicators over columns given as lists; lines come in the order they are named."""

    def __init__(self, bars: Any) -> None:
        self.high, self.low = bars.high.tolist(), bars.low.tolist()
        self.close, self.volume = bars.close.tolist(), bars.volume.tolist()
        self.session = bars.session.tolist()

    def true_range(self) -> Line:
        """Of every row but the first, whose range is not known."""
        rows = zip(self.high[1:], self.low[1:], self.close, strict=False)
        return [max(h - l, abs(h - c), abs(l - c)) for h, l, c in rows]  # noqa: E741

    def atr(self, n: int) -> Line:
        return [nan, *averaged(self.true_range(), n, 1 / n, 0, seed_by_mean=True)]

    def adx(self, n: int) -> list[Line]:
        up = [now - then for now, then in zip(self.high[1:], self.high, strict=False)]
        down = [then - now for now, then in zip(self.low[1:], self.low, strict=False)]
        rises = [u if u > max(d, 0) else 0.0 for u, d in zip(up, down, strict=True)]
        falls = [d if d > max(u, 0) else 0.0 for u, d in zip(up, down, strict=True)]
        ranges, plus, minus = (
            averaged(part, n, 1 / n, 0, seed_by_mean=True)
            for part in (self.true_range(), rises, falls)
        )
        plus = of_rows(lambda move, size: 100 * move / size if size else 0.0, plus, ranges)
        minus = of_rows(lambda move, size: 100 * move / size if size else 0.0, minus, ranges)
        dx = of_rows(lambda p, m: 100 * abs(p - m) / (p + m) if p + m else 0.0, plus, minus)
        line = averaged(dx, n, 1 / n, n - 1, seed_by_mean=True)
        return [[nan, *each] for each in (line, plus, minus)]

    def macd(self, fast: int, slow: int, signal: int, seed: str = "first") -> list[Line]:
        quick, calm = ema(self.close, fast, seed), ema(self.close, slow, seed)
        line = of_rows(lambda a, b: a - b, quick, calm)
        average = ema(line, signal, seed)
        return [line, average, of_rows(lambda a, b: a - b, line, average)]

    def stochastic(self, n: int, smooth: int, signal: int) -> list[Line]:
        def place(high: Sequence[float], low: Sequence[float], close: Sequence[float]) -> float:
            top, bottom = max(high), min(low)
            return 100 * (close[-1] - bottom) / (top - bottom) if top > bottom else nan

        k = sma(of_windows(n, place, self.high, self.low, self.close), smooth)
        return [k, sma(k, signal)]

    def bollinger(self, n: int, width: float) -> list[Line]:
        middle, away = sma(self.close, n), std(self.close, n)
        return self._around(middle, away, width)

    def keltner(self, n: int, width: float, atr_n: int, seed: str = "first") -> list[Line]:
        return self._around(ema(self.close, n, seed), self.atr(atr_n), width)

    def donchian(self, n: int) -> list[Line]:
        top, bottom = highest(self.high, n), lowest(self.low, n)
        return [top, of_rows(lambda a, b: (a + b) / 2, top, bottom), bottom]

    def supertrend(self, n: int, width: float) -> list[Line]:
        count, atr = len(self.close), self.atr(n)
        middle = [(h + l) / 2 for h, l in zip(self.high, self.low, strict=True)]  # noqa: E741
        upper = [m + width * a for m, a in zip(middle, atr, strict=True)]
        lower = [m - width * a for m, a in zip(middle, atr, strict=True)]
        side = [nan] * count
        for t in range(n, count):
            if t == n:
                side[t] = 1.0 if self.close[t] >= middle[t] else -1.0
                continue
            if self.close[t - 1] <= upper[t - 1]:
                upper[t] = min(upper[t], upper[t - 1])
            if self.close[t - 1] >= lower[t - 1]:
                lower[t] = max(lower[t], lower[t - 1])
            broken = self.close[t] < lower[t] if side[t - 1] > 0 else self.close[t] > upper[t]
            side[t] = -side[t - 1] if broken else side[t - 1]
        line = [
            nan if isnan(s) else low if s > 0 else high
            for s, high, low in zip(side, upper, lower, strict=True)
        ]
        return [line, side]

    def obv(self) -> Line:
        first = first_value(self.volume)
        steps = [
            v if now > then else -v if now < then else 0.0 * v
            for now, then, v in zip(
                self.close[first + 1 :], self.close[first:], self.volume[first + 1 :], strict=False
            )
        ]
        return [nan] * first + [sum(steps[:t]) + 0.0 for t in range(len(self.close) - first)]

    def vwap(self) -> Line:
        out = []
        for t, today in enumerate(self.session):
            rows = [i for i in range(t + 1) if self.session[i] == today]
            units = sum(self.volume[i] for i in rows)
            typical = [(self.high[i] + self.low[i] + self.close[i]) / 3 for i in rows]
            money = sum(p * self.volume[i] for p, i in zip(typical, rows, strict=True))
            out.append(money / units if units > 0 else nan)
        return out

    @staticmethod
    def _around(middle: Line, away: Line, width: float) -> list[Line]:
        both = of_rows(lambda m, a: m + 0 * a, middle, away)
        return [
            of_rows(lambda m, a: m + width * a, middle, away),
            both,
            of_rows(lambda m, a: m - width * a, middle, away),
        ]
