"""What experiment tracking knows: experiments, runs in them, and mirrors of ours."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

MirrorState = Literal["off", "waiting", "written", "failed"]


@dataclass(frozen=True, slots=True)
class Mirror:
    """What of a run or study of ours is in MLflow.

    Attributes:
        state: `off` where nobody asked for it, `waiting` until it is written, `failed` when that
            was given up.
        experiment_id, run_id: Its names there, once written.
        url: Where people see it, where that is known.
        reason: Why it waits or failed, in words.
    """

    state: MirrorState
    experiment_id: str | None = None
    run_id: str | None = None
    url: str | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Experiment:
    """An experiment of MLflow.

    Attributes:
        creation_time, last_update_time: Milliseconds since 1970, UTC; None where it does not say.
        url: Where people see it, where that is known.
    """

    experiment_id: str
    name: str
    lifecycle_stage: str
    artifact_location: str
    creation_time: int | None
    last_update_time: int | None
    url: str | None = None


@dataclass(frozen=True, slots=True)
class TrackedRun:
    """A run of MLflow.

    Attributes:
        start_time, end_time: Milliseconds since 1970, UTC; None where it does not say.
        metrics: The last value of each; None where it is no finite number.
        url: Where people see it, where that is known.
    """

    run_id: str
    run_name: str | None
    experiment_id: str
    status: str
    start_time: int | None
    end_time: int | None
    lifecycle_stage: str
    artifact_uri: str
    metrics: Mapping[str, float | None]
    params: Mapping[str, str]
    tags: Mapping[str, str]
    url: str | None = None


@dataclass(frozen=True, slots=True)
class TrackedPage:
    """A page of runs of an experiment and how many there are in all."""

    runs: tuple[TrackedRun, ...]
    total: int
    page: int
    page_size: int

    @property
    def total_pages(self) -> int:
        """Pages in all, at least 1."""
        return max(1, -(-self.total // self.page_size))
