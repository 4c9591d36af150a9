"""What a study would do, before anybody asks for it: every fault at once, how much, how long."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from core.domain.parameters import ParamSpec, clean_params
from core.domain.run import RunSpec
from core.domain.strategy import StrategyInfo
from core.domain.study import StudySpec
from core.errors import InvalidInput, WorkbenchError
from core.search.space import Space
from core.services.forecast import Forecast


@dataclass(frozen=True, slots=True)
class StudyPlan:
    """What a study would do.

    Attributes:
        spec: Completed; None where something is wrong.
        forecast: How many trials, and about how long; None where something is wrong.
        problems: Everything that is wrong with the request.
    """

    spec: StudySpec | None
    forecast: Forecast | None
    problems: tuple[WorkbenchError, ...] = ()


def plan_of(
    spec: StudySpec,
    info: StrategyInfo,
    *,
    complete: Callable[[StudySpec], StudySpec],
    complete_run: Callable[[RunSpec], RunSpec],
    require_room: Callable[[StudySpec, RunSpec], object],
    count: Callable[[StudySpec], Forecast],
) -> StudyPlan:
    """Look at a request without recording anything.

    Args:
        spec: The request.
        info: Its strategy.
        complete: Completes a study, or refuses it.
        complete_run: The same of a run.
        require_room: Refuses a study whose period, that of the completed run, is too short for it.
        count: Counts the trials of a completed study.
    """
    try:
        asked = complete(spec)
    except WorkbenchError as error:
        found = _problems(spec, info, complete_run, require_room)
        return StudyPlan(None, None, tuple(found) or (error,))
    return StudyPlan(asked, count(asked))


def _problems(
    spec: StudySpec,
    info: StrategyInfo,
    complete_run: Callable[[RunSpec], RunSpec],
    require_room: Callable[[StudySpec, RunSpec], object],
) -> Iterator[WorkbenchError]:
    """Give the faults of the space, of what is given, and of prices and options, each once."""
    others = [each for each in info.params if each.name not in spec.space]
    checks: tuple[Callable[[], object], ...] = (
        lambda: clean_params(others, (), spec.run.params),
        lambda: _space(spec, info, others),
        lambda: require_room(spec, complete_run(spec.run.model_copy(update={"params": {}}))),
    )
    seen = set()
    for each in _faults(checks):
        if each.message not in seen:
            seen.add(each.message)
            yield each


def _faults(checks: Iterable[Callable[[], object]]) -> Iterator[WorkbenchError]:
    for check in checks:
        try:
            check()
        except WorkbenchError as error:
            yield from error.problems or (error,)


def _space(spec: StudySpec, info: StrategyInfo, others: list[ParamSpec]) -> None:
    """Check the space by itself: what is wrong with given parameters is said by others."""
    good = {}
    for each in others:
        value = spec.run.params.get(each.name, each.default)
        try:
            good[each.name] = each.clean(value)
        except InvalidInput:
            good[each.name] = each.default
    alone = spec.model_copy(update={"run": spec.run.model_copy(update={"params": good})})
    Space.of_study(alone, info.params, info.constraints)
