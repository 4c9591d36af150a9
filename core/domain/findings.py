"""What a study found: the trial to take, what speaks for it and what against."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Final, Literal

from core.domain.job import Job
from core.domain.parameters import ParamValue
from core.domain.run import Source
from core.domain.study import StudySpec
from core.errors import InvalidInput


@dataclass(frozen=True, slots=True)
class Chosen:
    """A trial as it is shown: its parameters and what it came to where it was searched.

    Attributes:
        number: Among the trials.
        params: Those that were varied.
        value: Of the first objective, in its own sign.
        metrics: All of it in the part that was searched, None where undefined.
    """

    number: int
    params: Mapping[str, ParamValue]
    value: float
    metrics: Mapping[str, float | None]


@dataclass(frozen=True, slots=True)
class Validation:
    """The trial to take in the sessions that no trial saw.

    Attributes:
        first, last, sessions: Of the part held back.
        train_sharpe, sharpe: Annualised, of daily returns; None where undefined.
        total_return: Of that part, a fraction.
        max_drawdown: At the ends of its sessions, at most 0.
        ratio: `sharpe / train_sharpe`; None where undefined.
        verdict: `ok`, `warn` or `fail` by that ratio; None where undefined.
        reason: Why it is.
        embargo: Sessions left out before this part.
        embargo_needed: So many that no position of the trial reaches across; if it is more, some
            of this part was seen.
    """

    first: date
    last: date
    sessions: int
    train_sharpe: float | None
    sharpe: float | None
    total_return: float
    max_drawdown: float
    ratio: float | None
    verdict: str | None
    reason: str | None
    embargo: int
    embargo_needed: int


@dataclass(frozen=True, slots=True)
class Findings:
    """What is known when a study is over. Fractions; None where undefined, with a reason.

    Attributes:
        trials, eligible: How many sets were tried; how many may be the best.
        batches, repeats, stopped, refused_share: Of the search, see `SearchResult`.
        first, last, sessions: The part that was searched.
        chosen: The trial to take: on a plateau, not on a peak; None if none is eligible.
        peak: The trial with the greatest objective.
        front: Numbers of the trials that no other beats in all objectives.
        light, sentence, gates: The verdict on `chosen`.
        judged: Deflated Sharpe, PBO, SPA, plateau, and the worlds without edge: by name, plain
            data.
        effects: What each parameter does to the objective, plain data.
        edges: Parameters of which the chosen trial lies at an end of the range.
        validation: None where nothing is held back, or nothing was chosen.
        walk: Summary of walking forward; None where it was not asked for.
        seconds: It took, pauses not counted.
        spent: Of these, by part: prepare, search, worlds, judge, later.
    """

    trials: int
    eligible: int
    batches: int
    repeats: int
    stopped: str
    refused_share: float
    first: date
    last: date
    sessions: int
    chosen: Chosen | None
    peak: Chosen | None
    front: tuple[int, ...]
    light: str
    sentence: str
    gates: Sequence[Mapping[str, Any]]
    judged: Mapping[str, Mapping[str, Any]]
    effects: Sequence[Mapping[str, Any]] = ()
    edges: Sequence[Mapping[str, Any]] = ()
    validation: Validation | None = None
    walk: Mapping[str, Any] | None = None
    seconds: float = 0.0
    spent: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Study:
    """A study as recorded: what was asked, its job, and what was found once it is over.

    Attributes:
        id, uuid: Its names.
        job: Its state and progress.
        spec: Completed.
        title: Of the strategy.
        source: The door it came through.
        key: Address of its artifacts once completed.
        findings: Once completed.
        artifacts: File name to SHA-256, once completed.
        mirrored_as: Number of the job that writes it to MLflow; None where tracking is off.
        mlflow_experiment_id, mlflow_run_id: Its experiment and parent run there, once written.
    """

    id: int
    uuid: str
    job: Job
    spec: StudySpec
    title: str
    source: Source
    created_at: datetime
    key: str | None = None
    code_hash: str | None = None
    findings: Findings | None = None
    artifacts: Mapping[str, str] = field(default_factory=dict)
    mirrored_as: int | None = None
    mlflow_experiment_id: str | None = None
    mlflow_run_id: str | None = None


STUDY_SORTS: Final[Mapping[str, Literal["asc", "desc"]]] = {
    "id": "desc",
    "strategy": "asc",
    "symbol": "asc",
    "method": "asc",
    "status": "asc",
    "light": "asc",
    "trials": "desc",
    "best": "desc",
    "deflated": "desc",
    "pbo": "asc",
}
"""What studies can be listed by, each with the order that has the best first: `id` is when."""


@dataclass(frozen=True, slots=True)
class StudyQuery:
    """Which studies to list, newest first unless said otherwise.

    Studies without what they are sorted by come last either way.

    Attributes:
        strategy: Its id; `strategy_part` is a part of it, in any case.
        start, end: Submitted on or after / on or before this UTC date.
        walks: Whether they were to walk forward; None for both.
        limit, offset: Studies at most, and how many to leave out before them.
        sort: A name of `STUDY_SORTS`.
        order: Ascending or descending.

    Raises:
        InvalidInput: studies cannot be sorted by that.
    """

    strategy: str | None = None
    symbol: str | None = None
    state: str | None = None
    strategy_part: str | None = None
    start: date | None = None
    end: date | None = None
    walks: bool | None = None
    limit: int = 50
    offset: int = 0
    sort: str = "id"
    order: Literal["asc", "desc"] = "desc"

    def __post_init__(self) -> None:
        """Refuse an order that nobody knows."""
        if self.sort not in STUDY_SORTS:
            raise InvalidInput(
                f"studies cannot be sorted by {self.sort[:40]!r}",
                expected="one of " + ", ".join(STUDY_SORTS),
                field="sort",
            )


@dataclass(frozen=True, slots=True)
class StudyPage:
    """A page of studies and how many there are in all."""

    studies: tuple[Study, ...]
    total: int
