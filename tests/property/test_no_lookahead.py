"""Nothing knows the future: neither indicators nor the strategies of this repository.

Changing the last bar, or every bar from some row on, must leave all earlier rows bit for bit as
they were; and a view cut short must say the same about the rows it has.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.domain.bars import Bars
from core.domain.signals import Level, Signals, Weights
from core.domain.strategy import MarketView, Strategy, UniverseView
from core.engine.indicators import Indicators, cross_above, cross_below
from core.engine.view import universe_view_of, view_of
from core.errors import InvalidInput
from tests.factories import make_bars, random_bars
from tests.property.test_universe_view import universe

STRATEGY_FILES = sorted((Path(__file__).resolve().parents[2] / "strategies").glob("[!_]*.py"))
SEEDS = st.integers(0, 2**32 - 1)
FIRST_DAY = 18_647  # of `universe`

INDICATORS: dict[str, Callable[[Indicators, int], Any]] = {
    "sma": lambda ind, n: ind.sma(n),
    "ema": lambda ind, n: ind.ema(n),
    "ema seeded by sma": lambda ind, n: ind.ema(n, seed="sma"),
    "rsi": lambda ind, n: ind.rsi(n),
    "std": lambda ind, n: ind.std(n + 1, ddof=1),
    "highest": lambda ind, n: ind.highest(n),
    "lowest": lambda ind, n: ind.lowest(n),
    "roc": lambda ind, n: ind.roc(n),
    "atr": lambda ind, n: ind.atr(n),
    "wma": lambda ind, n: ind.wma(n),
    "macd": lambda ind, n: ind.macd(n, n + 5, 4),
    "macd seeded by sma": lambda ind, n: ind.macd(n, n + 5, 4, seed="sma"),
    "stochastic": lambda ind, n: ind.stochastic(n, 3, 2),
    "adx": lambda ind, n: ind.adx(n),
    "supertrend": lambda ind, n: ind.supertrend(n, 1.5),
    "bollinger": lambda ind, n: ind.bollinger(n),
    "keltner": lambda ind, n: ind.keltner(n, 2.0, 6),
    "donchian": lambda ind, n: ind.donchian(n),
    "zscore": lambda ind, n: ind.zscore(n),
    "rank": lambda ind, n: ind.rank(n),
    "corr": lambda ind, n: ind.corr(n + 1, "close", "volume"),
    "obv": lambda ind, _: ind.obv(),
    "vwap": lambda ind, _: ind.vwap(),
    "shift": lambda ind, n: ind.column("close").shift(n),
    "sma of an expression": lambda ind, n: ind.sma(n, of=ind.column("high") - ind.column("low")),
    "volume": lambda ind, n: ind.sma(n, of="volume"),
    "cross above": lambda ind, n: cross_above(ind.column("close"), ind.sma(n)),
    "cross below": lambda ind, n: cross_below(ind.column("close"), ind.sma(n)).shift(),
}


def test_every_public_indicator_is_proven():
    public = {name for name, _ in inspect.getmembers(Indicators, inspect.isfunction)}

    proven = {name.split(" ")[0] for name in INDICATORS}

    assert {name for name in public if not name.startswith("_")} - {"column"} <= proven


def bars_with_volume(seed: int, count: int) -> Bars:
    bars = random_bars(seed, count)
    volume = np.random.default_rng(seed).integers(0, 10_000, count).astype(float)
    return rebuilt(bars, slice(0, count), volume)


def rebuilt(bars: Bars, rows: slice, volume: np.ndarray | None = None) -> Bars:
    return make_bars(
        bars.open[rows],
        bars.high[rows],
        bars.low[rows],
        bars.close[rows],
        volume=(bars.volume if volume is None else volume)[rows],
        session=bars.session[rows],
        minute=bars.minute[rows],
        ts=bars.ts[rows],
        timeframe=bars.timeframe,
        market=bars.market,
    )


def with_another_future(bars: Bars, factor: float, known: int = -1) -> Bars:
    """The same bars up to row `known`, others from there on."""
    columns = {}
    for name in ("open", "high", "low", "close", "volume"):
        columns[name] = getattr(bars, name).copy()
        columns[name][known:] *= factor
    times = {"session": bars.session, "minute": bars.minute, "ts": bars.ts}
    return make_bars(**columns, **times, timeframe=bars.timeframe, market=bars.market)


def first_rows(made: Any, count: int) -> list[bytes]:
    """Every line of an indicator up to a row, in bytes."""
    lines = made if isinstance(made, tuple) else (made,)
    return [np.asarray(line)[:count].tobytes() for line in lines]


@pytest.mark.parametrize("name", INDICATORS)
@settings(max_examples=30)
@given(seed=SEEDS, period=st.integers(1, 25), factor=st.sampled_from([0.5, 1.01, 3.0]))
def test_another_last_bar_leaves_every_earlier_row_of_an_indicator(name, seed, period, factor):
    bars = bars_with_volume(seed, 40)

    before = INDICATORS[name](Indicators(bars), period)
    after = INDICATORS[name](Indicators(with_another_future(bars, factor)), period)

    assert first_rows(before, -1) == first_rows(after, -1)


@pytest.mark.parametrize("name", INDICATORS)
@settings(max_examples=30)
@given(
    seed=SEEDS,
    period=st.integers(1, 25),
    known=st.integers(1, 39),
    factor=st.sampled_from([0.5, 1.01, 3.0]),
)
def test_another_future_leaves_every_known_row_of_an_indicator(name, seed, period, known, factor):
    bars = bars_with_volume(seed, 40)

    before = INDICATORS[name](Indicators(bars), period)
    after = INDICATORS[name](Indicators(with_another_future(bars, factor, known)), period)

    assert first_rows(before, known) == first_rows(after, known)


@pytest.mark.parametrize("name", INDICATORS)
@settings(max_examples=30)
@given(seed=SEEDS, period=st.integers(1, 25), known=st.integers(2, 39))
def test_a_shorter_history_gives_the_same_rows_of_an_indicator(name, seed, period, known):
    bars = bars_with_volume(seed, 40)

    full = INDICATORS[name](Indicators(bars), period)
    cut = INDICATORS[name](Indicators(rebuilt(bars, slice(0, known))), period)

    assert first_rows(full, known) == first_rows(cut, known)


# Strategies ------------------------------------------------------------------------------------


def strategy_in(path: Path) -> type[Strategy]:
    module = importlib.import_module(f"strategies.{path.stem}")
    (found,) = (
        kind
        for _, kind in inspect.getmembers(module, inspect.isclass)
        if issubclass(kind, Strategy) and kind.__module__ == module.__name__
    )
    return found


def some_parameters(kind: type[Strategy], seed: int) -> Strategy:
    """Parameters small enough to act within a hundred bars, the defaults where they contradict."""
    rng = np.random.default_rng(seed)
    drawn: dict[str, Any] = {}
    for spec in kind.param_specs():
        if spec.kind == "int":
            low = int(spec.ge or 1)
            drawn[spec.name] = int(rng.integers(low, min(int(spec.le or 30), low + 25) + 1))
    try:
        return kind.build(drawn)
    except InvalidInput:
        return kind.build({})


def rows_of(signals: Signals, count: int) -> dict[str, Any]:
    """What signals say about the first rows, in bytes."""

    def level(given: Level | None) -> Any:
        if given is None:
            return None
        value = given.value
        return given.unit, value[:count].tobytes() if isinstance(value, np.ndarray) else value

    entry = signals.entry_price
    return {
        "codes": signals.codes[:count].tolist(),
        "stop": level(signals.stop),
        "target": level(signals.target),
        "trail": level(signals.trail),
        "max_bars": signals.max_bars,
        "entry_price": None if entry is None else entry[:count].tobytes(),
        "entry_kind": signals.entry_kind,
    }


def looks_ahead(strategy: Strategy, bars: Bars, known: int) -> bool:
    """Whether the first `known` rows change when the rest is not there, or is another."""
    full = rows_of(strategy.generate_signals(view_of(bars)), known)
    cut = rows_of(strategy.generate_signals(view_of(rebuilt(bars, slice(0, known)))), known)
    to_last = slice(0, known + 1)
    bumped = with_another_future(rebuilt(bars, to_last), 1.7)
    other = rows_of(strategy.generate_signals(view_of(bumped)), known)
    return not full == cut == other


OF_SYMBOLS = [path for path in STRATEGY_FILES if not strategy_in(path).universe]
OF_UNIVERSES = [path for path in STRATEGY_FILES if strategy_in(path).universe]


@pytest.mark.parametrize("path", OF_SYMBOLS, ids=lambda path: path.stem)
@settings(max_examples=25)
@given(seed=SEEDS, known=st.integers(2, 118))
def test_no_strategy_looks_ahead(path, seed, known):
    strategy = some_parameters(strategy_in(path), seed)
    bars = bars_with_volume(seed, 120)

    assert not looks_ahead(strategy, bars, known)


@pytest.mark.parametrize("path", OF_SYMBOLS, ids=lambda path: path.stem)
def test_every_strategy_acts_on_random_prices(path):
    """A strategy that never wants anything would pass the test above without being tested."""
    wanted = set()

    for seed in range(20):
        strategy = some_parameters(strategy_in(path), seed)
        view = view_of(bars_with_volume(seed, 120))
        wanted |= set(strategy.generate_signals(view).codes.tolist())

    assert 1 in wanted


class Peeking(Strategy):
    """Buys when the next bar closes higher: what the test exists to catch."""

    def generate_signals(self, view: MarketView) -> Signals:
        close = np.asarray(view.close)
        return Signals.side(long=np.r_[close[1:] > close[:-1], False])


class WholeSample(Strategy):
    """Compares with the mean of all closes, the look-ahead nobody notices."""

    def generate_signals(self, view: MarketView) -> Signals:
        close = np.asarray(view.close)
        return Signals.side(long=close > close.mean(), short=close < close.mean())


@pytest.mark.parametrize("guilty", [Peeking(), WholeSample()])
def test_a_strategy_that_looks_ahead_is_caught(guilty):
    caught = [
        looks_ahead(guilty, bars_with_volume(seed, 120), known)
        for seed, known in enumerate(range(20, 110, 10))
    ]

    assert sum(caught) >= len(caught) // 2


# Strategies over a universe --------------------------------------------------------------------

LEVELS = ("stop", "target", "trail")


def weights_of(strategy: Strategy, bars: list[Bars], day: int) -> dict[str, Any]:
    """What a strategy wants up to a session, in bytes."""
    view = universe_view_of(bars)
    weights = strategy.generate_signals(view)
    count = int((view.session <= day).sum())
    told: dict[str, Any] = {"values": weights.values[:count].tobytes()}
    for name in LEVELS:
        level = getattr(weights, name)
        value = level.value[:count].tobytes() if level and np.ndim(level.value) else level
        told[name] = value
    return told


def universe_looks_ahead(strategy: Strategy, bars: list[Bars], day: int) -> bool:
    """Whether rows up to a session change when the rest is not there, or is another."""

    def until(last: int, factor: float = 1.0) -> list[Bars]:
        found = []
        for each in bars:
            count, known = (int((each.session <= at).sum()) for at in (last, day))
            cut = rebuilt(each, slice(0, count))
            found.append(with_another_future(cut, factor, known) if factor != 1.0 else cut)
        return found

    full, cut = weights_of(strategy, bars, day), weights_of(strategy, until(day), day)
    bumped = weights_of(strategy, until(day + 7, 1.7), day)
    return not full == cut == bumped


@pytest.mark.parametrize("path", OF_UNIVERSES, ids=lambda path: path.stem)
@settings(max_examples=25)
@given(seed=SEEDS, known=st.integers(30, 160))
def test_no_strategy_over_a_universe_looks_ahead(path, seed, known):
    strategy = some_parameters(strategy_in(path), seed)
    bars = universe(seed, symbols=4)
    first = max(int(each.session[0]) for each in bars)

    assert not universe_looks_ahead(strategy, bars, first + known)


@pytest.mark.parametrize("path", OF_UNIVERSES, ids=lambda path: path.stem)
def test_every_strategy_over_a_universe_acts_on_random_prices(path):
    wanted = 0

    for seed in range(20):
        strategy = some_parameters(strategy_in(path), seed)
        weights = strategy.generate_signals(universe_view_of(universe(seed, symbols=4)))
        wanted += int((weights.values > 0.0).sum())

    assert wanted > 20


class LastOfMonth(Strategy):
    """Decides on the last session of each month, which nobody knows that day to be the last."""

    universe = True

    def generate_signals(self, view: UniverseView) -> Weights:
        ends = np.r_[view.month_start[1:], True]
        return Weights(np.where(ends[:, None], np.full(view.shape, 0.25), np.nan))


class ByMeanPrice(Strategy):
    """Weighs by the mean of all closes, later ones too."""

    universe = True

    def generate_signals(self, view: UniverseView) -> Weights:
        mean = np.nanmean(view.close, axis=0)
        return Weights(np.where(view.month_start[:, None], mean / mean.sum(), np.nan))


@pytest.mark.parametrize("guilty", [LastOfMonth(), ByMeanPrice()])
def test_a_strategy_over_a_universe_that_looks_ahead_is_caught(guilty):
    caught = [
        universe_looks_ahead(guilty, universe(seed, symbols=4), FIRST_DAY + known)
        for seed, known in enumerate(range(60, 150, 5))
    ]

    assert sum(caught) >= len(caught) // 3
