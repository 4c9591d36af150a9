"""Sizes beyond percent, units and lots: what they are measured by, and what is refused (R3)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from core.domain.bars import Bars
from core.domain.market import MARKETS
from core.domain.options import EngineOptions
from core.domain.signals import ExitRule, Signals, Weights, pct
from core.domain.timeframe import Timeframe
from core.engine.account import simulate_account
from core.engine.exits import simulate_exits
from core.engine.kernels import run_scalar
from core.engine.simulate import simulate
from core.engine.sizes import volatility_of
from core.errors import InvalidInput, StrategyFailed
from tests.factories import ZERO, make_bars, random_bars, signals_at

TOTAL = 6
BARS = make_bars(100.0 + np.arange(TOTAL))
LONG = Signals(codes=np.ones(TOTAL, dtype=np.int8))


@pytest.mark.parametrize(
    ("market", "length", "bars"),
    [
        ("XNYS", "1d", 252),
        ("XNYS", "1w", 52),
        ("XNYS", "1M", 12),
        ("XNYS", "1m", 252 * 390),
        ("XNYS", "15m", 252 * 26),
        ("XNYS", "1h", 252 * 7),  # six and a half hours: the last bar is half as long
        ("XNYS", "4h", 252 * 2),
        ("XNSE", "5m", 248 * 75),
        ("XEUR", "1h", 254 * 13),
        ("FX", "1h", 260 * 24),
        ("24/7", "4h", 365 * 6),
        ("24/7", "1d", 365),
    ],
)
def test_a_year_has_the_bars_of_the_markets_calendar(market, length, bars):
    assert MARKETS[market].bars_per_year(Timeframe(length)) == bars


@pytest.mark.parametrize("count", [2, 5, 20])
def test_volatility_is_the_deviation_of_the_last_returns_by_the_root_of_a_year(count):
    bars = random_bars(4, 60)
    options = EngineOptions(sizing="vol_target", volatility_bars=count)

    found = volatility_of(bars, options)

    moves = bars.close[1:] / bars.close[:-1] - 1
    assert np.isnan(found[:count]).all()
    for row in range(count, 60):
        expected = np.std(moves[row - count : row], ddof=1) * np.sqrt(252 * 26)
        assert found[row] == pytest.approx(expected, rel=1e-12, abs=1e-12)


def test_splits_are_no_fluctuation():
    """A split of 4 to 1 at bar 30 leaves the volatility of whole prices, to the last bit."""
    whole = random_bars(4, 60)
    terms = np.where(np.arange(60) >= 30, 4.0, 1.0)
    prices = {name: getattr(whole, name) / terms for name in ("open", "high", "low", "close")}
    split = replace(whole, **prices, split=np.where(np.arange(60) == 30, 4.0, 1.0))
    options = EngineOptions(sizing="vol_target", volatility_bars=5)

    np.testing.assert_array_equal(volatility_of(split, options), volatility_of(whole, options))


def test_volatility_knows_nothing_of_what_comes_later():
    bars = random_bars(4, 60)
    options = EngineOptions(sizing="vol_target", volatility_bars=5)

    head = volatility_of(bars.head(40), options)

    np.testing.assert_array_equal(volatility_of(bars, options)[:40], head)


# Refusals --------------------------------------------------------------------------------------


def run_alone(bars: Bars, signals: Signals, options: EngineOptions) -> Any:
    return simulate(bars, signals, options, ZERO, compiled=False)


def run_shared(bars: Bars, signals: Signals, options: EngineOptions) -> Any:
    return simulate_account([bars], [signals], options, ZERO, compiled=False)


@pytest.mark.parametrize("run", [run_alone, run_shared])
@pytest.mark.parametrize(
    ("size", "words"),
    [
        (np.array([1.0, -2.0, 1.0, 1.0, 1.0, 1.0]), "size is -2 at bar 1"),
        (np.array([1.0, 1.0, np.inf, 1.0, 1.0, 1.0]), "size is inf at bar 2"),
        (-1.0, "size is -1"),
        (np.inf, "size is inf"),
        (np.ones(TOTAL - 1), "sizes have dtype float64 and shape (5,)"),
        (np.ones((TOTAL, 2)), "sizes have dtype float64 and shape (6, 2)"),
        (np.full(TOTAL, "1"), "sizes have dtype <U1"),
        ([1.0] * TOTAL, "size is [1.0, 1.0"),
        ("2", "size is '2'"),
        (True, "size is True"),
    ],
    ids=str,
)
def test_what_is_no_size_is_told_in_a_sentence(run, size, words):
    with pytest.raises(StrategyFailed) as refused:
        run(BARS, replace(LONG, size=size), EngineOptions())

    assert refused.value.message.startswith(words)
    assert refused.value.expected


@pytest.mark.parametrize("run", [run_alone, run_shared])
def test_risk_without_anything_that_ends_it_is_refused(run):
    options = EngineOptions(sizing="risk", size=1)

    with pytest.raises(InvalidInput, match="neither a stop nor a trail") as refused:
        run(BARS, LONG, options)

    assert refused.value.field == "options.sizing"
    for ends in ({"stop": pct(2)}, {"trail": pct(2)}):
        run(BARS, replace(LONG, **ends), options)


def test_a_symbol_that_enters_nothing_needs_no_stop():
    silent = signals_at(TOTAL, {})
    options = EngineOptions(sizing="risk", size=1, account="shared")

    run = simulate_account([BARS, BARS], [replace(LONG, stop=pct(2)), silent], options, ZERO)

    assert set(run.fill_symbol.tolist()) == {0}


def test_weights_need_no_stop():
    options = EngineOptions(sizing="risk", size=1, account="shared")

    assert len(simulate_account([BARS], Weights(np.ones((TOTAL, 1))), options, ZERO).fills) == 1


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"sizing": "risk"}, "size is 100 percent of equity, all of which one stop would lose"),
        ({"intrabar_margin": True}, "intrabar_margin needs a maintenance_margin above 0"),
    ],
)
def test_options_that_cannot_be_meant_are_refused(given, words):
    with pytest.raises(ValidationError, match=words):
        EngineOptions.model_validate(given)


# Where sizes go --------------------------------------------------------------------------------


def test_one_kernel_fits_sizes_of_every_making():
    options = EngineOptions(sizing="vol_target", size=10, volatility_bars=2)
    simulate(BARS, LONG, options, ZERO)
    known = set(run_scalar.signatures)

    for sizing in ("value", "percent_of_equity", "vol_target", "risk"):
        for size in (3, 3.0, np.float64(3), np.arange(6), np.ones((TOTAL, 2))[:, 0]):
            simulate(
                BARS,
                replace(LONG, size=size, stop=pct(2)),
                options.model_copy(update={"sizing": sizing}),
                ZERO,
            )

    assert set(run_scalar.signatures) == known


def test_an_exit_rule_knows_the_volatility_of_the_sessions_before():
    """Sessions of four bars, flat at each end: five returns are never of one session alone."""
    bars = random_bars(7, 40, sessions=10)
    bars = replace(bars, session=(np.arange(40) // 4).astype(np.int32))
    signals = Signals(
        codes=np.ones(40, dtype=np.int8),
        exits=ExitRule(begin=lambda: lambda row, *_: "Mid exit" if row % 3 == 0 else None),
    )
    options = EngineOptions(
        sizing="vol_target", size=5, volatility_bars=5, lot_size=0, intraday=True
    )
    known = volatility_of(bars, options)

    made = simulate_exits(bars, signals, options, ZERO)

    assert len(made.trades) > 5
    assert len(made.labels) > 3  # the rule was asked, in sessions too short for five returns
    rows = made.trades.entry_bar - 1
    equity = np.r_[options.initial_cash, made.equity][rows + 1]
    expected = 0.05 * equity / (known[rows] * bars.close[rows])
    np.testing.assert_allclose(made.trades.quantity, expected, rtol=1e-12)


def test_an_exit_rule_goes_by_the_sizes_of_its_rows():
    """A row of size 0 opens nothing, so that the rule is asked from the next one on."""
    bars = random_bars(7, 48)
    session = (np.arange(48) // 8).astype(np.int32)
    bars = replace(bars, session=session)
    sizes = np.where(np.arange(48) % 5 < 2, 0.0, np.where(np.arange(48) % 2, 3.0, 7.0))
    signals = Signals(
        codes=np.ones(48, dtype=np.int8),
        size=sizes,
        exits=ExitRule(begin=lambda: lambda row, *_: "Mid exit" if row % 3 == 0 else None),
    )
    expected, since = [], None
    for row in range(47):
        ends = row % 8 == 7
        if since is not None and (ends or row % 3 == 0):
            expected.append((since, row if ends else row + 1, sizes[since - 1]))
            since = None
        elif since is None and sizes[row] > 0 and not ends:
            since = row + 1

    made = simulate_exits(bars, signals, EngineOptions(sizing="units", intraday=True), ZERO)

    columns = made.trades.entry_bar, made.trades.exit_bar, made.trades.quantity
    found = list(zip(*(column.tolist() for column in columns), strict=True))
    assert found[: len(expected)] == expected
    assert len(expected) > 7


def test_an_exit_rule_ends_with_the_run():
    """The peak is that of the whole run, though sessions are decided one by one."""
    prices = 100.0 - np.arange(24)
    bars = make_bars(
        np.r_[100.0, prices[:-1]],
        close=prices,
        session=np.repeat(np.arange(6) + 18_262, 4),
        minute=np.tile(570 + 15 * np.arange(4), 6),
        timeframe=Timeframe.M15,
    )
    asked: list[int] = []

    def judge(row: int, *_: Any) -> None:
        asked.append(row)

    signals = Signals(codes=np.ones(24, dtype=np.int8), exits=ExitRule(begin=lambda: judge))
    options = EngineOptions(intraday=True, fill="close", max_dd_limit=0.08, lot_size=0)

    made = simulate_exits(bars, signals, options, ZERO)

    assert made.stopped
    # Held from the first close of a session to its last, and in the third one for two bars.
    assert made.equity[-1] == pytest.approx(100_000 * 97 / 100 * 93 / 96 * 90 / 92)
    assert made.trades.exit_bar.tolist() == [3, 7, 11]
    assert max(asked) <= 11
