"""The judge of metrics: docs/metrics.md read aloud, in lists, loops and `math.fsum`.

It shares no code with `core.analytics`: everything is looked up by time in dictionaries, sums are
exact, quantiles use fractions. A number or a reason (text) comes out
for every metric.
"""

from __future__ import annotations

import bisect
import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal, localcontext
from fractions import Fraction

from core.domain.bars import Bars
from core.domain.simulation import Simulation
from tests.reference.naive_fx import end_of, latest, start_of

Value = float | str
NOISE = 1e-12
YEAR = 365.2425 * 86_400 * 1e6


def mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)


def deviation(values: Sequence[float]) -> float:
    centre = mean(values)
    return math.sqrt(math.fsum((value - centre) ** 2 for value in values) / (len(values) - 1))


def moment(values: Sequence[float], order: int) -> float:
    centre = mean(values)
    return mean([(value - centre) ** order for value in values])


def same(values: Sequence[float]) -> bool:
    spread = max(values) - min(values)
    return spread <= NOISE * max(1.0, *map(abs, values))


def riskless(annual: float, per_year: float, periods: int = 1) -> float:
    """What a rate earns in some periods, to 40 digits before it is rounded."""
    with localcontext(prec=40):
        growth = (1 + Decimal(annual)) ** (Decimal(periods) / Decimal(per_year))
        return float(growth - 1)


def quantile(values: Sequence[float], percent: int) -> float:
    ordered = sorted(values)
    place = Fraction(percent, 100) * (len(ordered) - 1)
    row = math.floor(place)
    part = float(place - row)
    if part == 0.0:
        return ordered[row]
    return ordered[row] * (1.0 - part) + ordered[row + 1] * part


def returns_until_ruin(equity: Sequence[float], start: float) -> list[float]:
    returns = []
    before = start
    for now in equity:
        returns.append(now / before - 1.0)
        if now <= 0.0:
            break
        before = now
    return returns


def falls(equity: Sequence[float], start: float) -> list[tuple[float, float]]:
    """Distance from the peak of each row, as a fraction and in money."""
    peak = start
    found = []
    for now in equity:
        peak = max(peak, now)
        found.append((now / peak - 1.0, peak - now))
    return found


def spells_below(drawdowns: Sequence[float]) -> tuple[list[int], int]:
    spells: list[int] = []
    running = 0
    for fall in drawdowns:
        if fall < -NOISE:
            running += 1
        else:
            if running:
                spells.append(running)
            running = 0
    return ([*spells, running] if running else spells), running


def longest_run(pnl: Sequence[float], sign: int) -> int:
    best = running = 0
    for value in pnl:
        running = running + 1 if value * sign > 0 else 0
        best = max(best, running)
    return best


@dataclass
class Line:
    """Combined account at one time."""

    ts: int
    session: int
    equity: float
    value: float


@dataclass
class Trip:
    """One closed trade."""

    exit: int
    pnl: float
    fraction: float
    multiple: float | None
    bars: int
    seconds: float
    mae: float
    mfe: float
    stake: float | None  # money put in over money at risk


def timeline(sleeves: Sequence[Simulation]) -> list[Line]:
    rows: list[dict[int, tuple[int, float, float]]] = []
    for sleeve in sleeves:
        column = {}
        for t in range(len(sleeve.bars)):
            value = abs(float(sleeve.quantity[t])) * float(sleeve.bars.close[t]) * sleeve.multiplier
            value *= 1.0 if sleeve.fx is None else float(sleeve.fx[t])
            column[int(sleeve.bars.ts[t])] = (
                int(sleeve.bars.session[t]),
                float(sleeve.equity[t]),
                value,
            )
        rows.append(column)
    lines: list[Line] = []
    latest = [(sleeve.initial_cash, 0.0) for sleeve in sleeves]
    session = -(10**9)
    for ts in sorted({ts for column in rows for ts in column}):
        for place, column in enumerate(rows):
            if ts in column:
                day, equity, value = column[ts]
                latest[place] = (equity, value)
                session = max(session, day)
        total = 0.0
        held = 0.0
        for equity, value in latest:
            total += equity
            held += value
        lines.append(Line(ts, session, total, held))
    return lines


def closed_trips(sleeves: Sequence[Simulation]) -> list[Trip]:
    trips: list[Trip] = []
    for sleeve in sleeves:
        table = sleeve.trades
        for n in range(len(table)):
            if table.exit_bar[n] < 0:
                continue
            entry, leave = int(table.entry_bar[n]), int(table.exit_bar[n])
            pnl = float(table.pnl[n])
            money = abs(float(table.quantity[n])) * float(table.entry_price[n]) * sleeve.multiplier
            money *= 1.0 if table.fx is None else float(table.fx[n])
            risk = float(table.risk[n])
            opened, closed = int(sleeve.bars.ts[entry]), int(sleeve.bars.ts[leave])
            trips.append(
                Trip(
                    exit=closed,
                    pnl=pnl,
                    fraction=pnl / money,
                    multiple=None if math.isnan(risk) else pnl / risk,
                    bars=leave - entry,
                    seconds=(closed - opened) / 1e6,
                    mae=float(table.mae[n]),
                    mfe=float(table.mfe[n]),
                    stake=None if math.isnan(risk) else money / risk,
                )
            )
    return sorted(trips, key=lambda trip: trip.exit)


@dataclass
class Facts:
    """What the groups of metrics below are computed from."""

    sleeves: list[Simulation]
    lines: list[Line]
    cash: float
    closes: list[float]
    years: float
    per_year: float
    fills: list[tuple[float, float, float]]  # notional, fee, slippage
    trips: list[Trip]
    risk_free: float

    @property
    def final(self) -> float:
        return self.lines[-1].equity

    @property
    def equity(self) -> list[float]:
        return [line.equity for line in self.lines]


def facts_of(sleeves: Sequence[Simulation], risk_free: float = 0.0) -> Facts:
    lines = timeline(sleeves)
    closes = [
        line.equity
        for line, following in zip(lines, [*lines[1:], None], strict=True)
        if following is None or following.session != line.session
    ]
    filled = [sleeve for sleeve in sleeves if len(sleeve.bars)]
    frame = filled[0].bars.timeframe
    step = YEAR / 12 if frame.seconds is None else frame.seconds * 1e6
    last = max(int(sleeve.bars.ts[-1]) for sleeve in filled)
    years = (last + round(step) - lines[0].ts) / YEAR
    if frame.value in {"1w", "1M"}:
        per_year = {"1w": 52.0, "1M": 12.0}[frame.value]
    elif years >= 1.0:
        per_year = len(closes) / years
    else:
        per_year = max(sleeve.bars.market.sessions_per_year for sleeve in filled)
    cash = 0.0
    for sleeve in sleeves:
        cash += sleeve.initial_cash
    return Facts(
        list(sleeves),
        lines,
        cash,
        closes,
        years,
        per_year,
        fills_of(sleeves),
        closed_trips(sleeves),
        risk_free,
    )


def fills_of(sleeves: Sequence[Simulation]) -> list[tuple[float, float, float]]:
    found = []
    for sleeve in sleeves:
        table = sleeve.fills
        for n in range(len(table)):
            notional = abs(float(table.quantity[n])) * float(table.price[n]) * sleeve.multiplier
            notional *= 1.0 if table.fx is None else float(table.fx[n])
            found.append((notional, float(table.fee[n]), float(table.slippage[n])))
    return found


def metrics(
    sleeves: Sequence[Simulation], benchmark: Bars | None = None, risk_free: float = 0.0
) -> dict[str, Value]:
    """Every metric of one account with bars: a number, or the code of why there is none."""
    facts = facts_of(sleeves, risk_free)
    found = growth_figures(facts)
    found |= sharpe_figures(facts)
    found |= shape_figures(facts)
    found |= tail_figures(facts)
    found |= drawdown_figures(facts, found["cagr"])
    found |= benchmark_figures(facts, benchmark)
    found |= activity_figures(facts)
    found |= cost_figures(facts)
    found |= {
        name: math.fsum(getattr(sleeve, name) for sleeve in facts.sleeves)
        for name in ("dividends", "borrow", "carry", "funding", "interest")
    }
    found |= trade_figures(facts.trips, traded=bool(facts.fills))
    if facts.trips:
        ambiguous = sum(sleeve.counters.ambiguous_bars for sleeve in sleeves)
        found["ambiguous_pct"] = ambiguous / len(facts.trips)
    found["trades"] = len(facts.trips)
    found["open_trades"] = sum(len(sleeve.trades) for sleeve in sleeves) - len(facts.trips)
    return found


def growth_figures(facts: Facts) -> dict[str, Value]:
    found: dict[str, Value] = {
        "final_equity": facts.final,
        "net_profit": facts.final - facts.cash,
        "total_return": facts.final / facts.cash - 1.0,
    }
    if len(facts.closes) < 2:
        found["cagr"] = "too_short"
    elif facts.final <= 0.0:
        found["cagr"] = -1.0
    else:
        try:
            found["cagr"] = math.pow(facts.final / facts.cash, 1.0 / facts.years) - 1.0
        except OverflowError:
            found["cagr"] = "too_short"
    return found


def why_not(facts: Facts, sample: Sequence[float]) -> str | None:
    if not facts.fills:
        return "no_trades"
    return "too_short" if len(sample) < 2 else None


def sharpe_figures(facts: Facts) -> dict[str, Value]:
    r = returns_until_ruin(facts.closes, facts.cash)
    bars = returns_until_ruin(facts.equity, facts.cash)

    def sharpe(sample: list[float], per_year: float) -> Value:
        if reason := why_not(facts, sample):
            return reason
        if same(sample):
            return "zero_variance"
        if len(sample) < 20:
            return "too_short"
        rate = riskless(facts.risk_free, per_year)
        return mean([r - rate for r in sample]) / deviation(sample) * math.sqrt(per_year)

    found: dict[str, Value] = {
        "sharpe": sharpe(r, facts.per_year),
        "sharpe_bar": sharpe(bars, facts.per_year * len(facts.lines) / len(facts.closes)),
        "sessions": len(r),
    }
    if isinstance(found["sharpe"], str):
        return found | dict.fromkeys(("sharpe_se", "psr", "min_trl"), found["sharpe"])
    rate = riskless(facts.risk_free, facts.per_year)
    s = mean([value - rate for value in r]) / deviation(r)
    g3 = moment(r, 3) / moment(r, 2) ** 1.5
    g4 = moment(r, 4) / moment(r, 2) ** 2
    inside = max(0.0, 1.0 - g3 * s + (g4 - 1.0) / 4.0 * s * s)
    found["sharpe_se"] = math.sqrt(facts.per_year * inside / (len(r) - 1))
    normal = statistics.NormalDist()
    if inside <= NOISE:
        found["psr"] = "zero_denominator"
    else:
        found["psr"] = normal.cdf(s / math.sqrt(inside / (len(r) - 1)))
    quantile_95 = normal.inv_cdf(0.95)
    found["min_trl"] = 1 + inside * quantile_95**2 / s**2 if s > NOISE else "no_excess"
    return found


def shape_figures(facts: Facts) -> dict[str, Value]:
    r = returns_until_ruin(facts.closes, facts.cash)
    found: dict[str, Value] = {
        "volatility": "too_short" if len(r) < 2 else deviation(r) * math.sqrt(facts.per_year)
    }
    for name, order in (("skewness", 3), ("kurtosis", 4)):
        if reason := why_not(facts, r):
            found[name] = reason
        elif same(r):
            found[name] = "zero_variance"
        else:
            found[name] = moment(r, order) / moment(r, 2) ** (order / 2)
    return found


def tail_figures(facts: Facts) -> dict[str, Value]:
    r = returns_until_ruin(facts.closes, facts.cash)
    found: dict[str, Value] = {}
    if reason := why_not(facts, r):
        found |= dict.fromkeys(("sortino", "omega", "tail_ratio"), reason)
    else:
        rate = riskless(facts.risk_free, facts.per_year)
        beyond = [value - rate for value in r]
        depth = math.sqrt(mean([min(value, 0.0) ** 2 for value in beyond]))
        scale = math.sqrt(facts.per_year)
        found["sortino"] = "no_downside" if depth <= NOISE else mean(beyond) / depth * scale
        gains = math.fsum(max(value, 0.0) for value in r)
        losses = math.fsum(max(-value, 0.0) for value in r)
        found["omega"] = "no_downside" if losses <= NOISE else gains / losses
        low, high = abs(quantile(r, 5)), abs(quantile(r, 95))
        found["tail_ratio"] = "zero_denominator" if low <= NOISE else high / low
    if len(r) < 100:
        return found | {"var_95": "too_short", "cvar_95": "too_short"}
    edge = quantile(r, 5)
    return found | {"var_95": -edge, "cvar_95": -mean([value for value in r if value <= edge])}


def drawdown_figures(facts: Facts, growth: Value) -> dict[str, Value]:
    on_bars = falls(facts.equity, facts.cash)
    worst = min(fall for fall, _ in on_bars)
    money = max(fall for _, fall in on_bars)
    if worst >= -NOISE:
        worst = money = 0.0
    drawdowns = [fall for fall, _ in falls(facts.closes, facts.cash)]
    ulcer = math.sqrt(mean([fall * fall for fall in drawdowns]))
    spells, current = spells_below(drawdowns)
    found: dict[str, Value] = {
        "max_drawdown": worst,
        "ulcer_index": ulcer if len(facts.closes) > 1 else "too_short",
        "underwater_longest": max(spells, default=0),
        "underwater_current": current,
        "underwater_mean": statistics.fmean(spells) if spells else "no_drawdown",
    }
    for name, depth, rate in (("calmar", -worst, 0.0), ("upi", ulcer, facts.risk_free)):
        if not facts.fills:
            found[name] = "no_trades"
        elif isinstance(growth, str):
            found[name] = growth
        else:
            found[name] = (growth - rate) / depth if depth > NOISE else "no_drawdown"
    if not facts.fills:
        found["recovery_factor"] = "no_trades"
    else:
        found["recovery_factor"] = (facts.final - facts.cash) / money if money else "no_drawdown"
    return found


def held(facts: Facts) -> dict[int, float]:
    """Buying every symbol at its first open with an equal part of the cash, at session ends."""
    part = facts.cash / len(facts.sleeves)
    clocks = [sleeve.bars.ts.tolist() for sleeve in facts.sleeves]
    levels: dict[int, float] = {}
    for line in facts.lines:
        total = 0.0
        for sleeve, clock in zip(facts.sleeves, clocks, strict=True):
            known = bisect.bisect_right(clock, line.ts)
            bars = sleeve.bars
            if not known:
                total += part
                continue
            worth = float(bars.close[known - 1] / bars.open[0])
            if bars.fx is not None:
                worth *= latest(bars.fx, end_of(bars, known - 1))
                worth /= latest(bars.fx, start_of(bars, 0))
            total += part * worth
        levels[line.session] = total
    return levels


def shared_returns(
    facts: Facts, benchmark: Bars | None
) -> tuple[list[tuple[float, float]], list[int], float]:
    """Pairs of returns between neighbours among the sessions both have, the sessions of the account
    that each spans, and how many pairs a year has.
    """
    mine = {line.session: line.equity for line in facts.lines}
    days = list(mine)[: len(returns_until_ruin(facts.closes, facts.cash))]
    if benchmark is None:
        theirs, first_open = held(facts), {days[0]: facts.cash}
    else:
        theirs = {}
        first_open = {}
        for t in range(len(benchmark)):
            theirs[int(benchmark.session[t])] = float(benchmark.close[t])
            first_open.setdefault(int(benchmark.session[t]), float(benchmark.open[t]))
    common = [day for day in days if day in theirs]
    pairs = []
    spans = []
    for n, day in enumerate(common):
        if n:
            before = common[n - 1]
            base, other_base = mine[before], theirs[before]
            span = days.index(day) - days.index(before)
        elif day == days[0]:
            base, other_base = facts.cash, first_open[day]
            span = 1
        else:
            continue
        spans.append(span)
        pairs.append((mine[day] / base - 1.0, theirs[day] / other_base - 1.0))
    return pairs, spans, facts.per_year * len(pairs) / sum(spans) if pairs else facts.per_year


def benchmark_figures(facts: Facts, benchmark: Bars | None) -> dict[str, Value]:
    pairs, spans, per_year = shared_returns(facts, benchmark)
    size = len(returns_until_ruin(facts.closes, facts.cash))
    y, x = [own for own, _ in pairs], [other for _, other in pairs]
    active = [own - other for own, other in pairs]

    def lacking(least: int) -> str | None:
        if len(pairs) >= least:
            return None
        return "too_short" if size < least else "too_few_pairs"

    found: dict[str, Value] = {
        "tracking_error": lacking(2) or deviation(active) * math.sqrt(per_year)
    }
    if not facts.fills:
        return found | dict.fromkeys((*LINE_NAMES, "info_ratio"), "no_trades")
    if reason := lacking(20):
        found["info_ratio"] = reason
    elif same(active):
        found["info_ratio"] = "zero_variance"
    else:
        found["info_ratio"] = mean(active) / deviation(active) * math.sqrt(per_year)
    if reason := lacking(60) or ("flat_benchmark" if same(x) else None):
        return found | dict.fromkeys(LINE_NAMES, reason)
    rates = [riskless(facts.risk_free, facts.per_year, span) for span in spans]
    x = [value - rate for value, rate in zip(x, rates, strict=True)]
    y = [value - rate for value, rate in zip(y, rates, strict=True)]
    return found | line_figures(x, y, per_year)


LINE_NAMES = ("alpha", "alpha_t", "beta", "beta_t", "correlation")


def line_figures(x: Sequence[float], y: Sequence[float], per_year: float) -> dict[str, Value]:
    """Least squares as textbooks print it, from covariances of the sample."""
    count = len(x)
    x_mean, y_mean = mean(x), mean(y)
    products = [(a - x_mean) * (b - y_mean) for a, b in zip(x, y, strict=True)]
    covariance = math.fsum(products) / (count - 1)
    beta = covariance / deviation(x) ** 2
    alpha = y_mean - beta * x_mean
    residuals = [b - alpha - beta * a for a, b in zip(x, y, strict=True)]
    error = math.sqrt(math.fsum(e * e for e in residuals) / (count - 2))
    found: dict[str, Value] = {"alpha": alpha * per_year, "beta": beta}
    found["correlation"] = "zero_variance" if same(y) else covariance / deviation(x) / deviation(y)
    if error <= NOISE:
        return found | {"alpha_t": "exact_fit", "beta_t": "exact_fit"}
    squares = math.fsum((a - x_mean) ** 2 for a in x)
    raw = math.fsum(a * a for a in x)
    found["beta_t"] = beta / (error / math.sqrt(squares))
    found["alpha_t"] = alpha / (error * math.sqrt(raw / (count * squares)))
    return found


def activity_figures(facts: Facts) -> dict[str, Value]:
    found: dict[str, Value] = {}
    bars = sum(len(sleeve.bars) for sleeve in facts.sleeves)
    found["exposure"] = sum(sum(map(bool, sleeve.held)) for sleeve in facts.sleeves) / bars
    if len(facts.sleeves) == 1:
        found["gross_exposure"] = facts.sleeves[0].gross_exposure
    else:
        found["gross_exposure"] = mean(
            [line.value / line.equity if line.equity > 0.0 else 0.0 for line in facts.lines]
        )
    notional = math.fsum(fill[0] for fill in facts.fills)
    if len(facts.closes) < 2:
        found["turnover"] = "too_short"
    elif mean(facts.closes) <= 0.0:
        found["turnover"] = "ruined"
    else:
        found["turnover"] = notional / 2.0 / mean(facts.closes) / facts.years
    return found


def cost_figures(facts: Facts) -> dict[str, Value]:
    fees = math.fsum(fill[1] for fill in facts.fills)
    slippage = math.fsum(fill[2] for fill in facts.fills)
    found: dict[str, Value] = {
        "fees": fees,
        "slippage": slippage,
        "total_costs": math.fsum(cost for fill in facts.fills for cost in fill[1:]),
    }
    if not facts.fills:
        return found | {"cost_share": "no_trades", "breakeven_bps": "no_trades"}
    gross = facts.final - facts.cash + fees + slippage
    if abs(gross) <= NOISE * (facts.cash + abs(facts.final) + fees + slippage):
        gross = 0.0
    notional = math.fsum(fill[0] for fill in facts.fills)
    found["cost_share"] = (fees + slippage) / gross if gross > 0.0 else "no_gross_profit"
    found["breakeven_bps"] = gross / notional * 10_000.0
    return found


TRADE_NAMES = (
    "win_rate",
    "profit_factor",
    "expectancy",
    "expectancy_pct",
    "expectancy_r",
    "payoff",
    "average_win",
    "average_loss",
    "best_trade",
    "worst_trade",
    "sqn",
    "sqn100",
    "win_streak",
    "loss_streak",
    "bars_median",
    "bars_mean",
    "bars_max",
    "duration_median",
    "duration_mean",
    "duration_max",
    "mae_mean",
    "mfe_mean",
    "mae_r",
    "mfe_r",
    "ambiguous_pct",
)


def trade_figures(trips: Sequence[Trip], *, traded: bool) -> dict[str, Value]:
    if not trips:
        return dict.fromkeys(TRADE_NAMES, "no_closed_trades" if traded else "no_trades")
    pnl = [trip.pnl for trip in trips]
    fractions = [trip.fraction for trip in trips]
    multiples = [trip.multiple for trip in trips if trip.multiple is not None]
    found: dict[str, Value] = {
        "expectancy": mean(pnl),
        "expectancy_pct": mean(fractions),
        "expectancy_r": mean(multiples) if multiples else "no_stop",
        "best_trade": max(fractions),
        "worst_trade": min(fractions),
        "win_streak": longest_run(pnl, 1),
        "loss_streak": longest_run(pnl, -1),
        "mae_mean": mean([trip.mae for trip in trips]),
        "mfe_mean": mean([trip.mfe for trip in trips]),
    }
    for name in ("mae", "mfe"):
        in_risk = [getattr(trip, name) * trip.stake for trip in trips if trip.stake is not None]
        found[f"{name}_r"] = mean(in_risk) if in_risk else "no_stop"
    found |= win_and_loss_figures(pnl)
    units = multiples if len(multiples) == len(trips) else fractions
    for name, most in (("sqn", len(trips)), ("sqn100", 100)):
        if len(trips) < 2:
            found[name] = "too_few_trades"
        elif same(units):
            found[name] = "zero_variance"
        else:
            found[name] = math.sqrt(min(len(trips), most)) * mean(units) / deviation(units)
    for name, lengths in (
        ("bars", [float(trip.bars) for trip in trips]),
        ("duration", [trip.seconds for trip in trips]),
    ):
        found[f"{name}_median"] = statistics.median(lengths)
        found[f"{name}_mean"] = mean(lengths)
        found[f"{name}_max"] = max(lengths)
    return found


def win_and_loss_figures(pnl: Sequence[float]) -> dict[str, Value]:
    wins = [value for value in pnl if value > 0]
    losses = [value for value in pnl if value < 0]
    found: dict[str, Value] = {
        "win_rate": len(wins) / len(pnl),
        "profit_factor": math.fsum(wins) / -math.fsum(losses) if losses else "no_losses",
        "average_win": mean(wins) if wins else "no_wins",
        "average_loss": mean(losses) if losses else "no_losses",
    }
    if not losses:
        found["payoff"] = "no_losses"
    else:
        found["payoff"] = mean(wins) / -mean(losses) if wins else "no_wins"
    return found
