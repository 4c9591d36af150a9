"""Searches from the command line: done here, watched, cancelled, refused, shown."""

from __future__ import annotations

import json
import os
import pty
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from core import bootstrap
from tests.laboratory import searching_by

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 180.0
Call = Callable[..., Any]
SEARCH = ("--strategy", "sma_crossover", "--symbols", "ACME", "--param", "slow=30")
SPACE = ("--space", "fast=5:15:5", "--require", "trades >= 1")
WALK = ("--train", "150", "--test", "50", "--step", "50", "--unit", "sessions")


def total(call: Call) -> int:
    return int(call("jobs", "--json").json["total"])


def test_a_search_is_done_judged_and_shown(call: Call, lake: tuple[str, str]) -> None:
    answer = call("optimize", *SEARCH, *SPACE, "--json")

    assert (answer.code, answer.err) == (0, ""), answer
    found = answer.json
    assert (found["status"], found["method"], found["trials"]) == ("completed", "grid", 3)
    assert [
        trial["param_fast"] for trial in sorted(found["top"], key=lambda each: each["number"])
    ] == [5, 10, 15]
    values = [trial["value_0"] for trial in found["top"]]
    assert values == sorted(values, reverse=True)
    assert found["windows"] == []
    again = call("studies", found["id"], "--json").json
    assert again == found
    shown = call("studies", found["id"])
    assert shown.code == 0
    assert "Verdict" in shown.out
    assert "objective" in shown.out
    assert call("studies", found["id"], "--top", 1, "--json").json["top"] == found["top"][:1]
    assert call("studies", found["id"], "--top", 0, "--json").json["top"] == []

    best = found["findings"]["chosen"]
    run = call("promote", found["id"], "--json").json
    assert run["params"] == {"slow": 30, **best["params"]}
    other = call("promote", found["id"], "--trial", 2, "--json").json
    assert other["params"]["fast"] == 15
    assert call("promote", found["id"], "--trial", 3, "--json").code == 3


def test_walking_forward_has_a_row_for_each_window(call: Call, lake: tuple[str, str]) -> None:
    answer = call("walkforward", *SEARCH, *SPACE, *WALK, "--json")

    assert answer.code == 0, answer
    # 400 sessions: trainings of 150 begin at 0, 50, ... as long as 50 more fit.
    assert [row["train_sessions"] for row in answer.json["windows"]] == [150] * 5
    assert [row["test_sessions"] for row in answer.json["windows"]] == [50] * 5
    people = call("studies", answer.json["id"])
    assert "5 windows" in people.out
    same = call("optimize", *SEARCH, *SPACE, "--walk-forward", *WALK, "--json").json
    assert same["windows"] == answer.json["windows"]


def test_studies_and_jobs_are_filtered(call: Call, lake: tuple[str, str]) -> None:
    made = call("optimize", *SEARCH, *SPACE, "--queue", "--json").json
    assert (made["status"], made["job"]["status"]) == ("pending", "pending")

    def studies(*words: object) -> set[int]:
        return {study["id"] for study in call("studies", *words, "--json").json["studies"]}

    assert made["id"] in studies("--symbol", "acme", "--strategy", "CROSS", "--status", "pending")
    assert made["id"] not in studies("--status", "completed")
    assert made["id"] not in studies("--symbol", "BOLT")
    assert made["id"] not in studies("--strategy", "momentum")
    assert len(studies("--limit", 1)) == 1
    kinds = call("jobs", "--kind", "study", "--status", "pending", "--json").json["jobs"]
    assert made["job_id"] in {job["id"] for job in kinds}
    cancelled = call("jobs", made["job_id"], "--cancel", "--json")
    assert (cancelled.code, cancelled.json["status"]) == (0, "cancelled")
    assert call("jobs", made["job_id"], "--cancel", "--json").json["error"]["code"] == "conflict"
    assert call("studies", made["id"]).code == 1
    refused = call("promote", made["id"], "--json").json["error"]
    assert (refused["code"], refused["hint"]) == ("conflict", "Submit it again")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--space", "fast=5:x:1"), "--space fast: high is 'x'"),
        (("--space", "fast=9:5"), "--space fast: it goes from 9 to 5"),
        (("--space", "fast="), "fast"),
        (("--space", "speed=1,2"), "speed"),
        ((), "no parameter is varied"),
        ((*SPACE, "--method", "luck"), "--method is 'luck'"),
        ((*SPACE, "--objective", "luck"), "--objective: metric 'luck' is not known"),
        ((*SPACE, "--validation", "0.9"), "--validation is 0.9"),
        ((*SPACE, "--validation", "nan"), "--validation is nan"),
        ((*SPACE, "--embargo", "-4"), "--embargo is -4"),
        ((*SPACE, "--search-seed", "-1"), "--search-seed is -1"),
        ((*SPACE, "--worlds", "9" * 40), "--worlds is 9999"),
        ((*SPACE, "--trials", "0"), "--trials is 0"),
        ((*SPACE, "--priority", "9" * 40), "priority is 9999"),
        ((*SPACE, "--top", "-1"), "--top is -1"),
        ((*SPACE, "--train", "24"), "--train is said of a search that does not walk forward"),
        ((*SPACE, "--no-anchored"), "--anchored is said of a search"),
        ((*SPACE, "--walk-forward", "--unit", "weeks"), "--unit is 'weeks'"),
        ((*SPACE, "--walk-forward", "--train", "0"), "--train is 0"),
        ((*SPACE, "--walk-forward", "--train", "24"), "hold no window of 24 + 2 months"),
        ((*SPACE, "--walk-forward", "--embargo", "-4"), "--embargo is -4, expected at least 0"),
    ],
)
def test_a_search_that_cannot_be_is_refused(
    call: Call, lake: tuple[str, str], words: tuple[str, ...], said: str
) -> None:
    before = total(call)

    people, program = call("optimize", *SEARCH, *words), call("optimize", *SEARCH, *words, "--json")

    assert people.code == program.code == 2, people
    assert people.out == program.err == ""
    error = program.json["error"]
    sentence = f"{error['message']}, expected {error.get('expected')}"
    assert said in sentence or said in error["message"], error
    assert said.partition(",")[0].lower() in people.err.lower()
    assert "Traceback" not in people.err
    assert total(call) == before


def test_everything_that_is_wrong_is_said_to_people_too(call: Call, lake: tuple[str, str]) -> None:
    answer = call("walkforward", *SEARCH, *SPACE, "--start", "2018-06-01", "--end", "2018-08-01")

    assert answer.code == 2
    assert "he part to search in has" in answer.err
    assert "hold no window of 6 + 2 months" in answer.err


@pytest.mark.parametrize(
    "words",
    [
        ("studies", "--limit", "0"),
        ("studies", "--limit", "9" * 30),
        ("studies", "--status", "lost"),
        ("studies", "--top", "-1"),
        ("jobs", "--limit", "-1"),
        ("jobs", "--status", "lost"),
        ("jobs", "--kind", "nothing"),
        ("jobs", "--cancel"),
    ],
)
def test_lists_are_bounded(call: Call, lake: tuple[str, str], words: tuple[str, ...]) -> None:
    answer = call(*words, "--json")

    assert (answer.code, answer.json["error"]["code"]) == (2, "invalid_input")
    assert answer.json["error"]["expected"]


def start(*words: str, stderr: int = subprocess.PIPE) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "core", *words],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=stderr,
        text=True,
        start_new_session=True,
    )


@pytest.mark.parametrize("as_json", [False, True])
def test_ctrl_c_cancels_what_runs_here(call: Call, lake: tuple[str, str], *, as_json: bool) -> None:
    long = ("--space", "fast=2:29:1", "--method", "random", "--worlds", "1000", *SPACE[2:])
    before = total(call)
    process = start("optimize", *SEARCH, *long, *["--json"] * as_json)
    deadline = time.monotonic() + PATIENCE
    while not call("jobs", "--status", "running", "--json").json["jobs"]:
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.1)
    study = call("studies", "--limit", 1, "--json").json["studies"][0]["id"]
    while not (shown := call("studies", study, "--json").json["ranking"]):
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.1)

    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=PATIENCE)

    assert process.returncode == 130
    assert "Traceback" not in err
    newest = call("jobs", "--limit", 1, "--json").json
    if as_json:
        said = json.loads(out)
        assert (said["status"], said["job"]["id"]) == ("cancelled", newest["jobs"][0]["id"])
        assert (said["error"]["code"], err) == ("cancelled", "")
        assert said["error"]["message"] == f"Study {said['id']} is cancelled."
    else:
        assert (out, "is cancelled" in err) == ("", True)
    assert newest["total"] == before + 1
    assert newest["jobs"][0]["status"] == "cancelled"
    assert shown["rows"]
    assert all(row["params"]["fast"] in range(2, 30) for row in shown["rows"])
    shown = call("studies", study, "--json").json["ranking"]
    assert (
        f"best of {shown['trials']:,} trials, ranked and not judged" in call("studies", study).out
    )


def test_a_bar_shows_on_a_terminal_and_nowhere_else(lake: tuple[str, str]) -> None:
    piped = start("optimize", *SEARCH, *SPACE)
    out, err = piped.communicate(timeout=PATIENCE)
    assert (piped.returncode, err) == (0, "")
    assert "Searching" not in out

    assert seen_on_a_terminal("--json") == ""
    assert "Searching" in seen_on_a_terminal()


def seen_on_a_terminal(*words: str) -> str:
    """What a search writes on stderr where that is a terminal."""
    terminal, end = pty.openpty()
    watched = start("optimize", *SEARCH, *SPACE, *words, stderr=end)
    os.close(end)
    seen = b""
    with os.fdopen(terminal, "rb", buffering=0) as screen, suppress(OSError):
        while part := screen.read(4_096):
            seen += part
    watched.communicate(timeout=PATIENCE)
    assert watched.returncode == 0
    return seen.decode()


def test_workers_that_are_not_there_are_missed(call: Call, lake: tuple[str, str]) -> None:
    answer = call("worker", "--check", "--json")

    assert (answer.code, answer.json["error"]["code"]) == (3, "not_found")
    assert "workbench worker" in answer.json["error"]["hint"]


def test_what_is_held_back_is_said_by_one_file(
    call: Call, lake: tuple[str, str], tmp_path: Path
) -> None:
    def share() -> float:
        made = call("optimize", *SEARCH, *SPACE, "--queue", "--json").json
        with bootstrap.build(executor="inline") as services:
            return services.studies.get(made["id"]).spec.validation.share

    before = share()
    with searching_by(tmp_path, 0.85):
        after = share()

    assert (before, after) == (0.3, 0.15)


def test_a_study_goes_by_the_name_of_its_job_too(call: Call, lake: tuple[str, str]) -> None:
    made = call("optimize", *SEARCH, *SPACE, "--queue", "--json").json

    for name in (made["id"], made["uuid"], made["job"]["uuid"], made["job"]["uuid"].upper()):
        assert call("studies", name, "--json").json["id"] == made["id"]
    missing = call("studies", "no such", "--json")

    assert (missing.code, missing.json["error"]["code"]) == (3, "not_found")
    assert "uuid of its job" in missing.json["error"]["expected"]
    assert call("jobs", made["job_id"], "--cancel", "--json").code == 0


def test_ctrl_c_is_an_object_whatever_was_under_way(
    call: Call, lake: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(bootstrap, "build", stop)

    program, people = call("list", "--json"), call("list")

    assert (program.code, program.json["error"]["code"], program.err) == (130, "cancelled", "")
    assert (people.code, people.out, people.err) == (130, "", "Stopped.\n")


@pytest.mark.parametrize("slots", ["0", "-1", "65", "100000"])
def test_a_worker_with_no_slots_or_too_many_does_not_start(
    call: Call, lake: tuple[str, str], slots: str
) -> None:
    answer = call("worker", "--slots", slots, "--json")

    assert (answer.code, answer.json["error"]["expected"]) == (2, "1 to 64")


def test_mlflow_is_not_shown_where_another_program_listens(
    call: Call, lake: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORKBENCH_MLFLOW_TRACKING_URI", "")
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]

        answer = call("mlflow", "--port", port, "--json")

    assert (answer.code, answer.err) == (2, "")
    assert answer.json["error"]["message"] == f"port {port} is taken by another program"
