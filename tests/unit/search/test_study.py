"""What a study may be asked for, and the files that say what it is where nothing is said."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from core.domain import study_presets
from core.domain.study import BATCHES, CAPS, Holdback, StudySpec, Trial
from core.domain.study_presets import (
    FOLDER,
    OptimizationConfig,
    WalkForwardConfig,
    optimization_config,
    overfitting_limits,
    read_config,
    walkforward_config,
)
from core.errors import InvalidInput
from core.search.walkforward import overfit
from tests.unit.search.toys import study


def test_a_study_survives_its_own_json_and_equal_ones_have_equal_text():
    spec = study(
        method="genetic",
        objectives=["sharpe_lcb", "minimize turnover"],
        walk_forward={"mode": "anchored"},
        requirements=["trades >= 30"],
    )

    again = StudySpec.model_validate_json(spec.model_dump_json())

    assert again == spec
    assert again.canonical() == spec.canonical()
    assert (
        study(space={"fast": [2, 3, 4]}).canonical()
        == study(space={"fast": {"min": 2, "max": 4, "step": 1}}).canonical()
    )
    assert study(seed=1).canonical() != study(seed=2).canonical()


def test_the_schema_of_a_study_shows_short_ways_to_write_it():
    schema = StudySpec.model_json_schema()

    text, fields = schema["$defs"]["Objective"]["anyOf"]
    assert text["type"] == "string"
    assert set(fields["properties"]) == {"metric", "direction"}
    assert len(schema["$defs"]["Dimension"]["anyOf"]) > 5
    assert schema["$defs"]["Requirement"]["type"] == "string"
    assert StudySpec.model_json_schema(mode="serialization")["$defs"]["Objective"]["properties"]


def test_what_nobody_says():
    spec = StudySpec.model_validate(
        {"run": {"strategy": "toy", "symbols": ["T"]}, "space": {"fast": [2, 3]}}
    )

    assert (spec.method, spec.objectives[0].metric, spec.validation.share) == (
        "grid",
        "sharpe_lcb",
        0.3,
    )
    assert (spec.tracked_trials, spec.patience, spec.trials) == (500, 5, 10_000)
    assert spec.metrics == ("sharpe", "sharpe_se", "sessions", "trades", "ambiguous_pct")


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        (
            {"method": "bayesian", "max_trials": 2_001},
            "max_trials is 2,001; expected at most 2,000",
        ),
        ({"max_trials": 10_001}, "max_trials is 10,001; expected at most 10,000 for grid"),
        ({"max_trials": 0}, "greater than or equal to 1"),
        ({"method": "simplex"}, "'grid', 'random', 'sobol'"),
        ({"objectives": []}, "at least 1 item"),
        ({"objectives": ["sharpe", "calmar", "sortino", "omega"]}, "at most 3 items"),
        ({"method": "cmaes", "objectives": ["sharpe", "calmar"]}, "cmaes has one objective and 2"),
        ({"method": "cmaes", "space": {"fast": [2, 3]}}, "cmaes needs two dimensions"),
        ({"validation": {"share": 0.6}}, "less than or equal to 0.5"),
        ({"space": {}}, "at least 1 item"),
        ({"space": {f"p{k}": [1, 2] for k in range(33)}}, "at most 32 items"),
        ({"seed": -1}, "greater than or equal to 0"),
        ({"trials": 5}, "Extra inputs are not permitted"),
        (
            {"run": {"strategy": "toy", "symbols": ["T"], "params": {"fast": 3}}},
            "fast is both varied and given",
        ),
    ],
)
def test_studies_that_cannot_be_meant_are_refused(fields, says):
    with pytest.raises(ValidationError) as refusal:
        study(**fields)

    assert says in str(refusal.value)


def test_all_that_is_wrong_with_the_writing_of_a_space_is_said_at_once():
    with pytest.raises(ValidationError) as refusal:
        study(space={"fast": [], "slow": {"min": 3}, "stop": [0.1]})

    assert [each["loc"] for each in refusal.value.errors()] == [
        ("space", "fast"),
        ("space", "slow"),
    ]


def test_batches_are_a_function_of_the_spec():
    for method in CAPS:
        assert study(method=method).batch == BATCHES[method]
    assert study(method="genetic", breeding={"population": 20}).batch == 20


def test_a_trial_is_a_row():
    trial = Trial(3, 0, {"fast": 2}, (1.5, None), "ruined")

    assert trial.row() == {
        "number": 3,
        "batch": 0,
        "fast": 2,
        "value_0": 1.5,
        "value_1": None,
        "reason": "ruined",
    }
    assert not trial.is_eligible


def test_the_files_have_the_values_of_the_earlier_systems():
    """They held back 0.4 and 0.3; of these one had to be chosen."""
    search, forward = optimization_config(), walkforward_config()

    assert search.parameters["rsi_threshold"].values() == (30, 40, 50, 60, 70)
    assert search.parameters["take_profit"].values() == (0.05, 0.10, 0.15)
    assert search.optimization.metric.metric == "sharpe"
    assert search.holdback(3).model_dump() == {"share": 0.3, "embargo": 3}
    assert search.holdback() == Holdback()
    check = search.optimization.overfitting
    assert (check.enabled, check.min_test_performance_ratio, check.warn_if_below) == (
        True,
        0.7,
        0.8,
    )
    assert forward.options().model_dump() == {
        "mode": "rolling",
        "unit": "months",
        "train": 6,
        "test": 2,
        "step": 2,
        "embargo": 0,
        "drift_alert": 0.3,
    }
    assert forward.parameters["sma_period"].values() == (10, 20, 50, 100)
    assert (forward.date_range.start.year, forward.results.output_dir) == (
        2020,
        "results/walkforward",
    )


def test_an_anchor_and_no_drift_detection():
    config = WalkForwardConfig.model_validate(
        {"windows": {"anchor": True}, "drift_detection": {"enabled": False}}
    )

    assert (config.options().mode, config.options().drift_alert) == ("anchored", None)


def test_a_broken_file_says_what_is_wrong(tmp_path):
    text = (FOLDER / "optimization.yaml").read_text("utf-8")
    file = tmp_path / "optimization.yaml"

    file.write_text(text.replace("warn_if_below: 0.8", "warn_if_below: 0.5"), "utf-8")
    with pytest.raises(InvalidInput, match=r"optimization.yaml cannot be used: .*warned first"):
        read_config(file, OptimizationConfig)
    file.write_text(text.replace("top_n_results", "top_results"), "utf-8")
    with pytest.raises(InvalidInput, match="top_results is not known"):
        read_config(file, OptimizationConfig)
    file.write_text("windows: [", "utf-8")
    with pytest.raises(InvalidInput, match="cannot be used"):
        read_config(file, WalkForwardConfig)
    with pytest.raises(InvalidInput, match="cannot be used"):
        read_config(tmp_path / "absent.yaml", WalkForwardConfig)


def test_what_overfits_is_said_by_the_file(tmp_path, monkeypatch):
    file = tmp_path / "optimization.yaml"
    monkeypatch.setattr(study_presets, "FOLDER", tmp_path)
    found = []
    for enabled in ("true", "false"):
        file.write_text(
            f"optimization:\n  overfitting: {{enabled: {enabled}, "
            "min_test_performance_ratio: 0.4, warn_if_below: 0.6}\n"
        )
        optimization_config.cache_clear()
        limits = overfitting_limits()._asdict()
        found.append([overfit(1.0, test, **limits).verdict for test in (0.3, 0.5, 0.7)])
    optimization_config.cache_clear()

    assert found == [["fail", "warn", "ok"], [None, None, None]]
    monkeypatch.undo()
    assert tuple(overfitting_limits()) == (0.7, 0.8)
