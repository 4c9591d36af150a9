"""Indicators against published values, TA-Lib and Polars: values, and the row they begin at."""

from __future__ import annotations

import csv
from functools import cache
from typing import Any

import numpy as np
import polars as pl
import pytest
import talib
from hypothesis import given, settings
from hypothesis import strategies as st

from core.domain.bars import Bars
from core.engine.indicators import Indicators, averages
from core.errors import StrategyFailed
from tests.factories import make_bars, random_bars
from tests.shared import golden, shared

OHLC = ("open", "high", "low", "close")


@cache
def bars_of(relative: str) -> Bars:
    path = shared(relative)
    volume = None
    if path.suffix == ".parquet":
        frame = pl.read_parquet(path)
        columns = [frame[name].to_numpy().copy() for name in OHLC]
    else:
        with path.open(newline="") as file:
            rows = [
                {key.lower(): value for key, value in row.items()} for row in csv.DictReader(file)
            ]
        columns = [np.array([float(row[name]) for row in rows]) for name in OHLC]
        volume = [float(row["volume"]) for row in rows]
    return make_bars(*columns, volume=volume)


def computed(ind: Indicators) -> dict[str, dict[str, Any]]:
    """Published cases and lines by their published names; the lines of file 03 have numbers."""
    sma, ema = ind.sma(20), ind.ema(20, seed="sma")
    top, middle, bottom = ind.bollinger(20)
    band = top - middle
    line, signal, histogram = ind.macd(seed="sma")
    k, d = ind.stochastic(14, 3, 3)
    adx, plus_di, minus_di = ind.adx(14)
    inside = (ind.column("close") - bottom) / (2 * band)
    return {
        "03/sma": {"0": ind.sma(30)},
        "03/ema": {"0": ind.ema(30, seed="sma")},
        "03/rsi": {"0": ind.rsi(14)},
        "03/atr": {"0": ind.atr(14)},
        "03/bbands": {"0": middle, "1": top, "2": bottom},
        "03/macdhisto": {"0": line, "1": signal, "2": histogram},
        "03/stochastic": {"0": k, "1": d},
        "10/sma": {"sma": sma},
        "10/ema": {"ema": ema},
        "10/rsi": {"rsi": ind.rsi(14)},
        "10/atr": {"atr": ind.atr(14)},
        "10/macd": {"macd": line, "signal": signal, "histogram": histogram},
        "10/bb": {
            "sma": middle,
            "upperBand": top,
            "lowerBand": bottom,
            "percentB": inside,
            "width": 2 * band / sma,
        },
        "10/stoch": {"oscillator": k, "signal": d},
        "10/adx": {"adx": adx, "pdi": plus_di, "mdi": minus_di},
        "11/SMA20": {"SMA20": sma},
        "11/EMA20": {"EMA20": ema},
        "11/RSI14": {"RSI14": ind.rsi(14)},
        "11/ATR14": {"ATR14": ind.atr(14)},
        "11/BBANDS20_2": {"upper": top, "middle": middle, "lower": bottom},
        "11/MACD12_26_9": {"macd": line, "signal": signal, "hist": histogram},
    }


def lines_of(name: str, data: str) -> dict[str, np.ndarray]:
    lines = computed(Indicators(bars_of(data)))[name]
    return {line: np.asarray(values) for line, values in lines.items()}


@pytest.mark.parametrize("name", ["sma", "ema", "rsi", "atr", "bbands", "macdhisto", "stochastic"])
def test_03_backtrader(name):
    case = golden("03_backtrader_indicators_2006")[name]

    ours = lines_of(f"03/{name}", f"golden/{case['inputs']['data']}")

    for line in case["expected"]:
        values = ours[str(line["line"])]
        for point in line["values"]:
            assert values[point["bar"]] == pytest.approx(point["value"], abs=case["tolerance"])
    all_there = np.isfinite(list(ours.values())).all(axis=0)
    assert all_there.argmax() == case["first_bar_with_value"]


@pytest.mark.parametrize("name", ["sma", "ema", "rsi", "atr", "bb", "macd", "stoch", "adx"])
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


def test_11_talib_macd_on_aapl_once_the_seeds_are_forgotten():
    """TA-Lib lets the fast average begin 14 rows later than its own window would be full."""
    case = golden("11_talib_aapl")["MACD12_26_9"]

    ours = lines_of("11/MACD12_26_9", case["inputs"]["data"])

    for line, given_line in case["expected"].items():
        late = {row: value for row, value in given_line["values"].items() if int(row) >= 500}
        assert len(late) >= 4
        for row, value in late.items():
            assert ours[line][int(row)] == pytest.approx(value, rel=1e-9)


def test_11_talib_macd_on_aapl_row_by_row_with_a_late_fast_average():
    """The same averages, the fast one begun with the mean of rows 14 to 25."""
    case = golden("11_talib_aapl")["MACD12_26_9"]
    close = bars_of(case["inputs"]["data"]).close

    by_mean = True
    fast = np.r_[np.full(14, np.nan), averages.ema(close[14:], 12, by_mean)]
    macd = fast - averages.ema(close, 26, by_mean)
    signal = np.r_[np.full(25, np.nan), averages.ema(macd[25:], 9, by_mean)]
    ours = {"macd": macd, "signal": signal, "hist": macd - signal}

    assert set(ours) == set(case["expected"])
    for line, given_line in case["expected"].items():
        for row, value in given_line["values"].items():
            # The published figures are differences of numbers near 100.
            assert ours[line][int(row)] == pytest.approx(value, rel=1e-9, abs=1e-11)


# Facts from Stock.Indicators (Apache-2.0), commit d5c66604, tests/indicators/_testdata/results,
# on the same 502 daily bars as file 10: row -> value. Its z-score is over 14 bars, its Donchian
# channel ends one bar ago, its VWAP is anchored at the first bar of all.
STOCK_INDICATORS: dict[str, tuple[Any, dict[int, float]]] = {
    "wma": (
        lambda ind: ind.wma(14),
        {13: 214.00314285714285, 100: 227.50009523809527, 501: 243.36971428571428},
    ),
    "zscore": (
        lambda ind: ind.zscore(14),
        {13: -0.6767910479142893, 149: 2.2777898602501234, 501: -0.17227579538692522},
    ),
    "keltner upper": (
        lambda ind: ind.keltner(20, 2, 10, seed="sma").upper,
        {19: 217.27319330883594, 249: 257.9278403774089, 501: 262.18729460652884},
    ),
    "keltner middle": (
        lambda ind: ind.keltner(20, 2, 10, seed="sma").middle,
        {19: 214.52499999999995, 249: 255.3872637775541, 501: 249.35189668034732},
    ),
    "keltner lower": (
        lambda ind: ind.keltner(20, 2, 10, seed="sma").lower,
        {19: 211.77680669116396, 249: 252.84668717769924, 501: 236.5164987541658},
    ),
    "donchian upper": (
        lambda ind: ind.donchian(20).upper.shift(),
        {20: 217.02, 249: 258.7, 501: 273.59},
    ),
    "donchian middle": (
        lambda ind: ind.donchian(20).middle.shift(),
        {20: 214.27, 249: 254.285, 501: 251.505},
    ),
    "donchian lower": (
        lambda ind: ind.donchian(20).lower.shift(),
        {20: 211.52, 249: 249.87, 501: 229.42},
    ),
    "supertrend": (
        lambda ind: ind.supertrend(10, 3.0).line,
        {
            10: 210.059,
            49: 221.753448535253,
            57: 225.804021558303,
            149: 233.046306276649,
            300: 257.125953086706,
            501: 251.807983370328,
        },
    ),
    "obv": (
        lambda ind: ind.obv(),
        {0: 0, 49: 1_022_798_192, 249: 1_780_918_888, 501: 539_843_504},
    ),
    "vwap": (
        lambda ind: ind.vwap(),
        {0: 212.5566666666667, 249: 232.47714655686508, 501: 250.37004770976762},
    ),
}


@pytest.mark.parametrize("name", STOCK_INDICATORS)
def test_stock_indicators_beyond_file_10(name):
    compute, expected = STOCK_INDICATORS[name]
    bars = bars_of("golden/data/skender_default_502.csv")
    if name == "vwap":
        columns = (bars.open, bars.high, bars.low, bars.close)
        bars = make_bars(*columns, volume=bars.volume, session=np.zeros(len(bars)), ts=bars.ts)

    values = np.asarray(compute(Indicators(bars)))

    assert np.isfinite(values).argmax() == min(expected)
    for row, value in expected.items():
        assert values[row] == pytest.approx(value, rel=1e-11)


def test_stock_indicators_supertrend_turns_on_the_same_bars():
    direction = np.asarray(
        Indicators(bars_of("golden/data/skender_default_502.csv")).supertrend(10, 3.0).direction
    )

    turns = np.flatnonzero(np.diff(direction[10:])) + 11

    assert direction[10] == 1
    assert turns.tolist() == [57, 77, 93, 99, 152, 167, 273, 288, 306, 341, 371, 381, 446, 483, 486]


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
    return make_bars(opens, high, low, close, volume=rng.integers(1, 9_999, count))


@given(seed=st.integers(0, 2**32 - 1), period=st.integers(2, 40))
def test_equal_to_talib_on_random_walks(seed, period):
    bars = walk(seed)
    ind = Indicators(bars)
    high, low, close, volume = (np.array(x) for x in (bars.high, bars.low, bars.close, bars.volume))

    pairs = {
        "sma": (ind.sma(period), talib.SMA(close, period)),
        "ema": (ind.ema(period, seed="sma"), talib.EMA(close, period)),
        "rsi": (ind.rsi(period), talib.RSI(close, period)),
        "std": (ind.std(period), talib.STDDEV(close, period, nbdev=1)),
        "atr": (ind.atr(period), talib.ATR(high, low, close, period)),
        "highest": (ind.highest(period), talib.MAX(high, period)),
        "lowest": (ind.lowest(period), talib.MIN(low, period)),
        "roc": (ind.roc(period), talib.ROCP(close, period)),
        "wma": (ind.wma(period), talib.WMA(close, period)),
        "corr": (ind.corr(period, "close", "high"), talib.CORREL(close, high, period)),
        "obv": (ind.obv() + volume[0], talib.OBV(close, volume)),
    }
    pairs |= named("bollinger", ind.bollinger(period), talib.BBANDS(close, period, 2, 2))
    # %K is given by TA-Lib from the row on at which %D is known.
    known = np.r_[np.full(3, np.nan), np.zeros(len(bars) - 3)]
    known[: period + 3] = np.nan
    k, d = ind.stochastic(period, 3, 3)
    pairs |= named("stochastic", (k + known, d), talib.STOCH(high, low, close, period, 3, 0, 3, 0))

    for name, (ours, theirs) in pairs.items():
        # TA-Lib takes deviations from running sums of squares, which costs digits.
        rtol = 1e-6 if name[:3] in {"std", "bol", "cor"} else 1e-9
        np.testing.assert_allclose(
            np.asarray(ours), theirs, rtol=rtol, atol=1e-9, err_msg=name, equal_nan=True
        )


def named(name: str, ours: Any, theirs: Any) -> dict[str, tuple[Any, Any]]:
    return {f"{name} {i}": pair for i, pair in enumerate(zip(ours, theirs, strict=True))}


@settings(max_examples=20)
@given(seed=st.integers(0, 2**32 - 1), period=st.integers(2, 14))
def test_equal_to_talib_once_other_seeds_are_forgotten(seed, period):
    """Wilder's sums begin with the first n values, TA-Lib's with n - 1."""
    bars = walk(seed, 1_000)
    ind = Indicators(bars)
    high, low, close = (np.array(x) for x in (bars.high, bars.low, bars.close))
    adx, plus_di, minus_di = ind.adx(period)

    pairs = {
        "adx": (adx, talib.ADX(high, low, close, period)),
        "+di": (plus_di, talib.PLUS_DI(high, low, close, period)),
        "-di": (minus_di, talib.MINUS_DI(high, low, close, period)),
    }
    for seeds in ("first", "sma"):
        lines = ind.macd(period, 2 * period, 9, seed=seeds)
        pairs |= named(f"macd {seeds}", lines, talib.MACD(close, period, 2 * period, 9))

    for name, (ours, theirs) in pairs.items():
        np.testing.assert_allclose(
            np.asarray(ours)[700:], theirs[700:], rtol=1e-9, atol=1e-9, err_msg=name
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
    rank = close.rolling_rank(span, method="average").cast(pl.Float64).to_numpy() / span
    np.testing.assert_array_equal(np.asarray(ind.rank(span)), rank)


# Definitions at their edges --------------------------------------------------------------------


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


@pytest.mark.parametrize(
    "ask",
    [
        lambda ind: ind.bollinger(20, 0.0),
        lambda ind: ind.keltner(20, np.inf),
        lambda ind: ind.supertrend(10, np.nan),
        lambda ind: ind.macd(26, 12),
        lambda ind: ind.macd(12, 26, 0),
        lambda ind: ind.stochastic(14, 0),
        lambda ind: ind.zscore(1, ddof=1),
        lambda ind: ind.corr(1, "open", "close"),
        lambda ind: ind.corr(5, "open", Indicators(random_bars(3, 29)).column("close")),
        lambda ind: ind.sma(5, of=np.ones(30)),
    ],
)
def test_what_means_nothing_is_refused(ask):
    with pytest.raises(StrategyFailed):
        ask(Indicators(random_bars(3, 30)))


@pytest.mark.parametrize("bars", [4, 5, 6])
def test_a_shift_longer_than_the_data_has_nothing_to_say(bars):
    close = Indicators(make_bars(np.linspace(1, 2, 5))).column("close")

    assert np.isnan(np.asarray(close.shift(bars))[:bars]).all()
    assert not np.asarray((close > 0).shift(bars))[:bars].any()
