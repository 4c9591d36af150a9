"""Splits, windows and walking forward, against dates on a calendar and loops over returns."""

from __future__ import annotations

from datetime import date, timedelta
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.analytics import ratios
from core.domain.dimension import Dimension
from core.domain.objective import Objective
from core.domain.parameters import ParamSpec
from core.domain.study import Holdback, WalkForward
from core.errors import InvalidInput
from core.search.split import check_embargo, embargo_needed, split, warm_up_of
from core.search.walkforward import overfit, walk_forward, windows_of
from core.search.window_sums import WindowSums

SHARPE = Objective.model_validate("sharpe")


def weekdays(first: date, last: date) -> np.ndarray:
    days = (last - first).days + 1
    every = [first + timedelta(days=k) for k in range(days)]
    return np.array([(day - date(1970, 1, 1)).days for day in every if day.weekday() < 5])


FIVE_YEARS = weekdays(date(2020, 1, 1), date(2024, 12, 31))


def noise(lanes, days, seed=0):
    return np.random.default_rng(seed).normal(0.0003, 0.01, (lanes, days))


def test_the_end_is_held_back_and_the_embargo_lies_between():
    cut = split(np.arange(100, 200), Holdback(share=0.3, embargo=5))

    assert (cut.train.begin, cut.train.end) == (0, 65)
    assert (cut.test.begin, cut.test.end) == (70, 100)
    assert cut.test.first == date(1970, 1, 1) + timedelta(days=170)
    assert split(np.arange(100), Holdback(share=0)) is None


@given(days=st.integers(100, 900), share=st.floats(0.25, 0.5), embargo=st.integers(0, 10))
def test_no_session_is_on_both_sides(days, share, embargo):
    cut = split(np.arange(days), Holdback(share=share, embargo=embargo), warm_up=0)

    assert cut.train.end + embargo == cut.test.begin
    assert cut.test.end == days
    assert abs(len(cut.test) - share * days) <= 0.5 + 1e-9


def test_a_part_without_enough_sessions_is_an_error():
    with pytest.raises(InvalidInput, match="the part held back has 15 sessions") as refusal:
        split(np.arange(50), Holdback(share=0.3))
    assert "at least 20 sessions" in (refusal.value.expected or "")

    with pytest.raises(InvalidInput, match="the part to search in has 70 sessions") as refusal:
        split(np.arange(100), Holdback(share=0.3), warm_up=200)
    assert "200 sessions until the strategy can decide" in (refusal.value.expected or "")


def test_an_embargo_is_as_long_as_the_longest_position():
    assert embargo_needed(np.array([3.0, np.nan, 14.0]), 7.0) == 2
    assert embargo_needed(np.array([np.nan]), 7.0) == 0
    check_embargo(2, 2)
    with pytest.raises(InvalidInput, match=r"the embargo is 1 sessions .* up to 2"):
        check_embargo(1, 2)


def test_a_strategy_waits_for_the_longest_of_its_windows():
    specs = (
        ParamSpec("fast", "int", 12, unit="bars"),
        ParamSpec("slow", "int", 48, unit="bars"),
        ParamSpec("stop", "float", 900.0, unit="points"),
    )
    space = {"slow": Dimension.model_validate([20, 50, 130])}

    assert warm_up_of(space, {"fast": 12, "stop": 900.0}, specs, 7.0) == 19
    assert warm_up_of(space, {"fast": 200, "stop": 900.0}, specs, 1.0) == 200
    assert warm_up_of({"fast": Dimension.model_validate({"min": 2, "max": 90})}, {}, specs, 1) == 90
    assert warm_up_of({}, {}, specs[2:], 1.0) == 0


def test_rolling_windows_begin_two_months_apart():
    windows = windows_of(FIVE_YEARS, WalkForward(), start=date(2020, 1, 1))

    assert len(windows) == 27
    assert [(w.train.first, w.train.last, w.test.first, w.test.last) for w in windows[:3]] == [
        (date(2020, 1, 1), date(2020, 6, 30), date(2020, 7, 1), date(2020, 8, 31)),
        (date(2020, 3, 2), date(2020, 8, 31), date(2020, 9, 1), date(2020, 10, 30)),
        (date(2020, 5, 1), date(2020, 10, 30), date(2020, 11, 2), date(2020, 12, 31)),
    ]
    assert windows[-1].test.last == date(2024, 12, 31)
    assert all(a.test.end == b.test.begin for a, b in pairwise(windows))


def test_anchored_windows_keep_their_start():
    windows = windows_of(FIVE_YEARS, WalkForward(mode="anchored"), start=date(2020, 1, 1))
    rolling = windows_of(FIVE_YEARS, WalkForward(), start=date(2020, 1, 1))

    assert {w.train.begin for w in windows} == {0}
    assert [(w.train.end, w.test) for w in windows] == [(w.train.end, w.test) for w in rolling]


def test_windows_count_sessions_if_asked_to():
    options = WalkForward(unit="sessions", train=100, test=30, step=40, embargo=7)

    windows = windows_of(np.arange(250), options)

    assert [(w.train.begin, w.train.end, w.test.begin, w.test.end) for w in windows] == [
        (0, 93, 100, 130),
        (40, 133, 140, 170),
        (80, 173, 180, 210),
        (120, 213, 220, 250),
    ]


def test_months_without_the_day_end_on_their_last():
    sessions = np.arange(18_200, 19_300)  # every day from 2019-10-31

    windows = windows_of(sessions, WalkForward(train=4, test=1, step=1), start=date(2019, 10, 31))

    assert [window.test.first for window in windows[:3]] == [
        date(2020, 2, 29),
        date(2020, 3, 31),
        date(2020, 4, 30),
    ]


def test_a_test_that_the_data_cut_off_is_left_out_but_a_weekend_is_no_gap():
    for last, count in ((date(2020, 8, 28), 1), (date(2020, 8, 26), 0), (date(2020, 10, 30), 2)):
        sessions = weekdays(date(2020, 1, 1), last)
        if count:
            assert len(windows_of(sessions, WalkForward(), start=date(2020, 1, 1))) == count
        else:
            with pytest.raises(InvalidInput, match="hold no window of 6 \\+ 2 months"):
                windows_of(sessions, WalkForward(), start=date(2020, 1, 1))


def test_a_fold_shorter_than_the_warm_up_is_an_error_and_not_a_zero():
    with pytest.raises(InvalidInput) as refusal:
        windows_of(FIVE_YEARS, WalkForward(), start=date(2020, 1, 1), warm_up=200)

    assert "the training of window 1 has 130 sessions, 2020-01-01 to 2020-06-30" in (
        refusal.value.message
    )
    assert "26 more are too short" in refusal.value.message
    assert "200 sessions until the strategy can decide, and 20 after these" in (
        refusal.value.expected or ""
    )
    assert len(refusal.value.problems) == 27
    with pytest.raises(InvalidInput, match="the test of window 1 has 3 sessions"):
        windows_of(np.arange(90), WalkForward(unit="sessions", train=60, test=3, step=3))
    with pytest.raises(InvalidInput, match="the training of window 1 has 0 sessions"):
        windows_of(
            np.arange(90), WalkForward(unit="sessions", train=30, test=9, step=9, embargo=40)
        )


def growth(returns, per_year):
    return float(np.prod(1.0 + returns)) ** (per_year / len(returns)) - 1.0


FIGURES = {
    "sharpe": lambda r, a, rf: ratios.sharpe(r, a, risk_free=rf),
    "sharpe_se": lambda r, a, rf: ratios.sharpe_error(r, a, risk_free=rf),
    "sortino": lambda r, a, rf: ratios.sortino(r, a, threshold=rf),
    "volatility": lambda r, a, _: ratios.volatility(r, a),
    "total_return": lambda r, _a, _rf: float(np.prod(1.0 + r)) - 1.0,
    "cagr": lambda r, a, _: growth(r, a),
}


@pytest.mark.parametrize("name", FIGURES)
@pytest.mark.parametrize("kind", [np.float64, np.float32])
def test_figures_of_windows_are_those_of_their_returns(name, kind):
    daily = noise(300, 400).astype(kind)
    sums = WindowSums.of(daily, per_year=250.0, session_rate=1e-4)
    cut = WindowSums.of(daily, per_year=250.0, session_rate=1e-4, cuts=[37, 61, 390])

    for begin, end in ((0, 400), (37, 61), (61, 390)):
        found = sums.figure(name, begin, end)
        for lane in (0, 1, 255, 256, 299):
            window = daily[lane, begin:end].astype(np.float64)
            assert found[lane] == pytest.approx(FIGURES[name](window, 250.0, 1e-4), rel=1e-9)
        if end != 400:
            assert cut.figure(name, begin, end) == pytest.approx(found, rel=1e-9)


def test_windows_without_a_spread_have_no_ratio_and_ruin_stays():
    daily = noise(5, 300)
    daily[0] = 0.0
    daily[1, 100:200] = 0.0
    daily[2] = 0.001
    daily[3, 50:] = 0.0
    daily[3, 50] = -1.0
    daily[4, :100] *= 10
    daily[4, 100:200] = 0.001 / 3
    sums = WindowSums.of(daily, per_year=252.0)

    assert np.isnan(sums.figure("sharpe", 100, 200)).all()
    assert np.isfinite(sums.figure("sharpe", 0, 100)[1])
    assert sums.figure("total_return", 0, 300)[3] == -1.0
    assert sums.figure("volatility", 100, 200)[1] == 0.0
    assert np.isnan(sums.figure("sharpe", 0, 19)).all()
    with pytest.raises(InvalidInput, match="profit_factor of a window cannot be told"):
        sums.scores(Objective.model_validate("profit_factor"), 0, 100)
    with pytest.raises(InvalidInput, match="does not begin and end at a cut"):
        WindowSums.of(daily, per_year=252.0, cuts=[10]).figure("sharpe", 0, 11)


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    lanes=st.integers(1, 12),
    lengths=st.tuples(st.integers(20, 60), st.integers(5, 30), st.integers(3, 40)),
    embargo=st.integers(0, 3),
    mode=st.sampled_from(["rolling", "anchored"]),
)
def test_walking_forward_is_a_loop_over_windows(seed, lanes, lengths, embargo, mode):
    train, test, step = lengths
    daily = noise(lanes, 200, seed)
    options = WalkForward(
        mode=mode, unit="sessions", train=train + embargo, test=test, step=step, embargo=embargo
    )
    windows = windows_of(np.arange(200), options)
    params = [{"fast": 2 + lane, "kind": "ab"[lane % 2]} for lane in range(lanes)]

    result = walk_forward(daily, params, windows, SHARPE, per_year=252.0)

    choice: dict[int, int] = {}
    begin = 0
    number = 0
    in_sample = []
    while begin + train + embargo + test <= 200:
        first = begin if mode == "rolling" else 0
        sharpes = [
            ratios.sharpe(daily[lane, first : begin + train], 252.0) for lane in range(lanes)
        ]
        lane = int(np.argmax(sharpes))
        row = result.windows[number]
        assert row.lane == lane
        assert row.train_value == pytest.approx(sharpes[lane], rel=1e-9)
        cut = begin + train + embargo
        assert row.test_return == pytest.approx(np.prod(1 + daily[lane, cut : cut + test]) - 1)
        in_sample.append(growth(daily[lane, first : begin + train], 252.0))
        choice.update(dict.fromkeys(range(cut, cut + test), lane))
        begin += step
        number += 1
    assert number == len(result.windows)
    places = sorted(choice)
    stitched = np.array([daily[choice[place], place] for place in places])
    assert result.sessions.tolist() == places
    assert result.returns.tolist() == stitched.tolist()
    assert result.equity[-1] == pytest.approx(np.prod(1 + stitched))
    assert result.annual_return == pytest.approx(growth(stitched, 252.0))
    assert result.train_annual == pytest.approx(np.mean(in_sample))
    if np.mean(in_sample) > 0:
        assert result.efficiency == pytest.approx(growth(stitched, 252.0) / np.mean(in_sample))
    else:
        assert (result.efficiency, bool(result.efficiency_reason)) == (None, True)
    assert result.positive_share == np.mean([row.test_return > 0 for row in result.windows])


def test_a_short_test_is_not_held_against_a_ratio_that_stays():
    """Four times as short has twice the error: the bound falls though the ratio is the same."""
    year = np.tile([0.01, -0.008, 0.006, -0.004], 63)
    daily = np.vstack([year, year - 0.002])
    (window,) = windows_of(
        np.arange(250), WalkForward(unit="sessions", train=200, test=48, step=48)
    )

    found = walk_forward(
        daily[:, :250],
        [{"fast": 2}, {"fast": 3}],
        [window],
        Objective.model_validate("sharpe_lcb"),
        per_year=252.0,
    )

    (row,) = found.windows
    assert row.train_sharpe == pytest.approx(ratios.sharpe(year[:200], 252.0), rel=1e-9)
    assert row.test_sharpe == pytest.approx(ratios.sharpe(year[200:248], 252.0), rel=1e-9)
    assert row.test_value < 0.7 * row.train_value
    assert row.overfit.ratio == pytest.approx(row.test_sharpe / row.train_sharpe)
    assert row.overfit.verdict == "ok"


def four_windows():
    options = WalkForward(unit="sessions", train=40, test=20, step=20)
    return windows_of(np.arange(120), options)


def test_drift_is_relative_and_over_the_range_and_alerts():
    windows = four_windows()
    params = [{"fast": 10, "kind": "ema"}, {"fast": 13, "kind": "ema"}, {"fast": 20, "kind": "sma"}]
    scores = np.array([[9, 1, 1], [1, 9, 1], [1, 1, 9], [1, 1, 9]], dtype=float)

    result = walk_forward(
        noise(3, 120),
        params,
        windows,
        SHARPE,
        per_year=252.0,
        train_scores=scores,
        dimensions={
            "fast": Dimension.model_validate({"min": 0, "max": 100}),
            "kind": Dimension.model_validate(["ema", "sma"]),
        },
    )

    assert [row.lane for row in result.windows] == [0, 1, 2, 2]
    first, second, third, fourth = (row.drift for row in result.windows)
    assert first is None
    assert second.relative == {"fast": pytest.approx(0.3), "kind": 0.0}
    assert second.alerts == ()  # 3 of 10 is not more than 30 %
    assert second.mean == pytest.approx(0.03 / 2)
    assert third.relative == {"fast": pytest.approx(7 / 13), "kind": 1.0}
    assert third.alerts == ("fast", "kind")
    assert third.mean == pytest.approx((0.07 + 1) / 2)
    assert fourth.mean == 0
    assert result.alerts == (2,)
    assert result.drift == pytest.approx((0.015 + 0.535 + 0) / 3)


def test_a_training_knows_nothing_of_its_test():
    windows = four_windows()
    daily = noise(30, 120, 3)
    params = [{"fast": lane} for lane in range(30)]

    once = walk_forward(daily, params, windows, SHARPE, per_year=252.0)
    for number, window in enumerate(windows):
        other = daily.copy()
        other[:, window.test.begin :] = noise(30, 120 - window.test.begin, 99)
        again = walk_forward(other, params, windows, SHARPE, per_year=252.0)
        assert [row.lane for row in again.windows[: number + 1]] == [
            row.lane for row in once.windows[: number + 1]
        ]


def test_who_may_not_be_chosen_is_not():
    windows = four_windows()
    daily = noise(5, 120, 4)
    params = [{"fast": lane} for lane in range(5)]
    allowed = np.zeros((4, 5), dtype=bool)
    allowed[:3, 2] = True

    result = walk_forward(daily, params, windows, SHARPE, per_year=252.0, eligible=allowed)

    assert [row.lane for row in result.windows] == [2, 2, 2, None]
    assert result.windows[3].test_return == 0.0
    assert result.returns[-20:].tolist() == [0.0] * 20
    nobody = walk_forward(daily, params, windows, SHARPE, per_year=252.0, eligible=allowed & False)
    assert (nobody.efficiency_reason, nobody.positive_share, nobody.drift) == (
        "no window chose",
        None,
        None,
    )


def test_a_test_that_earned_nothing_is_no_gain():
    windows = four_windows()
    daily = np.abs(noise(5, 120, 4)) + 1e-4
    first, last = windows[1].test, windows[3].test
    daily[:, first.begin : first.end] = 0.0
    daily[:, last.begin : last.end] *= -1.0

    result = walk_forward(daily, [{"fast": n} for n in range(5)], windows, SHARPE, per_year=252.0)

    assert [row.test_return > 0 for row in result.windows] == [True, False, True, False]
    assert result.windows[1].test_return == 0.0
    assert result.positive_share == 0.5


def test_shapes_that_do_not_fit_are_refused():
    windows = four_windows()

    with pytest.raises(InvalidInput, match="4 parameter sets for 5 lanes"):
        walk_forward(noise(5, 120), [{}] * 4, windows, SHARPE, per_year=252.0)
    with pytest.raises(InvalidInput, match="windows to session 120 of 100"):
        walk_forward(noise(5, 100), [{}] * 5, windows, SHARPE, per_year=252.0)
    with pytest.raises(InvalidInput, match="there are no windows"):
        walk_forward(noise(5, 100), [{}] * 5, (), SHARPE, per_year=252.0)


@pytest.mark.parametrize(
    ("train", "test", "maximize", "ratio", "verdict"),
    [
        (2.0, 1.6, True, 0.8, "ok"),
        (2.0, 1.5, True, 0.75, "warn"),
        (2.0, 1.4, True, 0.7, "warn"),
        (2.0, 1.3, True, 0.65, "fail"),
        (2.0, -1.0, True, -0.5, "fail"),
        (0.1, 0.2, False, 0.5, "fail"),
        (-1.0, 1.0, True, None, None),
        (0.0, 1.0, True, None, None),
        (None, 1.0, True, None, None),
        (1.0, None, True, None, None),
        (-0.1, 0.1, False, None, None),
    ],
)
def test_what_is_left_in_the_test_is_judged(train, test, maximize, ratio, verdict):
    found = overfit(train, test, maximize=maximize)

    assert found.ratio == (None if ratio is None else pytest.approx(ratio))
    assert found.verdict == verdict
    assert (found.reason is None) == (ratio is not None)


@pytest.mark.parametrize("lanes", [3, 16, 17, 200])
def test_who_may_win_is_asked_from_the_best_down_until_one_may(lanes):
    windows = four_windows()
    daily = noise(lanes, 120, 4)
    params = [{"fast": lane} for lane in range(lanes)]
    able = np.random.default_rng(lanes).random((4, lanes)) < 0.05
    asked = [[] for _ in windows]

    def may_win(number, some):
        asked[number] += some.tolist()
        return able[number][some]

    result = walk_forward(daily, params, windows, SHARPE, per_year=252.0, may_win=may_win)
    known = walk_forward(daily, params, windows, SHARPE, per_year=252.0, eligible=able)

    assert [row.lane for row in result.windows] == [row.lane for row in known.windows]
    for row, lanes_asked in zip(result.windows, asked, strict=True):
        assert len(set(lanes_asked)) == len(lanes_asked)
        assert row.lane in lanes_asked if row.lane is not None else len(lanes_asked) == lanes
