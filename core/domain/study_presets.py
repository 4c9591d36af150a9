"""What searches and walking forward are where nothing is said: two files of `config`.

Their keys are those of the earlier systems, and a request may use them too.
"""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Literal, NamedTuple, Self, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from core import faults
from core.domain.dimension import Dimension
from core.domain.objective import Objective
from core.domain.study import Holdback, WalkForward
from core.errors import InvalidInput

FOLDER = Path(__file__).resolve().parents[2] / "config"
_STRICT = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Overfitting(BaseModel):
    """When a result in the test is too much worse than in training.

    Attributes:
        min_test_performance_ratio: Test over training below which it fails.
        warn_if_below: Below which it is doubtful.
    """

    model_config = _STRICT

    enabled: bool = True
    min_test_performance_ratio: float = Field(0.7, ge=0, le=10)
    warn_if_below: float = Field(0.8, ge=0, le=10)

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.warn_if_below < self.min_test_performance_ratio:
            raise ValueError(
                f"warn_if_below is {self.warn_if_below} and what fails is "
                f"{self.min_test_performance_ratio}; expected to be warned first"
            )
        return self


class DateSpan(BaseModel):
    """First and last day, both included."""

    model_config = _STRICT

    start: date
    end: date

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.start > self.end:
            raise ValueError(f"start {self.start} is after end {self.end}")
        return self


class _Optimization(BaseModel):
    """The part `optimization` of `config/optimization.yaml`."""

    model_config = _STRICT

    metric: Objective = Field(default_factory=Objective)
    train_test_split: float = Field(0.7, ge=0.5, le=1)
    parallel_cores: int = Field(8, ge=0, le=1_024)
    overfitting: Overfitting = Field(default_factory=Overfitting)
    top_n_results: int = Field(10, ge=1, le=10_000)
    save_all_results: bool = True


class OptimizationConfig(BaseModel):
    """A search in the keys of `optimization_config`."""

    model_config = _STRICT

    parameters: dict[str, Dimension] = Field(default_factory=dict)
    optimization: _Optimization = Field(default_factory=_Optimization)
    train_period: DateSpan | None = None
    test_period: DateSpan | None = None

    def holdback(self, embargo: int = 0) -> Holdback:
        """Say what is held back: the part of the sessions that is not searched in."""
        share = Decimal(1) - Decimal(repr(self.optimization.train_test_split))
        return Holdback(share=float(share), embargo=embargo)


class _Windows(BaseModel):
    """The part `windows` of `config/walkforward.yaml`."""

    model_config = _STRICT

    train_months: int = Field(6, ge=1, le=1_200)
    test_months: int = Field(2, ge=1, le=1_200)
    step_months: int = Field(2, ge=1, le=1_200)
    anchor: bool = False


class _Choice(BaseModel):
    """The part `optimization` of `config/walkforward.yaml`."""

    model_config = _STRICT

    metric: Objective = Field(default_factory=Objective)
    parallel_cores: int = Field(8, ge=0, le=1_024)


class _DriftDetection(BaseModel):
    """The part `drift_detection` of `config/walkforward.yaml`."""

    model_config = _STRICT

    enabled: bool = True
    alert_threshold: float = Field(0.30, gt=0, le=100)
    track_metrics: tuple[Literal["optimal_parameters", "sharpe_ratio", "max_drawdown"], ...] = (
        "optimal_parameters",
        "sharpe_ratio",
        "max_drawdown",
    )


class _Results(BaseModel):
    """The part `results` of `config/walkforward.yaml`."""

    model_config = _STRICT

    save_per_window: bool = True
    aggregate_statistics: bool = True
    generate_charts: bool = True
    output_dir: str = Field("results/walkforward", min_length=1, max_length=400)


class WalkForwardConfig(BaseModel):
    """Walking forward in the keys of `walkforward_config`."""

    model_config = _STRICT

    windows: _Windows = Field(default_factory=_Windows)
    parameters: dict[str, Dimension] = Field(default_factory=dict)
    optimization: _Choice = Field(default_factory=_Choice)
    drift_detection: _DriftDetection = Field(default_factory=_DriftDetection)
    results: _Results = Field(default_factory=_Results)
    date_range: DateSpan | None = None

    def options(self, embargo: int = 0) -> WalkForward:
        """Say it in our words."""
        return WalkForward(
            mode="anchored" if self.windows.anchor else "rolling",
            unit="months",
            train=self.windows.train_months,
            test=self.windows.test_months,
            step=self.windows.step_months,
            embargo=embargo,
            drift_alert=self.drift_detection.alert_threshold
            if self.drift_detection.enabled
            else None,
        )


_Config = TypeVar("_Config", OptimizationConfig, WalkForwardConfig)


@cache
def optimization_config() -> OptimizationConfig:
    """Read `config/optimization.yaml`, once.

    Raises:
        InvalidInput: the file is missing or broken.
    """
    return read_config(FOLDER / "optimization.yaml", OptimizationConfig)


@cache
def walkforward_config() -> WalkForwardConfig:
    """Read `config/walkforward.yaml`, once.

    Raises:
        InvalidInput: the file is missing or broken.
    """
    return read_config(FOLDER / "walkforward.yaml", WalkForwardConfig)


class OverfittingLimits(NamedTuple):
    """Test over training: below `least` it fails, below `warn` it is doubtful; None: not judged."""

    least: float | None
    warn: float | None


def overfitting_limits() -> OverfittingLimits:
    """Say when a test is too much worse than its training: as `config/optimization.yaml` does.

    Raises:
        InvalidInput: the file is missing or broken.
    """
    said = optimization_config().optimization.overfitting
    if not said.enabled:
        return OverfittingLimits(None, None)
    return OverfittingLimits(said.min_test_performance_ratio, said.warn_if_below)


def read_config(file: Path, shape: type[_Config]) -> _Config:
    """Read a file of settings.

    Raises:
        InvalidInput: it cannot be read, or has a key or a value that does not exist there.
    """
    try:
        return shape.model_validate(yaml.safe_load(file.read_bytes()))
    except (yaml.YAMLError, ValidationError, OSError) as error:
        why = " ".join(str(error).split())[:200]
        if isinstance(error, ValidationError):
            why = "; ".join(faults.sentence_of(each) for each in error.errors()[:5])
        raise InvalidInput(
            f"{file.name} cannot be used: {why}",
            expected="the keys of " + ", ".join(shape.model_fields),
            hint=f"Compare {file} with the one that came with the project",
        ) from None
