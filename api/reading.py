"""What several endpoints read the same way."""

from __future__ import annotations

from pathlib import PurePosixPath, PureWindowsPath
from typing import Any

from api.schemas.runs import RunResultV1, detail_parts, record_parts
from core.domain.dataset import Series
from core.domain.run import Run, RunStatus
from core.domain.timeframe import Timeframe
from core.errors import (
    CODES,
    Conflict,
    NotFound,
    StrategyFailed,
    Unavailable,
    WorkbenchError,
)
from core.services import Services

# What ended a run, where it is not the strategy's own doing; limits and crashes are.
_KINDS: dict[str, type[WorkbenchError]] = {
    **{kind.code: kind for kind in WorkbenchError.__subclasses__()},
    "stopped": Unavailable,
    "lost": Unavailable,
}
LONGEST_NUMBER = 18  # decimal digits that fit every database's integers


def ref_of(text: str) -> int | str:
    """A run's number if the text is one, else its UUID or job id."""
    return int(text) if text.isdecimal() and len(text) <= LONGEST_NUMBER else text


def read_detail(services: Services, run: Run) -> dict[str, Any]:
    """Everything about a run."""
    done = run.status is RunStatus.COMPLETED
    return detail_parts(
        run,
        trades=services.backtests.trades(run) if done else None,
        policy=services.backtests.policy(run),
        notes=services.backtests.notes(run),
        verdict=services.backtests.verdict(run),
        mirror=services.experiments.mirror_of(run),
    )


def read_record(services: Services, run: Run) -> dict[str, Any]:
    """Everything about a run, and its record."""
    return read_detail(services, run) | record_parts(run)


def read_result(services: Services, run: Run, max_points: int) -> RunResultV1:
    """The result of a completed run."""
    return RunResultV1.assembled(
        run,
        equity=services.backtests.equity(run, max_points=max_points),
        trades=services.backtests.trades(run),
    )


def require_result(run: Run) -> None:
    """Refuse to speak of the result of a run that has none.

    Raises:
        Conflict: the run is not completed.
    """
    if run.status is RunStatus.COMPLETED:
        return
    if run.error is not None:
        raise Conflict(
            f"run {run.id} has no result, it failed: {run.error.message}", hint=run.error.hint
        )
    raise Conflict(
        f"run {run.id} has no result, it is {run.status}",
        hint=f"ask /api/backtests/{run.id} until it is completed",
    )


def raise_failure(run: Run) -> None:
    """Answer a request whose run failed with the run's own error.

    Raises:
        WorkbenchError: the run failed; code, message and hint are the run's.
    """
    if run.error is None:
        return
    error = _KINDS.get(run.error.code, StrategyFailed)(
        f"run {run.id} failed: {run.error.message}",
        hint=run.error.hint or f"everything about it is at /api/backtests/{run.id}",
    )
    if run.error.code in CODES:
        error.code = run.error.code
    raise error


def require_symbol(services: Services, name: str, field: str) -> None:
    """Refuse a symbol that the catalog does not have, in any case.

    Raises:
        NotFound: there is no such symbol.
    """
    try:
        services.market.timeframes(name)
    except NotFound as error:
        error.field, error.found = field, name
        raise


def find_dataset(services: Services, name: str) -> Series:
    """Find a data set by its symbol, or by the file it was imported from.

    The name is looked up among what the catalog holds; it never becomes a path.

    Raises:
        NotFound: no data set of that name.
    """
    series = services.market.series()
    file = _file_name(name)
    for matches in (
        [each for each in series if each.symbol == name.upper()],
        [each for each in series if file and _file_name(each.source) == file],
    ):
        if matches:  # the shortest bars, from which all others can be made
            return min(matches, key=lambda each: list(Timeframe).index(each.timeframe))
    known = sorted({each.symbol for each in series})
    shown = ", ".join(known[:10]) + (", …" if len(known) > 10 else "")  # noqa: PLR2004
    raise NotFound(
        f"data set {name[:80]!r} does not exist",
        found=name,
        expected=f"one of {shown}" if known else None,
        hint="send the file to POST /api/v1/backtests/upload, or name symbols",
        field="dataset",
    )


def _file_name(text: str) -> str:
    return PurePosixPath(PureWindowsPath(text).as_posix()).name.lower()
