"""Requirements inside the trainings of a walk-forward, against loops that count trades by hand."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from core.domain.bars import Bars
from core.domain.study import StudySpec
from core.engine.sweep import sweep
from core.services.conduct import conduct
from strategies.sma_crossover import SMACrossoverStrategy
from tests.factories import make_bars

SETS = [(fast, slow) for fast in (2, 5, 9) for slow in (12, 20, 30)]
EPOCH = date(1970, 1, 1)


def spec_of(requirements: list[str]) -> StudySpec:
    return StudySpec.model_validate(
        {
            "run": {"strategy": "sma_crossover", "symbols": ["TEST"]},
            "space": {"fast": [2, 5, 9], "slow": [12, 20, 30]},
            "objectives": ["sharpe"],
            "requirements": requirements,
            "validation": {"share": 0.0},
            "walk_forward": {"unit": "sessions", "train": 100, "test": 40, "step": 40},
        }
    )


def market() -> Bars:
    moves = np.random.default_rng(11).normal(0.0004, 0.011, 620)
    closes = 100 * np.exp(np.cumsum(moves))
    return make_bars(np.r_[100.0, closes[:-1]], close=closes)


def windows_of_study(requirements: list[str], folder: Path) -> pl.DataFrame:
    result = conduct(
        spec_of(requirements),
        market(),
        SMACrossoverStrategy,
        code=Path("strategies"),
        code_hash="1",
        kept=folder,
        tell=lambda *_: None,
        threads=1,
    )
    return result.frames["windows"]


def closed_trades(closes: np.ndarray, fast: int, slow: int) -> int:
    """Count round trips: in at the open after the fast average was above the slow one."""
    held, wanted, closed = False, False, 0
    for bar in range(len(closes)):
        if wanted != held:
            closed += held
            held = wanted
        if bar >= slow - 1:
            averages = [closes[bar + 1 - span : bar + 1].mean() for span in (fast, slow)]
            wanted = averages[0] > averages[1] or (held and averages[0] == averages[1])
    return closed


def chosen_by_hand(windows: pl.DataFrame, fewest: float) -> list[tuple[int, int] | None]:
    """Best Sharpe ratio in each training of those with so many trades in it, a run of it alone."""
    spec, bars = spec_of([]), market()
    sets = [{"fast": fast, "slow": slow} for fast, slow in SETS]
    daily = sweep(SMACrossoverStrategy, bars, sets, spec.run.options, spec.run.costs).rows.daily
    chosen: list[tuple[int, int] | None] = []
    for first, last in windows.select("train_first", "train_last").iter_rows():
        inside = (bars.session >= (first - EPOCH).days) & (bars.session <= (last - EPOCH).days)
        best, found = -np.inf, None
        for (fast, slow), returns in zip(SETS, daily[:, inside].astype(np.float64), strict=True):
            needed = fewest * inside.sum() / len(bars)
            ratio = returns.mean() / returns.std(ddof=1)
            if closed_trades(bars.close[inside], fast, slow) >= needed and ratio > best:
                best, found = ratio, (fast, slow)
        chosen.append(found)
    return chosen


@pytest.mark.parametrize("fewest", [15, 25, 40])
def test_a_training_chooses_among_those_that_meet_the_requirements_in_it(tmp_path, fewest):
    free = windows_of_study([], tmp_path / "free")
    bound = windows_of_study([f"trades >= {fewest}"], tmp_path / "bound")
    found = [
        None if fast is None else (fast, slow)
        for fast, slow in bound.select("param_fast", "param_slow").iter_rows()
    ]

    assert found == chosen_by_hand(free, fewest)
    assert found != free.select("param_fast", "param_slow").rows()  # it made a difference
    nobody = bound.filter(pl.col("param_fast").is_null())
    assert nobody["test_return"].to_list() == [0.0] * len(nobody)
    assert (fewest < 40) or len(nobody) > 0


def test_requirements_that_everybody_meets_change_nothing(tmp_path):
    free = windows_of_study([], tmp_path / "free")
    met = windows_of_study(["trades >= 0", "sessions >= 500"], tmp_path / "met")

    assert met.equals(free)
