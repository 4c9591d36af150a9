"""Runs, studies and trials in the words of MLflow: parameters, metrics and tags.

Metrics have our names; one that is not defined is left out. What two mirrors of the same thing
have in common, and no other, is the tag `workbench.uuid`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

import polars as pl

from core.domain.findings import Chosen, Findings, Study
from core.domain.metrics import METRICS
from core.domain.options import EngineOptions
from core.domain.run import Run, RunSpec

UUID: Final = "workbench.uuid"
KIND: Final = "workbench.kind"
NUMBER: Final = "workbench.trial"
BEST: Final = 100
"""Trials mirrored of a study that has more than it tracks."""
LONGEST_PARAM: Final = 6_000
LONGEST_TAG: Final = 8_000
_OF_TRIALS: Final = (
    "score",
    "smoothed",
    "neighbours",
    "train_sharpe",
    "test_sharpe",
    "test_return",
)


@dataclass(frozen=True, slots=True)
class Series:
    """A metric with a value for each trial: steps and values, none undefined."""

    steps: list[int]
    values: list[float]


@dataclass(frozen=True, slots=True)
class Entry:
    """One MLflow run to be.

    Attributes:
        name: For people.
        uuid: Ours; equal ones are the same run.
        params, metrics, tags: As MLflow takes them.
        began, ended: Milliseconds since 1970.
        series: Metrics with a value for each trial.
        texts: Small files by name.
    """

    name: str
    uuid: str
    params: Mapping[str, str]
    metrics: Mapping[str, float]
    tags: Mapping[str, str]
    began: int
    ended: int
    series: Mapping[str, Series] = field(default_factory=dict)
    texts: Mapping[str, str] = field(default_factory=dict)


def experiment_of_run(run: Run) -> str:
    """Name the experiment that backtests of a strategy are kept in."""
    return f"backtest.{run.spec.strategy}"


def experiments_of_study(study: Study) -> tuple[str, str]:
    """Name the experiment of a study, and what it is called if another installation has that."""
    name = f"optimization.{study.spec.run.strategy}.{study.job.id}"
    return name, f"{name}.{study.uuid[:8]}"


def entry_of_run(run: Run, folder: str) -> Entry:
    """Say a completed run; `folder` is where its tables are."""
    found = run.metrics.values if run.metrics else {}
    counters = dict(run.metrics.counters) if run.metrics else {}
    tags = {
        KIND: "backtest",
        UUID: run.uuid,
        "workbench.run_id": str(run.id),
        "workbench.job_id": run.job_id,
        "run_key": str(run.run_key),
        "code_hash": str(run.code_hash),
        "engine_version": str(run.engine_version),
        "data_hash": _json(run.data_hashes),
        "reused": str(run.reused).lower(),
        "badges": ",".join(run.badges),
        "source": run.source,
        "artifacts": folder,
        **{f"artifact.{name}": f"sha256:{digest}" for name, digest in run.artifacts.items()},
        **_tags_of(run.spec),
    }
    return Entry(
        name=f"{run.spec.strategy} {','.join(run.spec.symbols)} {run.id}"[:200],
        uuid=run.uuid,
        params=_params(run.spec.params) | _options(run.spec),
        metrics=_numbers({**found, **counters}),
        tags=_cut(tags),
        began=_milliseconds(run.started_at or run.created_at),
        ended=_milliseconds(run.completed_at or run.created_at),
        texts={"request.json": run.spec.canonical()},
    )


def entry_of_study(study: Study, trials: pl.DataFrame, folder: str) -> Entry:
    """Say a completed study: the parent of its trials."""
    spec, found = study.spec, study.findings
    tags = {
        KIND: "study",
        UUID: study.uuid,
        "workbench.study_id": str(study.id),
        "workbench.job_id": str(study.job.id),
        "study_key": str(study.key),
        "code_hash": str(study.code_hash),
        "source": study.source,
        "artifacts": folder,
        **{f"artifact.{name}": f"sha256:{digest}" for name, digest in study.artifacts.items()},
        **_tags_of(spec.run),
    }
    if found is not None:
        tags |= {"light": found.light, "mlflow.note.content": found.sentence}
    asked = {
        "method": spec.method,
        "objective": "; ".join(each.sentence() for each in spec.objectives),
        "requirements": "; ".join(each.root for each in spec.requirements),
        "max_trials": spec.max_trials,
        "seed": spec.seed,
        "holdback": spec.validation.share,
        "null_worlds": spec.null_worlds,
        **{
            f"space.{name}": one.model_dump_json(exclude_none=True)
            for name, one in spec.space.items()
        },
    }
    chosen = None if found is None else found.chosen
    best = {} if chosen is None else {f"best.{k}": v for k, v in chosen.params.items()}
    began = study.job.started_at or study.created_at
    return Entry(
        name=f"{spec.run.strategy} {','.join(spec.run.symbols)} {spec.method}"[:200],
        uuid=study.uuid,
        params=_params({**asked, **best, **spec.run.params}) | _options(spec.run),
        metrics=_numbers({} if found is None else {**_of_chosen(chosen), **_of_findings(found)}),
        tags=_cut(tags),
        began=_milliseconds(began),
        ended=_milliseconds(study.job.completed_at or began),
        series={f"trial.{name}": _series(trials, name) for name in ("value_0", "score")},
        texts={"request.json": spec.canonical()},
    )


def tracked(study: Study, trials: pl.DataFrame) -> pl.DataFrame:
    """Give the trials that are mirrored one by one: all of them, or the best.

    The one the study chose is among the best, whatever its score.
    """
    most = study.spec.tracked_trials
    if len(trials) <= most:
        return trials
    found = study.findings
    chosen = -1 if found is None or found.chosen is None else found.chosen.number
    order = trials.sort(
        [pl.col("number") == chosen, "score", "number"],
        descending=[True, True, False],
        nulls_last=True,
    )
    return order.head(min(BEST, most)).sort("number")


def entries_of_trials(study: Study, trials: pl.DataFrame) -> Iterator[Entry]:
    """Say each trial, in the order of the table."""
    began = _milliseconds(study.job.started_at or study.created_at)
    ended = _milliseconds(study.job.completed_at or study.created_at)
    values = [name for name in trials.columns if name.startswith("value_")]
    numbers = [*values, *_OF_TRIALS, *METRICS]
    there = [name for name in numbers if name in trials.columns]
    shared = _tags_of(study.spec.run)
    chosen = study.findings.chosen if study.findings else None
    for row in trials.iter_rows(named=True):
        number = row["number"]
        tags = {
            KIND: "trial",
            UUID: f"{study.uuid}:{number}",
            NUMBER: str(number),
            "chosen": str(chosen is not None and chosen.number == number).lower(),
            **({} if row["reason"] is None else {"refused": row["reason"]}),
            **shared,
        }
        yield Entry(
            name=f"trial {number}",
            uuid=f"{study.uuid}:{number}",
            params=_params({name: row[f"param_{name}"] for name in study.spec.space}),
            metrics=_numbers({name: row[name] for name in there}),
            tags=_cut(tags),
            began=began,
            ended=ended,
        )


def _of_chosen(chosen: Chosen | None) -> Mapping[str, float | None]:
    return {} if chosen is None else chosen.metrics


def _of_findings(found: Findings) -> dict[str, float | None]:
    validation, judged = found.validation, found.judged
    return {
        "study.trials": found.trials,
        "study.eligible": found.eligible,
        "study.best_value": None if found.chosen is None else found.chosen.value,
        "study.seconds": found.seconds,
        "study.deflated_sharpe": judged.get("deflated", {}).get("value"),
        "study.pbo": judged.get("overfitting", {}).get("pbo"),
        "study.plateau": judged.get("stability", {}).get("ratio"),
        "study.validation_sharpe": None if validation is None else validation.sharpe,
        "study.validation_ratio": None if validation is None else validation.ratio,
        "study.efficiency": None if found.walk is None else found.walk.get("efficiency"),
    }


def _tags_of(spec: RunSpec) -> dict[str, str]:
    return {
        "strategy": spec.strategy,
        "symbols": ",".join(spec.symbols),
        "timeframe": spec.timeframe.value,
        "costs": spec.costs.name,
    }


def _options(spec: RunSpec) -> dict[str, str]:
    """Give the period, and the engine options that are not the usual ones."""
    usual, own = (each.model_dump(mode="json") for each in (EngineOptions(), spec.options))
    differing = {f"options.{name}": value for name, value in own.items() if value != usual[name]}
    period = {"start": spec.start, "end": spec.end, "benchmark": spec.benchmark}
    return _params({**{name: one for name, one in period.items() if one is not None}, **differing})


def _params(given: Mapping[str, Any]) -> dict[str, str]:
    return {
        name: (_json(value) if isinstance(value, dict | list) else str(value))[:LONGEST_PARAM]
        for name, value in given.items()
    }


def _numbers(given: Mapping[str, Any]) -> dict[str, float]:
    return {
        name: float(value)
        for name, value in given.items()
        if isinstance(value, int | float) and math.isfinite(value)
    }


def _series(trials: pl.DataFrame, name: str) -> Series:
    known = trials.select("number", name).drop_nulls().filter(pl.col(name).is_finite())
    return Series(known["number"].to_list(), known[name].to_list())


def _cut(tags: Mapping[str, str]) -> dict[str, str]:
    return {name: text[:LONGEST_TAG] for name, text in tags.items()}


def _json(value: Any) -> str:
    return json.dumps(
        dict(value) if isinstance(value, Mapping) else value, sort_keys=True, default=str
    )


def _milliseconds(moment: datetime) -> int:
    return round(moment.timestamp() * 1_000)
