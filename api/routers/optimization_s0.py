"""Searches under the paths of the first system; the same studies as under /api/v1/optimization."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

from fastapi import APIRouter, Query, Response

from api.deps import ServicesDep
from api.errors import problems
from api.routers import optimization
from api.schemas.jobs import StudyStatus
from api.schemas.studies import StudyDetail, StudyPageAnswer, StudyRow, StudySubmitted
from api.strict import StrictRoute
from api.study_bodies import OptimizationBody
from api.words import IdempotencyKey, StudyRef

router = APIRouter(prefix="/api/optimization", tags=[optimization.TAG], route_class=StrictRoute)


@router.post(
    "/run",
    operation_id="run_optimization",
    status_code=202,
    responses=problems(404, 409, 503),
)
def run(
    body: OptimizationBody, services: ServicesDep, response: Response, key: IdempotencyKey = None
) -> StudySubmitted:
    """Put a search by any method into the queue, as `POST /api/v1/optimization`."""
    return optimization.start_optimization(body, services, response, key)


@router.get("", operation_id="list_optimization_runs")
def list_runs(
    wanted: optimization.StudyFilterDep,
    services: ServicesDep,
    page: Annotated[int, Query(ge=1, le=1_000_000)] = 1,
    page_size: Annotated[int, Query(ge=1, le=100)] = 50,
) -> StudyPageAnswer:
    """List searches page by page, newest first unless said otherwise."""
    cut = replace(wanted, limit=page_size, offset=(page - 1) * page_size)
    found = services.studies.list(cut)
    return StudyPageAnswer(
        optimizations=[StudyRow.of(study) for study in found.studies],
        total=found.total,
        page=page,
        page_size=page_size,
        total_pages=-(-found.total // page_size),
    )


@router.get("/status/{id}", operation_id="get_optimization_run_status", responses=problems(404))
def get_status(id: StudyRef, services: ServicesDep) -> StudyStatus:  # noqa: A002 - the path's word
    """Say how far a search is, and which trials are best so far."""
    return optimization.get_optimization_status(id, services)


@router.get("/{id}", operation_id="get_optimization_run", responses=problems(404, 409))
def get_run(id: StudyRef, services: ServicesDep) -> StudyDetail:  # noqa: A002 - the path's own word
    """Give everything about a search, its best trials too once it is completed."""
    return optimization.get_optimization(id, services)
