"""Studies with next to nothing to judge: no answer that is no number, none that sounds certain."""

from __future__ import annotations

from dataclasses import asdict
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.domain.bars import Bars
from core.domain.strategy import MarketView, Param, Signals, Strategy
from core.domain.study import StudySpec
from core.errors import InvalidInput, StrategyFailed
from core.services.conduct import StudyResult, conduct
from strategies.sma_crossover import SMACrossoverStrategy
from tests.factories import make_bars
from tests.unit.services.test_noise_studies import walk


class Idle(Strategy):
    """Whatever its parameters are, it does the same; it fails where `fast` is 2."""

    title = "Idle"

    fast: int = Param(10, ge=2, le=200)
    slow: int = Param(30, ge=2, le=500)

    def generate_signals(self, view: MarketView) -> Signals:
        if self.fast == 2:
            raise ValueError("boom")
        quick, late = view.ind.sma(5), view.ind.sma(20)
        return Signals.side(long=quick > late, exit=quick < late)


def study(
    folder: Path, bars: Bars, strategy: type[Strategy] = SMACrossoverStrategy, **given: Any
) -> StudyResult:
    spec = {
        "run": {"strategy": "sma_crossover", "symbols": ["TEST"]},
        "space": {"fast": [4, 6, 8], "slow": [12, 24]},
        "objectives": ["sharpe"],
        "requirements": [],
        "null_worlds": 1,
        **given,
    }
    return conduct(
        StudySpec.model_validate(spec),
        bars,
        strategy,
        code=Path("strategies"),
        code_hash="1",
        kept=folder,
        tell=lambda *_: None,
        threads=1,
    )


def level(price: float = 100.0) -> Bars:
    return make_bars(*[np.full(500, price)] * 4)


def not_numbers(found: Any, at: str = "") -> list[str]:
    """Where an answer has NaN or infinity."""
    if isinstance(found, float) and not isfinite(found):
        return [at]
    if isinstance(found, dict):
        return [bad for name, each in found.items() for bad in not_numbers(each, f"{at}.{name}")]
    if isinstance(found, (list, tuple)):
        return [bad for n, each in enumerate(found) for bad in not_numbers(each, f"{at}[{n}]")]
    return []


CASES: dict[str, tuple[Any, type[Strategy], dict[str, Any]]] = {
    "one trial": (walk(1), SMACrossoverStrategy, {"space": {"fast": [4], "slow": [24]}}),
    "two trials": (walk(1), SMACrossoverStrategy, {"space": {"fast": [4, 6], "slow": [24]}}),
    "three trials": (walk(4), SMACrossoverStrategy, {"space": {"fast": [4, 6, 8], "slow": [24]}}),
    "all alike": (walk(9, trend=0.004), Idle, {}),
    "all idle": (level(), SMACrossoverStrategy, {}),
    "nobody eligible": (walk(1), SMACrossoverStrategy, {"requirements": ["trades >= 3000"]}),
    "all but one failed": (walk(4), Idle, {"space": {"fast": [2, 4], "slow": [12]}}),
    "constant returns": (
        make_bars(*[100 * np.exp(np.arange(500) * 0.001)] * 4),
        SMACrossoverStrategy,
        {"objectives": ["total_return"]},
    ),
    "two objectives": (
        walk(3),
        SMACrossoverStrategy,
        {"objectives": ["sharpe", "max_drawdown"], "validation": {"share": 0}},
    ),
    "idle, walking forward": (
        level(),
        SMACrossoverStrategy,
        {"walk_forward": {"train": 8, "test": 2, "step": 2}},
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_no_answer_is_nan_and_none_is_green(name, tmp_path):
    bars, strategy, given = CASES[name]

    found = study(tmp_path, bars, strategy, **given)

    assert not_numbers(asdict(found.findings)) == []
    assert found.findings.light != "green"
    assert "nan" not in found.findings.sentence
    for table, frame in found.frames.items():
        numbers = frame.select(c for c in frame.columns if frame[c].dtype.is_float())
        assert [(table, c) for c in numbers.columns if not numbers[c].is_finite().all()] == []
    for gate in found.findings.gates:
        assert (gate["value"] is None) == (gate["reason"] is not None)


def test_trials_that_are_all_alike_are_one_trial_and_say_nothing_of_a_choice(tmp_path):
    found = study(tmp_path, walk(9, trend=0.004), Idle).findings

    deflated = found.judged["deflated"]
    assert deflated["value"] == pytest.approx(deflated["probability"])  # no spread: no luck
    assert deflated["effective"] == pytest.approx(1.0, rel=0.01)
    assert found.judged["overfitting"]["pbo"] is None
    assert found.judged["overfitting"]["reason"] == "all trials that traded have the same returns"
    assert (found.light, found.edges) == ("amber", [])


def test_where_nobody_may_be_chosen_each_gate_says_so(tmp_path):
    bars, strategy, given = CASES["idle, walking forward"]
    found = study(tmp_path, bars, strategy, **given).findings

    assert (found.trials, found.eligible, found.chosen) == (6, 0, None)
    assert found.sentence.startswith("None of 6 trials may be chosen: ")
    reasons = {gate["name"]: gate["reason"] for gate in found.gates}
    assert reasons == {
        "deflated": "no trial is eligible",
        "pbo": "fewer than two trials traded",
        "snooping": "no trial traded",
        "efficiency": "no trial is eligible",
        "plateau": "no trial is eligible",
        "breakeven": "no trial is eligible",
    }


def test_the_only_trial_that_did_not_fail_has_no_luck_to_compare_with(tmp_path):
    found = study(tmp_path, walk(4), Idle, space={"fast": [2, 4], "slow": [12]}).findings

    assert (found.trials, found.eligible) == (2, 1)
    assert found.judged["deflated"]["value"] is None
    assert "only one of the trials traded" in found.judged["deflated"]["reason"]


def test_a_study_in_which_every_trial_failed_says_why(tmp_path):
    with pytest.raises(StrategyFailed, match="every trial failed; the first: ValueError: boom"):
        study(tmp_path, walk(4), Idle, space={"fast": [2], "slow": [12, 13]})


def test_between_two_objectives_the_plateau_is_the_least_of_both(tmp_path):
    """The median over neighbours, by hand, of a grid of three by two around the chosen trial."""
    bars, strategy, given = CASES["two objectives"]
    result = study(tmp_path, bars, strategy, **given)
    table, chosen = result.frames["trials"], result.findings.chosen
    assert chosen is not None

    steps = [4, 6, 8]
    here = steps.index(chosen.params["fast"])
    near = [f in steps[max(0, here - 1) : here + 2] for f in table["param_fast"].to_list()]
    sharpe = table["value_0"].filter(near).median()
    fall = table["value_1"].filter(near).median()
    own = table.row(chosen.number, named=True)
    expected = {"sharpe": sharpe / own["value_0"], "max_drawdown": own["value_1"] / fall}
    found = result.findings.judged["stability"]
    assert found["by_objective"] == pytest.approx(expected)
    assert found["ratio"] == pytest.approx(min(expected.values()))
    assert found["peak_ratio"] is None


def test_an_objective_that_windows_cannot_tell_is_refused_before_anything_is_searched(tmp_path):
    with pytest.raises(InvalidInput, match="calmar of a window cannot be told"):
        study(
            tmp_path,
            walk(1),
            objectives=["calmar"],
            walk_forward={"train": 8, "test": 2, "step": 2},
        )

    assert list(tmp_path.iterdir()) == []


def test_what_loses_before_costs_breaks_even_at_no_multiple_of_them(tmp_path):
    found = study(tmp_path, walk(1), space={"fast": [4], "slow": [24]}).findings

    assert found.chosen is not None
    profit, costs = found.chosen.metrics["net_profit"], found.chosen.metrics["total_costs"]
    assert profit is not None
    assert costs is not None
    assert profit + costs < 0.0 < costs
    (gate,) = [each for each in found.gates if each["name"] == "breakeven"]
    assert (gate["value"], gate["light"]) == (0.0, "red")
    assert "it loses before costs" in found.sentence
