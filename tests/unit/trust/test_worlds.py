from dataclasses import replace
from math import log, nan

import numpy as np
import pytest

from core.domain.bars import US_PER_DAY, Bars
from core.domain.costs import CostModel
from core.domain.detail import Detail
from core.domain.options import EngineOptions
from core.domain.timeframe import Timeframe
from core.engine.desk import FITS
from core.engine.detail import states_of
from core.engine.sweep import sweep
from core.errors import InvalidInput
from core.trust.matrix import ReturnMatrix
from core.trust.worlds import NullWorlds, compare_with_worlds
from strategies.ema_crossover import EMACrossoverStrategy
from tests.factories import make_bars

PRICES = ("open", "high", "low", "close")


def market(seed, sessions, *, a_session=1, drift=0.0, over_night=0.0, rho=0.0, **columns) -> Bars:
    """A market of equal sessions: volatility comes and goes, wicks are random."""
    rng = np.random.default_rng(seed)
    count = sessions * a_session
    size = 0.01 * np.exp(0.5 * np.sin(np.arange(count) / 20))
    shocks = rng.standard_normal(count)
    for row in range(1, count):
        shocks[row] += rho * shocks[row - 1]
    gap = np.where(np.arange(count) % a_session == 0, over_night, 0.0) + 0.2 * size * (
        rng.standard_normal(count)
    )
    body = size * shocks + drift
    moved = np.cumsum(gap + body)
    opens, closes = 100 * np.exp(moved - body), 100 * np.exp(moved)
    up, down = np.exp(size * rng.random((2, count)))
    session = 18_000 + np.repeat(np.arange(sessions), a_session)
    return make_bars(
        opens,
        np.maximum(opens, closes) * up,
        np.minimum(opens, closes) / down,
        closes,
        volume=rng.integers(100, 200, count) * (1.0 + np.arange(count) % a_session),
        session=session,
        minute=np.tile(570 + 60 * np.arange(a_session), sessions),
        timeframe=Timeframe.D1 if a_session == 1 else Timeframe.H1,
        **columns,
    )


def shapes_of(bars):
    """Gap, body and wicks of every bar but the first, as logarithms."""
    return (
        np.log(bars.open[1:] / bars.close[:-1]),
        np.log(bars.close[1:] / bars.open[1:]),
        np.log(bars.high[1:] / np.maximum(bars.open, bars.close)[1:]),
        np.log(bars.low[1:] / np.minimum(bars.open, bars.close)[1:]),
    )


def of_all(worlds, count, what):
    return np.concatenate([what(world) for world in worlds.worlds(count)])


# What stays -----------------------------------------------------------------------------------


def test_times_sessions_and_the_first_open_stay():
    bars = market(1, 30, a_session=7)
    world = NullWorlds.of(bars, seed=5).world(0)

    for name in ("ts", "session", "minute"):
        assert getattr(world, name).tolist() == getattr(bars, name).tolist()
    assert (world.symbol, world.timeframe, world.market) == ("TEST", Timeframe.H1, bars.market)
    assert world.open[0] == bars.open[0]
    assert world.data_hash != bars.data_hash


def test_a_world_is_the_same_whoever_makes_it_and_when():
    bars = market(2, 60)
    together = [world.data_hash for world in NullWorlds.of(bars, seed=5).worlds(4)]

    alone = NullWorlds.of(bars, seed=5).world(3).data_hash
    other = NullWorlds.of(bars, seed=6).world(3).data_hash

    assert len(set(together)) == 4
    assert alone == together[3]
    assert other != alone


def test_bars_keep_size_wicks_and_volume():
    bars = market(3, 80)
    worlds = NullWorlds.of(bars, seed=1)

    world = worlds.world(0)

    source = {volume: row for row, volume in enumerate(bars.volume.tolist())}
    several = {v for v in source if bars.volume.tolist().count(v) > 1}
    gap, body, above, below = shapes_of(bars)
    checked = 0
    for row, found in enumerate(zip(*shapes_of(world), strict=True), start=1):
        volume = float(world.volume[row])
        if volume in several or source[volume] == 0:
            continue
        was = source[volume] - 1
        assert abs(found[0]) == pytest.approx(abs(gap[was]), abs=1e-4)  # up to the drift
        assert abs(found[1]) == pytest.approx(abs(body[was]), abs=1e-4)
        wicks = sorted([abs(found[2]), abs(found[3])])
        assert wicks == pytest.approx(sorted([above[was], -below[was]]), abs=1e-4)
        checked += 1
    assert checked > 20


def test_opening_bars_come_from_opening_bars_and_hours_keep_their_place():
    bars = market(4, 40, a_session=6)

    world = NullWorlds.of(bars, seed=2).world(0)

    # The volume of the n-th hour is n + 1 times 100 to 199.
    hours = np.tile(np.arange(6), 40)
    assert ((world.volume / (1 + hours) >= 100) & (world.volume / (1 + hours) < 200)).all()
    whole = world.volume.reshape(40, 6).tolist()
    assert all(session in bars.volume.reshape(40, 6).tolist() for session in whole)


def test_sessions_of_other_lengths_give_their_bars_in_proportion():
    session = 18_000 + np.repeat([0, 1, 2, 3], [4, 2, 1, 8])
    minute = np.concatenate([np.arange(n) * 60 + 570 for n in (4, 2, 1, 8)])
    opening = np.r_[True, session[1:] != session[:-1]]
    bars = make_bars(
        100 + np.arange(15.0),
        volume=np.where(opening, 1000.0, 10.0) + np.arange(15),
        session=session,
        minute=minute,
        timeframe=Timeframe.H1,
    )

    for world in NullWorlds.of(bars, seed=3, block=1.0).worlds(50):
        assert (world.volume[opening] >= 1000).all()
        for first, last in ((0, 4), (4, 6), (7, 15)):
            inner = world.volume[first + 1 : last]
            # A session of a single bar has no others to give.
            assert (inner < 1000).all() or (inner == 1006).all()


def test_volatility_goes_on_as_long_as_blocks_do():
    bars = market(5, 2000)

    def clustering(world):
        size = np.abs(shapes_of(world)[1])
        return [np.corrcoef(size[1:], size[:-1])[0, 1]]

    blocks = of_all(NullWorlds.of(bars, seed=1, block=40.0), 10, clustering).mean()
    single = of_all(NullWorlds.of(bars, seed=1, block=1.0), 10, clustering).mean()

    assert blocks > 0.6 * clustering(bars)[0] > 0.05
    assert abs(single) < 0.03


# What goes ------------------------------------------------------------------------------------


@pytest.mark.parametrize("mirrored", [True, False])
def test_neither_holding_nor_nights_nor_days_gain_anything(mirrored):
    bars = market(6, 300, a_session=3, drift=0.002, over_night=0.004)
    worlds = NullWorlds.of(bars, seed=1, mirrored=mirrored)
    night = np.r_[False, bars.session[1:] != bars.session[:-1]][1:]

    gaps = of_all(worlds, 60, lambda world: np.expm1(shapes_of(world)[0]))
    bodies = of_all(worlds, 60, lambda world: np.expm1(shapes_of(world)[1]))
    nights = np.tile(night, 60)

    for moves in (gaps[nights], gaps[~nights], bodies[nights], bodies[~nights]):
        assert abs(moves.mean()) < 4 * moves.std() / np.sqrt(len(moves))
    assert np.expm1(shapes_of(bars)[1]).mean() > 0.0019


def test_direction_cannot_be_told_from_the_bar_before():
    """Drawn blocks keep the momentum of their bars; coins take it out."""
    bars = market(7, 1500, rho=0.6)

    def memory(world):
        moves = np.diff(np.log(world.close))
        return [np.corrcoef(moves[1:], moves[:-1])[0, 1]]

    mirrored = of_all(NullWorlds.of(bars, seed=1, block=10.0), 20, memory)
    blocks = of_all(NullWorlds.of(bars, seed=1, block=10.0, mirrored=False), 20, memory)

    assert memory(bars)[0] > 0.35
    assert abs(mirrored.mean()) < 0.03
    assert blocks.mean() > 0.3


def test_nothing_happens_to_holders():
    flat = {"dividend": np.zeros(50), "split": np.ones(50), "funding": np.zeros(50)}
    flat["dividend"][20], flat["split"][30], flat["funding"][10] = 2.0, 4.0, 0.01
    bars = market(8, 50, **flat)

    world = NullWorlds.of(bars, seed=1).world(0)

    assert not world.has_dividends
    assert not world.has_splits
    assert not world.has_funding
    assert world.dividend is not None


def test_splits_and_dividends_are_no_gaps():
    bars = market(9, 60)
    split = np.ones(60)
    split[30] = 4.0
    ratio = np.where(np.arange(60) >= 30, 4.0, 1.0)
    prices = {name: getattr(bars, name) / ratio for name in PRICES}
    paid = np.zeros(60)
    paid[45] = 1.5

    cut = NullWorlds.of(replace(bars, **prices, split=split), seed=1)
    plain = NullWorlds.of(bars, seed=1)
    drop = NullWorlds.of(replace(bars, dividend=paid), seed=1)

    assert cut._shapes.gap == pytest.approx(plain._shapes.gap, abs=1e-12)
    assert drop._shapes.gap[45] == pytest.approx(log((bars.open[45] + 1.5) / bars.close[44]))


def test_a_search_runs_on_a_world_as_on_the_real_one():
    bars = market(10, 60, a_session=7)
    sets = [{"fast": fast, "slow": slow} for fast, slow in ((5, 30), (10, 30), (90, 450))]
    options = EngineOptions(intraday=True, max_participation=0.5, cash_rate=0.05)

    found = sweep(
        EMACrossoverStrategy,
        NullWorlds.of(bars, seed=1).world(0),
        sets,
        options,
        CostModel(bps=1.0),
        threads=1,
    )

    assert not found.errors
    assert np.isfinite(found.rows.daily).all()
    # As docs/trust.md says it.
    idle = found.column("trades") + found.column("open_trades") == 0
    search = ReturnMatrix.of(found.rows.daily.T, idle=idle)
    assert (search.sessions, search.lanes, search.traded.tolist()) == (60, 3, [0, 1])


def with_finer_bars(fine):
    """Bars of four of these each, and these as their finer bars."""
    groups = np.arange(0, len(fine), 4)
    return make_bars(
        fine.open[groups],
        np.maximum.reduceat(fine.high, groups),
        np.minimum.reduceat(fine.low, groups),
        fine.close[groups + 3],
        session=fine.session[groups],
        minute=fine.minute[groups],
        timeframe=Timeframe.H4,
    ), Detail(
        Timeframe.H1,
        fine.ts.copy(),
        *(column.copy() for column in (fine.open, fine.high, fine.low, fine.close)),
        np.append(groups, len(fine)),
    )


@pytest.mark.parametrize("mirrored", [True, False])
def test_finer_bars_go_with_their_bar(mirrored):
    bars, detail = with_finer_bars(market(13, 30, a_session=12, drift=0.001))

    world = NullWorlds.of(replace(bars, detail=detail), seed=4, mirrored=mirrored).world(0)

    finer = world.detail
    assert finer.ts.tolist() == detail.ts.tolist()
    assert finer.first.tolist() == detail.first.tolist()
    assert np.maximum.reduceat(finer.high, finer.first[:-1]) == pytest.approx(world.high, rel=1e-12)
    assert np.minimum.reduceat(finer.low, finer.first[:-1]) == pytest.approx(world.low, rel=1e-12)
    assert finer.open[::4] == pytest.approx(world.open, rel=1e-12)
    assert finer.close[3::4] == pytest.approx(world.close, rel=1e-12)
    assert (states_of(world, finer) == FITS).all()


def test_bars_without_finer_ones_give_none():
    bars, detail = with_finer_bars(market(14, 10, a_session=4))
    first = detail.first.copy()
    first[4:] -= 4  # those of bar 3 are missing
    kept = np.r_[0:12, 16:40]
    cut = {name: getattr(detail, name)[kept] for name in ("ts", "open", "high", "low", "close")}
    gappy = replace(bars, detail=replace(detail, **cut, first=first))

    lacking = 0
    for world in NullWorlds.of(gappy, seed=5, block=1.0).worlds(20):
        counts = np.diff(world.detail.first)
        assert counts[3] == 0
        lacking += int((counts == 0).sum()) - 1
        assert ((states_of(world, world.detail) == FITS) == (counts > 0)).all()
        assert set(counts.tolist()) <= {0, 4}
        inside = np.repeat(world.ts, counts)
        assert ((world.detail.ts >= inside) & (world.detail.ts < inside + US_PER_DAY)).all()
    assert lacking > 5


def test_symbols_of_one_calendar_are_drawn_together():
    one = market(15, 400)
    noise = np.exp(0.002 * np.random.default_rng(1).standard_normal(400))
    two = replace(one, **{name: getattr(one, name) * noise for name in PRICES})

    def moves(bars):
        return np.diff(np.log(bars.close))

    first, second = (NullWorlds.of(bars, seed=6, block=8.0).world(2) for bars in (one, two))

    assert np.corrcoef(moves(one), moves(two))[0, 1] > 0.9
    assert np.corrcoef(moves(first), moves(second))[0, 1] > 0.9


@pytest.mark.parametrize("sessions", [1, 2])
def test_short_markets_have_worlds_too(sessions):
    world = NullWorlds.of(market(11, sessions, a_session=5), seed=1).world(0)

    assert len(world) == 5 * sessions
    assert np.isnan(NullWorlds.of(make_bars([1.0, 2.0]), seed=1).world(0).volume).all()


def test_what_is_no_world_is_refused():
    with pytest.raises(InvalidInput, match="TEST has 1 bars"):
        NullWorlds.of(make_bars([1.0]), seed=1)
    with pytest.raises(InvalidInput, match="seed is -1"):
        NullWorlds.of(make_bars([1.0, 2.0]), seed=-1)
    with pytest.raises(InvalidInput, match=r"block is 0\.5"):
        NullWorlds.of(make_bars([1.0, 2.0]), seed=1, block=0.5)
    with pytest.raises(InvalidInput, match="number is -1"):
        NullWorlds.of(make_bars([1.0, 2.0]), seed=1).world(-1)


# The winner among winners ---------------------------------------------------------------------


def test_p_is_the_place_of_the_winner_among_all():
    assert compare_with_worlds(2.0, [1.0, 2.0, 3.0, None, nan]).p == 3 / 6
    assert compare_with_worlds(9.0, np.arange(9.0)).p == 1 / 10
    assert compare_with_worlds(-1.0, [0.0] * 9).p == 1.0
    assert compare_with_worlds(2.0, [1.0, 2.0, 3.0]).above == 2


def test_without_a_winner_or_worlds_there_is_no_p():
    assert compare_with_worlds(None, [1.0]).reason == "nothing won the search"
    assert compare_with_worlds(nan, [1.0]).p is None
    assert compare_with_worlds(1.0, []).reason == "the search was not run on worlds without edge"
    assert compare_with_worlds(float("inf"), [1.0]).p is None
