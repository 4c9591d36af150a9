"""Indicators against published values, TA-Lib and Polars: values, and the row they begin at."""

from __future__ import annotations

import csv
from functools import cache
from typing import Any

import numpy as np
import polars as pl
import pytest
import talib
from hypothesis import given
from hypothesis import strategies as st

from core.domain.bars import Bars
from core.engine.indicators import INDICATORS, Indicators
from core.errors import StrategyFailed
from tests.factories import make_bars, random_bars
from tests.shared import golden, shared

OHLC = ("open", "high", "low", "close")


@cache
def bars_of(relative: str) -> Bars:
    path = shared(relative)
    if path.suffix == ".parquet":
        frame = pl.read_parquet(path)
        columns = [frame[name].to_numpy().copy() for name in OHLC]
    else:
        with path.open(newline="") as file:
            rows = [
                {key.lower(): value for key, value in row.items()} for row in csv.DictReader(file)
            ]
        columns = [np.array([float(row[name]) for row in rows]) for name in OHLC]
    return make_bars(*columns)


def macd(ind: Indicators, fast: int = 12, slow: int = 26) -> Any:
    return ind.ema(fast, seed="sma") - ind.ema(slow, seed="sma")


def computed(ind: Indicators) -> dict[str, dict[str, Any]]:
    """Published cases and lines by their published names; the lines of file 03 have numbers."""
    sma, ema = ind.sma(20), ind.ema(20, seed="sma")
    band = 2 * ind.std(20)
    top, bottom = sma + band, sma - band
    line = macd(ind)
    signal = ind.ema(9, of=line, seed="sma")
    oscillator = smoothed_stochastic(ind)
    inside = (ind.column("close") - bottom) / (2 * band)
    return {
        "03/sma": {"0": ind.sma(30)},
        "03/ema": {"0": ind.ema(30, seed="sma")},
        "03/rsi": {"0": ind.rsi(14)},
        "03/atr": {"0": ind.atr(14)},
        "03/bbands": {"0": sma, "1": top, "2": bottom},
        "03/macdhisto": {"0": line, "1": signal, "2": line - signal},
        "10/sma": {"sma": sma},
        "10/ema": {"ema": ema},
        "10/rsi": {"rsi": ind.rsi(14)},
        "10/atr": {"atr": ind.atr(14)},
        "10/macd": {"macd": line, "signal": signal, "histogram": line - signal},
        "10/bb": {
            "sma": sma,
            "upperBand": top,
            "lowerBand": bottom,
            "percentB": inside,
            "width": 2 * band / sma,
        },
        "10/stoch": {"oscillator": oscillator, "signal": ind.sma(3, of=oscillator)},
        "11/SMA20": {"SMA20": sma},
        "11/EMA20": {"EMA20": ema},
        "11/RSI14": {"RSI14": ind.rsi(14)},
        "11/ATR14": {"ATR14": ind.atr(14)},
        "11/BBANDS20_2": {"upper": top, "middle": sma, "lower": bottom},
    }


def lines_of(name: str, data: str) -> dict[str, np.ndarray]:
    lines = computed(Indicators(bars_of(data)))[name]
    return {line: np.asarray(values) for line, values in lines.items()}


def smoothed_stochastic(ind: Indicators) -> Any:
    """Slow %K, built from what there is."""
    top, bottom = ind.highest(14), ind.lowest(14)
    return ind.sma(3, of=100 * (ind.column("close") - bottom) / (top - bottom))


@pytest.mark.parametrize("name", ["sma", "ema", "rsi", "atr", "bbands", "macdhisto"])
def test_03_backtrader(name):
    case = golden("03_backtrader_indicators_2006")[name]

    ours = lines_of(f"03/{name}", f"golden/{case['inputs']['data']}")

    for line in case["expected"]:
        values = ours[str(line["line"])]
        for point in line["values"]:
            assert values[point["bar"]] == pytest.approx(point["value"], abs=case["tolerance"])
    all_there = np.isfinite(list(ours.values())).all(axis=0)
    assert all_there.argmax() == case["first_bar_with_value"]


@pytest.mark.parametrize("name", ["sma", "ema", "rsi", "atr", "bb", "macd", "stoch"])
def test_10_stock_indicators(name):
    case = golden("10_skender_indicators")[name]

    ours = lines_of(f"10/{name}", f"golden/{case['inputs']['data']}")

    lines = {line: given for line, given in case["expected"].items() if line != "tr"}
    assert set(ours) == set(lines)
    for line, given_line in lines.items():
        assert_line(ours[line], given_line, rel=1e-8)


@pytest.mark.parametrize("name", ["SMA20", "EMA20", "RSI14", "ATR14", "BBANDS20_2"])
def test_11_talib_on_aapl(name):
    case = golden("11_talib_aapl")[name]

    ours = lines_of(f"11/{name}", case["inputs"]["data"])

    assert set(ours) == set(case["expected"])
    for line, given_line in case["expected"].items():
        assert_line(ours[line], given_line, rel=1e-9)


def assert_line(values: np.ndarray, published: dict[str, Any], rel: float) -> None:
    assert np.isfinite(values).argmax() == published["first_index"]
    for row, value in published["values"].items():
        assert values[int(row)] == pytest.approx(value, rel=rel, abs=1e-9)


# TA-Lib and Polars on random walks -------------------------------------------------------------


def walk(seed: int, count: int = 150) -> Bars:
    """A geometric walk without ties, so that conventions for 0/0 do not matter."""
    rng = np.random.default_rng(seed)
    close = 50 * np.exp(np.cumsum(rng.normal(0, 0.02, count)))
    opens = close * np.exp(rng.normal(0, 0.01, count))
    high = np.maximum(opens, close) * np.exp(np.abs(rng.normal(0, 0.01, count)))
    low = np.minimum(opens, close) * np.exp(-np.abs(rng.normal(0, 0.01, count)))
    return make_bars(opens, high, low, close)


@given(seed=st.integers(0, 2**32 - 1), period=st.integers(2, 40))
def test_equal_to_talib_on_random_walks(seed, period):
    bars = walk(seed)
    ind = Indicators(bars)
    high, low, close = (np.array(x) for x in (bars.high, bars.low, bars.close))

    pairs = {
        "sma": (ind.sma(period), talib.SMA(close, period)),
        "ema": (ind.ema(period, seed="sma"), talib.EMA(close, period)),
        "rsi": (ind.rsi(period), talib.RSI(close, period)),
        "std": (ind.std(period), talib.STDDEV(close, period, nbdev=1)),
        "atr": (ind.atr(period), talib.ATR(high, low, close, period)),
        "highest": (ind.highest(period), talib.MAX(high, period)),
        "lowest": (ind.lowest(period), talib.MIN(low, period)),
        "roc": (ind.roc(period), talib.ROCP(close, period)),
    }

    for name, (ours, theirs) in pairs.items():
        # TA-Lib takes the deviation from running sums of squares, which costs digits.
        rtol = 1e-6 if name == "std" else 1e-9
        np.testing.assert_allclose(
            np.asarray(ours), theirs, rtol=rtol, atol=1e-9, err_msg=name, equal_nan=True
        )


@given(seed=st.integers(0, 2**32 - 1), span=st.integers(1, 40), ddof=st.sampled_from([0, 1]))
def test_equal_to_polars_on_random_walks(seed, span, ddof):
    bars = walk(seed, 80)
    ind, close = Indicators(bars), pl.Series(np.array(bars.close))

    ema = close.ewm_mean(span=span, adjust=False).to_numpy().copy()
    ema[: span - 1] = np.nan
    np.testing.assert_allclose(np.asarray(ind.ema(span)), ema, rtol=1e-11)
    if span > ddof:
        deviation = close.rolling_std(span, ddof=ddof).cast(pl.Float64).to_numpy()
        np.testing.assert_allclose(
            np.asarray(ind.std(span, ddof=ddof)), deviation, rtol=1e-7, atol=1e-9
        )


# Definitions at their edges --------------------------------------------------------------------


@given(seed=st.integers(0, 2**32 - 1), period=st.integers(1, 12), count=st.integers(1, 30))
def test_plain_and_compiled_forms_give_the_same_bits(seed, period, count):
    bars = random_bars(seed, max(count, 2))
    extra = {"ema": (True,), "std": (0,)}

    for name, (plain, fast) in INDICATORS.items():
        inputs = (bars.high, bars.low, bars.close) if name == "atr" else (bars.close,)
        arguments = (*inputs, period, *extra.get(name, ()))
        assert plain(*arguments).tobytes() == fast(*arguments).tobytes(), name


def test_a_market_that_stands_still_has_neutral_indicators():
    ind = Indicators(make_bars(np.full(20, 7.3)))

    def settled(indicator: Any) -> set[float]:
        return set(np.asarray(indicator)[5:].tolist())

    assert settled(ind.sma(5)) <= {7.3, np.nextafter(7.3, 8), np.nextafter(7.3, 7)}
    assert settled(ind.rsi(5)) == {50.0}
    assert max(settled(ind.std(5))) < 1e-14
    assert settled(ind.atr(5)) == {0.0}
    assert settled(ind.roc(5)) == {0.0}


def test_windows_longer_than_the_data_are_nan_throughout():
    ind = Indicators(make_bars(np.linspace(1, 2, 5)))

    for indicator in (ind.sma(6), ind.ema(6), ind.rsi(5), ind.std(6), ind.atr(5), ind.roc(5)):
        assert np.isnan(np.asarray(indicator)).all()


def test_equal_calls_share_one_computation_and_nobody_can_change_it():
    ind = Indicators(random_bars(3, 30))

    assert ind.sma(5) is ind.sma(5)
    assert ind.sma(5) is not ind.sma(5, of="open")
    with pytest.raises(ValueError, match="read-only"):
        np.asarray(ind.sma(5))[0] = 1.0


@pytest.mark.parametrize("period", [0, -3, 2.5, True])
def test_a_period_is_a_whole_number_of_at_least_one(period):
    with pytest.raises(StrategyFailed):
        Indicators(random_bars(3, 30)).sma(period)


@pytest.mark.parametrize("bars", [4, 5, 6])
def test_a_shift_longer_than_the_data_has_nothing_to_say(bars):
    close = Indicators(make_bars(np.linspace(1, 2, 5))).column("close")

    assert np.isnan(np.asarray(close.shift(bars))[:bars]).all()
    assert not np.asarray((close > 0).shift(bars))[:bars].any()
