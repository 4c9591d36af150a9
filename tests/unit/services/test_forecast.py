"""How long a study would take, from studies whose parts were timed."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest

from core.domain.findings import Study
from core.domain.study import StudySpec
from core.services.forecast import forecast
from strategies.ema_crossover import EMACrossoverStrategy
from tests.contract.samples import NOW
from tests.contract.test_studies import FOUND

CROSSOVER = SimpleNamespace(
    params=EMACrossoverStrategy.param_specs(), constraints=EMACrossoverStrategy.constraints
)


def spec_of(slow: int, **given) -> StudySpec:
    """A grid of `slow` sets over a year."""
    run = {"strategy": "ema_crossover", "symbols": ["AAA"], "start": "2020-01-01"}
    space = {"fast": [5], "slow": {"min": 50, "max": 49 + slow, "step": 1}}
    return StudySpec.model_validate(
        {"run": {**run, "end": "2020-12-31"}, "space": space, "validation": {"share": 0}, **given}
    )


def study_of(spec: StudySpec, trials: int, *, search: float, besides: float) -> Study:
    """A study that took so long for its trials and worlds, and so long besides."""
    found = replace(
        FOUND,
        trials=trials,
        seconds=search + besides,
        spent={"prepare": 0.0, "search": search, "worlds": 0.0, "judge": besides, "later": 0.0},
    )
    return Study(1, "u", None, spec, "EMA crossover", "api", NOW, findings=found)


def test_trials_and_worlds_are_paid_each_and_judging_once():
    """10 ms a trial in either study; 0.5 s and 0.7 s of judging whatever their size."""
    earlier = [
        study_of(spec_of(100), 100, search=1.0, besides=0.5),
        study_of(spec_of(50, null_worlds=1), 50, search=1.0, besides=0.7),
    ]

    found = forecast(spec_of(80, null_worlds=9), CROSSOVER, earlier)

    assert (found.trials, found.measured) == (80, 2)
    assert found.seconds == pytest.approx(80 * 10 * 0.010 + 0.6)


def test_a_study_that_was_not_timed_by_part_tells_nothing():
    earlier = replace(study_of(spec_of(100), 100, search=1.0, besides=0.5), findings=FOUND)

    assert forecast(spec_of(80), CROSSOVER, [earlier]).seconds is None
