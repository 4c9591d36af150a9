"""/api/v1/jobs: what waits, what runs, what it found, and its progress as a stream."""

from __future__ import annotations

import json
import logging
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import Any, get_args

import httpx2
import pytest
import uvicorn
from starlette.testclient import TestClient

from api.app import create_app
from api.routers import jobs as door
from core.domain.job import JobKind, JobQuery, JobState
from core.domain.run import RunStatus
from core.services import Services
from core.services.backtests import BACKTEST
from core.services.mirroring import MIRROR
from core.services.studies import STUDY
from tests.api.conftest import NIFTY_FILE, Prices, complete_a_run

PATIENCE = 120.0
RUN = {
    "strategy": "sma_crossover",
    "strategy_params": {"fast": 5, "slow": 20},
    "symbols": ["AAPL"],
    "start_date": "2016-01-04",
    "end_date": "2017-12-29",
}


def submit(client: TestClient, **changes: Any) -> dict[str, Any]:
    answer = client.post("/api/v1/jobs/", json={**RUN, **changes})
    assert answer.status_code == 202, answer.text
    return dict(answer.json())


def over(client: TestClient, job_id: str) -> dict[str, Any]:
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        job = client.get(f"/api/v1/jobs/{job_id}/status").json()["job"]
        if job["status"] in {"completed", "failed", "cancelled"}:
            return dict(job)
        time.sleep(0.05)
    raise AssertionError(f"job {job_id} is not over: {job}")


def running(client: TestClient, job_id: str) -> None:
    until = time.monotonic() + PATIENCE
    while client.get(f"/api/v1/jobs/{job_id}").json()["job"]["status"] != "running":
        assert time.monotonic() < until
        time.sleep(0.05)


# --- without a worker: what waits ------------------------------------------------------------


def test_a_job_is_taken_on_and_waits(apart_client: TestClient, apart: Services) -> None:
    answer = apart_client.post("/api/v1/jobs/", json=RUN)

    body = answer.json()
    assert answer.status_code == 202
    assert answer.headers["location"] == f"/api/v1/jobs/{body['id']}"
    assert (body["success"], body["job_id"], body["status"]) == (True, str(body["id"]), "pending")
    job = apart.jobs.get(body["id"])
    assert (job.uuid, job.kind, job.state) == (body["uuid"], "backtest", JobState.PENDING)
    assert apart.backtests.get(body["backtest_id"]).queued_as == job.id
    shown = apart_client.get(f"/api/v1/jobs/{body['id']}").json()["job"]
    assert (shown["progress"], shown["attempt"], shown["started_at"]) == (0, 0, None)
    assert [(each["from_status"], each["to_status"]) for each in shown["history"]] == [
        (None, "pending")
    ]
    assert apart_client.get(f"/api/v1/jobs/{body['uuid']}").json()["job"] == shown
    run = apart.backtests.get(body["backtest_id"])
    assert apart_client.get(f"/api/v1/jobs/{run.job_id}/status").json()["job"] == shown


@pytest.mark.parametrize("way", ["cancel", "delete", "stop"])
def test_what_waits_is_cancelled_at_once(
    apart_client: TestClient, apart: Services, way: str
) -> None:
    taken = submit(apart_client)
    number, run = taken["id"], taken["backtest_id"]
    calls = {
        "cancel": lambda: apart_client.post(f"/api/v1/jobs/{number}/cancel"),
        "delete": lambda: apart_client.delete(f"/api/v1/jobs/{number}"),
        "stop": lambda: apart_client.post(f"/api/v1/backtests/{run}/stop"),
    }

    answer = calls[way]()

    assert answer.status_code == 200, answer.text
    assert (answer.json()["success"], answer.json()["status"]) == (True, "cancelled")
    assert apart.backtests.get(run).status is RunStatus.CANCELLED
    assert (
        apart_client.get(f"/api/v1/backtests/{run}/status").json()["job"]["status"] == "cancelled"
    )
    for again in calls.values():
        refused = again()
        assert (refused.status_code, refused.json()["code"]) == (409, "conflict")
    results = apart_client.get(f"/api/v1/jobs/{number}/results")
    assert (results.status_code, results.json()["code"]) == (409, "conflict")


def test_a_record_is_a_job_too(apart_client: TestClient, apart: Services) -> None:
    taken = apart_client.post(
        "/api/v1/jobs",
        json={
            "strategy": "Moving Average Crossover",
            "symbol": "AAPL",
            "start_date": "2016-01-04",
            "end_date": "2016-12-30",
            "initial_capital": 5000,
        },
    ).json()

    spec = apart.backtests.get(taken["backtest_id"]).spec
    assert (spec.strategy, spec.options.initial_cash) == ("sma_crossover", 5_000)
    apart_client.delete(f"/api/v1/jobs/{taken['id']}")


def test_the_list_is_filtered_and_cut(apart_client: TestClient, apart: Services) -> None:
    taken = [submit(apart_client)["id"] for _ in range(3)]
    apart_client.post(f"/api/v1/jobs/{taken[0]}/cancel")

    def listed(**query: Any) -> dict[str, Any]:
        answer = apart_client.get("/api/v1/jobs/", params=query)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    page = listed(limit=2, offset=1)
    stored = apart.jobs.list(JobQuery(limit=2, offset=1))
    assert [job["id"] for job in page["jobs"]] == [job.id for job in stored.jobs] == taken[1::-1]
    assert page["total"] == stored.total
    assert taken[0] in {job["id"] for job in listed(status="cancelled", limit=100)["jobs"]}
    assert {job["status"] for job in listed(status="pending", limit=100)["jobs"]} == {"pending"}
    for kind in get_args(JobKind):
        counted = sum(job.kind == kind for job in apart.jobs.list(JobQuery(limit=10_000)).jobs)
        assert listed(kind=kind)["total"] == counted
    stats = apart_client.get("/api/v1/jobs/stats").json()["stats"]
    counts = apart.jobs.stats().counts
    assert {name: stats[name] for name in map(str, JobState)} == {
        state.value: count for state, count in counts.items()
    }
    assert stats["total"] == sum(counts.values()) == page["total"]
    for number in taken[1:]:
        apart_client.delete(f"/api/v1/jobs/{number}")


@pytest.mark.parametrize(
    "query",
    [
        {"limit": 101},
        {"limit": 0},
        {"offset": -1},
        {"status": "lost"},
        {"kind": "nothing"},
        {"page": 1},
    ],
)
def test_a_wrong_list_is_refused(apart_client: TestClient, query: dict[str, Any]) -> None:
    answer = apart_client.get("/api/v1/jobs", params=query)

    assert answer.status_code == 422
    assert answer.json()["field"] == next(iter(query))


@pytest.mark.parametrize("number", ["999999", "9" * 18, "no-such-job", "api_2026_x", "0"])
@pytest.mark.parametrize("path", ["", "/status", "/results", "/events"])
def test_an_unknown_job_is_not_found(apart_client: TestClient, number: str, path: str) -> None:
    answer = apart_client.get(f"/api/v1/jobs/{number}{path}")

    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_run_computed_at_once_has_a_status_and_no_job(
    apart_client: TestClient, apart: Services
) -> None:
    completed = complete_a_run(apart_client)
    run = apart.backtests.get(completed)

    shown = apart_client.get(f"/api/v1/backtests/{completed}/status").json()
    stop = apart_client.post(f"/api/v1/backtests/{completed}/stop")
    job = apart_client.get(f"/api/v1/jobs/{run.job_id}")

    assert (shown["job_id"], shown["job"]["id"]) == (run.job_id, None)
    assert (shown["job"]["status"], shown["job"]["progress"]) == ("completed", 1.0)
    assert [each["to_status"] for each in shown["job"]["history"]] == [
        event.to_status.value for event in apart.backtests.history(completed)
    ]
    assert stop.status_code == 409
    assert stop.json()["hint"]
    assert job.status_code == 404
    assert f"/api/v1/backtests/{completed}/status" in job.json()["hint"]


def test_every_kind_of_job_can_be_listed() -> None:
    assert set(get_args(JobKind)) == {BACKTEST, STUDY, MIRROR}


def test_a_wrong_job_leaves_nothing(apart_client: TestClient, apart: Services) -> None:
    before = apart.jobs.stats()

    for changes, status in (
        ({"strategy": "nothing"}, 404),
        ({"strategy_params": {"fast": "5"}}, 422),
        ({"symbols": ["NOSUCH"]}, 404),
        ({"queue": True}, 422),
    ):
        answer = apart_client.post("/api/v1/jobs", json={**RUN, **changes})
        assert answer.status_code == status, answer.text

    assert apart.jobs.stats() == before


# --- one wish, one job -----------------------------------------------------------------------


def keyed(client: TestClient, key: str, path: str = "/api/v1/jobs", **changes: Any) -> Any:
    return client.post(path, json={**RUN, **changes}, headers={"Idempotency-Key": key})


def test_a_key_makes_one_job_of_one_wish(apart_client: TestClient, apart: Services) -> None:
    first, again = keyed(apart_client, "run-1"), keyed(apart_client, "run-1")
    jobs, runs = apart.jobs.list().total, apart.backtests.list().total
    other = keyed(apart_client, "run-1", end_date="2018-12-31")
    study = keyed(
        apart_client,
        "run-1",
        "/api/v1/optimization",
        strategy_params={"slow": 20},
        space={"fast": [5, 6]},
    )
    own = keyed(apart_client, "run-2")

    assert first.status_code == again.status_code == own.status_code == 202, first.text
    assert first.json() == again.json()
    assert first.headers["location"] == again.headers["location"]
    assert apart.backtests.of_job(first.json()["id"]).id == first.json()["backtest_id"]
    for answer in (other, study):
        assert (answer.status_code, answer.json()["code"]) == (409, "conflict"), answer.text
        assert f"job {first.json()['id']}" in answer.json()["detail"]
        assert answer.json()["hint"]
    assert own.json()["id"] != first.json()["id"]
    assert (apart.jobs.list().total, apart.backtests.list().total) == (jobs + 1, runs + 1)
    for answer in (first, own):
        apart_client.delete(f"/api/v1/jobs/{answer.json()['id']}")
    late = keyed(apart_client, "run-1")
    assert (late.json()["id"], late.json()["status"]) == (first.json()["id"], "cancelled")


@pytest.mark.parametrize("key", ["", "no blanks", "x" * 201, "caf\u00e9"])
def test_a_key_that_cannot_be_one(apart_client: TestClient, apart: Services, key: str) -> None:
    before = apart.jobs.stats()

    answer = apart_client.post(
        "/api/v1/jobs", json=RUN, headers={"Idempotency-Key": key.encode("latin-1")}
    )

    assert answer.status_code == 422, answer.text
    assert answer.json()["field"].lower() == "idempotency-key"
    assert apart.jobs.stats() == before


@pytest.mark.parametrize(
    ("path", "more"),
    [
        ("/api/v1/jobs", {}),
        ("/api/v1/optimization", {"strategy_params": {"slow": 20}, "space": {"fast": [5, 6]}}),
    ],
)
def test_a_wish_sent_by_many_at_once_is_one_job(
    apart_client: TestClient, apart: Services, path: str, more: dict[str, Any]
) -> None:
    before = apart.jobs.list().total
    with ThreadPoolExecutor(16) as threads:
        answers = list(
            threads.map(lambda _: keyed(apart_client, f"at-once{path}", path, **more), range(32))
        )

    assert {answer.status_code for answer in answers} == {202}, answers[0].text
    assert len({answer.json()["job_id"] for answer in answers}) == 1
    assert apart.jobs.list().total == before + 1
    number = apart.jobs.list().jobs[0].id
    apart_client.delete(f"/api/v1/jobs/{number}")


def test_an_upload_sent_twice_is_one_job(
    apart_client: TestClient, apart: Services, prices: dict[str, Prices]
) -> None:
    content = prices["NIFTY"].path.read_bytes()

    def send(**form: str) -> Any:
        return apart_client.post(
            "/api/v1/jobs/upload",
            files={"file": (NIFTY_FILE, content, "text/csv")},
            data={"strategy": "sma_crossover", "market": "XNSE", **form},
            headers={"Idempotency-Key": "file-1"},
        )

    first = send()
    before = apart.jobs.list().total
    again, other = send(), send(strategy="momentum_strategy")

    assert first.status_code == again.status_code == 202, first.text
    assert again.json()["id"] == first.json()["id"]
    assert other.status_code == 409
    assert apart.jobs.list().total == before
    apart_client.delete(f"/api/v1/jobs/{first.json()['id']}")


# --- with a worker ---------------------------------------------------------------------------


def test_a_queued_run_has_the_result_of_one_computed_at_once(
    queue_client: TestClient, queued: Services
) -> None:
    at_once = queue_client.post("/api/v1/backtests", json=RUN).json()

    # Other parameters, so that nothing is taken over from a stored result.
    other = {"strategy_params": {"fast": 6, "slow": 20}}
    taken = submit(queue_client, **other)
    job = over(queue_client, taken["job_id"])
    body = queue_client.get(f"/api/v1/jobs/{taken['job_id']}/results").json()
    again = queue_client.post("/api/v1/backtests", json={**RUN, **other}).json()

    assert (job["status"], job["progress"], job["error_message"]) == ("completed", 1.0, None)
    assert [each["to_status"] for each in job["history"]] == ["pending", "running", "completed"]
    assert job["attempt"] == 1
    assert (body["job_id"], body["kind"]) == (taken["job_id"], "backtest")
    assert body["result"] == body["results"] == again["result"]
    assert body["result"]["metrics"] != at_once["result"]["metrics"]
    assert queued.backtests.get(taken["backtest_id"]).status is RunStatus.COMPLETED
    assert queue_client.post(f"/api/v1/jobs/{taken['job_id']}/cancel").status_code == 409


def test_an_upload_is_a_job(queue_client: TestClient, prices: dict[str, Prices]) -> None:
    content = prices["NIFTY"].path.read_bytes()
    form = {"strategy": "sma_crossover", "market": "XNSE"}

    answer = queue_client.post(
        "/api/v1/jobs/upload", files={"file": (NIFTY_FILE, content, "text/csv")}, data=form
    )

    body = answer.json()
    assert answer.status_code == 202, answer.text
    assert body["dataset"]["rows_read"] == len(prices["NIFTY"].rows)
    assert over(queue_client, body["job_id"])["status"] == "completed"
    found = queue_client.get(f"/api/v1/jobs/{body['job_id']}/results").json()["result"]
    direct = queue_client.post(
        "/api/v1/backtests",
        json={"strategy": "sma_crossover", "dataset": body["dataset"]["dataset_id"]},
    ).json()["result"]
    assert found == direct


def test_what_runs_is_ended(queue_client: TestClient) -> None:
    taken = submit(queue_client, strategy="slow", strategy_params={})
    running(queue_client, taken["job_id"])

    began = time.monotonic()
    answer = queue_client.post(f"/api/v1/jobs/{taken['job_id']}/cancel")
    job = over(queue_client, taken["job_id"])

    assert (answer.status_code, answer.json()["status"]) == (200, "running")
    assert (job["status"], job["cancel_requested"]) == ("cancelled", True)
    assert time.monotonic() - began < PATIENCE
    assert "cancel wanted" in [each["note"] for each in job["history"]]


def test_a_failed_job_says_why(queue_client: TestClient) -> None:
    taken = submit(queue_client, strategy="failing", strategy_params={})

    job = over(queue_client, taken["job_id"])
    answer = queue_client.get(f"/api/v1/jobs/{taken['job_id']}/results")

    assert (job["status"], job["error"]["code"]) == ("failed", "strategy_failed")
    assert "no idea at all" in job["error_message"]
    assert job["progress"] < 1
    assert answer.status_code == 409
    assert "no idea at all" in answer.json()["detail"]


# --- the stream ------------------------------------------------------------------------------


@contextmanager
def served(services: Services) -> Iterator[str]:
    """The application behind a real server."""
    config = uvicorn.Config(
        create_app(services), port=0, log_config=None, timeout_graceful_shutdown=1
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            time.sleep(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(30)


def events_of(lines: Iterator[str]) -> Iterator[tuple[str, Any]]:
    """Read a stream as its standard says: a blank line ends an event, a colon begins a comment."""
    kind, data = "", []
    for line in lines:
        if not line:
            if data:
                yield kind, json.loads("\n".join(data))
            kind, data = "", []
        elif line.startswith(":"):
            yield "comment", line[1:].strip()
        else:
            name, _, value = line.partition(": ")
            if name == "event":
                kind = value
            elif name == "data":
                data.append(value)


def test_a_stream_tells_every_change_and_ends(
    queued: Services, queue_client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(door, "LOOK_SECONDS", 0.05)
    slow = submit(queue_client, strategy="slow", strategy_params={})
    with (
        served(queued) as base,
        httpx2.stream("GET", f"{base}/api/v1/jobs/{slow['id']}/events", timeout=60) as answer,
    ):
        assert answer.headers["content-type"].startswith("text/event-stream")
        told = []
        for kind, data in events_of(answer.iter_lines()):
            if kind == "comment":
                continue
            told.append((kind, data["status"]))
            assert data["id"] == slow["id"]
            if data["status"] == "running" and not data["cancel_requested"]:
                httpx2.post(f"{base}/api/v1/jobs/{slow['id']}/cancel").raise_for_status()

    states = [status for _, status in told]
    assert [kind for kind, _ in told] == ["progress"] * (len(told) - 1) + ["end"]
    assert list(dict.fromkeys(states))[-2:] == ["running", "cancelled"]
    assert data["links"]["self"] == f"/api/v1/jobs/{slow['id']}"


def test_a_stream_of_what_is_over_says_so_and_ends(apart_client: TestClient) -> None:
    taken = submit(apart_client)
    apart_client.delete(f"/api/v1/jobs/{taken['id']}")

    answer = apart_client.get(f"/api/v1/jobs/{taken['id']}/events")

    (only,) = events_of(iter(answer.text.splitlines()))
    assert (only[0], only[1]["status"]) == ("end", "cancelled")


def test_a_stream_beats_while_nothing_changes_and_ends_when_its_reader_leaves(
    apart_client: TestClient,
    apart: Services,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(door, "LOOK_SECONDS", 0.02)
    monkeypatch.setattr(door, "HEARTBEAT_SECONDS", 0.05)
    taken = submit(apart_client)
    path = f"/api/v1/jobs/{taken['id']}/events"

    def said() -> bool:
        """Whether our log has the request, which it does at its end; uvicorn has it before."""
        own = (each for each in caplog.records if each.name == "workbench.api.access")
        return any(path in each.getMessage() for each in own)

    with served(apart) as base, caplog.at_level(logging.INFO, "workbench.api.access"):
        with httpx2.stream("GET", f"{base}{path}", timeout=60) as answer:
            found = events_of(answer.iter_lines())
            assert next(found)[0] == "progress"
            assert [next(found) for _ in range(3)] == [("comment", "no change")] * 3
            assert not said()
        until = time.monotonic() + PATIENCE
        while not said():
            assert time.monotonic() < until, "the stream goes on without a reader"
            time.sleep(0.02)
    apart_client.delete(f"/api/v1/jobs/{taken['id']}")


def test_streams_hold_no_threads(apart_client: TestClient, apart: Services) -> None:
    """More open streams than the server has threads, and it still answers."""
    taken = submit(apart_client)
    with served(apart) as base, ExitStack() as open_ones:
        port = int(base.rpartition(":")[2])
        for _ in range(60):
            wire = open_ones.enter_context(socket.create_connection(("127.0.0.1", port), 30))
            path = f"/api/v1/jobs/{taken['id']}/events"
            wire.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
            assert b"200 OK" in wire.recv(1_000)

        answer = httpx2.get(f"{base}/api/v1/jobs/{taken['id']}", timeout=30)

        assert answer.json()["job"]["status"] == "pending"
    apart_client.delete(f"/api/v1/jobs/{taken['id']}")
