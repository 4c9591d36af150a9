"""Random cases of one account over several symbols, each decided by its seed alone.

One to five symbols that begin and end at different times and miss bars between, codes or weights,
and every option of the general driver now and then.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from core.domain.bars import US_PER_DAY, Bars
from core.domain.costs import CostModel
from core.domain.detail import Detail
from core.domain.fx import FxRates
from core.domain.market import MARKETS
from core.domain.options import EngineOptions, OptionProxy
from core.domain.signals import Code, Level, Signals, Weights
from core.domain.timeframe import Timeframe
from tests.factories import (
    GRID,
    SESSION_START,
    ZERO,
    Case,
    make_bars,
    random_bars,
    random_costs,
    random_options,
    random_signals,
    sizes_by_row,
    waiting,
    with_kind_of_size,
    with_limits,
    with_rounding,
)

SharedCase = tuple[list[Bars], list[Signals] | Weights, EngineOptions, CostModel]


def random_shared_case(seed: int, *, count: int = 60) -> SharedCase:
    """Bars of each symbol, what is wanted, options and costs.

    Lots are such that whole lots are exact in binary, so that no rule hangs on how a sum of lots
    was rounded; half of the cases trade fractions or quarters.
    """
    rng = np.random.default_rng([seed, 21])
    bars = random_universe(rng, count)
    weighted = bool(rng.random() < 0.4)
    options, costs = random_account(rng, weighted=weighted)
    options, costs = with_chance(options, with_rounding(costs, seed), seed)
    options = with_ends(options, seed, symbols=len(bars))
    costs = with_slips(costs, seed)
    options = by_symbol(options, [each.symbol for each in bars], seed)
    if weighted:
        full = 1 / options.initial_margin if options.maintenance_margin > 0 else 1.0
        return bars, random_weights(rng, bars, leverage=full), options, costs
    adding = options.pyramid > 0
    signals = [random_codes(rng, each, adding=adding) for each in bars]
    return with_other_sizes((bars, signals, options, costs), seed)


def with_ends(options: EngineOptions, seed: int, *, symbols: int) -> EngineOptions:
    """A drawdown limit and margin calls inside bars, now and then; drawn apart."""
    rng = np.random.default_rng([seed, 8])
    drawn: dict[str, Any] = {}
    if rng.random() < 0.15:
        drawn["max_dd_limit"] = float(rng.choice([0.02, 0.1, 0.25]))
    if symbols == 1 and options.maintenance_margin > 0 and rng.random() < 0.7:
        drawn["intrabar_margin"] = True
    return EngineOptions(**{**dict(options), **drawn})


def with_other_sizes(case: SharedCase, seed: int) -> SharedCase:
    """Sizes of other kinds and sizes by row, in some cases; drawn apart."""
    rng = np.random.default_rng([seed, 31])
    bars, wanted, options, costs = case
    assert isinstance(wanted, list)
    if rng.random() < 0.35:
        options = with_kind_of_size(options, rng)
    if options.sizing == "risk":
        wanted = [
            replace(each, stop=Level(float(rng.choice([0.5, 1.0, 3.7])), "percent"))
            if each.stop is None and each.trail is None
            else each
            for each in wanted
        ]
    if rng.random() < 0.3:
        wanted = [
            replace(each, size=sizes_by_row(rng, options, len(of))) if rng.random() < 0.7 else each
            for each, of in zip(wanted, bars, strict=True)
        ]
    return bars, wanted, options, costs


def with_chance(
    options: EngineOptions, costs: CostModel, seed: int
) -> tuple[EngineOptions, CostModel]:
    """Limits that do not always fill, now and then; drawn apart, as in `with_actions`."""
    rng = np.random.default_rng([seed, 5])
    if rng.random() < 0.6:
        return options, costs
    chance = {"fill_probability": float(rng.choice([0.1, 0.5, 0.8, 0.95]))}
    drawn = {"seed": int(rng.choice([0, 1, 2**32 - 1]))}
    return options.model_copy(update=drawn), costs.model_copy(update=chance)


def with_slips(costs: CostModel, seed: int) -> CostModel:
    """Slippage by the range of the bars before, now and then; drawn apart, as in `with_actions`."""
    rng = np.random.default_rng([seed, 44])
    if rng.random() < 0.75:
        return costs
    given = {
        "slippage_atr": float(rng.choice([0.0, 0.05, 0.5])),
        "slippage_volatility": float(rng.choice([0.0, 0.1, 1.0])),
        "slippage_bars": int(rng.choice([2, 3, 14])),
    }
    return costs.model_copy(update=given)


def by_symbol(options: EngineOptions, names: Sequence[str], seed: int) -> EngineOptions:
    """What is said of some symbols only, now and then; drawn apart, as in `with_actions`."""
    rng = np.random.default_rng([seed, 9])
    said: dict[str, Any] = {}
    if rng.random() < 0.25:
        said["shortable"] = {name: bool(rng.random() < 0.5) for name in names if rng.random() < 0.7}
    if rng.random() < 0.3:
        rates = [0.0, 0.003, 0.4]
        said["borrow_rates"] = {
            name: float(rng.choice(rates)) for name in names if rng.random() < 0.6
        }
    return options.model_copy(update=said)


def with_interest(case: SharedCase, seed: int) -> SharedCase:
    """The case with interest on its cash, drawn apart from the rest."""
    rng = np.random.default_rng([seed, 11])
    bars, wanted, options, costs = case
    rates = {
        "cash_rate": float(rng.choice([0.0, 0.03, 0.4])),
        "margin_rate": float(rng.choice([0.0, 0.06, 0.9])),
    }
    given: dict[str, Any] = {**rates, "option": None}
    if rng.random() < 0.5:  # on credit
        given |= {"initial_margin": 0.25, "maintenance_margin": 0.0}
        given |= {"sizing": "percent_of_equity", "size": 250.0}
    return bars, wanted, options.model_copy(update=given), costs


def with_actions(case: SharedCase, seed: int) -> SharedCase:
    """The case with dividends and splits, prices jumping by the ratios.

    Drawn apart from the rest of the case, so that its seed still means what it meant.
    """
    rng = np.random.default_rng([seed, 15])
    bars, wanted, options, costs = case
    often = float(rng.choice([0.03, 0.1, 0.3]))
    acting = [act_on(rng, each, often) for each in bars]
    if isinstance(wanted, list) and rng.random() < 0.5:
        # Prices asked for follow the splits, so that they are reached.
        wanted = [_on_old_terms(each, of) for each, of in zip(wanted, acting, strict=True)]
    return acting, wanted, options.model_copy(update={"adjust": "raw"}), costs


def with_detail(case: SharedCase, seed: int) -> SharedCase:
    """The case with finer bars, of which some are missing and some contradict their bar."""
    rng = np.random.default_rng([seed, 6])
    bars, wanted, options, costs = case
    flaws = float(rng.choice([0.0, 0.1, 0.4]))
    finer = [replace(each, detail=finer_bars(rng, each, flaws)) for each in bars]
    asked: dict[str, Any] = {"detail": Timeframe.M1, "protection": "intrabar"}
    return finer, wanted, options.model_copy(update=asked), costs


def finer_bars(rng: np.random.Generator, bars: Bars, flaws: float) -> Detail:
    """Up to seven bars inside each, with gaps between them, on a grid where there are many ties."""
    rows: list[tuple[float, ...]] = []
    first = [0]
    for n in range(len(bars)):
        low, high = float(bars.low[n]), float(bars.high[n])
        grid = np.linspace(low, high, 9)
        flaw = rng.choice(["none", "short", "beyond"]) if rng.random() < flaws and n else ""
        count = 0 if flaw == "none" else int(rng.integers(1, 8))
        last = float(bars.open[n])
        top, bottom = rng.integers(0, max(count, 1), size=2)
        for k in range(count):
            opened = last if k == 0 or rng.random() < 0.6 else float(rng.choice(grid))
            closed = float(bars.close[n]) if k == count - 1 else float(rng.choice(grid))
            ends = [opened, closed, *rng.choice(grid, size=int(rng.integers(0, 3)))]
            most, least = max(ends), min(ends)
            if not flaw:
                most, least = (high if k == top else most), (low if k == bottom else least)
            if flaw == "beyond" and k == top:
                most = high * 1.01
            noise = 1 + float(rng.choice([0.0, 0.0, 4e-7, -4e-7]))
            rows.append((opened, max(most * noise, opened, closed), least, closed))
            last = closed
        first.append(len(rows))
    columns = np.array(rows).reshape(-1, 4).T.copy()
    return Detail(Timeframe.M1, np.arange(len(rows), dtype=np.int64), *columns, np.array(first))


def with_rates(case: SharedCase, seed: int) -> SharedCase:
    """The case with currencies and funding, on bars of any length; drawn apart, as `with_actions`.

    No options by delta, which know neither.
    """
    rng = np.random.default_rng([seed, 17])
    bars, wanted, options, costs = case
    length = Timeframe(str(rng.choice(["1d", "1d", "15m", "1h", "4h"])))
    clocks = [MARKETS[code] for code in rng.choice(["XNYS", "XNSE", "24/7"], size=len(bars))]
    moved = [
        replace(each, timeframe=length, market=market)
        for each, market in zip(bars, clocks, strict=True)
    ]
    chosen = rng.random(len(bars)) < 0.7
    chosen[int(rng.integers(len(bars)))] = True
    moved = [
        replace(each, fx=rates_over(rng, bars, f"FX{n}")) if own else each
        for n, (each, own) in enumerate(zip(moved, chosen, strict=True))
    ]
    often = float(rng.choice([0.0, 0.1, 0.6]))
    moved = [replace(each, funding=funding_of(rng, len(each), often)) for each in moved]
    return moved, wanted, options.model_copy(update={"option": None}), costs


def rates_over(rng: np.random.Generator, bars: Sequence[Bars], series: str) -> FxRates:
    """Rates from before the first bar until the last, some hours apart, at odd times."""
    first = min(int(each.ts[0]) for each in bars) - US_PER_DAY
    last = max(int(each.ts[-1]) for each in bars)
    step = int(rng.choice([US_PER_DAY, US_PER_DAY // 24, US_PER_DAY // 7]))
    known = np.arange(first, last + step, step, dtype=np.int64)
    known += int(rng.choice([0, 0, 1, 17 * US_PER_DAY // 24]) if step == US_PER_DAY else 0)
    known = np.r_[first - 1, known]
    moves = rng.choice([1.0, 1.0, 1.01, 0.99, 1.003, 0.9], size=len(known))
    rate = float(rng.choice([0.012, 1.08, 1.0, 150.0])) * np.clip(
        np.multiply.accumulate(moves), 0.2, 5.0
    )
    return FxRates(series, "EUR", "USD", known, rate)


def funding_of(rng: np.random.Generator, count: int, often: float) -> np.ndarray:
    rates = rng.choice([0.0001, -0.0001, 0.003, -0.02, 0.05], size=count)
    return np.where(rng.random(count) < often, rates, 0.0)


def act_on(rng: np.random.Generator, bars: Bars, often: float) -> Bars:
    """Dividends and splits of any ratio, on any bar."""
    count = len(bars)
    dividend = np.where(rng.random(count) < often, rng.choice([0.25, 0.1, 1.7], size=count), 0.0)
    ratios = rng.choice([2.0, 3.0, 0.5, 0.1, 1.5, 7.0, 1.05], size=count)
    split = np.where(rng.random(count) < often / 2, ratios, 1.0)
    for at in np.flatnonzero(split != 1):  # no price runs away
        if not 1 / 40 < np.multiply.reduce(split[: at + 1]) < 40:
            split[at] = 1.0
    terms = np.multiply.accumulate(split)
    prices = {name: getattr(bars, name) / terms for name in ("open", "high", "low", "close")}
    return replace(bars, **prices, volume=bars.volume * terms, dividend=dividend, split=split)


def _on_old_terms(signals: Signals, bars: Bars) -> Signals:
    assert bars.split is not None
    terms = np.multiply.accumulate(bars.split)

    def moved(level: Level | None) -> Level | None:
        if level is None or level.unit == "percent":
            return level
        return Level(np.asarray(level.value) / terms, level.unit)

    entry = signals.entry_price
    return replace(
        signals,
        entry_price=None if entry is None else entry / terms,
        stop=moved(signals.stop),
        target=moved(signals.target),
        trail=moved(signals.trail),
    )


# Bars ------------------------------------------------------------------------------------------


def random_universe(rng: np.random.Generator, count: int) -> list[Bars]:
    """One to five symbols over the same sessions, none of them without a bar."""
    session, minute = random_times(rng, count)
    symbols = int(rng.choice([1, 2, 2, 3, 3, 4, 5]))
    missing = float(rng.choice([0.0, 0.04, 0.3]))
    uneven = rng.random() < 0.6
    universe = []
    for n in range(symbols):
        there = rng.random(count) >= missing
        if uneven:
            there[: int(rng.integers(0, count // 2)) * int(rng.integers(2))] = False
            there[count - int(rng.integers(0, count // 2)) * int(rng.integers(2)) :] = False
        there[int(rng.integers(count))] = True
        universe.append(random_symbol(rng, f"S{n}", session[there], minute[there]))
    return universe


def random_times(rng: np.random.Generator, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Sessions with weekends and holidays between them, of one bar or of several."""
    sessions = count if rng.random() < 0.4 else int(rng.integers(2, 10))
    days = 18_262 + np.cumsum(rng.choice([1, 1, 1, 1, 3, 4], size=sessions))
    cuts = np.sort(rng.choice(np.arange(1, count), size=sessions - 1, replace=False))
    session = np.zeros(count, dtype=np.int32)
    minute = np.zeros(count, dtype=np.int32)
    for day, chunk in zip(days, np.split(np.arange(count), cuts), strict=True):
        session[chunk] = day
        minute[chunk] = SESSION_START + min(15, 840 // len(chunk)) * np.arange(len(chunk))
    return session, minute


def random_symbol(
    rng: np.random.Generator, name: str, session: np.ndarray, minute: np.ndarray
) -> Bars:
    count = len(session)
    walk = random_bars(
        rng,
        max(count, 2),
        sessions=1,
        start=float(rng.choice([30.0, 60.0, 100.0, 150.0])),
        wildness=int(rng.choice([1, 3, 8])),
    )
    volume = rng.integers(1, 400, size=count) * float(rng.choice([1.0, 7.0, 40.0]))
    volume[rng.random(count) < rng.choice([0.0, 0.1])] = 0.0
    prices = (column[:count] for column in (walk.open, walk.high, walk.low, walk.close))
    return make_bars(*prices, volume=volume, session=session, minute=minute, symbol=name)


# What is wanted --------------------------------------------------------------------------------


def random_codes(rng: np.random.Generator, bars: Bars, *, adding: bool) -> Signals:
    signals = random_signals(rng, bars)
    count = len(bars)
    priority = rng.integers(0, 3, size=count).astype(np.float64) if rng.random() < 0.5 else None
    signals = replace(signals, ttl=int(rng.choice([1, 1, 2, 5])), priority=priority)
    if signals.ttl > 1 and signals.entry_price is not None:
        signals = waiting(signals, bars, rng)
    if adding and rng.random() < 0.8:  # one side for long enough to be added to
        side = np.where(np.arange(count) // int(rng.integers(5, 25)) % 2 == 0, 1, -1)
        entry = np.abs(signals.codes) == 1
        codes = np.where(entry, side, signals.codes).astype(np.int8)
        signals = replace(signals, codes=codes)
    return signals


def random_weights(
    rng: np.random.Generator, bars: Sequence[Bars], *, leverage: float = 1.0
) -> Weights:
    """Mostly no opinion; none before a symbol's first bar, when nobody could have any."""
    ts = np.unique(np.concatenate([each.ts for each in bars]))
    shape = (len(ts), len(bars))
    choices = [0.0, 0.02, 1 / len(bars), 0.3, 0.45, 0.8, 1.5, -0.02, -0.3, -0.7]
    values = rng.choice(choices, size=shape) * (leverage if rng.random() < 0.7 else 1.0)
    if rng.random() < 0.4:  # whole rows, as a rebalancing strategy would
        values[rng.random(len(ts)) < rng.choice([0.5, 0.85])] = np.nan
    else:
        values[rng.random(shape) < rng.choice([0.4, 0.8])] = np.nan
    for n, each in enumerate(bars):
        values[ts < each.ts[0], n] = np.nan
    return Weights(
        values,
        stop=_levels(rng, shape, 0.5),
        target=_levels(rng, shape, 0.4),
        trail=_levels(rng, shape, 0.25),
    )


def _levels(rng: np.random.Generator, shape: tuple[int, int], odds: float) -> Level | None:
    if rng.random() >= odds:
        return None
    if rng.random() < 0.5:
        values, unit = rng.choice([0.5, 1.0, 2.0, 3.7], size=shape), "percent"
    else:
        values, unit = rng.integers(1, 8, size=shape) * GRID, "points"
    if rng.random() < 0.4:
        return Level(float(values[0, 0]), unit)  # type: ignore[arg-type]
    values[rng.random(shape) < 0.2] = np.nan
    return Level(values, unit)  # type: ignore[arg-type]


# The account -----------------------------------------------------------------------------------


def random_account(rng: np.random.Generator, *, weighted: bool) -> tuple[EngineOptions, CostModel]:
    """Options and costs of the rules for one symbol, and some of those of the general driver."""

    def now_and_then(odds: float, *values: Any) -> Any:
        return values[int(rng.integers(len(values)))] if rng.random() < odds else None

    empty = Case(make_bars([1.0]), Signals(codes=np.array([Code.HOLD])), EngineOptions(), ZERO)
    plain = random_options(rng)
    limits = with_limits(replace(empty, options=plain, costs=random_costs(rng)), rng)
    margin = limits.options.initial_margin
    lots = [1.0, 10.0, 0.25] if plain.sizing == "lots" else [1.0, 0.0, 0.0, 0.25, 10.0]
    chosen = {
        "account": "shared",
        "lot_size": float(rng.choice(lots)),
        "borrow_rate": now_and_then(0.4, 0.02, 0.5),
        "pyramid": None if weighted else now_and_then(0.4, 1, 2, 10),
        "max_participation": now_and_then(0.35, 0.02, 0.1, 0.5),
        "rebalance_band": now_and_then(0.4, 0.02, 0.2) if weighted else None,
        "maintenance_margin": now_and_then(0.5, margin / 2, margin * 0.9, margin),
        "intrabar": now_and_then(0.25, "path") if limits.options.protection != "close" else None,
        "option": now_and_then(0.15, *OPTIONS),
    }
    given = {name: value for name, value in chosen.items() if value is not None}
    if given.get("maintenance_margin") and rng.random() < 0.8:  # as far as credit goes
        given |= {"sizing": "percent_of_equity", "size": 80.0 / margin}
    impact = {"impact": now_and_then(0.25, 0.5, 3.0), "volume_share": now_and_then(0.25, 0.1, 30.0)}
    options = limits.options.model_copy(update=given)
    costs = limits.costs.model_copy(
        update={name: value for name, value in impact.items() if value is not None}
    )
    return EngineOptions(**dict(options)), costs  # built again, to be sure they are allowed


OPTIONS = (
    OptionProxy(delta=0.5, gamma=0.0, theta=0.0),
    OptionProxy(delta=0.45, gamma=0.002, theta=0.3, volatility=0.2, days_to_expiry=10),
    OptionProxy(delta=0.7, gamma=0.01, theta=0.05, volatility=0.6, days_to_expiry=45),
)
