"""How endpoints ask for a run: exact types, and refusals in the words of the request."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from fastapi.exceptions import RequestValidationError

from api.bodies import Body
from api.study_bodies import StudyBody
from core.domain.findings import Study
from core.domain.job import Job
from core.domain.parameters import ParamSpec, clean_params
from core.domain.run import Run, RunSpec
from core.domain.strategy import StrategyInfo
from core.domain.study import StudySpec
from core.errors import Conflict, StrategyFailed, WorkbenchError
from core.services import Services, StudyPlan

# What the core calls a part of a request -> what bodies call it.
_WORDS: Mapping[str, Sequence[str]] = {
    "params": ("parameters", "strategy_params"),
    "symbols": ("symbols", "symbol"),
    "start": ("start_date",),
    "end": ("end_date",),
    "options": ("engine_options",),
}
_TYPES: dict[str, set[type]] = {"int": {int}, "float": {int, float}, "bool": {bool}, "text": {str}}


def submit(
    services: Services,
    body: Body,
    spec: RunSpec,
    *,
    queue: bool | None = None,
    key: str | None = None,
    name: str | None = None,
) -> Run:
    """Have the run computed that a body asks for; the rest as `Backtests.submit` has it.

    Raises:
        WorkbenchError, RequestValidationError: it cannot be run; nothing is recorded.
    """
    require_runnable(services, body, spec)
    with in_words_of(body):
        return services.backtests.submit(spec, source="api", queue=queue, key=key, name=name)


def stop_run(services: Services, run: Run) -> Job:
    """Have a queued run cancelled.

    Raises:
        Conflict: it is over, or is computed at once.
    """
    if run.queued_as is not None:
        return services.jobs.cancel(run.queued_as)
    if run.status.is_final:
        raise Conflict(f"run {run.id} is {run.status} already", hint="nothing is left to stop")
    raise Conflict(
        f"run {run.id} is computed at once and cannot be stopped",
        expected="a run that was queued",
        hint="it ends by itself, at the limits of a run at the latest; send what may have to be "
        "stopped to POST /api/v1/jobs",
    )


def cancel_study(services: Services, study: Study) -> Job:
    """Have a study cancelled.

    Raises:
        Conflict: it is over.
    """
    try:
        return services.jobs.cancel(study.job.id)
    except Conflict as error:
        state = services.jobs.get(study.job.id).state
        raise Conflict(f"study {study.id} is {state} already", hint=error.hint) from None


def submit_study(
    services: Services, body: StudyBody, spec: StudySpec, key: str | None = None
) -> Study:
    """Put the study into the queue that a body asks for.

    Raises:
        WorkbenchError, RequestValidationError: it cannot be searched; nothing is recorded.
    """
    with in_words_of(body):
        _require_exact(services, spec)
        return services.studies.submit(spec, source="api", priority=body.priority, key=key)


def plan_study(services: Services, body: StudyBody, spec: StudySpec) -> StudyPlan:
    """Say what the study would do that a body asks for, its faults in the words of the body.

    Raises:
        NotFound, StrategyFailed: there is no such strategy, or it cannot be used.
        RequestValidationError: a parameter has another type than declared.
    """
    with in_words_of(body):
        _require_exact(services, spec)
        plan = services.studies.plan(spec)
    for each in plan.problems:
        _put_in_words_of(body, each)
    return plan


def _require_exact(services: Services, spec: StudySpec) -> None:
    if services.strategies.is_stale():
        services.strategies.rescan()
    _require_types(services.strategies.get(spec.run.strategy), spec.run.params, "strategy_params")


def require_runnable(services: Services, body: Body, spec: RunSpec) -> None:
    """Refuse a strategy or parameters that cannot be run, before anything is stored.

    Raises:
        NotFound, InvalidInput: there is no such strategy, or its parameters are wrong.
        RequestValidationError: a parameter has another type than declared.
        StrategyFailed: the strategy cannot be used.
    """
    with in_words_of(body, unnamed="params"):  # a broken constraint names no field
        if services.strategies.is_stale():
            services.strategies.rescan()
        info = services.strategies.get(spec.strategy)
        if info.error:
            raise StrategyFailed(
                f"strategy {info.id!r} cannot be used: {info.error.rstrip('.')}",
                hint="Repair its file and try again",
                field="strategy",
            )
        _require_types(info, spec.params, _word("params", type(body).model_fields))
        clean_params(info.params, info.constraints, spec.params)


def require_rates(
    services: Services, body: Body, spec: RunSpec, market: str, currency: str | None
) -> None:
    """Refuse prices of this market and currency that the run could not convert.

    Raises:
        NotFound, InvalidInput: there are no rates, or a currency is not known.
    """
    with in_words_of(body):
        services.backtests.require_rates(spec.options, market, currency, spec.benchmark)


def _require_types(info: StrategyInfo, given: Mapping[str, Any], place: str) -> None:
    """Refuse what the core, which also reads forms and command lines, would convert."""
    faults = [
        {
            "type": "wrong_type",
            "loc": ("body", place, spec.name),
            "msg": f"parameter {spec.name!r} has another type than declared",
            "input": given[spec.name],
            "ctx": {"expected": spec.describe()},
        }
        for spec in info.params
        if spec.name in given and type(given[spec.name]) not in _types(spec)
    ]
    if faults:
        raise RequestValidationError(faults)


def _types(spec: ParamSpec) -> set[type]:
    if spec.kind != "choice":
        return _TYPES[spec.kind]
    types = {type(choice) for choice in spec.choices}
    return types | {int} if float in types else types


@contextmanager
def in_words_of(body: Body, unnamed: str = "") -> Iterator[None]:
    """Name the field of the request that an error of the core speaks of, and what it holds."""
    try:
        yield
    except WorkbenchError as error:
        for each in (error, *error.problems):
            _put_in_words_of(body, each, unnamed)
        raise


def _put_in_words_of(body: Body, error: WorkbenchError, unnamed: str = "") -> None:
    if isinstance(body, StudyBody):
        # What is not said would hide which of several words for one thing was.
        asked = body.model_dump(mode="json", exclude_none=True)
        words: Mapping[str, Sequence[str]] = body.WORDS
    else:
        asked, words = body.model_dump(mode="json"), _WORDS
    field = (error.field or unnamed).removeprefix("run.")
    head, _, name = field.partition(".")
    word = _word(head, asked, words)
    if word in asked:
        whole = asked[word]
        error.field = f"{word}.{name}" if name else word
        error.found = whole.get(name) if name and isinstance(whole, dict) else whole


def _word(head: str, known: Mapping[str, Any], words: Mapping[str, Sequence[str]] = _WORDS) -> str:
    return next((word for word in words.get(head, ()) if word in known), head)
