"""Studies: many trials over a space of parameters, in search of the best by an objective."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from core.domain.dimension import Dimension
from core.domain.objective import Objective, Requirement, metrics_of
from core.domain.parameters import ParamValue
from core.domain.run import RunSpec

__all__ = [
    "Breeding",
    "Dimension",
    "Holdback",
    "Method",
    "Objective",
    "Requirement",
    "StudySpec",
    "Trial",
    "WalkForward",
]

Method = Literal["grid", "random", "sobol", "bayesian", "cmaes", "genetic"]
MOST_DIMENSIONS: Final = 32
CAPS: Final[dict[str, int]] = {
    "grid": 10_000,
    "random": 10_000,
    "sobol": 10_000,
    "bayesian": 2_000,
    "cmaes": 10_000,
    "genetic": 10_000,
}
"""Trials a study may have. Bayesian search takes longer over every trial the more it knows."""
USUAL_TRIALS: Final = 500
"""Trials of a study that does not say how many, where its method needs to know."""
ADAPTIVE: Final = frozenset({"bayesian", "cmaes", "genetic"})
"""Methods that learn from what they have seen."""
BATCHES: Final[dict[str, int]] = {
    "grid": 10_000,
    "random": 10_000,
    "sobol": 10_000,
    "bayesian": 32,
    "cmaes": 32,
    "genetic": 48,
}
"""Trials asked for at once. What learns nothing asks once: its lanes share their indicators."""


class Holdback(BaseModel):
    """The last sessions of a study's period, which no trial sees.

    Attributes:
        share: Of all sessions; 0 for none.
        embargo: Sessions left out before them, so that no position reaches across: at least as
            long as a position is held.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    share: float = Field(0.3, ge=0, le=0.5)
    embargo: int = Field(0, ge=0, le=10_000)


class WalkForward(BaseModel):
    """How windows of training and test follow each other.

    Attributes:
        mode: Rolling moves both ends of the training; anchored leaves its start where it is.
        train, test, step: Lengths, in `unit`.
        embargo: Sessions left out at the end of each training.
        drift_alert: Relative change of a chosen parameter from one window to the next above which
            it is told; None for never.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    mode: Literal["rolling", "anchored"] = "rolling"
    unit: Literal["months", "sessions"] = "months"
    train: int = Field(6, ge=1, le=10_000)
    test: int = Field(2, ge=1, le=10_000)
    step: int = Field(2, ge=1, le=10_000)
    embargo: int = Field(0, ge=0, le=10_000)
    drift_alert: float | None = Field(0.30, gt=0, le=100)


class Breeding(BaseModel):
    """How a genetic search makes one population from the last.

    Attributes:
        population: Trials of a generation; None for the usual.
        mutation: Chance that a parameter changes; None for one parameter in each child.
        crossover: Chance that a child has two parents.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    population: int | None = Field(None, ge=4, le=1_000)
    mutation: float | None = Field(None, ge=0, le=1)
    crossover: float = Field(0.9, ge=0, le=1)


class StudySpec(BaseModel):
    """A search as it is asked for. Equal specs on equal data and code make equal trials.

    Attributes:
        run: Symbols, period, costs, options, and the parameters that stay as they are.
        space: What is varied, by name of the parameter.
        method: How trials are chosen.
        objectives: One; or up to three, between which no weight decides.
        requirements: What a trial must show; who does not can never be the best.
        max_trials: Different sets tried at most; None for the whole grid, else 500.
        seed: Of every random choice.
        validation: What is held back.
        walk_forward: Windows, if the study is to walk forward too.
        null_worlds: How many worlds without edge the same search is repeated on.
        patience: Batches that do not raise the best smoothed objective (or bring a new member of
            the front), after which a method that learns stops; 0 for never.
        breeding: Of a genetic search; the population also is the batch of `cmaes`.
        tracked_trials: How many trials are mirrored one by one into experiment tracking.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    run: RunSpec
    space: dict[Annotated[str, Field(min_length=1, max_length=100)], Dimension] = Field(
        min_length=1, max_length=MOST_DIMENSIONS
    )
    method: Method = "grid"
    objectives: tuple[Objective, ...] = Field((Objective(),), min_length=1, max_length=3)
    requirements: tuple[Requirement, ...] = Field(
        (
            Requirement("trades >= 30"),
            Requirement("sessions >= 120"),
            Requirement("ambiguous_pct <= 0.2"),
        ),
        max_length=20,
    )
    max_trials: int | None = Field(None, ge=1)
    seed: int = Field(0, ge=0, lt=2**32)
    validation: Holdback = Field(default_factory=Holdback)
    walk_forward: WalkForward | None = None
    null_worlds: int = Field(0, ge=0, le=1_000)
    patience: int = Field(5, ge=0, le=1_000)
    breeding: Breeding = Field(default_factory=Breeding)
    tracked_trials: int = Field(500, ge=0, le=10_000)

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        both = sorted(set(self.space) & set(self.run.params))
        if both:
            raise ValueError(
                f"{', '.join(both)} is both varied and given; expected it in space or in run.params"
            )
        said = [each.sentence() for each in self.objectives]
        twice = next((each for each in said if said.count(each) > 1), None)
        if twice is not None:
            raise ValueError(f"the objective {twice!r} stands there twice; expected each once")
        cap = CAPS[self.method]
        if self.max_trials is not None and self.max_trials > cap:
            raise ValueError(
                f"max_trials is {self.max_trials:,}; expected at most {cap:,} for {self.method}"
            )
        if self.method == "cmaes":
            if len(self.objectives) > 1:
                raise ValueError(
                    f"cmaes has one objective and {len(self.objectives)} are given; "
                    "expected one, or method genetic or bayesian"
                )
            if len(self.space) == 1:
                raise ValueError(
                    "cmaes needs two dimensions and one is given; expected two, or method grid"
                )
        return self

    @property
    def batch(self) -> int:
        """Trials asked for at once: a function of the spec alone, never of threads or hosts."""
        if self.method in {"cmaes", "genetic"} and self.breeding.population is not None:
            return self.breeding.population
        return BATCHES[self.method]

    @property
    def trials(self) -> int:
        """Trials there are at most."""
        if self.max_trials is not None:
            return self.max_trials
        return CAPS["grid"] if self.method == "grid" else USUAL_TRIALS

    @property
    def metrics(self) -> tuple[str, ...]:
        """Metrics that are needed of every trial."""
        return metrics_of(self.objectives, self.requirements)

    def canonical(self) -> str:
        """The spec as JSON with sorted keys: the same study always has the same text."""
        asked = self.model_dump(mode="json", exclude={"run"})
        asked["run"] = json.loads(self.run.canonical())
        return json.dumps(asked, sort_keys=True, separators=(",", ":"))


@dataclass(frozen=True, slots=True)
class Trial:
    """One set of parameters of a study, and what became of it.

    Attributes:
        number: Its place among the trials of the study, from 0.
        batch: Number of the batch it was asked for in.
        params: The parameters that are varied.
        values: Of the objectives, in their order and own sign; None where undefined.
        reason: Why it cannot be the best; None if it can.
    """

    number: int
    batch: int
    params: Mapping[str, ParamValue]
    values: tuple[float | None, ...]
    reason: str | None = None

    @property
    def is_eligible(self) -> bool:
        """Whether it takes part in the search for the best."""
        return self.reason is None

    def row(self) -> dict[str, Any]:
        """Give it as one flat row: number, batch, parameters, values, reason."""
        values = {f"value_{place}": value for place, value in enumerate(self.values)}
        return {
            "number": self.number,
            "batch": self.batch,
            **self.params,
            **values,
            "reason": self.reason,
        }
