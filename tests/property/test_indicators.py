"""Indicators equal an independent, slow reference, and their compiled forms the plain ones."""

from __future__ import annotations

from collections.abc import Callable
from math import isnan
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.domain.bars import Bars
from core.engine.indicators import INDICATORS, Indicator, Indicators
from tests.factories import make_bars, random_bars
from tests.reference import slow_indicators as slow
from tests.reference.slow_indicators import Slow

SEEDS = st.integers(0, 2**32 - 1)
COUNT = 60

# Name: (ours, the reference, first row with a value of each line), for a period n.
Three = tuple[
    Callable[[Indicators, int], Any], Callable[[Slow, int], Any], Callable[[int], tuple[int, ...]]
]
LIBRARY: dict[str, Three] = {
    "sma": (lambda ind, n: ind.sma(n), lambda s, n: slow.sma(s.close, n), lambda n: (n - 1,)),
    "ema": (lambda ind, n: ind.ema(n), lambda s, n: slow.ema(s.close, n), lambda n: (n - 1,)),
    "ema by sma": (
        lambda ind, n: ind.ema(n, seed="sma"),
        lambda s, n: slow.ema(s.close, n, "sma"),
        lambda n: (n - 1,),
    ),
    "wma": (lambda ind, n: ind.wma(n), lambda s, n: slow.wma(s.close, n), lambda n: (n - 1,)),
    "roc": (lambda ind, n: ind.roc(n), lambda s, n: slow.roc(s.close, n), lambda n: (n,)),
    "rsi": (lambda ind, n: ind.rsi(n), lambda s, n: slow.rsi(s.close, n), lambda n: (n,)),
    "macd": (
        lambda ind, n: ind.macd(n, n + 3, 4),
        lambda s, n: s.macd(n, n + 3, 4),
        lambda n: (n + 2, n + 5, n + 5),
    ),
    "macd by sma": (
        lambda ind, n: ind.macd(n, n + 3, 4, seed="sma"),
        lambda s, n: s.macd(n, n + 3, 4, "sma"),
        lambda n: (n + 2, n + 5, n + 5),
    ),
    "stochastic": (
        lambda ind, n: ind.stochastic(n, 3, 2),
        lambda s, n: s.stochastic(n, 3, 2),
        lambda n: (n + 1, n + 2),
    ),
    "adx": (
        lambda ind, n: ind.adx(n),
        lambda s, n: s.adx(n),
        lambda n: (2 * n - 1, n, n),
    ),
    "supertrend": (
        lambda ind, n: ind.supertrend(n, 1.5),
        lambda s, n: s.supertrend(n, 1.5),
        lambda n: (n, n),
    ),
    "atr": (lambda ind, n: ind.atr(n), lambda s, n: s.atr(n), lambda n: (n,)),
    "bollinger": (
        lambda ind, n: ind.bollinger(n, 2.5),
        lambda s, n: s.bollinger(n, 2.5),
        lambda n: (n - 1,) * 3,
    ),
    "keltner": (
        lambda ind, n: ind.keltner(n, 1.5, 7),
        lambda s, n: s.keltner(n, 1.5, 7),
        lambda n: (max(n - 1, 7),) * 3,
    ),
    "donchian": (
        lambda ind, n: ind.donchian(n),
        lambda s, n: s.donchian(n),
        lambda n: (n - 1,) * 3,
    ),
    "std": (lambda ind, n: ind.std(n), lambda s, n: slow.std(s.close, n), lambda n: (n - 1,)),
    "std of a sample": (
        lambda ind, n: ind.std(n + 1, ddof=1),
        lambda s, n: slow.std(s.close, n + 1, 1),
        lambda n: (n,),
    ),
    "zscore": (
        lambda ind, n: ind.zscore(n + 1),
        lambda s, n: slow.zscore(s.close, n + 1),
        lambda n: (n,),
    ),
    "zscore of a sample": (
        lambda ind, n: ind.zscore(n + 1, ddof=1),
        lambda s, n: slow.zscore(s.close, n + 1, 1),
        lambda n: (n,),
    ),
    "highest": (
        lambda ind, n: ind.highest(n),
        lambda s, n: slow.highest(s.high, n),
        lambda n: (n - 1,),
    ),
    "lowest": (
        lambda ind, n: ind.lowest(n),
        lambda s, n: slow.lowest(s.low, n),
        lambda n: (n - 1,),
    ),
    "rank": (lambda ind, n: ind.rank(n), lambda s, n: slow.rank(s.close, n), lambda n: (n - 1,)),
    "corr": (
        lambda ind, n: ind.corr(n + 1, "close", "high"),
        lambda s, n: slow.corr(s.close, s.high, n + 1),
        lambda n: (n,),
    ),
    "obv": (lambda ind, _: ind.obv(), lambda s, _: s.obv(), lambda _: (0,)),
    "vwap": (lambda ind, _: ind.vwap(), lambda s, _: s.vwap(), lambda _: (0,)),
}
# A close that lies exactly on a band is on either side of it once rounding has moved the band.
NO_TIES = {"supertrend"}
# What is NaN while prices stand still.
UNDEFINED_AT_REST = {"stochastic", "zscore", "zscore of a sample", "corr"}


def smooth_bars(seed: int, count: int = COUNT) -> Bars:
    """A walk without ties, in sessions, with volume."""
    rng = np.random.default_rng(seed)
    frame = random_bars(seed, count)
    close = 50 * np.exp(np.cumsum(rng.normal(0, 0.02, count)))
    opens = close * np.exp(rng.normal(0, 0.01, count))
    high = np.maximum(opens, close) * np.exp(np.abs(rng.normal(0, 0.01, count)))
    low = np.minimum(opens, close) * np.exp(-np.abs(rng.normal(0, 0.01, count)))
    times = {"session": frame.session, "minute": frame.minute, "timeframe": frame.timeframe}
    return make_bars(opens, high, low, close, volume=rng.integers(1, 9_999, count), **times)


def grid_bars(seed: int, count: int = COUNT, missing: float = 0.0) -> Bars:
    """Bars full of ties and standstills, with volumes of which some are 0 and some missing."""
    bars = random_bars(seed, count, wildness=1)
    rng = np.random.default_rng(seed)
    volume = rng.integers(0, 4, count).astype(float)
    volume[rng.random(count) < missing] = np.nan
    times = {"session": bars.session, "minute": bars.minute, "timeframe": bars.timeframe}
    return make_bars(bars.open, bars.high, bars.low, bars.close, volume=volume, **times)


def lines_of(made: Any) -> list[np.ndarray]:
    return [np.asarray(line) for line in ([made] if isinstance(made, Indicator) else made)]


def assert_lines(ours: Any, theirs: Any) -> None:
    for line, expected in zip(lines_of(ours), np.atleast_2d(theirs), strict=True):
        assert line.dtype == np.float64
        np.testing.assert_allclose(line, expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", LIBRARY)
@settings(max_examples=25)
@given(seed=SEEDS, period=st.integers(1, 20), smooth=st.booleans())
def test_an_indicator_equals_the_slow_reference(name, seed, period, smooth):
    bars = smooth_bars(seed) if smooth or name in NO_TIES else grid_bars(seed)
    ours, theirs, _ = LIBRARY[name]

    assert_lines(ours(Indicators(bars), period), theirs(Slow(bars), period))


@pytest.mark.parametrize("name", LIBRARY)
@settings(max_examples=15)
@given(seed=SEEDS, period=st.integers(1, 20))
def test_an_indicator_is_nan_until_its_window_is_full_and_never_after(name, seed, period):
    ours, _, first = LIBRARY[name]

    lines = lines_of(ours(Indicators(smooth_bars(seed)), period))

    for line, row in zip(lines, first(period), strict=True):
        assert np.isnan(line[:row]).all()
        assert np.isfinite(line[row:]).all()


WITH_A_SOURCE: dict[str, tuple[Callable[..., Any], Callable[..., Any]]] = {
    "sma": (Indicators.sma, slow.sma),
    "ema": (Indicators.ema, slow.ema),
    "wma": (Indicators.wma, slow.wma),
    "roc": (Indicators.roc, slow.roc),
    "rsi": (Indicators.rsi, slow.rsi),
    "std": (Indicators.std, slow.std),
    "zscore": (Indicators.zscore, slow.zscore),
    "highest": (Indicators.highest, slow.highest),
    "lowest": (Indicators.lowest, slow.lowest),
    "rank": (Indicators.rank, slow.rank),
}


@pytest.mark.parametrize("name", WITH_A_SOURCE)
@settings(max_examples=25)
@given(seed=SEEDS, period=st.integers(1, 9), missing=st.sampled_from([0.03, 0.1]))
def test_a_missing_value_spoils_what_it_takes_part_in_and_nothing_else(name, seed, period, missing):
    bars = grid_bars(seed, missing=missing)
    ours, theirs = WITH_A_SOURCE[name]

    assert_lines(ours(Indicators(bars), period, "volume"), theirs(bars.volume.tolist(), period))


@settings(max_examples=25)
@given(seed=SEEDS, missing=st.sampled_from([0.03, 0.1, 1.0]))
def test_a_missing_volume_costs_the_session_or_all_that_follows(seed, missing):
    bars = grid_bars(seed, missing=missing)
    ind, judge = Indicators(bars), Slow(bars)

    assert_lines(ind.vwap(), judge.vwap())
    assert_lines(ind.obv(), judge.obv())
    assert_lines(
        ind.corr(4, "close", "volume"), slow.corr(bars.close.tolist(), bars.volume.tolist(), 4)
    )


@pytest.mark.parametrize("name", LIBRARY)
def test_a_market_that_stands_still_gives_neutral_values_or_none(name):
    bars = make_bars(np.full(COUNT, 7.3), volume=np.ones(COUNT))
    ours, theirs, _ = LIBRARY[name]

    lines = lines_of(ours(Indicators(bars), 5))

    if name in UNDEFINED_AT_REST:
        assert np.isnan(lines).all()
    else:
        assert_lines(ours(Indicators(bars), 5), theirs(Slow(bars), 5))


@pytest.mark.parametrize("name", LIBRARY)
@pytest.mark.parametrize("count", [1, 2, 5])
def test_few_bars_give_few_values_and_no_error(name, count):
    bars = smooth_bars(1, 8)
    some = make_bars(*(getattr(bars, c)[:count] for c in ("open", "high", "low", "close")))
    ours, theirs, _ = LIBRARY[name]

    assert_lines(ours(Indicators(some), 20), theirs(Slow(some), 20))


@pytest.mark.parametrize("name", LIBRARY)
def test_equal_calls_give_one_object_that_nobody_can_change(name):
    ind = Indicators(smooth_bars(3))
    ours, _, _ = LIBRARY[name]

    made = ours(ind, 5)

    assert ours(ind, 5) is made
    for line in lines_of(made):
        with pytest.raises(ValueError, match="read-only"):
            line[0] = 1.0


def test_lines_that_differ_have_keys_that_differ():
    ind = Indicators(smooth_bars(3))

    by_key: dict[Any, set[bytes]] = {}
    for ours, _, _ in LIBRARY.values():
        made = ours(ind, 5)
        for line in [made] if isinstance(made, Indicator) else made:
            by_key.setdefault(line.key, set()).add(np.asarray(line).tobytes())
    assert len(by_key) > len(LIBRARY)
    assert all(len(values) == 1 for values in by_key.values())


# Plain and compiled -----------------------------------------------------------------------------


def arguments(bars: Bars, x: np.ndarray, n: int) -> dict[str, list[tuple[Any, ...]]]:
    """What each kernel can be given."""
    high, low, close = bars.high, bars.low, bars.close
    atr = np.asarray(Indicators(bars).atr(n))
    return {
        "sma": [(x, n)],
        "ema": [(x, n, True), (x, n, False)],
        "wma": [(x, n)],
        "std": [(x, n, 0), (x, n + 1, 1)],
        "zscore": [(x, n, 0), (x, n + 1, 1)],
        "corr": [(x, close, n), (close, x, n)],
        "rank": [(x, n)],
        "highest": [(x, n)],
        "lowest": [(x, n)],
        "roc": [(x, n)],
        "rsi": [(x, n)],
        "atr": [(high, low, close, n)],
        "adx": [(high, low, close, n)],
        "supertrend": [(high, low, close, atr, 1.5)],
        "obv": [(close, x)],
        "vwap": [(bars.session, high, low, close, x)],
    }


def bits(made: Any) -> list[bytes]:
    """NaN is NaN, whatever its sign."""
    lines = made if isinstance(made, tuple) else (made,)
    return [np.where(np.isnan(line), np.nan, line).tobytes() for line in lines]


@pytest.mark.parametrize("name", INDICATORS)
@settings(max_examples=40)
@given(
    seed=SEEDS,
    period=st.integers(1, 12),
    count=st.integers(2, 40),
    missing=st.sampled_from([0.0, 0.1]),
)
def test_plain_and_compiled_forms_give_the_same_bits(name, seed, period, count, missing):
    bars = grid_bars(seed, count, missing)
    plain, fast = INDICATORS[name]

    for given_arguments in arguments(bars, bars.volume, period)[name]:
        assert bits(plain(*given_arguments)) == bits(fast(*given_arguments))


@pytest.mark.parametrize("period", [1, 511, 512, 513, 700])
@pytest.mark.parametrize("name", ["sma", "std", "rank", "wma", "zscore", "highest"])
def test_windows_are_right_where_chunks_and_blocks_meet(name, period):
    bars = smooth_bars(7, 1_600)
    ours, theirs, _ = LIBRARY[name]

    made = lines_of(ours(Indicators(bars), period))[0]

    tail = Slow(bars)
    for row in (period, 512, 1_023, 1_024, 1_210, 1_599):
        if row >= period:
            tail.close = bars.close[row - period : row + 1].tolist()
            tail.high = bars.high[row - period : row + 1].tolist()
            assert made[row] == pytest.approx(theirs(tail, period)[-1], rel=1e-9)


def test_nothing_drifts_and_nothing_is_left_of_what_has_left_the_window():
    """A spike of 1e15 would cost a running sum all digits; a sum that drifts, some of them."""
    bars = smooth_bars(11, 1_600)
    x = bars.close.copy()
    x[100] = 1e15
    spiked = make_bars(x)
    calm = make_bars(bars.close)

    for name in ("sma", "wma", "std", "zscore", "highest", "lowest", "rank"):
        after, before = (getattr(Indicators(each), name)(50, "close") for each in (spiked, calm))
        assert np.asarray(after)[150:].tobytes() == np.asarray(before)[150:].tobytes(), name


def test_a_reference_value_is_nan_exactly_where_it_is_not_known():
    """The judge itself: NaN spreads through its weighted sums."""
    values = slow.ema([1.0, 2.0, float("nan"), 4.0, 5.0], 2)

    assert [isnan(value) for value in values] == [True, False, True, True, True]
