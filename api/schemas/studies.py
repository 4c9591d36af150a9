"""Studies: rows of a list, everything about one, what it found, its trials and windows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any, Literal, Self

import polars as pl
from pydantic import Field

from api import metrics as units
from api.faults import Fault
from api.schemas.base import Answer
from api.schemas.metrics import Headline, MetricValues
from api.schemas.mlflow import MirrorAnswer
from api.schemas.runs import EquityPoint, Failure, failure
from core.domain.findings import Chosen, Findings, Study, Validation
from core.domain.job import JobState
from core.domain.metrics import METRICS, Metrics
from core.domain.objective import DERIVED, SYNONYMS, Objective
from core.domain.parameters import ParamValue
from core.domain.ranking import MOST_RANKED, Ranking
from core.domain.run import Source
from core.domain.study import Method
from core.domain.timeframe import Timeframe
from core.domain.tracking import Mirror
from core.services import StudyPlan

PREFIX = "/api/v1/optimization"
TOP = 50
MINUTE = 60.0


class StudyLinks(Answer):
    """Where to read on."""

    self_: str = Field(alias="self", serialization_alias="self")
    status: str
    results: str
    trials: str
    job: str
    events: str = Field(description="A stream of progress.")

    @classmethod
    def of(cls, study: Study) -> Self:
        """Links of a study."""
        base, job = f"{PREFIX}/{study.id}", f"/api/v1/jobs/{study.job.id}"
        return cls(
            self=base,
            status=f"{base}/status",
            results=f"{base}/results",
            trials=f"{base}/trials",
            job=job,
            events=f"{job}/events",
        )


class StudyRow(Answer):
    """A study as lists show it."""

    id: int
    uuid: str
    job_id: str = Field(description="UUID of its job; names the study too.")
    job_number: int = Field(description="Number of its job among the jobs.")
    strategy_name: str = Field(description="Id of the strategy.")
    strategy: str = Field(description="The same as `strategy_name`.")
    title: str
    symbols: list[str]
    symbol: str
    timeframe: Timeframe
    start_date: date | None
    end_date: date | None
    method: Method
    objectives: list[Objective]
    objective: str = Field(description="In words.")
    walks_forward: bool
    status: JobState
    progress: float = Field(ge=0, le=1)
    current_step: str
    trials: int | None = Field(description="Once completed.")
    eligible: int | None = Field(description="Trials that met the requirements.")
    best_parameters: dict[str, ParamValue] | None = Field(
        description="Those varied, of the trial the study chose: on a plateau, not on a peak."
    )
    best_score: float | None = Field(description="Its first objective, in its own sign.")
    light: Literal["green", "amber", "red"] | None = Field(description="Of the verdict.")
    sentence: str | None = Field(description="The verdict in words.")
    source: Source
    error: Failure | None
    created_at: datetime
    started_at: datetime | None
    completed_at: datetime | None
    links: StudyLinks

    @classmethod
    def of(cls, study: Study) -> Self:
        """Show a study."""
        return cls(**row_parts(study))


def row_parts(study: Study) -> dict[str, Any]:
    """The fields every view of a study has."""
    run, job, found = study.spec.run, study.job, study.findings
    chosen = None if found is None else found.chosen
    return {
        "id": study.id,
        "uuid": study.uuid,
        "job_id": job.uuid,
        "job_number": job.id,
        "strategy_name": run.strategy,
        "strategy": run.strategy,
        "title": study.title,
        "symbols": list(run.symbols),
        "symbol": run.symbols[0],
        "timeframe": run.timeframe,
        "start_date": run.start,
        "end_date": run.end,
        "method": study.spec.method,
        "objectives": list(study.spec.objectives),
        "objective": "; ".join(each.sentence() for each in study.spec.objectives),
        "walks_forward": study.spec.walk_forward is not None,
        "status": job.state,
        "progress": job.progress,
        "current_step": job.step,
        "trials": None if found is None else found.trials,
        "eligible": None if found is None else found.eligible,
        "best_parameters": None if chosen is None else dict(chosen.params),
        "best_score": None if chosen is None else chosen.value,
        "light": None if found is None else found.light,
        "sentence": None if found is None else found.sentence,
        "source": study.source,
        "error": failure(job),
        "created_at": study.created_at,
        "started_at": job.started_at,
        "completed_at": job.completed_at,
        "links": StudyLinks.of(study),
    }


class StudySubmitted(Answer):
    """A study waits in the queue."""

    success: Literal[True] = True
    job_id: str = Field(description="Names the study here and its job under `/api/v1/jobs`.")
    id: int = Field(description="Number of the study.")
    uuid: str
    status: JobState
    message: str
    created_at: datetime
    total_combinations: int | None = Field(
        description="Sets of parameters in the space; null where a range has no steps."
    )
    combinations_exact: bool = Field(description="Whether they were counted, not estimated.")
    max_trials: int | None = Field(description="Sets that are tried at most.")
    estimated_time_minutes: float | None = Field(
        description="Once a worker has it; null where nothing is known."
    )
    estimated_time_reason: str = Field(description="Where it comes from, or why it is null.")
    mlflow_experiment_id: str | None = Field(
        description="Null until the study is mirrored into experiment tracking."
    )
    notes: list[str] = Field(
        description="What was assumed because the request left it open, and what does nothing."
    )
    links: StudyLinks

    @classmethod
    def of(cls, study: Study, plan: StudyPlan, notes: Sequence[str]) -> Self:
        """Say what became of a submission."""
        return cls(
            job_id=study.job.uuid,
            id=study.id,
            uuid=study.uuid,
            status=study.job.state,
            message=f"Study {study.id} is {study.job.state}",
            created_at=study.created_at,
            mlflow_experiment_id=study.mlflow_experiment_id,
            notes=list(notes),
            links=StudyLinks.of(study),
            **_expected(plan),
        )


def _expected(plan: StudyPlan) -> dict[str, Any]:
    found = plan.forecast
    seconds = None if found is None else found.seconds
    reason = "it cannot be searched"
    if found is not None and plan.spec is not None:
        bars = f"of it on {plan.spec.run.timeframe} bars"
        studies = "study" if found.measured == 1 else "studies"
        reason = (
            f"at the pace of {found.measured} completed {studies} {bars}"
            if found.measured
            else f"no study {bars} is completed yet"
        )
    return {
        "total_combinations": None if found is None else found.sets,
        "combinations_exact": found is not None and found.exact,
        "max_trials": None if found is None else found.trials,
        "estimated_time_minutes": None if seconds is None else seconds / MINUTE,
        "estimated_time_reason": reason,
    }


class PlanAnswer(Answer):
    """What a study would do, or everything that is wrong with the request."""

    success: Literal[True] = True
    is_valid: bool
    problems: list[Fault]
    errors: list[str] = Field(description="The same as sentences.")
    total_combinations: int | None = Field(
        description="Sets of parameters in the space; null where a range has no steps."
    )
    combinations_exact: bool = Field(description="Whether they were counted, not estimated.")
    max_trials: int | None = Field(description="Sets that are tried at most.")
    estimated_time_minutes: float | None
    estimated_time_reason: str
    spec: dict[str, Any] | None = Field(description="The request, completed.")
    notes: list[str]

    @classmethod
    def of(cls, plan: StudyPlan, notes: Sequence[str]) -> Self:
        """Show a plan."""
        return cls(
            is_valid=not plan.problems,
            problems=[Fault.of(each) for each in plan.problems],
            errors=[each.sentence() for each in plan.problems],
            spec=None if plan.spec is None else plan.spec.model_dump(mode="json"),
            notes=list(notes),
            **_expected(plan),
        )


class StudyList(Answer):
    """Some of the studies there are, newest first."""

    success: Literal[True] = True
    optimizations: list[StudyRow]
    jobs: list[StudyRow] = Field(description="The same as `optimizations`.")
    total: int = Field(description="How many there are, whatever `limit` and `offset`.")
    limit: int
    offset: int


class StudyPageAnswer(Answer):
    """One page of studies, newest first."""

    optimizations: list[StudyRow]
    total: int
    page: int
    page_size: int
    total_pages: int


class StudyCounts(Answer):
    """How many studies are in each state."""

    total: int
    pending: int
    running: int
    completed: int
    failed: int
    cancelled: int
    average_seconds: float | None = Field(
        description="Mean time of the newest 100 completed ones; null if there are none."
    )


class StudyStatsAnswer(Answer):
    """Studies in numbers."""

    success: Literal[True] = True
    stats: StudyCounts


class TrialRow(Answer):
    """One set of parameters, and what became of it in the sessions that were searched."""

    number: int
    batch: int
    parameters: dict[str, ParamValue] = Field(description="Those varied.")
    params: dict[str, ParamValue] = Field(description="The same as `parameters`.")
    values: list[float | None] = Field(description="Of the objectives, in their own sign.")
    score: float | None = Field(
        description="Of the first objective, more is better; null where not eligible."
    )
    smoothed: float | None = Field(description="Median of the scores around it.")
    neighbours: int
    eligible: bool
    reason: str | None = Field(description="Why it cannot be the best.")
    train_sharpe: float | None
    validation_sharpe: float | None = Field(
        description="In the sessions held back; of the best trials only."
    )
    validation_return: float | None = Field(description="Percent, of the same.")
    validation_return_fraction: float | None
    metrics: Headline | MetricValues


def trial_rows(study: Study, frame: pl.DataFrame, *, every: bool = False) -> list[TrialRow]:
    """Show trials; `every` gives all metrics instead of the headline."""
    space = list(study.spec.space)
    count = len(study.spec.objectives)
    return [_trial(row, space, count, every=every) for row in frame.to_dicts()]


def _trial(row: Mapping[str, Any], space: Sequence[str], count: int, *, every: bool) -> TrialRow:
    params = {name: row[f"param_{name}"] for name in space}
    found = metrics_of(row)
    later = row["test_return"]
    return TrialRow.model_construct(
        number=row["number"],
        batch=row["batch"],
        parameters=params,
        params=params,
        values=[row[f"value_{place}"] for place in range(count)],
        score=row["score"],
        smoothed=row["smoothed"],
        neighbours=row["neighbours"],
        eligible=row["reason"] is None,
        reason=row["reason"],
        train_sharpe=row["train_sharpe"],
        validation_sharpe=row["test_sharpe"],
        validation_return=None if later is None else later * units.PERCENT,
        validation_return_fraction=later,
        metrics=MetricValues(units.values(found)) if every else Headline(units.headline(found)),
    )


def metrics_of(row: Mapping[str, Any]) -> Metrics:
    """Those of a row or of a chosen trial; what is undefined is left out."""
    return Metrics(values={name: row[name] for name in METRICS if row.get(name) is not None})


class Gate(Answer):
    """One piece of evidence, judged."""

    name: str
    label: str
    value: float | None
    light: Literal["green", "amber", "red"]
    rule: str
    reason: str | None = Field(description="Why the value is null.")


class VerdictAnswer(Answer):
    """Whether the winner means anything. Its colours come from evidence, never from the return."""

    light: Literal["green", "amber", "red"]
    sentence: str
    gates: list[Gate]


class RankedTrial(Answer):
    """A trial that may win."""

    trial: int
    parameters: dict[str, ParamValue] = Field(description="Those varied.")
    values: list[float] = Field(description="Of the objectives, in their own sign.")


class RankingAnswer(Answer):
    """The best trials so far: ranked, not judged. The best of many is so by luck, too."""

    trials: int = Field(description="Finished ones.")
    is_whole: bool = Field(description="Whether all trials are finished; then it is being judged.")
    rows: list[RankedTrial] = Field(
        description=f"The best first, {MOST_RANKED} at most; of several objectives those that no "
        "other one beats in all of them."
    )

    @classmethod
    def of(cls, ranking: Ranking | None) -> Self | None:
        """Show a ranking; null for none."""
        if ranking is None:
            return None
        return cls(
            trials=ranking.trials,
            is_whole=ranking.is_whole,
            rows=[
                RankedTrial(
                    trial=each.number, parameters=dict(each.params), values=list(each.values)
                )
                for each in ranking.rows
            ],
        )


class ChosenTrial(Answer):
    """A trial by its number."""

    trial: int
    parameters: dict[str, ParamValue]
    score: float
    metrics: MetricValues

    @classmethod
    def of(cls, chosen: Chosen | None) -> Self | None:
        """Show a trial; null for none."""
        if chosen is None:
            return None
        return cls(
            trial=chosen.number,
            parameters=dict(chosen.params),
            score=chosen.value,
            metrics=MetricValues(units.values(metrics_of(chosen.metrics))),
        )


class ValidationMetrics(Answer):
    """The chosen trial in the sessions that no trial saw."""

    first_date: date
    last_date: date
    sessions: int
    sharpe_ratio: float | None
    train_sharpe_ratio: float | None
    total_return: float = Field(description="Percent.")
    total_return_fraction: float
    max_drawdown: float = Field(description="Percent, at most 0.")
    max_drawdown_fraction: float
    performance_ratio: float | None = Field(description="Sharpe ratio here over that in training.")
    verdict: Literal["ok", "warn", "fail"] | None = Field(description="By that ratio.")
    reason: str | None = Field(description="Why the ratio is null.")
    embargo: int = Field(description="Sessions left out before this part.")
    embargo_needed: int = Field(
        description="So many that no position reaches across; if it is more, some of this part "
        "was seen."
    )

    @classmethod
    def of(cls, found: Validation | None) -> Self | None:
        """Show a validation; null for none."""
        if found is None:
            return None
        return cls.model_validate(
            {
                "first_date": found.first,
                "last_date": found.last,
                "sessions": found.sessions,
                "sharpe_ratio": found.sharpe,
                "train_sharpe_ratio": found.train_sharpe,
                "total_return": found.total_return * units.PERCENT,
                "total_return_fraction": found.total_return,
                "max_drawdown": found.max_drawdown * units.PERCENT + 0.0,
                "max_drawdown_fraction": found.max_drawdown + 0.0,
                "performance_ratio": found.ratio,
                "verdict": found.verdict,
                "reason": found.reason,
                "embargo": found.embargo,
                "embargo_needed": found.embargo_needed,
            }
        )


class Edge(Answer):
    """The chosen trial lies at the end of a range: something better may lie beyond."""

    name: str
    side: Literal["low", "high"]
    value: float


class Analysis(Answer):
    """The search in numbers. Statistics of `judged` are those of docs/trust.md."""

    trials: int
    eligible: int
    batches: int
    repeats: int = Field(description="Sets asked for again, answered from memory.")
    stopped: str
    refused_share: float = Field(description="Of all sets looked at, those breaking constraints.")
    first_date: date = Field(description="Of the sessions that were searched.")
    last_date: date
    sessions: int
    front: list[int] = Field(description="Trials that no other beats in all objectives.")
    peak: ChosenTrial | None = Field(description="The trial with the greatest objective.")
    edges: list[Edge]
    judged: dict[str, dict[str, Any]] = Field(
        description="Deflated Sharpe, PBO (`overfitting`), SPA (`snooping`), plateau "
        "(`stability`), worlds without edge."
    )
    seconds: float = Field(description="It took, without the wait for a worker.")
    spent: dict[str, float] = Field(
        description="Of these seconds, by part: `prepare`, `search`, `worlds`, `judge`, `later`."
    )


class Band(Answer):
    """Trials with about the same value of a parameter."""

    low: float
    high: float
    trials: int
    mean: float
    median: float


class Sensitivity(Answer):
    """What one parameter does to the objective."""

    name: str
    spearman: float | None
    importance: float | None
    importance_error: float | None
    bands: list[Band]


class WalkSummary(Answer):
    """Walking forward in numbers. Fractions; null where undefined."""

    windows: int
    total_return: float = Field(description="Percent, of the stitched tests.")
    total_return_fraction: float
    annual_return: float | None = Field(description="Percent.")
    annual_return_fraction: float | None
    train_annual_fraction: float | None
    efficiency: float | None = Field(
        description="Growth of a year of the tests over that of the trainings."
    )
    efficiency_reason: str | None
    positive_share: float | None = Field(description="Of windows whose test earned.")
    drift: float | None
    alerts: list[int] = Field(description="Numbers of the windows with a drift alert.")

    @classmethod
    def of(cls, walk: Mapping[str, Any] | None) -> Self | None:
        """Show a summary; null where it was not asked for."""
        if walk is None:
            return None
        earned, annual = walk["total_return"], walk["annual_return"]
        return cls(
            windows=walk["windows"],
            total_return=earned * units.PERCENT,
            total_return_fraction=earned,
            annual_return=None if annual is None else annual * units.PERCENT,
            annual_return_fraction=annual,
            train_annual_fraction=walk["train_annual"],
            efficiency=walk["efficiency"],
            efficiency_reason=walk["efficiency_reason"],
            positive_share=walk["positive_share"],
            drift=walk["drift"],
            alerts=list(walk["alerts"]),
        )


class StudyResults(Answer):
    """What a study found. Metrics are of the sessions that were searched."""

    best_parameters: dict[str, ParamValue] | None = Field(
        description="Those varied, of the trial the study chose; null if none was eligible."
    )
    best_trial: int | None
    best_score: float | None = Field(description="Its first objective, in its own sign.")
    best_metrics: MetricValues | None
    fixed_parameters: dict[str, ParamValue]
    validation_metrics: ValidationMetrics | None = Field(
        description="Null where nothing was held back or chosen."
    )
    verdict: VerdictAnswer
    all_results: list[TrialRow] = Field(description=f"The best {TOP} at most, by score.")
    total_results: int = Field(description="How many trials there are.")
    analysis: Analysis
    parameter_sensitivity: list[Sensitivity]
    walk_forward: WalkSummary | None

    @classmethod
    def of(cls, study: Study, found: Findings, rows: list[TrialRow]) -> StudyResults:
        """Show what was found beside some of the trials."""
        chosen = ChosenTrial.of(found.chosen)
        return cls.model_construct(
            best_parameters=None if chosen is None else chosen.parameters,
            best_trial=None if chosen is None else chosen.trial,
            best_score=None if chosen is None else chosen.score,
            best_metrics=None if chosen is None else chosen.metrics,
            fixed_parameters=dict(study.spec.run.params),
            validation_metrics=ValidationMetrics.of(found.validation),
            verdict=VerdictAnswer.model_validate(
                {
                    "light": found.light,
                    "sentence": found.sentence,
                    "gates": [dict(gate) for gate in found.gates],
                }
            ),
            all_results=rows,
            total_results=found.trials,
            analysis=Analysis.model_validate(
                {
                    "trials": found.trials,
                    "eligible": found.eligible,
                    "batches": found.batches,
                    "repeats": found.repeats,
                    "stopped": found.stopped,
                    "refused_share": found.refused_share,
                    "first_date": found.first,
                    "last_date": found.last,
                    "sessions": found.sessions,
                    "front": list(found.front),
                    "peak": ChosenTrial.of(found.peak),
                    "edges": [dict(edge) for edge in found.edges],
                    "judged": {name: dict(each) for name, each in found.judged.items()},
                    "seconds": found.seconds,
                    "spent": dict(found.spent),
                }
            ),
            parameter_sensitivity=[
                Sensitivity.model_validate(dict(each)) for each in found.effects
            ],
            walk_forward=WalkSummary.of(found.walk),
        )


class StudyAnswer(Answer):
    """A completed study and what it found."""

    success: Literal[True] = True
    job_id: str
    id: int
    status: JobState
    results: StudyResults
    links: StudyLinks


class StudyDetail(StudyRow):
    """Everything about a study."""

    success: Literal[True] = True
    spec: dict[str, Any] = Field(description="The request, completed.")
    results: StudyResults | None = Field(description="Once completed.")
    ranking: RankingAnswer | None = Field(
        description="The best trials so far; null before the first are known and once completed."
    )
    trials_data: list[TrialRow] = Field(description=f"The best {TOP} at most, once completed.")
    best_metrics: MetricValues | None
    best_value: float | None = Field(description="The same as `best_score`.")
    artifacts: dict[str, str] = Field(description="Table to SHA-256, once completed.")
    mlflow: MirrorAnswer = Field(description="What of it is in MLflow.")

    @classmethod
    def detailed(
        cls, study: Study, results: StudyResults | None, ranking: Ranking | None, mirror: Mirror
    ) -> StudyDetail:
        """Show a study."""
        parts = row_parts(study)
        return cls.model_construct(
            **parts,
            success=True,
            spec=study.spec.model_dump(mode="json"),
            results=results,
            ranking=RankingAnswer.of(ranking),
            trials_data=[] if results is None else results.all_results,
            best_metrics=None if results is None else results.best_metrics,
            best_value=parts["best_score"],
            artifacts=dict(study.artifacts),
            mlflow=MirrorAnswer.of(mirror),
        )


class TrialPage(Answer):
    """Some of the trials of a study."""

    success: Literal[True] = True
    id: int
    trials: list[TrialRow]
    total: int
    page: int
    page_size: int
    total_pages: int
    sort_by: str
    sort_order: Literal["asc", "desc"]


class WindowRow(Answer):
    """One training and the test after it."""

    number: int
    train_start: date
    train_end: date
    train_sessions: int
    test_start: date
    test_end: date
    test_sessions: int
    parameters: dict[str, ParamValue | None] = Field(
        description="Chosen by the training alone; null where nobody was eligible."
    )
    train_value: float | None = Field(description="Of the objective.")
    test_value: float | None
    train_sharpe: float | None
    test_sharpe: float | None
    train_annual_fraction: float | None
    test_annual_fraction: float | None
    test_return: float | None = Field(description="Percent.")
    test_return_fraction: float | None
    drift: float | None
    alerts: list[str]
    overfit_ratio: float | None
    overfit: Literal["ok", "warn", "fail"] | None


def window_rows(study: Study, frame: pl.DataFrame) -> list[WindowRow]:
    """Show windows."""
    return [_window(row, list(study.spec.space)) for row in frame.to_dicts()]


def _window(row: Mapping[str, Any], space: Sequence[str]) -> WindowRow:
    earned = row["test_return"]
    return WindowRow(
        number=row["number"],
        train_start=row["train_first"],
        train_end=row["train_last"],
        train_sessions=row["train_sessions"],
        test_start=row["test_first"],
        test_end=row["test_last"],
        test_sessions=row["test_sessions"],
        parameters={name: row.get(f"param_{name}") for name in space},
        train_value=row["train_value"],
        test_value=row["test_value"],
        train_sharpe=row["train_sharpe"],
        test_sharpe=row["test_sharpe"],
        train_annual_fraction=row["train_annual"],
        test_annual_fraction=row["test_annual"],
        test_return=None if earned is None else earned * units.PERCENT,
        test_return_fraction=earned,
        drift=row["drift"],
        alerts=[name for name in row["alerts"].split(", ") if name],
        overfit_ratio=row["overfit_ratio"],
        overfit=row["overfit"],
    )


class WalkAnswer(Answer):
    """How a study fared in windows whose trainings did not know their tests."""

    success: Literal[True] = True
    job_id: str
    id: int
    summary: WalkSummary | None = Field(description="Null if no trial was eligible.")
    windows: list[WindowRow]
    equity_curve: list[EquityPoint] = Field(
        description="Of the stitched tests, from 1, thinned to `max_points`; `timestamp` is the "
        "session."
    )
    links: StudyLinks


def stitched_points(frame: pl.DataFrame) -> list[EquityPoint]:
    """Show the stitched tests; sessions are days since 1970."""
    rows: list[Any] = frame.select(
        timestamp=pl.col("session").cast(pl.Date).cast(pl.Datetime("us", "UTC")),
        equity=pl.col("equity").fill_nan(None),
    ).to_dicts()
    return rows


class MetricRow(Answer):
    """A metric that a search may look for or require."""

    name: str
    label: str
    direction: Literal["maximize", "minimize"] | None = Field(
        description="Where nothing is said; null: neither more nor less of it is better."
    )
    unit: str
    group: str
    description: str
    other_names: list[str] = Field(description="Names of the earlier systems.")


class MetricCatalogue(Answer):
    """Every metric by name."""

    success: Literal[True] = True
    metrics: list[MetricRow]
    default: str
    formulas: str = Field(description="What else may be written for a metric.")


def metric_catalogue() -> MetricCatalogue:
    """Show the metrics of the core."""
    aims: dict[str, Literal["maximize", "minimize"]] = {"higher": "maximize", "lower": "minimize"}
    others: dict[str, list[str]] = {}
    for said, meant in SYNONYMS.items():
        others.setdefault(meant, []).append(said)
    derived = [
        MetricRow(
            name=name,
            label=name.replace("_", " ").capitalize(),
            direction="maximize",
            unit="ratio",
            group="risk",
            description=f"{formula}.",
            other_names=[],
        )
        for name, formula in DERIVED.items()
    ]
    rows = [
        MetricRow(
            name=each.name,
            label=each.label,
            direction=aims.get(each.direction),
            unit=each.unit,
            group=each.group,
            description=each.help,
            other_names=others.get(each.name, []),
        )
        for each in METRICS.values()
    ]
    return MetricCatalogue(
        metrics=[*derived, *rows],
        default=Objective().metric,
        formulas="Of metrics: + - * /, abs, sqrt, min, max, such as total_return / turnover.",
    )
