"""Studies that tests submit, watch and see to their end."""

from __future__ import annotations

import os
import signal
import textwrap
import time
from collections.abc import Callable

import numpy as np

from core.domain.findings import Study
from core.domain.job import JobState
from core.domain.study import StudySpec
from core.services import Services
from core.settings import Settings
from tests.faults.job_storm import children_of
from tests.laboratory import a_worker

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


def kill_in_the_middle(settings: Settings, services: Services, spec: StudySpec) -> None:
    """Do a study undisturbed, then again with its child killed after some chunks: same bytes."""
    with a_worker(settings):
        quiet = done(services, spec)
        study = services.studies.submit(spec)
        wait(services, study, lambda each: each.job.done > 20)
        before = services.studies.get(study.id).job.done
        kept = settings.scratch_dir / f"job-{study.job.id}" / "kept"
        chunks = len(list(kept.rglob("*.npz")))
        for keeper in children_of(os.getpid()):
            for child in children_of(keeper):
                os.kill(child, signal.SIGKILL)
        wait(services, study, lambda each: each.job.attempt == 2)
        first = wait(services, study, lambda each: each.job.done > 0)
        study = over(services, study)

    assert chunks > 3
    assert first.job.done >= before * 0.5  # what was kept was not done again
    assert study.job.state is JobState.COMPLETED, study.job.error
    assert (study.key, study.artifacts) == (quiet.key, quiet.artifacts)
