"""Services: one public method for one wish of a user, the same through every door."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

from core.services.backtests import Backtests
from core.services.compare import Comparison, Difference, MetricRow
from core.services.currencies import Conversion
from core.services.experiments import Experiments
from core.services.forecast import Forecast
from core.services.jobs import Jobs
from core.services.kernels import COMPILING
from core.services.market import Market
from core.services.strategies import Strategies
from core.services.studies import Studies
from core.services.study_plan import StudyPlan
from core.services.system import System
from core.settings import Settings

__all__ = [
    "COMPILING",
    "Backtests",
    "Comparison",
    "Conversion",
    "Difference",
    "Experiments",
    "Forecast",
    "Jobs",
    "Market",
    "MetricRow",
    "Services",
    "Strategies",
    "Studies",
    "StudyPlan",
    "System",
]


@dataclass(frozen=True, slots=True)
class Services:
    """Everything a door may do. Made by `core.bootstrap.build`; a context manager.

    Attributes:
        backtests: Submit, read, compare and reproduce runs.
        strategies: List, explain and check strategies.
        studies: Search for parameters, and judge what was found.
        experiments: Read what MLflow has, and say what of ours is there.
        jobs: Look at the queue, cancel what waits or runs.
        market: Import and read prices.
        system: Say whether everything works.
        settings: As they were read.
        shut: Ends processes and connections.
    """

    backtests: Backtests
    strategies: Strategies
    jobs: Jobs
    studies: Studies
    experiments: Experiments
    market: Market
    system: System
    settings: Settings
    shut: Callable[[], None]

    def close(self) -> None:
        """End child processes and connections; calling it again does nothing."""
        self.shut()

    def __enter__(self) -> Self:
        """Use as a context manager."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close on the way out."""
        self.close()
