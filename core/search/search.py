"""A search: ask a sampler for sets of parameters, have them evaluated, tell it, until it ends.

What is evaluated and how is the caller's: a sweep, a shard of one elsewhere, or a table. A search
is a function of its spec and of these answers, so finished batches that are handed in again are
replayed instead of evaluated, and the search goes on as if it had never stopped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import isfinite
from typing import Any, Literal

import numpy as np

from core.domain.bars import FloatArray
from core.domain.parameters import ParamValue
from core.domain.study import ADAPTIVE, StudySpec, Trial
from core.errors import Cancelled, Conflict, InvalidInput
from core.search.level import Level
from core.search.pareto import front, knee
from core.search.samplers import Sampler, sampler_for
from core.search.space import Params, Space, canonical

BARREN = 5
"""Batches in a row without a set that is new, after which there is nothing more to find."""


@dataclass(frozen=True, eq=False, slots=True)
class Evaluations:
    """What became of some sets of parameters.

    Attributes:
        columns: Of each metric the study needs, shape (N,), NaN where undefined.
        errors: Why a set has no metrics, by its place.
        reasons: Why a metric is undefined, by place and name; where absent, that it is.
    """

    columns: Mapping[str, FloatArray]
    errors: Mapping[int, str] = field(default_factory=dict)
    reasons: Mapping[tuple[int, str], str] = field(default_factory=dict)


Evaluate = Callable[[Sequence[Params]], Evaluations]


@dataclass(frozen=True, eq=False, slots=True)
class Batch:
    """A finished batch; hand it in again to resume.

    Attributes:
        number: From 0.
        params: The sets that were evaluated: those that no batch before had.
        evaluations: What became of them, in the same order.
        repeats: Sets that the sampler asked for though they were known; need not be kept.
    """

    number: int
    params: tuple[Mapping[str, ParamValue], ...]
    evaluations: Evaluations
    repeats: int = 0


@dataclass(frozen=True, slots=True)
class SearchProgress:
    """How far a search has come.

    Attributes:
        batch: Batches finished.
        trials: Sets evaluated.
        total: Sets there may be at most.
        eligible: Trials that take part.
        best: Number of the best trial so far; with several objectives that at the bend.
    """

    batch: int
    trials: int
    total: int
    eligible: int
    best: int | None


Stopped = Literal["complete", "exhausted", "no_improvement"]


@dataclass(frozen=True, eq=False, slots=True)
class SearchResult:
    """What a search found.

    Attributes:
        trials: In the order in which they were asked for, each set once.
        best: Number of the best trial by the objective; with several that at the bend of the front;
            None if no trial is eligible.
        front: Numbers of the trials that no other beats in all objectives.
        scores: Of the trials, shape (N, objectives), more is better; NaN where not eligible.
        stopped: Why it ended: all trials were made, nothing new was to be found, or a method that
            learns had not raised the smoothed objective for `patience` batches.
        batches: How many there were.
        repeats: Sets that were asked for again, answered from memory.
        refused_share: Of all sets looked at, those that broke the constraints.
    """

    trials: tuple[Trial, ...]
    best: int | None
    front: tuple[int, ...]
    scores: FloatArray
    stopped: Stopped
    batches: int
    repeats: int
    refused_share: float

    def best_by(self, objective: int) -> int | None:
        """Give the number of the best trial by one objective; the first of equal ones."""
        column = self.scores[:, objective]
        return int(np.nanargmax(column)) if np.isfinite(column).any() else None


def search(
    spec: StudySpec,
    space: Space,
    evaluate: Evaluate,
    *,
    done: Iterable[Batch] = (),
    on_batch: Callable[[Batch, SearchProgress], object] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> SearchResult:
    """Search.

    Args:
        spec: What is looked for, and how.
        space: Where: `Space.of_study(spec, ...)`.
        evaluate: Asked for sets that were never evaluated before, all of a batch at once and never
            none; answers in their order.
        done: Batches of an earlier search of the same spec, in order from 0; not evaluated again,
            and not handed to `on_batch`.
        on_batch: Called after each batch that was evaluated here.
        cancelled: Asked before each batch; true ends the search.

    Raises:
        Cancelled: `cancelled` said so; what was finished went to `on_batch`.
        Conflict: a batch of `done` is not what this search asks for.
        InvalidInput: `evaluate` gave columns of another length, or not all; constraints that hold
            next to nowhere.
    """
    return _Search(spec, space, evaluate).run(list(done), on_batch, cancelled or (lambda: False))


class _Search:
    def __init__(self, spec: StudySpec, space: Space, evaluate: Evaluate) -> None:
        self._spec, self._space, self._evaluate = spec, space, evaluate
        self._sampler: Sampler = sampler_for(spec, space)
        self._trials: list[Trial] = []
        self._scores: list[tuple[float, ...] | None] = []
        self._known: dict[Any, int] = {}
        self._repeats = self._eligible = 0
        self._best: int | None = None
        self._front: tuple[int, ...] = ()
        # Looked at only where somebody may stop by it.
        may_stop = spec.method in ADAPTIVE and spec.patience > 0
        is_single = len(spec.objectives) == 1
        self._level = Level(space.dimensions) if may_stop and is_single else None

    def run(
        self,
        done: Sequence[Batch],
        on_batch: Callable[[Batch, SearchProgress], object] | None,
        cancelled: Callable[[], bool],
    ) -> SearchResult:
        number = idle = barren = 0
        stopped: Stopped = "complete"
        while (left := self._spec.trials - len(self._trials)) > 0:
            asked = self._sampler.ask(min(self._spec.batch, left))
            if not asked:
                stopped = "complete" if self._spec.method == "grid" else "exhausted"
                break
            if number >= len(done) and cancelled():
                raise Cancelled(f"the search was cancelled after {number} batches")
            batch = self._batch(number, asked, done)
            is_better = self._take(batch)
            self._sampler.tell([self._scores[self._known[canonical(each)]] for each in asked])
            number += 1
            idle = 0 if is_better else idle + 1
            barren = 0 if batch.params else barren + 1
            if number > len(done) and on_batch is not None:
                on_batch(batch, self._progress(number))
            if barren == BARREN:
                stopped = "exhausted"
                break
            if self._spec.method in ADAPTIVE and 0 < self._spec.patience == idle:
                stopped = "no_improvement"
                break
        if len(done) > number:
            raise Conflict(
                f"{len(done)} batches are handed in and the search has {number}",
                expected="batches of the same search",
                hint="the spec, the data or the code has changed: search anew",
            )
        return self._result(number, stopped)

    def _batch(self, number: int, asked: Sequence[Params], done: Sequence[Batch]) -> Batch:
        new: dict[Any, Params] = {}
        for each in asked:
            if (key := canonical(each)) not in self._known:
                new.setdefault(key, each)
        params = tuple(new.values())
        if number < len(done):
            batch = replace(done[number], repeats=len(asked) - len(new))
            stored = [canonical(each) for each in batch.params]
            if batch.number != number or stored != list(new):
                raise Conflict(
                    f"batch {batch.number} is handed in as batch {number} of another search",
                    expected=f"the {len(new)} sets that this search asks for there",
                    hint="the spec, the results so far or the sampler has changed: search anew",
                )
        else:
            answers = self._evaluate(params) if params else Evaluations({})
            batch = Batch(number, params, answers, len(asked) - len(params))
        self._check(batch)
        return batch

    def _check(self, batch: Batch) -> None:
        for name in self._spec.metrics if batch.params else ():
            column = batch.evaluations.columns.get(name)
            if column is None or np.shape(column) != (len(batch.params),):
                found = "nothing" if column is None else f"shape {np.shape(column)}"
                raise InvalidInput(
                    f"batch {batch.number} was answered with {found} for {name}",
                    expected=f"shape ({len(batch.params)},)",
                )

    def _take(self, batch: Batch) -> bool:
        """Make trials of a batch; say whether they raise the level, or the front."""
        answers, first = batch.evaluations, len(self._trials)
        self._repeats += batch.repeats
        if not batch.params:
            return False
        values = [each.values(answers.columns) for each in self._spec.objectives]
        held = [each.holds(answers.columns) for each in self._spec.requirements]
        for place, params in enumerate(batch.params):
            row = tuple(float(column[place]) for column in values)
            reason = self._reason(place, answers, held, row)
            self._known[canonical(params)] = len(self._trials)
            self._trials.append(
                Trial(
                    number=len(self._trials),
                    batch=batch.number,
                    params=params,
                    values=tuple(
                        value if isfinite(value) and place not in answers.errors else None
                        for value in row
                    ),
                    reason=reason,
                )
            )
            signs = [1.0 if each.is_maximized else -1.0 for each in self._spec.objectives]
            score = tuple(sign * value for sign, value in zip(signs, row, strict=True))
            self._scores.append(score if reason is None else None)
            self._eligible += reason is None
        is_better = self._improve(first)
        if self._level is None:
            return is_better
        scores = [np.nan if each is None else each[0] for each in self._scores[first:]]
        return self._level.rises(batch.params, scores)

    def _reason(
        self, place: int, answers: Evaluations, held: Sequence[Any], row: tuple[float, ...]
    ) -> str | None:
        if place in answers.errors:
            return answers.errors[place]
        for requirement, column in zip(self._spec.requirements, held, strict=True):
            if not column[place]:
                undefined = self._undefined(place, requirement.metrics, answers)
                known = {name: float(answers.columns[name][place]) for name in requirement.metrics}
                return undefined or requirement.reason(known)
        for objective, value in zip(self._spec.objectives, row, strict=True):
            if not isfinite(value):
                undefined = self._undefined(place, objective.metrics, answers)
                return undefined or f"{objective.metric} is not a finite number"
        return None

    @staticmethod
    def _undefined(place: int, metrics: Sequence[str], answers: Evaluations) -> str | None:
        for name in metrics:
            if not isfinite(float(answers.columns[name][place])):
                why = answers.reasons.get((place, name))
                return f"{name} is not defined" + (f": {why}" if why else "")
        return None

    def _improve(self, first: int) -> bool:
        """Bring the best, or the front, up to date with the trials from `first` on."""
        if len(self._spec.objectives) == 1:
            before = self._best
            for number in range(first, len(self._trials)):
                score = self._scores[number]
                best = None if self._best is None else self._scores[self._best]
                if score is not None and (best is None or score[0] > best[0]):
                    self._best = number
            self._front = () if self._best is None else (self._best,)
            return self._best != before
        rows = [*self._front, *range(first, len(self._trials))]
        scores = self._table(rows)
        members = front(scores)
        found = tuple(rows[member] for member in members)
        is_better = any(number >= first for number in found)
        self._front = found
        bend = knee(scores, members)
        self._best = None if bend is None else rows[bend]
        return is_better

    def _table(self, rows: Sequence[int]) -> FloatArray:
        nothing = (np.nan,) * len(self._spec.objectives)
        table = [self._scores[row] or nothing for row in rows]
        return np.array(table, dtype=np.float64).reshape(len(rows), len(nothing))

    def _progress(self, batches: int) -> SearchProgress:
        return SearchProgress(
            batches, len(self._trials), self._spec.trials, self._eligible, self._best
        )

    def _result(self, batches: int, stopped: Stopped) -> SearchResult:
        return SearchResult(
            trials=tuple(self._trials),
            best=self._best,
            front=self._front,
            scores=self._table(range(len(self._trials))),
            stopped=stopped,
            batches=batches,
            repeats=self._repeats,
            refused_share=self._sampler.refused / max(1, self._sampler.asked),
        )
