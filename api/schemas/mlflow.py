"""MLflow: experiments, runs in them, and what of a run of ours is there."""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import Field

from api.schemas.base import Answer
from core.domain.tracking import Experiment, Mirror, TrackedPage, TrackedRun

MILLISECONDS = "Milliseconds since 1970, UTC."


class MirrorAnswer(Answer):
    """What of a run or study is in MLflow."""

    state: Literal["off", "waiting", "written", "failed"]
    experiment_id: str | None
    run_id: str | None
    url: str | None = Field(description="Where people see it, where the server was told.")
    reason: str | None = Field(description="Why it waits or was given up.")

    @classmethod
    def of(cls, mirror: Mirror) -> Self:
        """Show a mirror."""
        return cls(
            state=mirror.state,
            experiment_id=mirror.experiment_id,
            run_id=mirror.run_id,
            url=mirror.url,
            reason=mirror.reason,
        )


class ExperimentRow(Answer):
    """An experiment of MLflow."""

    experiment_id: str
    name: str
    lifecycle_stage: str
    artifact_location: str
    creation_time: int | None = Field(description=MILLISECONDS)
    last_update_time: int | None = Field(description=MILLISECONDS)
    url: str | None = Field(description="Where people see it, where the server was told.")


class ExperimentList(Answer):
    """Every experiment that is not deleted, the one changed last first."""

    experiments: list[ExperimentRow]
    total: int

    @classmethod
    def of(cls, found: tuple[Experiment, ...]) -> Self:
        """Show experiments."""
        rows = [ExperimentRow(**_fields(each, ExperimentRow)) for each in found]
        return cls(experiments=rows, total=len(rows))


class TrackedInfo(Answer):
    """What a run of MLflow is."""

    run_id: str
    run_name: str | None
    experiment_id: str
    status: str
    start_time: int | None = Field(description=MILLISECONDS)
    end_time: int | None = Field(description=MILLISECONDS)
    lifecycle_stage: str
    artifact_uri: str


class TrackedData(Answer):
    """What a run of MLflow says."""

    metrics: dict[str, float | None] = Field(description="Null where it is no finite number.")
    params: dict[str, str]
    tags: dict[str, str]


class TrackedRunAnswer(Answer):
    """A run of MLflow."""

    info: TrackedInfo
    data: TrackedData
    url: str | None = Field(description="Where people see it, where the server was told.")

    @classmethod
    def of(cls, run: TrackedRun) -> Self:
        """Show a run."""
        return cls(
            info=TrackedInfo(**_fields(run, TrackedInfo)),
            data=TrackedData(**_fields(run, TrackedData)),
            url=run.url,
        )


class TrackedRunList(Answer):
    """A page of the runs of an experiment."""

    runs: list[TrackedRunAnswer]
    total: int = Field(description="Runs of the experiment that the filter keeps, on all pages.")
    page: int
    page_size: int
    total_pages: int

    @classmethod
    def of(cls, found: TrackedPage) -> Self:
        """Show a page."""
        return cls(
            runs=[TrackedRunAnswer.of(run) for run in found.runs],
            total=found.total,
            page=found.page,
            page_size=found.page_size,
            total_pages=found.total_pages,
        )


class Forgotten(Answer):
    """What was read of MLflow is read anew next time."""

    message: str


def _fields(item: object, shape: type[Answer]) -> dict[str, Any]:
    return {name: getattr(item, name) for name in shape.model_fields}
