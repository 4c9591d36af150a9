"""What a study would be, before it is asked for: how many trials, and about how long."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from typing import NamedTuple

from core.domain.findings import Findings, Study
from core.domain.strategy import StrategyInfo
from core.domain.study import StudySpec
from core.errors import InvalidInput, WorkbenchError
from core.search.space import Space


class Forecast(NamedTuple):
    """What a study would be.

    Attributes:
        sets: Of parameters that the space has with all constraints; None where it is continuous.
        exact: False where `sets` was estimated by looking at some of them.
        share: Of the sets without constraints that constraints leave, 0 to 1.
        trials: Sets that are tried at most, on the prices that are given.
        seconds: About how long it would take; None where no study of the strategy was measured.
        measured: Studies that the estimate comes from.
    """

    sets: int | None
    exact: bool
    share: float
    trials: int
    seconds: float | None
    measured: int


def forecast(spec: StudySpec, info: StrategyInfo, earlier: Iterable[Study]) -> Forecast:
    """Count the trials of a study and estimate its time.

    The estimate is the seconds a trial, symbol and day took in the searches of earlier studies,
    times the trials of this one and its worlds, its symbols and the days it searches; and once what
    they took besides, in the mean: judging does not grow as trials do. Several symbols take another
    way than one alone, so only those of the same way count.

    Args:
        spec: As it is asked for, completed or not.
        info: Its strategy.
        earlier: Studies of the strategy on bars of the same length; those without findings, or
            that were not timed by part, are passed over.

    Raises:
        InvalidInput: it cannot be searched; `problems` has each reason where there are several.
    """
    problems: list[WorkbenchError] = []
    space = None
    try:
        space = Space.of_study(spec, info.params, info.constraints)
    except InvalidInput as error:
        problems += error.problems or (error,)
    if problems or space is None:
        raise together(problems)
    count = space.count()
    trials = spec.trials if count.sets is None else min(spec.trials, count.sets)
    several = len(spec.run.symbols) > 1
    known = [
        (each, each.findings)
        for each in earlier
        if each.findings is not None
        and each.findings.spent
        and (len(each.spec.run.symbols) > 1) == several
    ]
    work = sum(_work(each.spec, found.trials, _days(each.spec, found)) for each, found in known)
    estimate = None
    if work > 0:
        days = _days(spec, known[0][1])
        swept = sum(_swept(found) for _, found in known)
        besides = sum(found.seconds for _, found in known) - swept
        estimate = swept / work * _work(spec, trials, days) + besides / len(known)
    return Forecast(count.sets, count.exact, count.share, trials, estimate, len(known))


def together(problems: Sequence[WorkbenchError]) -> InvalidInput:
    """Make one error of several; a single one stays as it is."""
    if len(problems) == 1 and isinstance(problems[0], InvalidInput):
        return problems[0]
    return InvalidInput(f"{len(problems)} choices are wrong", problems=tuple(problems))


def _work(spec: StudySpec, trials: int, days: float) -> float:
    return trials * (1 + spec.null_worlds) * len(spec.run.symbols) * days


def _swept(found: Findings) -> float:
    """Seconds of it that grow with the trials and worlds."""
    return found.spent["search"] + found.spent["worlds"]


def _days(spec: StudySpec, found: Findings) -> float:
    """Days a spec searches; where it names no day, those an earlier study had."""
    first: date = spec.run.start or found.first
    last: date = spec.run.end or found.last
    whole = (last - first).days
    share = 1.0 - spec.validation.share if spec.run.end else 1.0
    return max(1.0, whole * share)
