"""Backtests answered with their results; the same runs as under /api/backtests."""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, File, Form, Query, Response, UploadFile

from api import strict
from api.asking import require_rates, require_runnable, stop_run, submit
from api.bodies import BacktestIn, LabelBody, RecordBody, RunBody
from api.deps import ServicesDep
from api.errors import problems
from api.faults import as_request
from api.reading import (
    prices_of,
    raise_failure,
    read_record,
    read_result,
    read_run_job,
    ref_of,
    require_result,
    require_symbol,
)
from api.schemas.assumptions import AssumptionsAnswer
from api.schemas.costs import CostsAnswer
from api.schemas.jobs import CancelAnswer, JobAnswer
from api.schemas.runs import (
    POINTS_AT_MOST,
    REJECTIONS_AT_MOST,
    DetailV1,
    Imported,
    Links,
    RecordV1,
    RejectedRow,
    RunAnswerV1,
    RunListV1,
    RunRow,
    UploadAnswerV1,
)
from api.words import Benchmark, Currency, RunRef, StrategyName, StrategyPart, TimeframeIn
from core.domain.dataset import ImportReport
from core.domain.run import Run, RunQuery, RunSpec, RunStatus
from core.domain.timeframe import Timeframe
from core.errors import DataProblem, InvalidInput
from core.services import Services

PREFIX = "/api/v1/backtests"
UPLOAD_PATH = f"{PREFIX}/upload"
CHUNK = 1 << 20
UPLOADS = "upload-"
LEFT_BEHIND_SECONDS = 3_600
DEFAULT_POINTS = 10_000
MarketCode = Literal["XNYS", "XNSE", "XEUR", "FX", "24/7"]
# Names under which the same idea is known elsewhere.
ALIASES = {"moving average crossover": "sma_crossover"}

router = APIRouter(prefix=PREFIX, tags=["backtests v1"], route_class=strict.StrictRoute)

MaxPoints = Annotated[
    int, Query(ge=2, le=POINTS_AT_MOST, description="Most points of the equity curve.")
]


@router.post(
    "",
    operation_id="run_backtest_v1",
    responses={
        201: {"model": RecordV1, "description": "Record of a run over one symbol and a period"},
        202: {"model": RunAnswerV1, "description": "Still running; the result is null"},
        **problems(404, 409, 503),
    },
)
def run(
    body: BacktestIn,
    services: ServicesDep,
    response: Response,
    max_points: MaxPoints = DEFAULT_POINTS,
) -> RunAnswerV1 | RecordV1:
    """Run a backtest and answer with its result.

    A body with `symbol` and `start_date` asks for a record instead: it is answered 201 with the
    record of the run, whatever became of it.
    """
    if isinstance(body, RecordBody):
        named = body.model_copy(
            update={"strategy": ALIASES.get(body.strategy.lower(), body.strategy)}
        )
        kept = submit(services, named, named.spec(), name=body.name)
        response.status_code = 201
        response.headers["Location"] = f"{PREFIX}/{kept.id}"
        return RecordV1.recorded(kept)
    kept = submit(services, body, spec_of(services, body))
    return answer(services, kept, response, body.notes(), max_points)


@dataclass(frozen=True, slots=True)
class Uploaded:
    """A file that was imported as a data set, and the run over it that was asked for."""

    body: RunBody
    spec: RunSpec
    dataset: Imported


def uploaded(
    *,
    services: ServicesDep,
    file: Annotated[UploadFile, File(description="CSV with time, open, high, low, close.")],
    strategy: Annotated[StrategyName, Form()],
    strategy_params: Annotated[str, Form(max_length=20_000, description="JSON object.")] = "{}",
    engine_options: Annotated[str, Form(max_length=20_000, description="JSON object.")] = "{}",
    market: Annotated[MarketCode, Form(description="Whose sessions the bars belong to.")] = "24/7",
    currency: Annotated[
        Currency | None, Form(description="Of the prices; that of the market if left out.")
    ] = None,
    zone: Annotated[
        str | None, Form(max_length=60, description="IANA zone of times without offset.")
    ] = None,
    timeframe: Annotated[TimeframeIn | None, Form()] = None,
    benchmark: Annotated[Benchmark | None, Form()] = None,
) -> Uploaded:
    """Import the file of a form, once it is known that the run can be made.

    Raises:
        WorkbenchError, RequestValidationError: it cannot; nothing is stored.
    """
    body = _body_of_form(strategy, strategy_params, engine_options, benchmark)
    require_runnable(services, body, body.spec(["UPLOAD"], timeframe or Timeframe.D1))
    if benchmark is not None:
        require_symbol(services, benchmark, "benchmark")
    require_rates(services, body, body.spec(["UPLOAD"], Timeframe.D1), market, currency)
    report = receive(
        services, file, market=market, currency=currency, zone=zone, timeframe=timeframe
    )
    spec = body.spec([report.symbol], timeframe or report.timeframe)
    return Uploaded(body, spec, imported(report, _safe_name(file.filename)))


UploadedDep = Annotated[Uploaded, Depends(uploaded)]


@router.post(
    "/upload",
    operation_id="upload_and_run_backtest_v1",
    dependencies=[Depends(strict.known_form)],
    responses={
        202: {"model": UploadAnswerV1, "description": "Still running; the result is null"},
        **problems(404, 409, 503),
    },
)
def upload(
    given: UploadedDep,
    services: ServicesDep,
    response: Response,
    max_points: MaxPoints = DEFAULT_POINTS,
) -> UploadAnswerV1:
    """Import a CSV file as a data set, run a backtest over it and answer with the result.

    The data set is named after the file's content, so that sending the same file again imports
    nothing and gives the same numbers. A request that cannot be run stores nothing.
    """
    kept = submit(services, given.body, given.spec)
    found = answer(services, kept, response, given.body.notes(), max_points)
    return UploadAnswerV1.model_construct(**dict(found), dataset=given.dataset)


@router.get("", operation_id="list_backtests_v1")
def list_backtests(
    *,
    services: ServicesDep,
    page: Annotated[int, Query(ge=1, le=1_000_000)] = 1,
    size: Annotated[int, Query(ge=1, le=100)] = 50,
    strategy: Annotated[StrategyPart | None, Query(description="Part of the id.")] = None,
    status: RunStatus | None = None,
    format: Annotated[  # noqa: A002 - the query's own word
        Literal["object", "list"],
        Query(description="`list`: a bare array of records instead of an object."),
    ] = "object",
) -> RunListV1 | list[RecordV1]:
    """List runs, newest first."""
    query = RunQuery(strategy=strategy, status=status, page=page, page_size=size)
    found = services.backtests.list(query)
    if format == "list":
        return [RecordV1.recorded(each) for each in found.runs]
    return RunListV1(
        total=found.total, page=page, size=size, results=[RunRow.of(each) for each in found.runs]
    )


@router.get("/{id}", operation_id="get_backtest_v1", responses=problems(404, 409))
def get_backtest(id: RunRef, services: ServicesDep) -> DetailV1:  # noqa: A002 - the path's word
    """Give everything about a run, with its record."""
    return DetailV1.model_construct(**read_record(services, services.backtests.get(ref_of(id))))


@router.put("/{id}", operation_id="label_backtest_v1", responses=problems(404))
def label(id: RunRef, body: LabelBody, services: ServicesDep) -> RecordV1:  # noqa: A002 - the path's word
    """Write what you call a run, or say of it; its figures are the engine's and stay."""
    return RecordV1.recorded(services.backtests.label(ref_of(id), body.given()))


@router.delete(
    "/{id}",
    operation_id="delete_backtest_v1",
    status_code=204,
    responses=problems(404, 409, 503),
)
def delete(id: RunRef, services: ServicesDep) -> None:  # noqa: A002 - the path's own word
    """Delete a run that is over, with its trades; 409 while it waits or runs.

    Its tables go too, unless another run has the same result. What MLflow has of it stays there.
    """
    services.backtests.delete(ref_of(id), source="api")


@router.get("/{id}/results", operation_id="get_backtest_results_v1", responses=problems(404, 409))
def get_results(
    id: RunRef,  # noqa: A002 - the path's own word
    services: ServicesDep,
    max_points: MaxPoints = DEFAULT_POINTS,
) -> RunAnswerV1:
    """Give the result of a completed run; 409 while there is none."""
    kept = services.backtests.get(ref_of(id))
    require_result(kept)
    return answered(services, kept, [], max_points)


@router.get(
    "/{id}/assumptions",
    operation_id="get_backtest_assumptions",
    responses=problems(404, 409, 422, 503),
)
def get_assumptions(
    id: RunRef,  # noqa: A002 - the path's own word
    services: ServicesDep,
) -> AssumptionsAnswer:
    """Compute a completed run again under the other fill rules and say how far they lie apart.

    The signals are those of the run's own code and prices; only the moment of the fill differs.
    """
    return AssumptionsAnswer.of(services.backtests.assumptions(ref_of(id)))


@router.get(
    "/{id}/costs",
    operation_id="get_backtest_costs",
    responses=problems(404, 409, 422),
)
def get_costs(
    id: RunRef,  # noqa: A002 - the path's own word
    services: ServicesDep,
) -> CostsAnswer:
    """Say what a completed run paid for what, and at what multiple of that nothing is left."""
    return CostsAnswer.of(services.backtests.costs(ref_of(id)))


@router.get("/{id}/status", operation_id="get_backtest_status_v1", responses=problems(404))
def get_status(id: RunRef, services: ServicesDep) -> JobAnswer:  # noqa: A002 - the path's word
    """Say how far a run is: that of its job where it is queued."""
    kept = services.backtests.get(ref_of(id))
    return JobAnswer(job_id=kept.job_id, job=read_run_job(services, kept))


@router.post("/{id}/stop", operation_id="stop_backtest_v1", responses=problems(404, 409, 503))
def stop(id: RunRef, services: ServicesDep) -> CancelAnswer:  # noqa: A002 - the path's own word
    """Have a queued run cancelled; 409 when it is over, or is computed at once."""
    kept = services.backtests.get(ref_of(id))
    job = stop_run(services, kept)
    return CancelAnswer.of(job, what=f"run {kept.id}", job_id=kept.job_id, number=kept.id)


def spec_of(services: Services, body: RunBody) -> RunSpec:
    """What a body asks for, in the words of the core.

    Raises:
        NotFound: there is no such data set.
    """
    return body.spec(*prices_of(services, body))


def answer(
    services: Services, kept: Run, response: Response, notes: list[str], max_points: int
) -> RunAnswerV1:
    """Answer a submission with its result if there is one by now.

    Raises:
        WorkbenchError: the run failed.
    """
    raise_failure(kept)
    response.headers["Location"] = f"{PREFIX}/{kept.id}"
    if kept.status is not RunStatus.COMPLETED:
        response.status_code = 202
    return answered(services, kept, notes, max_points)


def answered(services: Services, kept: Run, notes: list[str], max_points: int) -> RunAnswerV1:
    """Show a run with its result, null until it is completed."""
    done = kept.status is RunStatus.COMPLETED
    return RunAnswerV1.model_construct(
        success=True,
        job_id=kept.job_id,
        id=kept.id,
        status=kept.status,
        result=read_result(services, kept, max_points) if done else None,
        notes=[*notes, *services.backtests.notes(kept)],
        links=Links.of(kept),
    )


def receive(
    services: Services,
    file: UploadFile,
    *,
    market: str,
    currency: str | None,
    zone: str | None,
    timeframe: Timeframe | None,
) -> ImportReport:
    """Import an uploaded file under a symbol made from its content.

    Raises:
        InvalidInput: the file cannot be read as prices.
    """
    scratch = services.settings.scratch_dir
    scratch.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=UPLOADS, dir=scratch) as folder:
        path = Path(folder) / "upload.csv"
        told = "" if currency is None else f"{currency}|"
        digest = hashlib.sha256(f"{market}|{zone}|{timeframe}|{told}".encode())
        with path.open("wb") as kept:
            while chunk := file.file.read(CHUNK):
                digest.update(chunk)
                kept.write(chunk)
        try:
            return services.market.import_csv(
                path,
                name=_safe_name(file.filename),
                symbol=f"UP-{digest.hexdigest()[:16].upper()}",
                market=market,
                currency=currency,
                zone=zone,
                timeframe=timeframe,
                description="Uploaded with a backtest",
                source_note=_safe_name(file.filename),
            )
        except DataProblem as error:  # the caller's file, not the server's data
            raise InvalidInput(
                error.message,
                found=error.found,
                expected=error.expected,
                hint=error.hint,
                field="file",
                problems=error.problems,
            ) from error


def sweep_uploads(scratch: Path, now: float) -> None:
    """Remove what a killed server left of uploads; younger ones may be another server's."""
    for folder in scratch.glob(f"{UPLOADS}*"):
        with contextlib.suppress(FileNotFoundError):
            if now - folder.stat().st_mtime > LEFT_BEHIND_SECONDS:
                shutil.rmtree(folder, ignore_errors=True)


def imported(report: ImportReport, file: str) -> Imported:
    """Say what became of an uploaded file."""
    return Imported(
        dataset_id=report.symbol,
        file=file,
        timeframe=report.timeframe,
        market=report.market,
        outcome=report.outcome,
        rows_read=report.rows_read,
        rows_stored=report.rows_stored,
        rejected=report.rejected_by_reason,
        rejections=[
            RejectedRow(line=each.line, reason=each.reason, detail=each.detail)
            for each in report.rejections[:REJECTIONS_AT_MOST]
        ],
        rejections_total=len(report.rejections),
        layout=dict(report.layout),
        first=report.first,
        last=report.last,
        content_hash=report.content_hash,
        warnings=list(report.warnings),
    )


def _body_of_form(strategy: str, params: str, options: str, benchmark: str | None) -> RunBody:
    with as_request("body"):
        return RunBody(
            strategy=strategy,
            strategy_params=_json_object("strategy_params", params),
            dataset="upload",
            engine_options=_json_object("engine_options", options),
            benchmark=benchmark,
        )


def _json_object(field: str, text: str) -> Any:
    try:
        value = strict.parse(text.encode("utf-8", "surrogatepass"))
    except json.JSONDecodeError as error:
        raise InvalidInput(
            f"{field} is not JSON: {error.msg}", found=text, expected="a JSON object", field=field
        ) from None
    if not isinstance(value, dict):
        raise InvalidInput(
            f"{field} is a {type(value).__name__}",
            found=value,
            expected="a JSON object",
            field=field,
        )
    return value


def _safe_name(given: str | None) -> str:
    """The last part of a file name in harmless characters; it is shown, never opened."""
    last = (given or "").replace("\\", "/").rpartition("/")[2]
    kept = "".join(sign if sign.isalnum() or sign in "._- " else "_" for sign in last[:100])
    return kept.strip(" .") or "upload.csv"
