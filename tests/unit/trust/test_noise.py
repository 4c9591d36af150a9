"""Searches of pure noise: how often each judge is fooled. Seeds are fixed."""

from __future__ import annotations

import numpy as np

from core.domain.bars import Bars
from core.trust.deflated import deflated_sharpe
from core.trust.overfitting import overfitting
from core.trust.snooping import superior_ability
from core.trust.worlds import NullWorlds, compare_with_worlds
from tests.factories import make_bars
from tests.unit.trust.searches import chance_of_uniform, search

SEARCHES = 200
SESSIONS, LANES = 252, 60
WORLDS = 19


def test_the_judge_of_uniform_numbers_can_judge():
    rng = np.random.default_rng(1)

    assert chance_of_uniform(rng.random(200)) > 0.01
    assert chance_of_uniform(rng.random(200) ** 1.5) < 0.001
    assert chance_of_uniform(0.5 + 0.5 * rng.random(200)) < 0.001


def test_a_search_of_noise_is_seldom_believed():
    """200 searches: the deflated ratio, the overfitting and the test against chance of each."""
    deflated, plain, shares, chances = [], [], [], []
    for seed in range(SEARCHES):
        noise = search(1000 + seed, SESSIONS, LANES)
        winner = int(noise.ratios().argmax())
        found = deflated_sharpe(noise, winner)
        deflated.append(found.value)
        plain.append(found.probability)
        shares.append(overfitting(noise, blocks=10).pbo)
        rng = np.random.default_rng(seed)
        chances.append(superior_ability(noise, rng, draws=199, block=1.0).p)

    assert np.mean(np.array(deflated) > 0.95) <= 0.05
    assert np.mean(np.array(plain) > 0.95) > 0.9  # what one would have believed
    assert abs(np.mean(shares) - 0.5) < 0.05
    assert chance_of_uniform(np.array(chances)) > 0.001


def walk(rng) -> Bars:
    """A year of a market without edge: open, close and wicks at random."""
    gap, body = 0.003 * rng.standard_normal(SESSIONS), 0.01 * rng.standard_normal(SESSIONS)
    moved = np.cumsum(gap + body)
    opens, closes = 100 * np.exp(moved - body), 100 * np.exp(moved)
    up, down = np.exp(0.004 * rng.random((2, SESSIONS)))
    return make_bars(
        opens, np.maximum(opens, closes) * up, np.minimum(opens, closes) / down, closes
    )


def best_of_a_search(bars: Bars) -> float:
    """Greatest Sharpe ratio of 24 crossovers, long and short, decided at a close, held a day."""
    levels = np.cumsum(np.r_[0.0, np.log(bars.close)])
    averages = {
        length: (levels[length:] - levels[:-length])[-SESSIONS + 40 :] / length
        for length in (1, 2, 3, 5, 8, 12, 20, 40)
    }
    moves = np.diff(bars.close)[-SESSIONS + 40 :] / bars.close[-SESSIONS + 39 : -1]
    lanes = np.stack(
        [
            np.sign(averages[fast] - averages[slow])
            for fast in (1, 2, 3, 5)
            for slow in (8, 12, 20, 40)
        ],
        axis=1,
    )
    returns = lanes[:-1] * moves[1:, None]
    return float((returns.mean(axis=0) / returns.std(axis=0)).max())


def test_p_of_null_worlds_is_uniform_where_there_is_no_edge():
    chances = []
    for seed in range(SEARCHES):
        bars = walk(np.random.default_rng(5000 + seed))
        worlds = NullWorlds.of(bars, seed=seed)
        others = [best_of_a_search(world) for world in worlds.worlds(WORLDS)]
        chances.append(compare_with_worlds(best_of_a_search(bars), others).p)

    # p stands on steps of 1 / (K + 1); a uniform part of a step makes it continuous.
    steps = np.random.default_rng(1).random(SEARCHES) / (WORLDS + 1)
    assert chance_of_uniform(np.array(chances) - steps) > 0.001


def test_p_of_null_worlds_finds_an_edge_of_momentum():
    rng = np.random.default_rng(7)
    bars = walk(rng)
    body = np.log(bars.close / bars.open)
    for row in range(1, SESSIONS):
        body[row] += 0.5 * body[row - 1]
    closes = 100 * np.exp(np.cumsum(body))
    trending = make_bars(np.r_[100.0, closes[:-1]], None, None, closes)
    worlds = NullWorlds.of(trending, seed=1)

    found = compare_with_worlds(
        best_of_a_search(trending), [best_of_a_search(world) for world in worlds.worlds(99)]
    )

    assert found.p <= 0.02
