"""Samplers: who chooses the next sets of parameters, by what became of the last.

All ask and tell in batches and on one thread, and are told in the order in which they asked. What a
sampler asks for is a function of its seed and of what it was told, and of nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import prod
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np

from core.domain.bars import FloatArray, IntArray
from core.domain.study import StudySpec
from core.search.ordering import Ordering
from core.search.sobol import sobol
from core.search.space import LISTED, Params, Space

if TYPE_CHECKING:
    import optuna

Score = tuple[float, ...]

MOST_DRAWS = 10_000_000
"""Sets drawn, at most, in search of those that meet the constraints."""
MOST_REFUSED = 8
"""Sets in a row that break the constraints, before one that does not is drawn at random instead."""
SHUFFLED = 200_000
"""Sets of a grid that are rather shuffled than drawn."""


class Seeds(NamedTuple):
    """Seeds of the parts of a study, all made of its own: no part draws another's numbers."""

    sampler: int
    bootstrap: int


def seeds_of(seed: int) -> Seeds:
    """Make the seeds of a study's parts."""
    parts = np.random.SeedSequence(seed).spawn(len(Seeds._fields))
    return Seeds(*(int(part.generate_state(1)[0]) for part in parts))


class Sampler(Protocol):
    """Chooses sets.

    Attributes:
        asked: Sets looked at so far, those that break constraints included.
        refused: Of these, those that break constraints.
    """

    asked: int
    refused: int

    def ask(self, count: int) -> list[Params]:
        """Choose sets that meet all constraints; fewer where there are no more, none at the end."""
        ...

    def tell(self, scores: Sequence[Score | None]) -> None:
        """Say what became of the sets of the last `ask`, in its order; None where not eligible."""
        ...


def sampler_for(spec: StudySpec, space: Space) -> Sampler:
    """Make the sampler of a study.

    Raises:
        InvalidInput: a grid without steps, or of more than two million sets; no set can meet the
            constraints.
    """
    seed = seeds_of(spec.seed).sampler
    if spec.method == "grid":
        return _Listed(space, space.grid())
    if spec.method in {"random", "sobol"}:
        return _undirected(spec, space, seed)
    return _Learning(spec, space, seed)


def _undirected(spec: StudySpec, space: Space, seed: int) -> Sampler:
    if _is_listable(space):
        places = space.grid()
        is_all = len(places) <= spec.trials
        logarithmic = any(each.log for each in space.dimensions.values())
        if is_all or (spec.method == "random" and len(places) <= SHUFFLED and not logarithmic):
            return _Listed(space, np.random.default_rng(seed).permutation(places))
    points = _random if spec.method == "random" else _sobol
    return _Drawn(space, points(seed, len(space.names)))


def _at_random(space: Space, seed: int) -> Sampler:
    """Draw sets that meet the constraints, each once, until there are no more."""
    if _is_listable(space):
        return _Listed(space, np.random.default_rng(seed).permutation(space.grid()))
    return _Drawn(space, _random(seed, len(space.names)))


def _is_listable(space: Space) -> bool:
    if space.is_continuous:
        return False
    return prod(len(each) for each in space.dimensions.values()) <= LISTED


class _Listed:
    """Takes the sets of a list one after another."""

    def __init__(self, space: Space, places: IntArray) -> None:
        self._space, self._places, self._next = space, places, 0
        self.asked = self.refused = 0

    def ask(self, count: int) -> list[Params]:
        rows = self._places[self._next : self._next + count]
        self._next += len(rows)
        self.asked += len(rows)
        return self._space.sets(rows)

    def tell(self, scores: Sequence[Score | None]) -> None:
        """Learn nothing."""


class _Points(Protocol):
    def __call__(self, count: int) -> FloatArray: ...


def _random(seed: int, dimensions: int) -> _Points:
    generator = np.random.default_rng(seed)
    return lambda count: generator.random((count, dimensions))


def _sobol(seed: int, dimensions: int) -> _Points:
    taken = 0

    def points(count: int) -> FloatArray:
        nonlocal taken
        taken += count
        return sobol(count, dimensions, skip=taken - count, seed=seed)

    return points


class _Drawn:
    """Draws points and leaves out those that break constraints or were there before.

    So every set that meets the constraints is as likely as every other, or as evenly covered.
    """

    def __init__(self, space: Space, points: _Points) -> None:
        self._space, self._seen = space, set[Any]()
        self._stream = self._draw(points)
        self.asked = self.refused = 0

    def ask(self, count: int) -> list[Params]:
        found: list[Params] = []
        for params in self._stream:
            found.append(params)
            if len(found) == count:
                break
        return found

    def tell(self, scores: Sequence[Score | None]) -> None:
        """Learn nothing."""

    def _draw(self, points: _Points) -> Iterator[Params]:
        drawn, block = 0, 1_024
        while drawn < MOST_DRAWS:
            columns = self._space.from_units(points(block))
            held = self._space.feasible(columns)
            self.asked += block
            self.refused += block - int(held.sum())
            rows = zip(*(column[held].tolist() for column in columns.values()), strict=True)
            for row in rows:
                if row not in self._seen:
                    self._seen.add(row)
                    yield dict(zip(self._space.names, row, strict=True))
            drawn += block


class _Learning:
    """A sampler of Optuna, asked and told in batches; its study lives in memory only."""

    def __init__(self, spec: StudySpec, space: Space, seed: int) -> None:
        import optuna  # noqa: PLC0415 - takes long, and most processes never search

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._fail = optuna.trial.TrialState.FAIL
        self._space, self._ordering = space, Ordering(space)
        self._distributions = {
            name: _distribution(coordinate.length, space, name)
            for name, coordinate in self._ordering.coordinates.items()
        }
        self._study = optuna.create_study(
            sampler=_sampler(spec, seed), directions=["maximize"] * len(spec.objectives)
        )
        self._waiting: list[optuna.Trial] = []
        self._others = _at_random(space, seed)
        self.asked = self.refused = 0

    def ask(self, count: int) -> list[Params]:
        found: list[Params] = []
        self._waiting = []
        while len(found) < count:
            params = self._next()
            if params is None:
                break
            found.append(params)
        return found

    def _next(self) -> Params | None:
        """Ask until a set meets the constraints; None if nobody knows one."""
        for _ in range(MOST_REFUSED):
            trial = self._study.ask(self._distributions)
            params = self._ordering.decode(trial.params)
            self.asked += 1
            if self._space.holds(params):
                self._waiting.append(trial)
                return params
            self._study.tell(trial, state=self._fail)
            self.refused += 1
        drawn = self._others.ask(1)
        if not drawn:
            return None
        # What is enqueued is what is asked for next, whatever the sampler would like.
        self._study.enqueue_trial(self._ordering.encode(drawn[0]))
        self._waiting.append(self._study.ask(self._distributions))
        self.asked += 1
        return drawn[0]

    def tell(self, scores: Sequence[Score | None]) -> None:
        for trial, score in zip(self._waiting, scores, strict=True):
            if score is None:
                self._study.tell(trial, state=self._fail)
            else:
                self._study.tell(trial, list(score))
        self._waiting = []


def _sampler(spec: StudySpec, seed: int) -> optuna.samplers.BaseSampler:
    from optuna import samplers  # noqa: PLC0415 - as above

    if spec.method == "bayesian":
        return samplers.TPESampler(multivariate=True, constant_liar=True, seed=seed)
    if spec.method == "cmaes":
        return samplers.CmaEsSampler(popsize=spec.batch, seed=seed, warn_independent_sampling=False)
    return samplers.NSGAIISampler(
        population_size=spec.batch,
        mutation_prob=spec.breeding.mutation,
        crossover_prob=spec.breeding.crossover,
        seed=seed,
    )


def _distribution(
    length: int | None, space: Space, name: str
) -> optuna.distributions.BaseDistribution:
    from optuna.distributions import (  # noqa: PLC0415 - as above
        CategoricalDistribution,
        FloatDistribution,
        IntDistribution,
    )

    if length is None:
        return FloatDistribution(0.0, 1.0)
    if not space.dimensions[name].is_ordered:
        return CategoricalDistribution(tuple(range(length)))
    return IntDistribution(0, length - 1)
