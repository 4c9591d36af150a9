"""What requests for searches may say, in the words of both earlier systems and in ours."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Self

from pydantic import ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from api.bodies import SOURCES, Body, PricesBody, check_costs, check_days
from api.faults import as_request
from api.words import (
    ObjectiveIn,
    Params,
    RequirementIn,
    Share,
    SpaceIn,
    StrategyName,
    WalkForwardIn,
)
from core.domain.study import BATCHES, Method, StudySpec
from core.domain.study_presets import optimization_config, walkforward_config
from core.domain.timeframe import Timeframe

SPACES = ("space", "parameter_space", "param_ranges", "parameters")
OBJECTIVES = ("objectives", "objective_metric", "optimization_metric")
MOST_WORKERS = 8
EXAMPLE: dict[str, Any] = {
    "strategy": "ema_crossover",
    "symbols": ["AAPL"],
    "param_ranges": {"fast": [5, 10, 15], "slow": {"min": 30, "max": 60, "step": 10}},
    "optimization_metric": "sharpe_lcb",
    "start_date": "2000-01-01",
    "end_date": "2012-12-31",
}


class StudyBody(PricesBody):
    """A search for the parameters of one strategy on one or several symbols.

    Name the strategy by `strategy` or `strategy_path`; the prices by `symbols` or a data set;
    what is varied by one of `space`, `parameter_space`, `param_ranges` and `parameters`; what is
    looked for by one of `objectives`, `objective_metric` and `optimization_metric`. Words of one
    row mean the same.
    """

    # What the core calls a part of a request -> what this body calls it.
    WORDS: ClassVar[dict[str, tuple[str, ...]]] = {
        "params": ("strategy_params",),
        "space": SPACES,
        "strategy": ("strategy", "strategy_path"),
        "symbols": SOURCES,
        "dataset": SOURCES[1:],
        "start": ("start_date",),
        "end": ("end_date",),
        "options": ("engine_options",),
        "validation": ("validation_split",),
        "objectives": ("objectives", "objective_metric", "optimization_metric"),
        "walk_forward": ("walk_forward", "train_months", "test_months", "step_months"),
    }

    strategy: StrategyName | None = None
    strategy_path: StrategyName | None = None
    space: SpaceIn | None = Field(None, description="What is varied, by name of the parameter.")
    parameter_space: SpaceIn | None = Field(None, description="Another word for `space`.")
    param_ranges: SpaceIn | None = Field(None, description="Another word for `space`.")
    parameters: SpaceIn | None = Field(None, description="Another word for `space`.")
    strategy_params: Params = Field(
        default_factory=dict, description="Parameters that stay as they are."
    )
    objectives: list[ObjectiveIn] | None = Field(
        None, min_length=1, max_length=3, description="`sharpe_lcb` if nothing is said."
    )
    objective_metric: ObjectiveIn | None = Field(None, description="One of `objectives`.")
    optimization_metric: ObjectiveIn | None = Field(None, description="One of `objectives`.")
    requirements: list[RequirementIn] | None = Field(
        None,
        max_length=20,
        description="What a trial must show to be the best; left out: 30 trades, 120 sessions and "
        "at most 20% ambiguous fills. An empty list asks for nothing.",
    )
    max_trials: int | None = Field(
        None, ge=1, le=10_000, description="Left out: the whole grid, or 500."
    )
    seed: int = Field(0, ge=0, lt=2**32, description="Of every random choice.")
    validation_split: Share = Field(
        default_factory=lambda: optimization_config().holdback().share,
        ge=0,
        le=0.5,
        description="Share of the sessions, the last ones, that no trial sees: at least 0.1, or 0 "
        "for none. Left out: as `config/optimization.yaml` says, 0.3 as it comes.",
    )
    embargo: int = Field(0, ge=0, le=10_000, description="Sessions left out before them.")
    walk_forward: WalkForwardIn | None = Field(
        None, description="Windows of training and test over the whole period."
    )
    null_worlds: int = Field(
        0, ge=0, le=1_000, description="Worlds without edge that the same search is repeated on."
    )
    patience: int = Field(
        5,
        ge=0,
        le=1_000,
        description="Batches that do not raise the smoothed objective, after which a method "
        "that learns stops; 0 for no end to patience.",
    )
    tracked_trials: int = Field(
        500, ge=0, le=10_000, description="Trials mirrored one by one into experiment tracking."
    )
    max_workers: int | None = Field(
        None, ge=1, le=MOST_WORKERS, description="Read and not needed: see `notes`."
    )
    priority: int = Field(0, ge=-1_000, le=1_000, description="Higher ones are taken first.")

    @model_validator(mode="after")
    def _sensible(self) -> Self:
        for names, least in (
            (("strategy", "strategy_path"), 1),
            (SOURCES, 1),
            (SPACES, 1),
            (OBJECTIVES, 0),
        ):
            _one_of(self, names, least)
        check_days(self.start_date, self.end_date)
        check_costs(self.costs, self.cost_config, self.engine_options)
        return self

    @property
    def strategy_name(self) -> str:
        """The strategy, however it is named."""
        return self.strategy or self.strategy_path or ""

    def spec(self, symbols: list[str], timeframe: Timeframe) -> StudySpec:
        """What is asked, in the words of the core."""
        run = self.run_of(self.strategy_name, self.strategy_params, symbols, timeframe)
        said = {
            "method": self._method(),
            "objectives": self._objectives(),
            "requirements": self.requirements,
            "max_trials": self._trials(),
            "walk_forward": self._windows(),
            "breeding": self._breeding(),
        }
        with as_request("body"):
            return StudySpec.model_validate(
                {
                    "run": run,
                    "space": next(filter(None, (getattr(self, name) for name in SPACES))),
                    "seed": self.seed,
                    "validation": {"share": self.validation_split, "embargo": self.embargo},
                    "null_worlds": self.null_worlds,
                    "patience": self.patience,
                    "tracked_trials": self.tracked_trials,
                    **{name: value for name, value in said.items() if value is not None},
                }
            )

    def notes(self) -> list[str]:
        """What was assumed because the request left it open, and what does nothing."""
        found = super().notes()
        if self.max_workers is not None:
            found.append("max_workers does nothing: a sweep uses what processors its worker has.")
        return found

    def _method(self) -> Method | None:
        return "grid"

    def _trials(self) -> int | None:
        return self.max_trials

    def _breeding(self) -> dict[str, Any] | None:
        return None

    def _windows(self) -> Any:
        return self.walk_forward

    def _objectives(self) -> Any:
        single = self.objective_metric or self.optimization_metric
        return self.objectives or ([single] if single else None)


class GridSearchBody(StudyBody):
    """A search that tries every set of a grid."""

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE]})


class GeneticBody(StudyBody):
    """A search that breeds the next sets from the best ones (NSGA-II)."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {**EXAMPLE, "population": 20, "generations": 5, "mutation": 0.2, "seed": 7}
            ]
        }
    )

    population: int | None = Field(None, ge=4, le=1_000, description="Trials of a generation.")
    population_size: int | None = Field(
        None, ge=4, le=1_000, description="Another word for `population`."
    )
    generations: int | None = Field(
        None, ge=1, le=2_500, description="Another way to say `max_trials`: times the population."
    )
    mutation: float | None = Field(
        None, ge=0, le=1, description="Chance that a parameter changes; one of a child if left out."
    )
    mutation_rate: float | None = Field(
        None, ge=0, le=1, description="Another word for `mutation`."
    )
    crossover: float | None = Field(
        None, ge=0, le=1, description="Chance that a child has two parents; 0.9 if left out."
    )
    crossover_rate: float | None = Field(
        None, ge=0, le=1, description="Another word for `crossover`."
    )

    @model_validator(mode="after")
    def _one_word_each(self) -> Self:
        _one_of(self, ("population", "population_size"), 0)
        _one_of(self, ("mutation", "mutation_rate"), 0)
        _one_of(self, ("crossover", "crossover_rate"), 0)
        _one_of(self, ("generations", "max_trials"), 0)
        return self

    def _method(self) -> Method | None:
        return "genetic"

    def _trials(self) -> int | None:
        if self.generations is None:
            return self.max_trials
        return self.generations * (self.population or self.population_size or BATCHES["genetic"])

    def _breeding(self) -> dict[str, Any] | None:
        said = {
            "population": self.population or self.population_size,
            "mutation": self.mutation if self.mutation is not None else self.mutation_rate,
            "crossover": self.crossover if self.crossover is not None else self.crossover_rate,
        }
        return {name: value for name, value in said.items() if value is not None}


class OptimizationBody(GeneticBody):
    """A search by any method.

    Words of breeding are for `genetic`; the population also is the batch of `cmaes`.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "strategy": "ema_crossover",
                    "symbols": ["AAPL"],
                    "parameter_space": {
                        "fast": {"type": "int", "low": 5, "high": 20},
                        "slow": {"type": "int", "low": 30, "high": 90},
                    },
                    "objective_metric": "sharpe_lcb",
                    "optimization_method": "random",
                    "max_trials": 20,
                    "start_date": "2000-01-01",
                    "end_date": "2012-12-31",
                }
            ]
        }
    )

    method: Method | None = Field(None, description="`grid` if nothing is said.")
    optimization_method: Method | None = Field(None, description="Another word for `method`.")

    @model_validator(mode="after")
    def _one_method(self) -> Self:
        _one_of(self, ("method", "optimization_method"), 0)
        said = [name for name in _BREEDING if getattr(self, name) is not None]
        bred = "genetic" if set(said) - set(_BREEDING[:2]) else "genetic or cmaes"
        if said and (self._method() or "grid") not in bred:
            raise PydanticCustomError(
                "contradiction",
                "{words} is said of a search that does not breed",
                {"words": said[-1], "expected": f"method {bred}, or no such key"},
            )
        return self

    def _method(self) -> Method | None:
        return self.method or self.optimization_method


class WalkForwardBody(OptimizationBody):
    """A search that walks forward: windows of `config/walkforward.yaml` unless others are given."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{**EXAMPLE, "walk_forward": {"train": 24, "test": 6, "step": 6}}]
        }
    )

    anchored: bool | None = Field(
        None, description="Whether the start of the training stays where it is."
    )
    train_months: Annotated[int, Field(ge=1, le=1_200)] | None = None
    test_months: Annotated[int, Field(ge=1, le=1_200)] | None = None
    step_months: Annotated[int, Field(ge=1, le=1_200)] | None = None

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        months = [name for name in _MONTHS if getattr(self, name) is not None]
        if self.walk_forward is not None and months:
            _one_of(self, ("walk_forward", months[0]), 0)
        return self

    def _windows(self) -> Any:
        if self.walk_forward is not None:
            return self.walk_forward
        usual = walkforward_config().options(self.embargo)
        said = {
            "mode": None if self.anchored is None else ("rolling", "anchored")[self.anchored],
            "train": self.train_months,
            "test": self.test_months,
            "step": self.step_months,
        }
        return usual.model_copy(update={name: each for name, each in said.items() if each})


class PromoteBody(Body):
    """Which trial to run."""

    model_config = ConfigDict(json_schema_extra={"examples": [{}, {"trial": 0}]})

    trial: int | None = Field(
        None, ge=0, le=1_000_000, description="Its number; the one the study chose if left out."
    )


_MONTHS = ("anchored", "train_months", "test_months", "step_months")
_BREEDING = (
    "population",
    "population_size",
    "generations",
    "mutation",
    "mutation_rate",
    "crossover",
    "crossover_rate",
)


def _one_of(body: Body, names: tuple[str, ...], least: int) -> None:
    """Refuse several words for the same thing, or none where one is needed."""
    said = [name for name in names if getattr(body, name) is not None]
    if least <= len(said) <= 1:
        return
    raise PydanticCustomError(
        "contradiction" if said else "missing",
        "{found}",
        {
            "found": " and ".join(said) + " say the same thing" if said else f"no {names[0]}",
            "expected": f"{'exactly' if least else 'at most'} one of {', '.join(names)}",
        },
    )
