"""Backtests: submit, list, read, download."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Response
from fastapi.responses import FileResponse

from api.asking import submit
from api.bodies import BacktestBody
from api.deps import ServicesDep
from api.errors import problems
from api.reading import read_detail, ref_of
from api.schemas.metrics import badges
from api.schemas.runs import Deleted, Links, RunDetail, RunList, Submitted, failure, headline
from api.strict import StrictRoute
from api.words import SORT_KEYS, TURNED, Day, RunRef, SortBy, StrategyPart, SymbolExact
from core.domain.run import Run, RunQuery, RunStatus
from core.services import Services

PARQUET = "application/vnd.apache.parquet"
ArtifactName = Literal["equity", "positions", "trades", "fills"]

router = APIRouter(prefix="/api/backtests", tags=["backtests"], route_class=StrictRoute)


@router.post(
    "/run",
    operation_id="run_backtest",
    status_code=202,
    responses=problems(404, 409, 503),
)
def run(body: BacktestBody, services: ServicesDep, response: Response) -> Submitted:
    """Take a backtest on and answer with its true state at that moment.

    A short one is completed when the answer comes; a long one goes on, and `links.self` tells how
    far it is. Equal requests share one stored result. There is no limit on the length of the
    period.
    """
    taken = submit(services, body, body.spec())
    response.headers["Location"] = Links.of(taken).self_
    return submitted(services, taken, body.notes())


@router.get("", operation_id="list_backtests")
def list_backtests(
    *,
    services: ServicesDep,
    strategy: Annotated[StrategyPart | None, Query(description="Part of the id.")] = None,
    status: RunStatus | None = None,
    symbol: Annotated[
        SymbolExact | None, Query(description="One of the symbols, in any case.")
    ] = None,
    start_date: Annotated[Day | None, Query(description="Submitted on or after (UTC).")] = None,
    end_date: Annotated[Day | None, Query(description="Submitted on or before (UTC).")] = None,
    page: Annotated[int, Query(ge=1, le=1_000_000)] = 1,
    page_size: Annotated[int, Query(ge=1, le=100)] = 50,
    sort_by: SortBy = "created_at",
    sort_order: Literal["asc", "desc"] = "desc",
) -> RunList:
    """List runs, newest first unless said otherwise; runs without the sort metric come last."""
    key = SORT_KEYS.get(sort_by, sort_by)
    turned: Literal["asc", "desc"] = "asc" if sort_order == "desc" else "desc"
    query = RunQuery(
        strategy=strategy,
        status=status,
        symbol=symbol.upper() if symbol and symbol.isascii() else symbol,
        start=start_date,
        end=end_date,
        sort_by=key,
        sort_order=turned if key in TURNED else sort_order,
        page=page,
        page_size=page_size,
    )
    return RunList.of(services.backtests.list(query))


@router.get("/{id}", operation_id="get_backtest", responses=problems(404, 409))
def get_backtest(id: RunRef, services: ServicesDep) -> RunDetail:  # noqa: A002 - the path's own word
    """Give everything about a run: what was asked, metrics, trades, provenance."""
    return RunDetail.model_construct(**read_detail(services, services.backtests.get(ref_of(id))))


@router.delete("/{id}", operation_id="delete_backtest", responses=problems(404, 409, 503))
def delete_backtest(id: RunRef, services: ServicesDep) -> Deleted:  # noqa: A002 - the path's own word
    """Delete a run that is over, with its trades; 409 while it waits or runs.

    Its tables go too, unless another run has the same result. What MLflow has of it stays there.
    """
    number = services.backtests.delete(ref_of(id), source="api")
    return Deleted(message=f"Backtest {number} was deleted", id=number)


@router.get(
    "/{id}/artifacts/{name}",
    operation_id="download_artifact",
    response_class=FileResponse,
    responses={
        **problems(404, 409),
        200: {
            "description": "The table as Parquet",
            "content": {PARQUET: {"schema": {"type": "string", "format": "binary"}}},
        },
    },
)
def download_artifact(
    id: RunRef,  # noqa: A002 - the path's own word
    name: ArtifactName,
    services: ServicesDep,
) -> FileResponse:
    """Download a table of a completed run as Parquet."""
    path = services.backtests.artifact_path(ref_of(id), name)
    return FileResponse(path, media_type=PARQUET, filename=f"backtest_{id}_{name}.parquet")


def submitted(services: Services, taken: Run, notes: list[str]) -> Submitted:
    """Say what became of a submission."""
    messages = {
        RunStatus.PENDING: "Backtest is waiting",
        RunStatus.RUNNING: "Backtest is running",
        RunStatus.COMPLETED: "Backtest completed",
        RunStatus.FAILED: "Backtest failed",
        RunStatus.CANCELLED: "Backtest was cancelled",
    }
    message = messages[taken.status]
    if taken.reused:
        message += ": an equal run was stored already"
    return Submitted(
        job_id=taken.job_id,
        id=taken.id,
        uuid=taken.uuid,
        status=taken.status,
        message=message,
        created_at=taken.created_at,
        reused=taken.reused,
        notes=[*notes, *services.backtests.notes(taken)],
        metrics=headline(taken),
        badges=badges(taken.badges),
        error=failure(taken),
        mlflow_run_id=taken.mlflow_run_id,
        mlflow_url=services.experiments.url_of(taken),
        links=Links.of(taken),
    )
