"""How a search stands while it goes on: looked at now and then, told in a table and in words."""

from __future__ import annotations

from collections.abc import Sequence
from time import perf_counter

from core.domain.ranking import MOST_RANKED, Ranking
from core.domain.study import StudySpec
from core.engine.sweep import Progress
from core.search.lanes import evaluations_of
from core.search.leader import Leader, leaders_of, merged, words_of
from core.search.search import Evaluations
from core.search.space import Params

LOOK_SECONDS = 1.0
"""So often at most, and not before: a look takes the time of a hundred trials from the search."""
LOOK_SHARE = 0.05
"""Of the time at most, however many trials there are."""


class Standing:
    """The best trials so far of a search."""

    def __init__(self, spec: StudySpec) -> None:
        self._spec = spec
        self._before: list[Leader] = []
        self._trials = 0
        self._look_at = perf_counter() + LOOK_SECONDS
        self.ranking = Ranking(0, is_whole=False, rows=())

    def look(self, sets: Sequence[Params], progress: Progress) -> None:
        """Rank what is finished of a batch among the batches before, if it is time to."""
        began = perf_counter()
        # A front takes long to find, so it is told of finished batches only.
        if began < self._look_at or progress.so_far is None or len(self._spec.objectives) > 1:
            return
        answers = evaluations_of(progress.so_far(), self._spec.metrics)
        found = leaders_of(self._spec, sets, answers, first=self._trials)
        self._show(merged(self._before, found), self._trials + progress.lanes)
        now = perf_counter()
        self._look_at = now + max(LOOK_SECONDS, (now - began) / LOOK_SHARE)

    def take(self, sets: Sequence[Params], answers: Evaluations) -> None:
        """Rank a finished batch among those before."""
        found = leaders_of(self._spec, sets, answers, first=self._trials)
        self._before = merged(self._before, found)
        self._trials += len(sets)
        self._show(self._before, self._trials)

    def end(self) -> None:
        """Know that there are no more trials."""
        self._show(self._before, self._trials, is_whole=True)

    @property
    def words(self) -> str:
        """Say which is best; nothing of several objectives, which have no best."""
        if len(self._spec.objectives) > 1 or not self.ranking.rows:
            return ""
        return f"best so far {words_of(self._spec.objectives[0], self.ranking.rows[0])}"

    def _show(self, leaders: Sequence[Leader], trials: int, *, is_whole: bool = False) -> None:
        rows = tuple(leader.trial for leader in leaders[:MOST_RANKED])
        self.ranking = Ranking(trials, is_whole, rows)
