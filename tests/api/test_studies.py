"""/api/v1/optimization and its other paths: searches by a real worker, judged by content."""

from __future__ import annotations

import dataclasses
import itertools
import json
import math
import time
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from api.app import create_app
from core.domain.findings import STUDY_SORTS, StudyQuery
from core.domain.metrics import METRICS
from core.domain.run import RunSpec
from core.domain.study import StudySpec
from core.services import Services
from tests.api.conftest import BASE
from tests.laboratory import searching_by

PATIENCE = 120.0
V1 = "/api/v1/optimization"
GRID: dict[str, Any] = {
    "strategy_path": "strategies.ema_crossover.EMACrossoverStrategy",
    "dataset_id": "AAPL",
    "param_ranges": {"fast": [5, 10, 15], "slow": [30, 40, 50]},
    "optimization_metric": "sharpe_ratio",
    "requirements": ["trades >= 1"],
    "validation_split": 0.2,
    "seed": 3,
}


def ask(client: TestClient, path: str = f"{V1}/grid-search", **changes: Any) -> dict[str, Any]:
    answer = client.post(path, json={**GRID, **changes})
    assert answer.status_code == 202, answer.text
    return dict(answer.json())


def over(client: TestClient, study: int | str) -> str:
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        job = client.get(f"{V1}/{study}/status").json()["job"]
        if job["status"] in {"completed", "failed", "cancelled"}:
            assert job["error_message"] is None, job
            return str(job["status"])
        time.sleep(0.05)
    raise AssertionError(f"study {study} is not over: {job}")


@pytest.fixture(scope="module")
def walked(queue_client: TestClient) -> dict[str, Any]:
    """A completed grid of nine sets that walked forward and was compared with two worlds."""
    taken = ask(queue_client, walk_forward={"train": 24, "test": 12, "step": 12}, null_worlds=2)
    assert over(queue_client, taken["id"]) == "completed"
    return taken


def results(client: TestClient, study: int | str, **query: Any) -> dict[str, Any]:
    answer = client.get(f"{V1}/{study}/results", params=query)
    assert answer.status_code == 200, answer.text
    return dict(answer.json()["results"])


def test_nothing_need_be_held_back(queue_client: TestClient) -> None:
    taken = ask(queue_client, validation_split=0)
    assert over(queue_client, taken["id"]) == "completed"

    found = results(queue_client, taken["id"])
    kept = results(queue_client, _with_holdback(queue_client)["id"])
    assert found["validation_metrics"] is None
    assert found["analysis"]["last_date"] > kept["analysis"]["last_date"]
    spent = found["analysis"]["spent"]
    assert {"prepare", "search", "worlds", "judge", "later"} == set(spent)
    assert 0 < sum(spent.values()) <= found["analysis"]["seconds"]


def _with_holdback(client: TestClient) -> dict[str, Any]:
    taken = ask(client)
    assert over(client, taken["id"]) == "completed"
    return taken


# --- asking ----------------------------------------------------------------------------------


def test_a_grid_is_taken_on_with_its_size(apart_client: TestClient, apart: Services) -> None:
    answer = apart_client.post(f"{V1}/grid-search", json=GRID)

    body = answer.json()
    assert answer.status_code == 202, answer.text
    study = apart.studies.get(body["id"])
    assert answer.headers["location"] == f"{V1}/{study.id}"
    assert (body["job_id"], body["uuid"], body["status"]) == (
        study.job.uuid,
        study.uuid,
        "pending",
    )
    assert (body["total_combinations"], body["combinations_exact"]) == (9, True)
    assert body["estimated_time_minutes"] is None
    assert "no study" in body["estimated_time_reason"]
    spec = study.spec
    assert (spec.method, spec.seed, spec.validation.share) == ("grid", 3, 0.2)
    assert [each.metric for each in spec.objectives] == ["sharpe"]
    assert [each.root for each in spec.requirements] == ["trades >= 1"]
    assert spec.run.strategy == "ema_crossover"
    assert spec.space["fast"].values() == (5, 10, 15)
    for ref in (study.id, study.uuid, study.job.uuid):
        assert apart_client.get(f"{V1}/{ref}").json()["id"] == study.id
    apart_client.post(f"{V1}/{study.id}/cancel")


def test_constraints_are_counted_in(apart_client: TestClient) -> None:
    """Of 10 and 40 with 30 and 50, fast < slow leaves (10, 30), (10, 50) and (40, 50)."""
    taken = ask(apart_client, param_ranges={"fast": [10, 40], "slow": [30, 50]})

    assert taken["total_combinations"] == 3
    apart_client.post(f"{V1}/{taken['id']}/cancel")


@pytest.mark.parametrize(
    "fast",
    [
        [5, 10, 15],
        {"type": "range", "start": 5, "stop": 15, "step": 5},
        {"type": "choice", "values": [15, 5, 10]},
        {"type": "int", "low": 5, "high": 15, "step": 5},
        {"min": 5, "max": 15, "step": 5},
        {"type": "categorical", "choices": [5, 10, 15]},
    ],
)
@pytest.mark.parametrize(
    ("path", "word"),
    [
        (f"{V1}/grid-search", "param_ranges"),
        ("/api/v1/optimize", "parameter_space"),
        ("/api/optimization/run", "parameters"),
        (V1, "space"),
    ],
)
def test_every_way_to_write_a_range_is_the_same_study(
    *, apart_client: TestClient, apart: Services, path: str, word: str, fast: Any
) -> None:
    body = {key: value for key, value in GRID.items() if key != "param_ranges"}
    answer = apart_client.post(path, json={**body, word: {"fast": fast, "slow": [30, 40, 50]}})

    assert answer.status_code == 202, answer.text
    study = apart.studies.get(answer.json()["id"])
    assert study.spec.space["fast"].values() == (5, 10, 15)
    assert answer.json()["total_combinations"] == 9
    apart_client.post(f"{V1}/{study.id}/cancel")


def test_the_words_of_the_first_system(apart_client: TestClient, apart: Services) -> None:
    """Its API says one thing and its Streamlit client another; both are understood."""
    common = {"strategy": "ema_crossover", "symbols": ["AAPL"], "max_trials": 7}
    said = {
        **common,
        "parameter_space": {"fast": {"type": "int", "low": 5, "high": 15}},
        "objective_metric": "total_return",
        "optimization_method": "random",
        "timeframe": "1d",
    }
    sent = {
        **common,
        "parameters": {"fast": {"min": 5, "max": 15, "step": 1}},
        "optimization_metric": "total_return",
        "optimization_method": "random",
    }

    studies = []
    for body in (said, sent):
        answer = apart_client.post("/api/optimization/run", json=body)
        assert answer.status_code == 202, answer.text
        studies.append(apart.studies.get(answer.json()["id"]))
        status = apart_client.get(f"/api/optimization/status/{answer.json()['job_id']}")
        assert status.json()["job"]["status"] == "pending"
        apart_client.post(f"{V1}/{answer.json()['id']}/cancel")

    one, other = (study.spec for study in studies)
    assert one == other
    assert (one.method, one.trials, one.objectives[0].metric) == ("random", 7, "total_return")


def test_breeding_is_said_in_both_spellings(apart_client: TestClient, apart: Services) -> None:
    one = ask(
        apart_client, f"{V1}/genetic", population=8, generations=3, mutation=0.1, crossover=0.5
    )
    other = ask(
        apart_client,
        f"{V1}/genetic",
        population_size=8,
        max_trials=24,
        mutation_rate=0.1,
        crossover_rate=0.5,
    )

    specs = [apart.studies.get(taken["id"]).spec for taken in (one, other)]
    assert specs[0] == specs[1]
    assert (specs[0].method, specs[0].max_trials, specs[0].batch) == ("genetic", 24, 8)
    for taken in (one, other):
        apart_client.post(f"{V1}/{taken['id']}/cancel")


def test_a_key_makes_one_study_of_one_wish(apart_client: TestClient, apart: Services) -> None:
    def post(key: str, **changes: Any) -> Any:
        headers = {"Idempotency-Key": key}
        return apart_client.post(f"{V1}/grid-search", json={**GRID, **changes}, headers=headers)

    first, again = post("wish-1"), post("wish-1")
    before = apart.studies.list(StudyQuery()).total
    other, own = post("wish-1", seed=4), post("wish-2", seed=4)

    assert first.json()["id"] == again.json()["id"]
    assert (other.status_code, other.json()["code"]) == (409, "conflict")
    assert own.json()["id"] != first.json()["id"]
    assert apart.studies.list(StudyQuery()).total == before + 1
    assert post("no blanks", seed=5).status_code == 422
    for answer in (first, own):
        apart_client.post(f"{V1}/{answer.json()['id']}/cancel")


@pytest.mark.parametrize(
    ("changes", "status", "code", "field"),
    [
        ({"param_ranges": {"fast": [5], "speed": [1]}}, 400, "invalid_input", "param_ranges.speed"),
        ({"param_ranges": {"fast": [5, "10"]}}, 422, "invalid_input", "param_ranges.fast"),
        ({"param_ranges": {"fast": []}}, 422, "invalid_input", "param_ranges.fast"),
        ({"param_ranges": {"fast": {"min": 9, "max": 5}}}, 422, "invalid_input", None),
        ({"param_ranges": {"fast": {"min": 5, "max": 9, "step": None}}}, 422, "wrong_type", None),
        ({"param_ranges": {}}, 422, "wrong_length", "param_ranges"),
        (
            {"param_ranges": {"fast": {"min": 2, "max": 200}, "slow": {"min": 5, "max": 400}}},
            400,
            "invalid_input",
            "param_ranges",
        ),
        ({"strategy": "ema_crossover"}, 422, "contradiction", "body"),
        ({"strategy_path": None}, 422, "missing", "body"),
        ({"strategy_path": "no.Such"}, 404, "not_found", "strategy_path"),
        ({"dataset_id": "NOSUCH"}, 404, "not_found", "dataset_id"),
        ({"dataset_id": None, "dataset": "NOSUCH"}, 404, "not_found", "dataset"),
        ({"dataset_id": None, "symbols": ["NOSUCH"]}, 404, "not_found", "symbols"),
        ({"dataset_id": None, "symbols": ["AAPL", "NOSUCH"]}, 404, "not_found", "symbols"),
        ({"space": {"fast": [5]}}, 422, "contradiction", "body"),
        ({"optimization_metric": "luck"}, 422, "invalid_input", "optimization_metric"),
        ({"optimization_metric": "minimize max_drawdown"}, 422, "invalid_input", None),
        ({"objectives": ["sharpe"]}, 422, "contradiction", "body"),
        (
            {"optimization_metric": None, "objectives": ["sharpe", "maximize sharpe_ratio"]},
            422,
            "invalid_input",
            "body",
        ),
        ({"requirements": ["trades"]}, 422, "invalid_input", "requirements.0"),
        ({"validation_split": 0.6}, 422, "out_of_range", "validation_split"),
        ({"validation_split": -0.1}, 422, "out_of_range", "validation_split"),
        ({"validation_split": 0.05}, 422, "out_of_range", "validation_split"),
        ({"max_trials": 0}, 422, "out_of_range", "max_trials"),
        ({"max_trials": "10"}, 422, "wrong_type", "max_trials"),
        ({"seed": -1}, 422, "out_of_range", "seed"),
        ({"max_workers": 9}, 422, "out_of_range", "max_workers"),
        ({"walk_forward": {"train": "6"}}, 422, "wrong_type", "walk_forward.train"),
        ({"walk_forward": {"train": 6, "weeks": 2}}, 422, "unknown_field", "walk_forward.weeks"),
        ({"strategy_params": {"fast": 5}}, 422, "invalid_input", "body"),
        ({"strategy_params": {"slow": 5}, "param_ranges": {"fast": [9]}}, 400, None, None),
        ({"strategy_params": {"short": 1}}, 400, "invalid_input", "strategy_params.short"),
        (
            {"strategy_params": {"slow": "50"}, "param_ranges": {"fast": [9]}},
            422,
            "wrong_type",
            "strategy_params.slow",
        ),
        ({"start_date": "2099-01-01"}, 404, "not_found", "start_date"),
        ({"start_date": "2016-01-01", "end_date": "2015-01-01"}, 422, "contradiction", "body"),
        ({"engine_options": {"initial_cash": -1}}, 422, "out_of_range", None),
        ({"population": 10}, 422, "unknown_field", "population"),
        ({"method": "random"}, 422, "unknown_field", "method"),
    ],
)
def test_a_wrong_search_says_what_is_wrong_and_leaves_nothing(
    *,
    apart_client: TestClient,
    apart: Services,
    changes: dict[str, Any],
    status: int,
    code: str | None,
    field: str | None,
) -> None:
    before = apart.jobs.stats()

    answer = apart_client.post(f"{V1}/grid-search", json={**GRID, **changes})

    problem = answer.json()
    assert answer.status_code == status, answer.text
    assert code is None or problem["code"] == code, answer.text
    assert field is None or problem["field"] == field, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert apart.jobs.stats() == before


def test_words_of_breeding_need_a_search_that_breeds(apart_client: TestClient) -> None:
    for changes in ({"population": 8}, {"method": "random", "mutation": 0.5}):
        answer = apart_client.post(V1, json={**GRID, **changes})
        assert (answer.status_code, answer.json()["code"]) == (422, "contradiction")


def test_a_huge_space_is_for_methods_that_sample(apart_client: TestClient, apart: Services) -> None:
    huge = {"fast": {"min": 2, "max": 200}, "slow": {"min": 5, "max": 400}}

    grid = apart_client.post(V1, json={**GRID, "param_ranges": huge})
    sobol = apart_client.post(V1, json={**GRID, "param_ranges": huge, "method": "sobol"})

    assert grid.status_code == 400
    assert "sobol" in grid.json()["hint"]
    assert sobol.status_code == 202, sobol.text
    # fast from 2 to 200, slow from 5 to 400, fast < slow.
    counted = sum(400 - max(fast, 4) for fast in range(2, 201))
    assert sobol.json()["total_combinations"] == counted
    assert sobol.json()["max_trials"] == 500
    apart_client.post(f"{V1}/{sobol.json()['id']}/cancel")


def test_a_space_too_large_to_list_is_sampled(apart_client: TestClient) -> None:
    """199 windows would do, but a step of a hundred thousandth makes four million sets."""
    space = {
        "window": {"min": 2, "max": 200},
        "threshold": {"min": 0, "max": 0.2, "step": 0.00001},
    }

    taken = ask(
        apart_client, V1, strategy_path="momentum_strategy", method="random", param_ranges=space
    )

    assert taken["total_combinations"] == 199 * 20_001
    apart_client.post(f"{V1}/{taken['id']}/cancel")


@pytest.mark.parametrize("method", ["grid", "sobol", "bayesian"])
def test_a_space_without_a_set_is_refused(apart_client: TestClient, method: str) -> None:
    """The fast average has 12 bars unless said otherwise, and must be faster."""
    body = {**GRID, "param_ranges": {"slow": [5, 10]}, "method": method}

    answer = apart_client.post(V1, json=body)

    assert (answer.status_code, answer.json()["field"]) == (400, "param_ranges")
    assert "fast < slow" in answer.json()["detail"]


# --- a dry run -------------------------------------------------------------------------------


def test_a_dry_run_counts_and_records_nothing(apart_client: TestClient, apart: Services) -> None:
    before = apart.jobs.stats()

    body = apart_client.post(f"{V1}/validate", json=GRID).json()

    assert (body["is_valid"], body["problems"], body["errors"]) == (True, [], [])
    assert (body["total_combinations"], body["max_trials"]) == (9, 9)
    assert body["spec"]["run"]["strategy"] == "ema_crossover"
    assert apart.jobs.stats() == before


def test_a_dry_run_says_everything_that_is_wrong_at_once(apart_client: TestClient) -> None:
    wrong = {
        **GRID,
        "dataset_id": None,
        "symbols": ["NOSUCH"],
        "param_ranges": {"fast": [0, 5], "slow": ["x"], "speed": [1]},
    }

    answer = apart_client.post("/api/v1/optimize/validate", json=wrong)

    body = answer.json()
    assert answer.status_code == 200, answer.text
    assert (body["is_valid"], body["spec"], body["total_combinations"]) == (False, None, None)
    fields = {each["field"] for each in body["problems"]}
    assert fields == {
        "param_ranges.fast",
        "param_ranges.slow",
        "param_ranges.speed",
        "symbols",
    }
    assert len(body["errors"]) == len(body["problems"])


# --- periods without room ---------------------------------------------------------------------

# AAPL has 2,500 weekdays from 2014-01-02 on. slow is up to 50 bars, so a training of trades needs
# 50 sessions and the 20 that a Sharpe ratio needs; 2014-01-02 to 2014-04-10 are 71 weekdays.
SHORT: list[tuple[dict[str, Any], str, str]] = [
    # 71 - round(0.2 * 71) = 57 sessions to search in.
    ({"end_date": "2014-04-10"}, "validation_split", "the part to search in has 57 sessions"),
    # 97 sessions: round(0.2 * 97) = 19 of them are held back.
    ({"end_date": "2014-05-16"}, "validation_split", "the part held back has 19 sessions"),
    ({"embargo": 2_000}, "validation_split", "the part to search in has 0 sessions"),
    ({"walk_forward": {"train": 115}}, "walk_forward", "hold no window of 115 + 2 months"),
    # March to May of 2014 have 64 weekdays after the 2nd, the first month window begins there.
    ({"walk_forward": {"train": 3}}, "walk_forward", "the training of window 1 has 6"),
    (
        {"walk_forward": {"unit": "sessions", "train": 69, "test": 5, "step": 5}},
        "walk_forward",
        "the training of window 1 has 69 sessions",
    ),
    (
        {"walk_forward": {"unit": "sessions", "train": 70, "test": 4, "step": 5}},
        "walk_forward",
        "the test of window 1 has 4 sessions",
    ),
    (
        {"walk_forward": {"unit": "sessions", "train": 2_496, "test": 5, "step": 5}},
        "walk_forward",
        "2500 sessions",
    ),
    (
        {"walk_forward": {"train": 12}, "optimization_metric": "calmar"},
        "optimization_metric",
        "calmar of a window cannot be told from daily returns",
    ),
]


@pytest.mark.parametrize(("changes", "field", "words"), SHORT)
def test_a_period_without_room_is_refused_at_the_door(
    *,
    apart_client: TestClient,
    apart: Services,
    changes: dict[str, Any],
    field: str,
    words: str,
) -> None:
    before = apart.jobs.stats()
    asked = {**GRID, **changes}

    answer = apart_client.post(f"{V1}/grid-search", json=asked)
    dry = apart_client.post(f"{V1}/validate", json=asked).json()

    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (400, "invalid_input"), answer.text
    assert problem["field"] == field
    assert words in problem["detail"]
    assert problem["expected"]
    assert problem["hint"]
    assert dry["is_valid"] is False
    assert [(each["field"], each["message"]) for each in dry["problems"]] == [
        (field, problem["detail"])
    ]
    assert apart.jobs.stats() == before


@pytest.mark.parametrize(
    "changes",
    [
        # 50 + 20 sessions to train in, 5 to test in: just enough.
        {"walk_forward": {"unit": "sessions", "train": 70, "test": 5, "step": 5}},
        {"walk_forward": {"unit": "sessions", "train": 2_495, "test": 5, "step": 5}},
        # 98 sessions: round(0.2 * 98) = 20 of them are held back.
        {"end_date": "2014-05-19"},
    ],
)
def test_a_period_with_just_enough_room_is_taken(
    apart_client: TestClient, changes: dict[str, Any]
) -> None:
    taken = apart_client.post(f"{V1}/grid-search", json={**GRID, **changes})

    assert taken.status_code == 202, taken.text
    apart_client.post(f"{V1}/{taken.json()['id']}/cancel")


def test_a_symbol_listed_after_the_part_that_is_searched_is_refused_at_the_door(
    apart_client: TestClient, apart: Services, tmp_path: Path
) -> None:
    file = tmp_path / "late.csv"
    days = [date(2023, 1, 2) + timedelta(days=place) for place in range(150)]
    rows = [f"{day},100,101,99,100,1000" for day in days if day.weekday() < 5]
    file.write_text("\n".join(["Date,Open,High,Low,Close,Volume", *rows]), "utf-8")
    apart.market.import_csv(file, name="late.csv", symbol="LATE", market="XNYS")
    unnamed = {name: value for name, value in GRID.items() if name != "dataset_id"}
    asked = {**unnamed, "symbols": ["AAPL", "late"]}
    before = apart.jobs.stats()

    answer = apart_client.post(f"{V1}/grid-search", json=asked)
    dry = apart_client.post(f"{V1}/validate", json=asked).json()

    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (400, "invalid_input"), answer.text
    assert problem["field"] == "symbols"
    assert "LATE has no bars in the part that is searched, which ends on 2021-" in problem["detail"]
    assert "hold back less" in problem["hint"]
    assert [each["field"] for each in dry["problems"]] == ["symbols"]
    assert apart.jobs.stats() == before
    whole = apart_client.post(f"{V1}/grid-search", json={**asked, "validation_split": 0})
    assert whole.status_code == 202, whole.text
    apart_client.post(f"{V1}/{whole.json()['id']}/cancel")


def test_both_shortages_are_said_at_once(apart_client: TestClient) -> None:
    short = {**GRID, "end_date": "2014-04-10", "walk_forward": {}}

    body = apart_client.post(f"{V1}/validate", json=short).json()

    assert [each["field"] for each in body["problems"]] == ["validation_split", "walk_forward"]
    refused = apart_client.post(f"{V1}/grid-search", json=short)
    assert refused.status_code == 400
    assert [each["field"] for each in refused.json()["problems"]] == [
        "validation_split",
        "walk_forward",
    ]


# --- what was found --------------------------------------------------------------------------


def test_results_are_what_the_study_found(
    queue_client: TestClient, queued: Services, walked: dict[str, Any]
) -> None:
    found = results(queue_client, walked["id"])

    study = queued.studies.get(walked["id"])
    assert study.findings is not None
    assert study.findings.chosen is not None
    assert study.findings.validation is not None
    assert found["best_parameters"] == dict(study.findings.chosen.params)
    assert found["best_score"] == study.findings.chosen.value
    assert found["best_metrics"]["sharpe_ratio"] == found["best_score"]
    assert found["verdict"]["light"] == study.findings.light
    assert found["verdict"]["sentence"] == study.findings.sentence
    assert [gate["name"] for gate in found["verdict"]["gates"]] == [
        gate["name"] for gate in study.findings.gates
    ]
    assert found["analysis"]["trials"] == found["total_results"] == 9
    assert found["analysis"]["judged"] == json.loads(json.dumps(dict(study.findings.judged)))
    assert [each["name"] for each in found["parameter_sensitivity"]] == ["fast", "slow"]
    later = found["validation_metrics"]
    assert later["total_return_fraction"] == study.findings.validation.total_return
    assert math.isclose(later["total_return"], later["total_return_fraction"] * 100)
    assert later["first_date"] > found["analysis"]["last_date"]


def test_the_best_trial_is_a_run_of_the_part_that_was_searched(
    queue_client: TestClient, walked: dict[str, Any]
) -> None:
    """The same parameters over the same sessions, computed as a run of its own."""
    found = results(queue_client, walked["id"])

    run = queue_client.post(
        "/api/v1/backtests",
        json={
            "strategy": "ema_crossover",
            "strategy_params": found["best_parameters"],
            "symbols": ["AAPL"],
            "end_date": found["analysis"]["last_date"],
        },
    ).json()["result"]

    for name in ("total_return", "sharpe_ratio", "max_drawdown", "total_trades", "net_profit"):
        assert math.isclose(run["metrics"][name], found["best_metrics"][name], rel_tol=1e-9), name


def test_all_results_are_the_best_first_and_paged(
    queue_client: TestClient, walked: dict[str, Any]
) -> None:
    every = results(queue_client, walked["id"])["all_results"]

    scores = [each["score"] for each in every]
    assert len(every) == 9
    assert scores == sorted(scores, reverse=True)
    assert {(each["params"]["fast"], each["params"]["slow"]) for each in every} == {
        (fast, slow) for fast in (5, 10, 15) for slow in (30, 40, 50)
    }
    page = results(queue_client, walked["id"], limit=2, offset=3)["all_results"]
    assert page == every[3:5]
    too_many = queue_client.get(f"{V1}/{walked['id']}/results", params={"limit": 51})
    assert too_many.status_code == 422


@pytest.mark.parametrize(
    ("asked", "column", "turned"),
    [
        ("number", "number", False),
        ("fast", "param_fast", False),
        ("param_slow", "param_slow", False),
        ("score", "score", False),
        ("sharpe_ratio", "sharpe", False),
        ("total_return_fraction", "total_return", False),
        ("total_trades", "trades", False),
        ("validation_sharpe", "test_sharpe", False),
        ("var_95", "var_95", True),
    ],
)
@pytest.mark.parametrize("order", ["asc", "desc"])
def test_trials_are_sorted_by_any_column(
    *,
    queue_client: TestClient,
    queued: Services,
    walked: dict[str, Any],
    asked: str,
    column: str,
    turned: bool,
    order: str,
) -> None:
    table = queued.studies.table(walked["id"], "trials")

    pages = [
        queue_client.get(
            f"{V1}/{walked['id']}/trials",
            params={"sort_by": asked, "sort_order": order, "page": page, "page_size": 4},
        ).json()
        for page in (1, 2, 3)
    ]

    shown = [trial["number"] for page in pages for trial in page["trials"]]
    values = dict(zip(table["number"], table[column], strict=True))
    assert [len(page["trials"]) for page in pages] == [4, 4, 1]
    assert {(page["total"], page["total_pages"]) for page in pages} == {(9, 3)}
    sign = (1 if order == "asc" else -1) * (-1 if turned else 1)
    assert shown == sorted(values, key=lambda number: (sign * values[number], number))


def test_trials_without_a_value_come_last(queue_client: TestClient) -> None:
    """Only trials with more than so many trades are eligible; the others have no score."""
    counts = ask(queue_client)
    over(queue_client, counts["id"])
    trades = sorted(
        trial["metrics"]["total_trades"]
        for trial in results(queue_client, counts["id"])["all_results"]
    )
    taken = ask(queue_client, requirements=[f"trades >= {trades[5]}"])
    over(queue_client, taken["id"])

    for order in ("asc", "desc"):
        rows = queue_client.get(
            f"{V1}/{taken['id']}/trials", params={"sort_by": "score", "sort_order": order}
        ).json()["trials"]
        able = [row["eligible"] for row in rows]
        assert able == sorted(able, reverse=True)
        assert 0 < sum(able) < 9
        for row in rows:
            assert (row["score"] is None) == (row["reason"] is not None)
            assert row["eligible"] == (row["metrics"]["total_trades"] >= trades[5])


def test_trials_show_every_metric_when_asked(
    queue_client: TestClient, queued: Services, walked: dict[str, Any]
) -> None:
    path = f"{V1}/{walked['id']}/trials"
    few = queue_client.get(path).json()["trials"][0]["metrics"]
    every = queue_client.get(path, params={"metrics": "all"}).json()["trials"][0]["metrics"]

    assert {name: every[name] for name in few} == few
    row = (
        queued.studies.table(walked["id"], "trials")
        .sort("score", descending=True)
        .row(0, named=True)
    )
    assert every["cagr_fraction"] == row["cagr"]
    assert len(every) > len(METRICS)


@pytest.mark.parametrize("column", ["luck", "param_luck", "", "*", "value_1"])
def test_a_column_that_is_not_there(
    queue_client: TestClient, walked: dict[str, Any], column: str
) -> None:
    answer = queue_client.get(f"{V1}/{walked['id']}/trials", params={"sort_by": column})

    assert (answer.status_code, answer.json()["field"]) == (400, "sort_by")
    assert "score" in answer.json()["expected"]


def test_walking_forward_is_stitched_of_its_tests(
    queue_client: TestClient, queued: Services, walked: dict[str, Any]
) -> None:
    body = queue_client.get(f"{V1}/{walked['id']}/walkforward").json()
    same = queue_client.get(f"/api/v1/walkforward/{walked['id']}").json()

    stitched = queued.studies.table(walked["id"], "stitched")
    assert body == same
    assert [point["equity"] for point in body["equity_curve"]] == stitched["equity"].to_list()
    grown = math.prod(1 + value for value in stitched["return"])
    assert math.isclose(body["summary"]["total_return_fraction"], grown - 1, rel_tol=1e-9)
    windows = body["windows"]
    assert len(windows) == body["summary"]["windows"] > 1
    product = math.prod(1 + window["test_return_fraction"] for window in windows)
    assert math.isclose(product, grown, rel_tol=1e-9)
    for before, after in itertools.pairwise(windows):
        assert (
            before["train_end"] < before["test_start"] <= before["test_end"] < after["test_start"]
        )
    assert body["equity_curve"][0]["timestamp"].startswith(windows[0]["test_start"])
    for window in windows:
        assert set(window["parameters"]) == {"fast", "slow"}


def test_a_search_that_does_not_walk_says_so(apart_client: TestClient) -> None:
    taken = ask(apart_client)

    answer = apart_client.get(f"{V1}/{taken['id']}/walkforward")

    assert (answer.status_code, answer.json()["code"]) == (409, "conflict")
    assert "/api/v1/walkforward" in answer.json()["hint"]
    apart_client.post(f"{V1}/{taken['id']}/cancel")


def test_the_door_of_walking_forward(apart_client: TestClient, apart: Services) -> None:
    usual = ask(apart_client, "/api/v1/walkforward")
    months = ask(apart_client, "/api/v1/walkforward", train_months=12, anchored=True)
    plain = ask(apart_client)

    walk = apart.studies.get(usual["id"]).spec.walk_forward
    assert walk is not None
    # config/walkforward.yaml: 6, 2 and 2 months, rolling.
    assert (walk.mode, walk.unit, walk.train, walk.test, walk.step) == (
        "rolling",
        "months",
        6,
        2,
        2,
    )
    other = apart.studies.get(months["id"]).spec.walk_forward
    assert other is not None
    assert (other.mode, other.train, other.test) == ("anchored", 12, 2)
    listed = [
        row["id"]
        for row in apart_client.get("/api/v1/walkforward", params={"limit": 100}).json()[
            "optimizations"
        ]
    ]
    assert {usual["id"], months["id"]} <= set(listed)
    assert plain["id"] not in listed
    for query in ({"end_date": "2000-01-01"}, {"start_date": "2099-01-01"}, {"symbol": "MSFT"}):
        assert apart_client.get("/api/v1/walkforward", params=query).json()["total"] == 0
    for taken in (usual, months, plain):
        apart_client.post(f"{V1}/{taken['id']}/cancel")


def test_a_promoted_trial_is_the_run_of_its_parameters(
    queue_client: TestClient, queued: Services, walked: dict[str, Any]
) -> None:
    best = results(queue_client, walked["id"])["best_parameters"]

    chosen = queue_client.post(f"{V1}/{walked['id']}/promote", json={})
    bare = queue_client.post(f"{V1}/{walked['id']}/promote")
    fifth = queue_client.post(f"{V1}/{walked['id']}/promote", json={"trial": 5})
    gone = queue_client.post(f"{V1}/{walked['id']}/promote", json={"trial": 9})

    assert chosen.status_code == fifth.status_code == 202, chosen.text
    assert gone.status_code == 404
    taken = queued.studies.get(walked["id"]).findings.chosen.number
    for answer, number, params in (
        (chosen, taken, best),
        (bare, taken, best),
        # A grid goes like nested loops: trial 5 is the second fast with the third slow.
        (fifth, 5, {"fast": 10, "slow": 50}),
    ):
        run = queued.backtests.get(answer.json()["id"])
        assert {name: run.spec.params[name] for name in params} == params
        detail = queue_client.get(f"/api/backtests/{run.id}").json()
        assert (detail["study_id"], detail["trial"]) == (walked["id"], number)
        cautions = [note for note in answer.json()["notes"] if note.startswith("Trial ")]
        assert len(cautions) == 1
        assert cautions[0].startswith(f"Trial {number} of study {walked['id']}, one of 9 that")
        assert answer.headers["location"] == f"/api/backtests/{run.id}"
        direct = queued.backtests.submit(
            RunSpec.model_validate(
                {"strategy": "ema_crossover", "symbols": ("AAPL",), "params": params}
            )
        )
        assert run.run_key == direct.run_key


def test_a_job_shows_what_its_study_found(queue_client: TestClient, walked: dict[str, Any]) -> None:
    body = queue_client.get(f"/api/v1/jobs/{walked['job_id']}/results").json()

    assert body["kind"] == "study"
    assert body["result"] == body["results"] == results(queue_client, walked["id"])


def test_a_detail_has_everything(
    queue_client: TestClient, queued: Services, walked: dict[str, Any]
) -> None:
    detail = queue_client.get(f"{V1}/{walked['id']}").json()
    old = queue_client.get(f"/api/optimization/{walked['id']}").json()

    found = results(queue_client, walked["id"])
    assert detail == old
    assert detail["results"] == found
    assert detail["trials_data"] == found["all_results"]
    assert detail["best_value"] == found["best_score"]
    assert (detail["status"], detail["progress"], detail["walks_forward"]) == (
        "completed",
        1.0,
        True,
    )
    assert detail["artifacts"] == dict(queued.studies.get(walked["id"]).artifacts)


def test_the_ranking_is_there_before_the_worlds_and_stays_when_it_is_ended(
    queue_client: TestClient, walked: dict[str, Any]
) -> None:
    """What is shown before anything is judged is the order of the result, from every door."""
    taken = ask(queue_client, null_worlds=1_000)
    until = time.monotonic() + PATIENCE
    while True:
        status = queue_client.get(taken["links"]["status"]).json()
        if (shown := status["ranking"]) is not None and shown["is_whole"]:
            break
        assert time.monotonic() < until, status
    assert status["job"]["status"] == "running"
    assert queue_client.get(taken["links"]["results"]).status_code == 409
    queue_client.post(f"{V1}/{taken['id']}/cancel")
    while queue_client.get(taken["links"]["status"]).json()["job"]["status"] == "running":
        assert time.monotonic() < until
        time.sleep(0.05)

    best = [row for row in results(queue_client, walked["id"])["all_results"] if row["eligible"]]
    expected = [
        {"trial": row["number"], "parameters": row["parameters"], "values": row["values"]}
        for row in best
    ]
    assert (shown["trials"], shown["rows"]) == (9, expected)
    for path in (f"/api/optimization/status/{taken['id']}", f"{V1}/{taken['id']}"):
        assert queue_client.get(path).json()["ranking"] == shown
    assert queue_client.get(f"{V1}/{walked['id']}/status").json()["ranking"] is None


def test_the_time_is_that_of_earlier_studies(
    queue_client: TestClient, queued: Services, walked: dict[str, Any]
) -> None:
    """Once for the search and once for each world; the page is told the same."""
    assert queued.studies.get(walked["id"]).findings is not None

    alone, five, ten = (
        queue_client.post(f"{V1}/validate", json={**GRID, "null_worlds": worlds}).json()
        for worlds in (0, 5, 10)
    )

    minutes = alone["estimated_time_minutes"]
    assert minutes > 0
    less, more = (each["estimated_time_minutes"] for each in (five, ten))
    assert less > minutes
    assert math.isclose(more - less, less - minutes, rel_tol=1e-9)
    counted = queued.studies.count(StudySpec.model_validate(alone["spec"]))
    assert counted.seconds is not None
    assert math.isclose(minutes, counted.seconds / 60, rel_tol=1e-9)
    assert f"the pace of {counted.measured} completed stud" in alone["estimated_time_reason"]


def test_equal_seeds_make_equal_trials(queue_client: TestClient) -> None:
    def trials(seed: int) -> list[Any]:
        taken = ask(
            queue_client,
            f"{V1}/genetic",
            param_ranges={"fast": {"min": 3, "max": 20}, "slow": {"min": 21, "max": 90}},
            population=6,
            generations=3,
            seed=seed,
        )
        over(queue_client, taken["id"])
        rows = queue_client.get(
            f"{V1}/{taken['id']}/trials",
            params={"sort_by": "number", "sort_order": "asc", "page_size": 500},
        ).json()["trials"]
        return [(row["params"], row["values"]) for row in rows]

    one, again, other = trials(7), trials(7), trials(8)

    assert len(one) == 18
    assert one == again
    assert one != other


# --- waiting for it --------------------------------------------------------------------------


def test_a_quick_search_is_answered_with_what_it_found(
    queue_client: TestClient, walked: dict[str, Any]
) -> None:
    answer = queue_client.post(f"{V1}/quick", json=GRID)

    body = answer.json()
    assert answer.status_code == 200, answer.text
    assert body["status"] == "completed"
    assert body["results"] == results(queue_client, body["id"])
    same = results(queue_client, walked["id"])
    assert body["results"]["all_results"] == same["all_results"]


def test_a_quick_search_is_small(apart_client: TestClient, apart: Services) -> None:
    before = apart.jobs.stats()

    answer = apart_client.post(
        f"{V1}/quick", json={**GRID, "param_ranges": {"fast": list(range(2, 23))}}
    )

    assert (answer.status_code, answer.json()["field"]) == (400, "max_trials")
    assert answer.json()["found"] == 21
    assert apart.jobs.stats() == before


def test_who_cannot_wait_is_told_where_to_look(apart: Services) -> None:
    impatient = dataclasses.replace(
        apart, settings=apart.settings.model_copy(update={"run_wait_seconds": 0.0})
    )
    with TestClient(create_app(impatient), base_url=BASE) as client:
        answer = client.post("/api/v1/optimize/quick", json=GRID)

        assert answer.status_code == 202, answer.text
        assert answer.json()["status"] == "pending"
        status = client.get(answer.json()["links"]["status"])
        assert status.json()["job"]["status"] == "pending"
        client.post(f"{V1}/{answer.json()['id']}/cancel")


def test_a_quick_search_that_fails_says_why(queue_client: TestClient) -> None:
    body = {
        **GRID,
        "strategy_path": "failing",
        "strategy_params": {},
        "param_ranges": {"depth": [1, 2]},
    }

    answer = queue_client.post(f"{V1}/quick", json=body)

    assert (answer.status_code, answer.json()["code"]) == (422, "strategy_failed"), answer.text
    assert "study" in answer.json()["detail"]
    assert "no idea at all" in answer.json()["detail"]


# --- lists -----------------------------------------------------------------------------------


def test_lists_are_filtered_and_cut(
    queue_client: TestClient, queued: Services, walked: dict[str, Any]
) -> None:
    other = ask(queue_client, dataset_id="MSFT")
    over(queue_client, other["id"])

    def listed(path: str = V1, **query: Any) -> dict[str, Any]:
        answer = queue_client.get(path, params=query)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    total = queued.studies.list(StudyQuery()).total
    page = listed(limit=1, offset=1)
    assert (page["total"], len(page["optimizations"])) == (total, 1)
    assert page["optimizations"] == page["jobs"]
    newest = [study.id for study in queued.studies.list(StudyQuery()).studies]
    assert page["optimizations"][0]["id"] == newest[1]
    assert [row["id"] for row in listed(symbol="msft")["optimizations"]] == [other["id"]]
    crossing = queued.studies.list(StudyQuery(strategy="ema_crossover")).total
    assert 0 < listed(strategy="CROSS")["total"] == crossing
    assert listed(strategy="nothing")["total"] == 0
    assert listed(status="failed")["total"] == queued.studies.list(StudyQuery(state="failed")).total
    today = queued.studies.get(walked["id"]).created_at.date().isoformat()
    assert listed(start_date=today)["total"] == total
    assert listed(end_date="2000-01-01")["total"] == 0
    old = listed("/api/optimization", page=2, page_size=1)
    assert [row["id"] for row in old["optimizations"]] == [newest[1]]
    assert (old["total"], old["total_pages"]) == (total, total)
    for path in (V1, "/api/optimization", "/api/v1/optimize"):
        rows = listed(path, sort_by="id", sort_order="asc")["optimizations"]
        assert [row["id"] for row in rows] == sorted(newest)
        for sort in STUDY_SORTS:
            by = listed(path, sort_by=sort)["optimizations"]
            query = StudyQuery(sort=sort)
            assert [row["id"] for row in by] == [
                study.id for study in queued.studies.list(query).studies
            ]
    refused = queue_client.get(V1, params={"sort_by": "luck"})
    assert (refused.status_code, refused.json()["field"]) == (422, "sort_by")
    stats = queue_client.get(f"{V1}/stats").json()["stats"]
    assert stats["total"] == total
    assert stats["completed"] == queued.studies.list(StudyQuery(state="completed")).total
    assert stats["average_seconds"] > 0


def test_the_catalogue_has_every_metric_with_its_direction(apart_client: TestClient) -> None:
    body = apart_client.get("/api/v1/optimize/metrics").json()

    rows = {row["name"]: row for row in body["metrics"]}
    assert body["default"] == "sharpe_lcb"
    assert set(rows) == {"sharpe_lcb", *METRICS}
    assert rows["sharpe"]["direction"] == "maximize"
    assert rows["volatility"]["direction"] == "minimize"
    assert rows["sessions"]["direction"] is None
    assert "sharpe_ratio" in rows["sharpe"]["other_names"]


@pytest.mark.parametrize("number", ["999999", "9" * 18, "nothing", "0"])
@pytest.mark.parametrize(
    "path", ["", "/status", "/results", "/trials", "/walkforward", "/cancel", "/promote"]
)
def test_an_unknown_study_is_not_found(apart_client: TestClient, number: str, path: str) -> None:
    posts = path in {"/cancel", "/promote"}
    url = f"{V1}/{number}{path}"

    answer = apart_client.post(url, json={}) if posts else apart_client.get(url)

    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


def test_what_waits_has_no_results_and_can_be_cancelled(apart_client: TestClient) -> None:
    taken = ask(apart_client)

    for path in ("results", "trials"):
        answer = apart_client.get(f"{V1}/{taken['id']}/{path}")
        assert (answer.status_code, answer.json()["code"]) == (409, "conflict")
    assert apart_client.post(f"{V1}/{taken['id']}/promote", json={}).status_code == 409
    assert apart_client.get(f"{V1}/{taken['id']}").json()["results"] is None
    cancelled = apart_client.post(f"{V1}/{taken['id']}/cancel")
    assert (cancelled.status_code, cancelled.json()["status"]) == (200, "cancelled")
    again = apart_client.post(f"{V1}/{taken['id']}/cancel")
    assert again.status_code == 409
    assert again.json()["detail"] == f"study {taken['id']} is cancelled already"


def test_a_quick_search_that_is_cancelled_says_so(apart_client: TestClient) -> None:
    """Under its key it is found again, over; there is nothing to wait for."""
    headers = {"Idempotency-Key": "quick-1"}
    taken = apart_client.post(V1, json=GRID, headers=headers).json()
    apart_client.post(f"{V1}/{taken['id']}/cancel")

    answer = apart_client.post(f"{V1}/quick", json=GRID, headers=headers)

    assert (answer.status_code, answer.json()["code"]) == (409, "conflict")
    assert "cancelled" in answer.json()["detail"]


def test_nothing_eligible_is_said_without_numbers(queue_client: TestClient) -> None:
    taken = ask(queue_client, requirements=["trades >= 100000"])
    over(queue_client, taken["id"])

    found = results(queue_client, taken["id"])

    assert (found["best_parameters"], found["best_score"], found["best_metrics"]) == (
        None,
        None,
        None,
    )
    assert found["validation_metrics"] is None
    assert {row["score"] for row in found["all_results"]} == {None}
    for row in found["all_results"]:
        assert "expected trades >= 100000" in row["reason"]
    refused = queue_client.post(f"{V1}/{taken['id']}/promote", json={})
    assert refused.status_code == 409


# --- several symbols: the last, because lists above are counted ---------------------------------


@pytest.mark.parametrize(
    ("strategy", "path", "ranges", "options"),
    [
        ("momentum_rank", f"{V1}/grid-search", {"window": [60, 126], "top": [1, 2]}, {}),
        ("ema_crossover", V1, {"fast": [5, 10], "slow": [30, 50]}, {"account": "shared"}),
    ],
)
def test_several_symbols_are_searched_on_one_account(
    *,
    queue_client: TestClient,
    queued: Services,
    strategy: str,
    path: str,
    ranges: dict[str, Any],
    options: dict[str, Any],
) -> None:
    symbols = ["AAPL", "MSFT"]
    asked = {
        "strategy": strategy,
        "symbols": symbols,
        "engine_options": options,
        "param_ranges": ranges,
        "requirements": ["trades >= 1"],
        "validation_split": 0.2,
        "null_worlds": 1,
        "walk_forward": {"train": 24, "test": 12, "step": 12},
    }
    tried = queue_client.post(f"{V1}/validate", json=asked)
    answer = queue_client.post(path, json=asked)

    assert tried.json().get("is_valid") is True, tried.text
    assert answer.status_code == 202, answer.text
    taken = answer.json()
    assert over(queue_client, taken["id"]) == "completed"
    detail = queue_client.get(f"{V1}/{taken['id']}").json()
    assert (detail["symbols"], detail["symbol"]) == (symbols, "AAPL")
    listed = queue_client.get(V1, params={"symbol": "msft", "strategy": strategy}).json()
    assert listed["optimizations"][0]["id"] == taken["id"]
    assert queue_client.get(f"{V1}/{taken['id']}/walkforward").json()["windows"]
    best = results(queue_client, taken["id"])["best_parameters"]
    promoted = queue_client.post(f"{V1}/{taken['id']}/promote", json={})
    assert promoted.status_code == 202, promoted.text
    run = queued.backtests.get(promoted.json()["id"])
    assert {name: run.spec.params[name] for name in best} == best
    assert (list(run.spec.symbols), run.spec.options.account) == (symbols, "shared")


def test_what_is_held_back_is_said_by_one_file(
    apart_client: TestClient, apart: Services, tmp_path: Path
) -> None:
    unsaid = {name: value for name, value in GRID.items() if name != "validation_split"}

    def share() -> float:
        made = apart_client.post(f"{V1}/grid-search", json=unsaid).json()
        return apart.studies.get(made["id"]).spec.validation.share

    before = share()
    with searching_by(tmp_path, 0.85):
        after = share()

    assert (before, after) == (0.3, 0.15)
