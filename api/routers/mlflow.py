"""What MLflow has, read through this server: kept for some minutes, and 503 while it is down."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query
from pydantic import StringConstraints

from api.deps import ServicesDep
from api.errors import problems
from api.schemas.mlflow import ExperimentList, Forgotten, TrackedRunAnswer, TrackedRunList
from api.strict import StrictRoute

router = APIRouter(prefix="/api/mlflow", tags=["mlflow"], route_class=StrictRoute)

_NAME = r"^[A-Za-z0-9_-]{1,64}$"
ExperimentRef = Annotated[str, Path(pattern=_NAME, description="Id of an experiment of MLflow.")]
TrackedRef = Annotated[str, Path(pattern=_NAME, description="Id of a run of MLflow.")]
Words = Annotated[str, StringConstraints(max_length=2_000, pattern=r"^[^\x00]*$")]


@router.get("/experiments", operation_id="list_experiments", responses=problems(409, 503))
def experiments(services: ServicesDep) -> ExperimentList:
    """List the experiments of MLflow, the one changed last first.

    An answer is kept for five minutes. 409 where tracking is switched off.
    """
    return ExperimentList.of(services.experiments.list())


@router.get(
    "/runs/{experiment_id}", operation_id="list_tracked_runs", responses=problems(404, 409, 503)
)
def runs(
    *,
    experiment_id: ExperimentRef,
    services: ServicesDep,
    page: Annotated[int, Query(ge=1, le=1_000_000)] = 1,
    page_size: Annotated[int, Query(ge=1, le=500)] = 50,
    order_by: Annotated[
        Words, Query(description="In MLflow's words, by commas: `metrics.sharpe DESC`.")
    ] = "",
    filter: Annotated[  # noqa: A002 - the query's own word
        Words,
        Query(description="In MLflow's words: `metrics.sharpe > 1 and params.fast = '5'`."),
    ] = "",
) -> TrackedRunList:
    """List the runs of an experiment, newest first unless said otherwise.

    The total is that of all pages. An answer is kept for ten minutes.
    """
    found = services.experiments.runs(
        experiment_id,
        page=page,
        page_size=page_size,
        order_by=[word.strip() for word in order_by.split(",") if word.strip()],
        where=filter.strip(),
    )
    return TrackedRunList.of(found)


@router.get(
    "/runs/details/{run_id}", operation_id="get_tracked_run", responses=problems(404, 409, 503)
)
def run(run_id: TrackedRef, services: ServicesDep) -> TrackedRunAnswer:
    """Give one run of MLflow; kept for ten minutes."""
    return TrackedRunAnswer.of(services.experiments.run(run_id))


@router.post("/cache/invalidate", operation_id="forget_tracked")
def invalidate(
    services: ServicesDep,
    experiment_id: Annotated[
        str | None, Query(pattern=_NAME, description="Of this experiment only.")
    ] = None,
) -> Forgotten:
    """Forget what was read of MLflow, so that the next answer is read anew."""
    count = services.experiments.forget(experiment_id)
    of = "" if experiment_id is None else f" of experiment {experiment_id}"
    return Forgotten(message=f"{count} kept answers{of} are forgotten")
