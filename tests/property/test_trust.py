"""What must not change what is said of a search: order, scale and copies of its lanes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.trust.axes import Axis
from core.trust.deflated import deflated_sharpe, effective_trials
from core.trust.matrix import ReturnMatrix
from core.trust.overfitting import overfitting
from core.trust.sensitivity import sensitivity
from core.trust.snooping import superior_ability
from core.trust.stability import stability
from core.trust.worlds import NullWorlds
from tests.factories import random_bars

EXAMPLES = settings(max_examples=25, deadline=None)
SEEDS = st.integers(0, 2**32 - 1)


def lanes_of(rng: np.random.Generator) -> np.ndarray:
    """A search: some lanes are alike, some rest for a while, some never trade; N may exceed T."""
    sessions, lanes = int(rng.integers(32, 90)), int(rng.integers(3, 120))
    common = rng.standard_normal((sessions, 3))
    returns = common[:, rng.integers(0, 3, lanes)] * rng.random(lanes)
    returns += rng.standard_normal((sessions, lanes))
    returns[: sessions // 3, rng.random(lanes) < 0.2] = 0.0
    returns[:, rng.random(lanes) < 0.1] = 0.0
    returns[:, :2] = rng.standard_normal((sessions, 2))
    return 0.01 * returns


def figures(returns: np.ndarray, winner: int) -> list[float | None]:
    search = ReturnMatrix.of(returns)
    deflated = deflated_sharpe(search, winner)
    overfitted = overfitting(search, blocks=6)
    test = superior_ability(search, np.random.default_rng(1), draws=40, block=3.0)
    return [
        deflated.value,
        deflated.upper,
        deflated.effective,
        overfitted.loss,
        overfitted.slope,
        test.p,
        test.lower,
        test.upper,
        test.statistic,
    ]


@EXAMPLES
@given(SEEDS)
def test_the_order_of_lanes_does_not_matter(seed):
    rng = np.random.default_rng(seed)
    returns = lanes_of(rng)
    order = rng.permutation(returns.shape[1])

    moved = figures(returns[:, order], int(np.flatnonzero(order == 0)[0]))

    assert moved == pytest.approx(figures(returns, 0), rel=1e-6)


@EXAMPLES
@given(SEEDS)
def test_the_scale_of_lanes_does_not_matter(seed):
    rng = np.random.default_rng(seed)
    returns = lanes_of(rng)
    scales = np.exp(rng.uniform(-3, 3, returns.shape[1]))

    assert figures(returns * scales, 0) == pytest.approx(figures(returns, 0), rel=1e-6)
    one, other = (overfitting(ReturnMatrix.of(each), blocks=6) for each in (returns, returns * 4))
    assert (one.pbo, one.winners.tolist()) == (other.pbo, other.winners.tolist())


@EXAMPLES
@given(SEEDS, st.integers(2, 4))
def test_copies_of_every_lane_are_no_new_trials(seed, copies):
    returns = lanes_of(np.random.default_rng(seed))

    search = ReturnMatrix.of(returns)
    once = effective_trials(search)
    often = effective_trials(ReturnMatrix.of(np.tile(returns, (1, copies)) * -1))

    # Lanes less alike than chance allows count in full, and no more; of copies that is not known.
    if once < len(search.traded):
        assert often == pytest.approx(once, rel=1 / len(returns))
    assert once <= often * (1 + 1e-9) <= 1.5 * once


@EXAMPLES
@given(SEEDS)
def test_more_trials_never_help_a_winner(seed):
    search = ReturnMatrix.of(lanes_of(np.random.default_rng(seed)))
    counts = [search.lanes, 2 * search.lanes, 1000 * search.lanes]

    values = [deflated_sharpe(search, 0, trials=count).value for count in counts]

    assert values == sorted(values, reverse=True)


@EXAMPLES
@given(SEEDS, st.booleans())
def test_neither_units_nor_order_of_trials_change_a_choice(seed, grid):
    rng = np.random.default_rng(seed)
    count = int(rng.integers(10, 60))
    columns = [rng.integers(0, 6, count).astype(float), rng.integers(0, 9, count).astype(float)]
    objective = rng.standard_normal(count)
    objective[rng.random(count) < 0.2] = np.nan
    # Equal trials have equal scores, and every distance is another.
    _, first, of = np.unique(np.stack(columns), axis=1, return_index=True, return_inverse=True)
    objective = objective[first][of.ravel()]
    order = rng.permutation(count)

    plain = stability([Axis("a", columns[0]), Axis("b", columns[1])], objective, grid=grid)
    other = stability(
        [Axis("a", 1000 * columns[0][order] + 8), Axis("b", columns[1][order] / 16)],
        objective[order],
        grid=grid,
    )

    if grid:
        assert other.smoothed == pytest.approx(plain.smoothed[order], nan_ok=True)
        assert other.neighbours.tolist() == plain.neighbours[order].tolist()
    assert (plain.chosen is None) == (other.chosen is None)
    if plain.peak is not None:
        assert objective[order][other.peak] == objective[plain.peak]


@EXAMPLES
@given(SEEDS)
def test_rank_correlation_does_not_mind_how_scores_are_stretched(seed):
    rng = np.random.default_rng(seed)
    axis = Axis("a", rng.integers(0, 9, 30).astype(float))
    scores = rng.standard_normal(30)

    (plain,) = sensitivity([axis], scores, seed=1).effects
    (stretched,) = sensitivity([axis], np.exp(scores), seed=1).effects
    (turned,) = sensitivity([axis], -scores, seed=1).effects

    assert stretched.spearman == pytest.approx(plain.spearman, rel=1e-12)
    assert turned.spearman == pytest.approx(-plain.spearman, rel=1e-12)


@EXAMPLES
@given(SEEDS, st.booleans())
def test_every_world_is_a_market(seed, mirrored):
    """The bars check themselves: positive prices, low and high around open and close."""
    bars = random_bars(seed, 60, sessions=seed % 5 + 1)

    world = NullWorlds.of(bars, seed=seed, mirrored=mirrored).world(seed % 3)

    assert len(world) == 60
    assert world.session.tolist() == bars.session.tolist()
    assert np.isin(world.volume[~np.isnan(world.volume)], bars.volume).all()
