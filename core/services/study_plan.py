"""What a study would do, before anybody asks for it: every fault at once, how much, how long."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from core.domain.findings import Study, StudyQuery
from core.domain.parameters import ParamSpec, clean_params
from core.domain.run import RunSpec
from core.domain.strategy import StrategyInfo
from core.domain.study import StudySpec
from core.errors import InvalidInput, WorkbenchError
from core.search.space import Space


@dataclass(frozen=True, slots=True)
class StudyPlan:
    """What a study would do.

    Attributes:
        spec: Completed; None where something is wrong.
        sets: Sets of parameters in the space; None where it is continuous or cannot be used.
        exact: Whether they were counted, and not estimated from some of them.
        trials: Most that the search makes; None where something is wrong.
        seconds: About how long it takes once it is begun; None where nothing is known of that.
        basis: Where the seconds come from, or why there are none.
        problems: Everything that is wrong with the request.
    """

    spec: StudySpec | None
    sets: int | None
    exact: bool
    trials: int | None
    seconds: float | None
    basis: str
    problems: tuple[WorkbenchError, ...] = ()


def plan_of(
    spec: StudySpec,
    info: StrategyInfo,
    *,
    complete: Callable[[StudySpec], StudySpec],
    complete_run: Callable[[RunSpec], RunSpec],
    studies: Callable[[StudyQuery], tuple[Study, ...]],
) -> StudyPlan:
    """Look at a request without recording anything.

    Args:
        spec: The request.
        info: Its strategy.
        complete: Completes a study, or refuses it.
        complete_run: The same of a run.
        studies: Lists studies, the newest first.
    """
    try:
        asked = complete(spec)
    except WorkbenchError as error:
        problems = tuple(_problems(spec, info, complete_run)) or (error,)
        return StudyPlan(
            spec=None,
            sets=None,
            exact=False,
            trials=None,
            seconds=None,
            basis="it cannot be searched",
            problems=problems,
        )
    space = Space.of_study(asked, info.params, info.constraints)
    count = space.count()
    trials = asked.trials if count.sets is None else min(asked.trials, count.sets)
    seconds, basis = _time(asked, trials, studies)
    return StudyPlan(asked, count.sets, count.exact, trials, seconds, basis)


def _problems(
    spec: StudySpec, info: StrategyInfo, complete_run: Callable[[RunSpec], RunSpec]
) -> Iterator[WorkbenchError]:
    """Give the faults of the space, of what is given, and of prices and options, each once."""
    others = [each for each in info.params if each.name not in spec.space]
    checks: tuple[Callable[[], object], ...] = (
        lambda: clean_params(others, (), spec.run.params),
        lambda: _space(spec, info, others),
        lambda: complete_run(spec.run.model_copy(update={"params": {}})),
        lambda: _one_symbol(spec),
    )
    seen = set()
    for check in checks:
        try:
            check()
        except WorkbenchError as error:
            for each in error.problems or (error,):
                if each.message not in seen:
                    seen.add(each.message)
                    yield each


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


def _one_symbol(spec: StudySpec) -> None:
    if len(spec.run.symbols) > 1:
        raise InvalidInput(
            f"a study of {len(spec.run.symbols)} symbols was asked for",
            expected="one symbol",
            hint="Search one symbol after the other",
            field="run.symbols",
        )


def _time(
    asked: StudySpec, trials: int, studies: Callable[[StudyQuery], tuple[Study, ...]]
) -> tuple[float | None, str]:
    """Say how long it takes at the pace of the newest study of the same strategy and prices."""
    query = StudyQuery(
        strategy=asked.run.strategy, symbol=asked.run.symbols[0], state="completed", page_size=20
    )
    for study in studies(query):
        before, found = study.spec, study.findings
        same = ("timeframe", "start", "end")
        if found is None or any(
            getattr(before.run, name) != getattr(asked.run, name) for name in same
        ):
            continue
        pace = found.seconds / (found.trials * (1 + before.null_worlds))
        return pace * trials * (1 + asked.null_worlds), f"at the pace of study {study.id}"
    return None, "no study of this strategy, symbol, timeframe and period is completed yet"
