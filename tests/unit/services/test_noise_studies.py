"""Whole studies of noise: how often what a study says of itself is wrong. Seeds are fixed.

`tests/unit/trust/test_noise.py` asks the judges alone; here bars go through the engine, the search,
the choice of a trial and the same search in worlds without edge, as any study does.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from core.domain.bars import Bars
from core.domain.findings import Findings
from core.domain.study import StudySpec
from core.services.conduct import conduct
from strategies.sma_crossover import SMACrossoverStrategy
from tests.factories import make_bars
from tests.unit.trust.searches import chance_of_uniform

STUDIES = 200
WITH_EDGE = 10
SESSIONS, WORLDS = 500, 19
SPEC = StudySpec.model_validate(
    {
        "run": {"strategy": "sma_crossover", "symbols": ["TEST"]},
        "space": {"fast": [2, 4, 6, 8], "slow": [12, 24, 36]},
        "objectives": ["sharpe"],
        "requirements": [],
        "validation": {"share": 0.0},
        "null_worlds": WORLDS,
    }
)


def walk(seed: int, *, trend: float = 0.0) -> Bars:
    """Two years of a market that gains nothing in the mean; trends turn every 60 sessions."""
    rng = np.random.default_rng(seed)
    gap, body = 0.003 * rng.standard_normal(SESSIONS), 0.01 * rng.standard_normal(SESSIONS)
    drift = trend * np.where(np.arange(SESSIONS) // 60 % 2, -1.0, 1.0)
    moved = np.cumsum(gap - 0.003**2 / 2 + body - 0.01**2 / 2 + drift)
    opens, closes = 100 * np.exp(moved - body - drift), 100 * np.exp(moved)
    up, down = np.exp(0.004 * rng.random((2, SESSIONS)))
    return make_bars(
        opens, np.maximum(opens, closes) * up, np.minimum(opens, closes) / down, closes
    )


def study_of(bars: Bars, seed: int, folder: Path) -> Findings:
    """What a study of 12 crossovers and 19 worlds finds in these bars."""
    result = conduct(
        SPEC.model_copy(update={"seed": seed}),
        bars,
        SMACrossoverStrategy,
        code=Path("strategies"),
        code_hash="1",
        kept=folder / "kept",
        tell=lambda *_: None,
        threads=1,
    )
    shutil.rmtree(folder / "kept")
    assert (result.findings.trials, result.findings.judged["worlds"]["worlds"]) == (12, WORLDS)
    return result.findings


def steps_filled(chances: list[float]) -> np.ndarray:
    """Make p continuous: it stands on steps of 1 / (K + 1), a uniform part of a step fills them."""
    return np.array(chances) - np.random.default_rng(1).random(len(chances)) / (WORLDS + 1)


def test_a_study_of_noise_is_seldom_believed_and_its_p_is_uniform(tmp_path):
    found = [study_of(walk(9_000 + seed), seed, tmp_path) for seed in range(STUDIES)]
    deflated = np.array([each.judged["deflated"]["value"] for each in found])
    alone = np.array([each.judged["deflated"]["probability"] for each in found])
    chances = [each.judged["worlds"]["p"] for each in found]

    assert np.mean(deflated > 0.95) <= 0.05
    assert np.mean(alone > 0.95) > 0.05  # what one would have believed of the same winners
    assert not any(each.light == "green" for each in found)
    assert chance_of_uniform(steps_filled(chances)) > 0.001


def test_a_study_of_a_market_that_trends_is_told_from_noise(tmp_path):
    """The same judges, so that the test above is known to be able to fail."""
    found = [study_of(walk(9_000 + seed, trend=0.004), seed, tmp_path) for seed in range(WITH_EDGE)]
    chances = [each.judged["worlds"]["p"] for each in found]

    assert chance_of_uniform(steps_filled(chances)) < 0.001
    assert np.mean(chances) == pytest.approx(0.05, abs=0.1)
