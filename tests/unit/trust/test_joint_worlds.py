"""Worlds of several symbols: they go on moving together, and nothing foretells any of them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from core.domain.bars import Bars
from core.domain.timeframe import Timeframe
from core.errors import InvalidInput
from core.trust.joint_worlds import JointWorlds
from core.trust.worlds import NullWorlds, compare_with_worlds
from tests.factories import make_bars
from tests.unit.trust.searches import chance_of_uniform

COLUMNS = ("ts", "open", "high", "low", "close")


def prices(moves: np.ndarray, symbol: str = "ONE", first: int = 18_000) -> Bars:
    """Daily bars that close higher by these, shape (T,), and open where they closed."""
    close = 100 * np.exp(np.cumsum(moves))
    opened = np.concatenate((close[:1], close[:-1]))
    return make_bars(
        opened,
        np.maximum(opened, close) * 1.002,
        np.minimum(opened, close) * 0.998,
        close,
        volume=np.arange(1.0, len(moves) + 1),
        session=first + np.arange(len(moves), dtype=np.int32),
        minute=np.zeros(len(moves), dtype=np.int32),
        timeframe=Timeframe.D1,
        symbol=symbol,
    )


def moves_of(bars: Bars) -> np.ndarray:
    return np.diff(np.log(bars.close))


def pair(count: int = 1500, seed: int = 1, together: float = 0.8) -> list[Bars]:
    """Two symbols that share most of what moves them."""
    rng = np.random.default_rng(seed)
    common, own = rng.normal(0.0005, 0.01, count), rng.normal(0, 0.01, (2, count))
    rest = np.sqrt(1 - together**2)
    return [
        prices(together * common + rest * own[n], name) for n, name in enumerate(("ONE", "TWO"))
    ]


def correlation(bars: list[Bars]) -> float:
    return float(np.corrcoef(moves_of(bars[0]), moves_of(bars[1]))[0, 1])


def test_of_one_symbol_they_are_its_worlds():
    rng = np.random.default_rng(3)
    hours = make_bars(
        100 * np.exp(np.cumsum(rng.normal(0, 0.01, 240))),
        session=18_000 + np.repeat(np.arange(40), 6).astype(np.int32),
        minute=570 + 60 * np.tile(np.arange(6), 40).astype(np.int32),
        timeframe=Timeframe.H1,
    )
    for number in (0, 3):
        joint = JointWorlds.of([hours], seed=7).world(number)[0]
        alone = NullWorlds.of(hours, seed=7).world(number)
        assert joint.data_hash == alone.data_hash


def test_symbols_of_one_calendar_come_from_the_same_days_with_the_same_coins():
    bars = pair(400)
    alone = [NullWorlds.of(each, seed=2, block=5.0).world(1) for each in bars]

    joint = JointWorlds.of(bars, seed=2, block=5.0).world(1)

    assert joint[0].volume.tolist() == joint[1].volume.tolist()  # the number of the day
    assert [each.data_hash for each in joint] == [each.data_hash for each in alone]


def test_how_much_they_share_stays():
    bars = pair()
    worlds = JointWorlds.of(bars, seed=1)

    found = [correlation(worlds.world(number)) for number in range(8)]

    assert correlation(bars) == pytest.approx(0.64, abs=0.04)
    assert np.mean(found) == pytest.approx(correlation(bars), abs=0.03)
    apart = [NullWorlds.of(each, seed=seed).world(0) for seed, each in enumerate(bars)]
    assert abs(correlation(apart)) < 0.1


def test_other_calendars_share_what_days_they_both_have():
    """One symbol begins halfway; another rests on one day in ten."""
    whole = pair()
    there = np.arange(1500) % 10 != 4
    for cut, share in ((np.arange(1500) >= 750, 0.5), (there, 0.9)):
        late = whole[1].where(cut)
        worlds = JointWorlds.of([whole[0], late], seed=1)
        found = []
        for number in range(12):
            one, two = worlds.world(number)
            assert two.ts.tolist() == late.ts.tolist()
            days = np.isin(one.session, two.session)
            body = np.log(one.close / one.open)[days], np.log(two.close / two.open)
            found.append(float(np.corrcoef(*body)[0, 1]))
        real = correlation(whole)
        # Where the day drawn is none of its own, it goes its own way.
        assert np.mean(found) == pytest.approx(real * share, abs=0.04)


def test_each_day_of_a_symbol_is_as_likely_as_any_other():
    """So that the drift that is taken out is that of what was drawn, whatever the others have."""
    whole = pair(60)
    late = whole[1].where(np.arange(60) >= 40)
    worlds = JointWorlds.of([whole[0], late], seed=4, block=1.0)

    drawn = np.concatenate([worlds.world(number)[1].volume for number in range(600)])

    _, counts = np.unique(drawn, return_counts=True)
    assert len(counts) == 20
    assert np.abs(counts - 600).max() < 5 * np.sqrt(600)


def test_neither_holding_gains_nor_does_one_symbol_foretell_the_other():
    """The second follows the first by a day, and their difference reverts: both edges go."""
    rng = np.random.default_rng(5)
    lead = rng.normal(0.001, 0.01, 2000)
    follows = 0.7 * np.concatenate(([0.0], lead[:-1])) + rng.normal(0.001, 0.005, 2000)
    bars = [prices(lead), prices(follows, "TWO")]
    worlds = JointWorlds.of(bars, seed=6, block=10.0)

    def foretells(given: list[Bars]) -> float:
        return float(np.corrcoef(moves_of(given[0])[:-1], moves_of(given[1])[1:])[0, 1])

    made = [worlds.world(number) for number in range(20)]

    assert foretells(bars) > 0.7
    assert abs(np.mean([foretells(each) for each in made])) < 0.02
    for place in (0, 1):
        gains = np.concatenate([np.expm1(moves_of(each[place])) for each in made])
        assert abs(gains.mean()) < 4 * gains.std() / np.sqrt(len(gains))


def test_a_spread_that_reverts_does_so_no_more():
    """Pairs: what two symbols are apart is a walk in the worlds."""
    rng = np.random.default_rng(8)
    apart = np.zeros(2000)
    for t in range(1, 2000):
        apart[t] = 0.8 * apart[t - 1] + rng.normal(0, 0.01)
    common = rng.normal(0, 0.01, 2000)
    bars = [prices(common), prices(common + np.diff(apart, prepend=0.0), "TWO")]
    worlds = JointWorlds.of(bars, seed=6)

    def reverts(given: list[Bars]) -> float:
        spread = np.log(given[1].close / given[0].close)
        return float(np.corrcoef(spread[:-1], np.diff(spread))[0, 1])

    assert reverts(bars) < -0.25
    # A walk seems to revert a little from where it ends up.
    assert np.mean([reverts(worlds.world(number)) for number in range(10)]) > -0.08


def best_of_a_search(bars: list[Bars]) -> float:
    """Greatest Sharpe ratio of 24 ways to decide by one symbol, or by both, what to hold next."""
    one, two = (moves_of(each) for each in bars)
    one, two = one[-min(len(one), len(two)) :], two[-min(len(one), len(two)) :]
    lanes = []
    for length in (1, 2, 3, 5, 8, 13):
        sums = np.convolve(one, np.ones(length))[: len(one)]
        apart = np.convolve(one - two, np.ones(length))[: len(one)]
        for decides, earns in ((sums, two), (-sums, two), (apart, two - one), (-apart, two - one)):
            lanes.append(np.sign(decides)[:-1] * earns[1:])
    returns = np.array(lanes)
    return float((returns.mean(axis=1) / returns.std(axis=1)).max())


def chances_of(markets: list[list[Bars]], worlds: int) -> list[float]:
    found = []
    for seed, bars in enumerate(markets):
        made = JointWorlds.of(bars, seed=seed)
        others = [best_of_a_search(made.world(number)) for number in range(worlds)]
        found.append(compare_with_worlds(best_of_a_search(bars), others).p)
    return found


def test_p_is_uniform_where_neither_foretells_the_other():
    """Searches across two symbols that share much; one of them rests now and then."""
    markets = []
    for seed in range(150):
        one, two = pair(180, seed=900 + seed)
        rests = np.random.default_rng(seed).random(180) < 0.05
        markets.append([one, two if seed % 2 else two.where(~rests)])

    found = np.array(chances_of(markets, worlds=19))

    steps = np.random.default_rng(1).random(len(found)) / 20
    assert chance_of_uniform(found - steps) > 0.001


def test_p_finds_that_one_follows_the_other():
    rng = np.random.default_rng(5)
    lead = rng.normal(0, 0.01, 250)
    follows = 0.5 * np.concatenate(([0.0], lead[:-1])) + rng.normal(0, 0.01, 250)

    assert chances_of([[prices(lead), prices(follows, "TWO")]], worlds=49) == [1 / 50]


def test_hours_of_one_market_are_turned_together_and_those_of_others_by_time():
    session = 18_000 + np.repeat(np.arange(30), 4).astype(np.int32)
    minute = 570 + 60 * np.tile(np.arange(4), 30).astype(np.int32)
    moves = np.random.default_rng(1).normal(0, 0.01, 120)
    one = make_bars(
        100 * np.exp(np.cumsum(moves)), session=session, minute=minute, timeframe=Timeframe.H1
    )
    two = replace(one, symbol="TWO")
    half = replace(one.where(minute != 570 + 60), symbol="HALF")

    first, second, third = JointWorlds.of([one, two, half], seed=3).world(0)

    for name in COLUMNS:
        assert getattr(first, name).tolist() == getattr(second, name).tolist()
    opens = minute == 570
    own = third.minute == 570
    body = np.sign(np.log(first.close / first.open)[opens])
    assert (np.sign(np.log(third.close / third.open)[own]) == body).mean() > 0.95


def test_days_of_markets_that_open_at_other_times_are_turned_together():
    one, two = pair(300)
    late = replace(two, ts=two.ts + 6 * 3_600_000_000, minute=two.minute + 360)

    there = JointWorlds.of([one, late], seed=3).world(0)
    here = JointWorlds.of([one, two], seed=3).world(0)

    for made, expected in zip(there, here, strict=True):
        assert made.close.tolist() == expected.close.tolist()


def test_what_makes_no_sense_is_refused():
    with pytest.raises(InvalidInput, match="no symbol"):
        JointWorlds.of([], seed=1)
    with pytest.raises(InvalidInput, match="number is -1"):
        JointWorlds.of(pair(30), seed=1).world(-1)
