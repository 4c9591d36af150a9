"""Studies that tests submit, watch and see to their end."""

from __future__ import annotations

import textwrap
import time
from collections.abc import Callable

import numpy as np

from core.domain.findings import Study
from core.domain.job import JobState
from core.domain.study import StudySpec
from core.services import Services

PATIENCE = 180.0
LOOK_SECONDS = 0.02


def slowly(seconds: float) -> str:
    """Give the code of a strategy that thinks so long about each trial."""
    return textwrap.dedent(f"""
        import time

        from core.domain.strategy import MarketView, Param, Signals, Strategy


        class Slowly(Strategy):
            '''Long above an average, and slow to say so.'''

            span: int = Param(10, ge=2, le=400)

            def generate_signals(self, view: MarketView) -> Signals:
                time.sleep({seconds})
                average = view.ind.sma(self.span)
                return Signals.side(long=view.close > average, exit=view.close < average)
    """)


def closes(count: int, seed: int = 1) -> list[float]:
    """Draw the closes of a market."""
    moves = np.random.default_rng(seed).normal(0.0004, 0.012, count)
    return (100 * np.exp(np.cumsum(moves))).tolist()


def wait(services: Services, study: Study, is_so: Callable[[Study], bool]) -> Study:
    """Wait until something is so."""
    deadline = time.monotonic() + PATIENCE
    while not is_so(now := services.studies.get(study.id)):
        assert time.monotonic() < deadline, f"still {now.job.state}, {now.job.step}"
        time.sleep(LOOK_SECONDS)
    return now


def over(services: Services, study: Study) -> Study:
    """Wait until it is over."""
    return wait(services, study, lambda each: each.job.state.is_final)


def done(services: Services, spec: StudySpec) -> Study:
    """Submit a study and see it completed."""
    study = over(services, services.studies.submit(spec))
    assert study.job.state is JobState.COMPLETED, study.job.error
    return study
