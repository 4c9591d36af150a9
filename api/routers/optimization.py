"""Searches for parameters: ask for one, watch it, learn what it found, run a trial of it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Response
from fastapi.concurrency import run_in_threadpool

from api.asking import cancel_study, in_words_of, plan_study, submit_study
from api.deps import ServicesDep
from api.errors import problems
from api.reading import (
    find_study,
    prices_of,
    raise_study_failure,
    read_study_counts,
    read_study_detail,
    read_study_results,
    read_study_status,
    read_trials,
    read_walk,
    require_findings,
)
from api.routers.backtests import submitted as run_submitted
from api.schemas.jobs import CancelAnswer, StudyStatus
from api.schemas.runs import Links, Submitted
from api.schemas.studies import (
    PREFIX,
    TOP,
    MetricCatalogue,
    PlanAnswer,
    StudyAnswer,
    StudyDetail,
    StudyLinks,
    StudyList,
    StudyRow,
    StudyStatsAnswer,
    StudySubmitted,
    TrialPage,
    WalkAnswer,
    metric_catalogue,
    trial_rows,
)
from api.strict import StrictRoute
from api.study_bodies import (
    GeneticBody,
    GridSearchBody,
    OptimizationBody,
    PromoteBody,
    StudyBody,
    WalkForwardBody,
)
from api.words import Day, IdempotencyKey, StrategyPart, StudyRef, SymbolExact
from core.domain.findings import STUDY_SORTS, Study, StudyQuery
from core.domain.job import JobState
from core.domain.study import StudySpec
from core.errors import InvalidInput
from core.services import Services

ALIAS = "/api/v1/optimize"
SUFFIX = "_alias"  # of the operations there
WALKS = "/api/v1/walkforward"
TAG = "optimization"
MOST_QUICK = 20
LOOK_SECONDS = 0.1
RECENT = 100

Limit = Annotated[int, Query(ge=1, le=100)]
Offset = Annotated[int, Query(ge=0, le=1_000_000_000)]


if TYPE_CHECKING:
    StudySort = str
else:  # the core decides
    StudySort = Literal[tuple(STUDY_SORTS)]


def _filter(
    *,
    status: JobState | None = None,
    strategy: Annotated[StrategyPart | None, Query(description="Part of the id.")] = None,
    symbol: SymbolExact | None = None,
    start_date: Annotated[Day | None, Query(description="Submitted on or after (UTC).")] = None,
    end_date: Annotated[Day | None, Query(description="Submitted on or before (UTC).")] = None,
    sort_by: Annotated[
        StudySort, Query(description="`id` is when; studies without the value come last.")
    ] = "id",
    sort_order: Literal["asc", "desc"] = "desc",
) -> StudyQuery:
    return StudyQuery(
        strategy_part=strategy,
        # As the catalog writes it.
        symbol=symbol.upper() if symbol and symbol.isascii() else symbol,
        state=status,
        start=start_date,
        end=end_date,
        sort=sort_by,
        order=sort_order,
    )


StudyFilterDep = Annotated[StudyQuery, Depends(_filter)]


def start_grid_search(
    body: GridSearchBody, services: ServicesDep, response: Response, key: IdempotencyKey = None
) -> StudySubmitted:
    """Put a search into the queue that tries every set of a grid, 10,000 at most.

    What it found is at `/results` once `/status` says `completed`. Nobody has to wait for it.
    """
    return _ask(services, body, response, key)


def start_genetic_search(
    body: GeneticBody, services: ServicesDep, response: Response, key: IdempotencyKey = None
) -> StudySubmitted:
    """Put a genetic search (NSGA-II) into the queue; equal requests make equal trials."""
    return _ask(services, body, response, key)


def start_optimization(
    body: OptimizationBody, services: ServicesDep, response: Response, key: IdempotencyKey = None
) -> StudySubmitted:
    """Put a search by any method into the queue: grid, random, sobol, bayesian, cmaes, genetic."""
    return _ask(services, body, response, key)


def start_walk_forward(
    body: WalkForwardBody, services: ServicesDep, response: Response, key: IdempotencyKey = None
) -> StudySubmitted:
    """Put a search into the queue that chooses in each training and earns in the test after it.

    Without `walk_forward` or months the windows are those of `config/walkforward.yaml`.
    """
    return _ask(services, body, response, key)


def validate_optimization(body: OptimizationBody, services: ServicesDep) -> PlanAnswer:
    """Say what a search would do, or everything that is wrong with it; nothing is recorded."""
    plan = plan_study(services, body, spec_of(services, body))
    return PlanAnswer.of(plan, body.notes())


async def quick_optimization(
    body: OptimizationBody, services: ServicesDep, response: Response, key: IdempotencyKey = None
) -> StudyAnswer | StudySubmitted:
    """Search among 20 sets of parameters at most and wait for what is found.

    It waits as long as a run is waited for (`WORKBENCH_RUN_WAIT_SECONDS`); after that the answer is
    202 and the search goes on.
    """

    def ask() -> tuple[Study, StudySubmitted]:
        spec = spec_of(services, body)
        plan = plan_study(services, body, spec)
        if plan.forecast is not None and plan.forecast.trials > MOST_QUICK:
            raise InvalidInput(
                f"the search has {plan.forecast.trials:,} sets of parameters",
                found=plan.forecast.trials,
                expected=f"at most {MOST_QUICK} where the answer is waited for",
                hint=f"send it to POST {PREFIX}, or say max_trials",
                field="max_trials",
            )
        taken = _ask(services, body, response, key)
        return services.studies.get(taken.id), taken

    study, taken = await run_in_threadpool(ask)
    until = time.monotonic() + services.settings.run_wait_seconds
    while not study.job.state.is_final and time.monotonic() < until:
        await asyncio.sleep(LOOK_SECONDS)
        study = await run_in_threadpool(services.studies.get, study.id)
    raise_study_failure(study)
    if not study.job.state.is_final:
        response.status_code = 202
        return taken.model_copy(update={"status": study.job.state})
    require_findings(study)  # somebody may have cancelled it
    response.status_code = 200
    return await run_in_threadpool(lambda: _answered(services, study, TOP, 0))


def list_optimization_metrics() -> MetricCatalogue:
    """List what a search may look for and require, with the direction of each."""
    return metric_catalogue()


def list_optimizations(
    wanted: StudyFilterDep, services: ServicesDep, limit: Limit = 50, offset: Offset = 0
) -> StudyList:
    """List searches, newest first unless said otherwise."""
    return _listed(services, replace(wanted, limit=limit, offset=offset))


def list_walk_forwards(
    wanted: StudyFilterDep, services: ServicesDep, limit: Limit = 50, offset: Offset = 0
) -> StudyList:
    """List searches that walk forward, newest first unless said otherwise."""
    return _listed(services, replace(wanted, walks=True, limit=limit, offset=offset))


def get_optimization_stats(services: ServicesDep) -> StudyStatsAnswer:
    """Count searches by state, and say how long completed ones took."""
    return StudyStatsAnswer(stats=read_study_counts(services))


def get_optimization(id: StudyRef, services: ServicesDep) -> StudyDetail:  # noqa: A002 - the path's word
    """Give everything about a search, what it found too once it is completed."""
    return read_study_detail(services, find_study(services, id))


def get_optimization_status(id: StudyRef, services: ServicesDep) -> StudyStatus:  # noqa: A002 - as above
    """Say how far a search is, and which trials are best so far: ranked, not judged yet."""
    return read_study_status(services, find_study(services, id))


def get_optimization_results(
    id: StudyRef,  # noqa: A002 - the path's own word
    services: ServicesDep,
    limit: Annotated[int, Query(ge=1, le=TOP, description="Trials of `all_results`.")] = TOP,
    offset: Annotated[int, Query(ge=0, le=TOP)] = 0,
) -> StudyAnswer:
    """Give what a completed search found, with the verdict on it; 409 while there is nothing.

    All trials are at `/trials`.
    """
    return _answered(services, find_study(services, id), limit, offset)


def cancel_optimization(id: StudyRef, services: ServicesDep) -> CancelAnswer:  # noqa: A002 - as above
    """Cancel a search that waits, or have one that runs ended; 409 when it is over."""
    study = find_study(services, id)
    job = cancel_study(services, study)
    return CancelAnswer.of(job, what=f"study {study.id}", job_id=job.uuid, number=study.id)


def list_trials(
    *,
    id: StudyRef,  # noqa: A002 - the path's own word
    services: ServicesDep,
    page: Annotated[int, Query(ge=1, le=1_000_000)] = 1,
    page_size: Annotated[int, Query(ge=1, le=500)] = TOP,
    sort_by: Annotated[
        str,
        Query(
            max_length=100,
            description="A parameter, a metric, or `number`, `batch`, `value`, `score`, "
            "`smoothed`, `neighbours`, `train_sharpe`, `validation_sharpe`, `validation_return`, "
            "`reason`.",
        ),
    ] = "score",
    sort_order: Literal["asc", "desc"] = "desc",
    metrics: Annotated[
        Literal["headline", "all"], Query(description="How many metrics of each.")
    ] = "headline",
) -> TrialPage:
    """List the trials of a completed search; those without the sorted value come last."""
    study = find_study(services, id)
    frame = read_trials(services, study, sort_by=sort_by, order=sort_order)
    shown = frame.slice((page - 1) * page_size, page_size)
    return TrialPage.model_construct(
        success=True,
        id=study.id,
        trials=trial_rows(study, shown, every=metrics == "all"),
        total=frame.height,
        page=page,
        page_size=page_size,
        total_pages=-(-frame.height // page_size),
        sort_by=sort_by,
        sort_order=sort_order,
    )


def get_walk_forward(
    id: StudyRef,  # noqa: A002 - the path's own word
    services: ServicesDep,
    max_points: Annotated[
        int, Query(ge=2, le=50_000, description="Most points of the equity curve.")
    ] = 10_000,
) -> WalkAnswer:
    """Give the windows of a completed search that walked forward, and their tests stitched."""
    return read_walk(services, find_study(services, id), max_points)


def promote_trial(
    id: StudyRef,  # noqa: A002 - the path's own word
    services: ServicesDep,
    response: Response,
    body: PromoteBody | None = None,
) -> Submitted:
    """Run a trial as a backtest over the whole period of its search; without a body the best."""
    study = find_study(services, id)
    require_findings(study)
    trial = None if body is None else body.trial
    run = services.studies.promote(study, trial, source="api")
    response.headers["Location"] = Links.of(run).self_
    return run_submitted(services, run, [])


def spec_of(services: Services, body: StudyBody) -> StudySpec:
    """What a body asks for, in the words of the core.

    Raises:
        NotFound: there is no such data set.
    """
    with in_words_of(body):
        return body.spec(*prices_of(services, body))


def _ask(
    services: Services, body: StudyBody, response: Response, key: str | None
) -> StudySubmitted:
    study = submit_study(services, body, spec_of(services, body), key)
    response.headers["Location"] = StudyLinks.of(study).self_
    return StudySubmitted.of(study, services.studies.plan(study.spec), body.notes())


def _answered(services: Services, study: Study, limit: int, offset: int) -> StudyAnswer:
    return StudyAnswer.model_construct(
        success=True,
        job_id=study.job.uuid,
        id=study.id,
        status=study.job.state,
        results=read_study_results(services, study, limit, offset),
        links=StudyLinks.of(study),
    )


def _listed(services: Services, query: StudyQuery) -> StudyList:
    found = services.studies.list(query)
    rows = [StudyRow.of(study) for study in found.studies]
    return StudyList(
        optimizations=rows,
        jobs=rows,
        total=found.total,
        limit=query.limit,
        offset=query.offset,
    )


_ASKED = {"status_code": 202, "responses": problems(404, 409, 503)}
_READ = {"responses": problems(404, 409)}
_ROUTES: tuple[tuple[str, str, Callable[..., Any], dict[str, Any]], ...] = (
    ("POST", "", start_optimization, _ASKED),
    ("POST", "/grid-search", start_grid_search, _ASKED),
    ("POST", "/genetic", start_genetic_search, _ASKED),
    ("POST", "/validate", validate_optimization, _READ),
    (
        "POST",
        "/quick",
        quick_optimization,
        {
            "responses": {
                202: {"model": StudySubmitted, "description": "Not completed yet"},
                **problems(404, 409, 503),
            },
        },
    ),
    ("GET", "", list_optimizations, {}),
    ("GET", "/stats", get_optimization_stats, {}),
    ("GET", "/metrics", list_optimization_metrics, {}),
    ("GET", "/{id}", get_optimization, _READ),
    ("GET", "/{id}/status", get_optimization_status, {"responses": problems(404)}),
    ("GET", "/{id}/results", get_optimization_results, _READ),
    ("POST", "/{id}/cancel", cancel_optimization, {"responses": problems(404, 409, 503)}),
    ("GET", "/{id}/trials", list_trials, _READ),
    ("GET", "/{id}/walkforward", get_walk_forward, _READ),
    ("POST", "/{id}/promote", promote_trial, _ASKED),
)


def _router(prefix: str, suffix: str) -> APIRouter:
    made = APIRouter(prefix=prefix, tags=[TAG], route_class=StrictRoute)
    for method, path, endpoint, more in _ROUTES:
        name = f"{endpoint.__name__}{suffix}"
        made.add_api_route(path, endpoint, methods=[method], operation_id=name, **more)
    return made


router = _router(PREFIX, "")
alias = _router(ALIAS, SUFFIX)
walks = APIRouter(prefix=WALKS, tags=[TAG], route_class=StrictRoute)
for _method, _path, _endpoint, _more in (
    ("POST", "", start_walk_forward, _ASKED),
    ("GET", "", list_walk_forwards, {}),
    ("GET", "/{id}", get_walk_forward, _READ),
):
    _name = f"{_endpoint.__name__}{'_by_id' if _path else ''}"
    walks.add_api_route(_path, _endpoint, methods=[_method], operation_id=_name, **_more)
