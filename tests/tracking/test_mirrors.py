"""What completes is in MLflow, once, with our numbers; and MLflow never holds anything up."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pytest
from starlette.testclient import TestClient

from api.app import create_app
from core.bootstrap import build
from core.domain.findings import Study
from core.domain.job import JobQuery, JobState
from core.domain.metrics import METRICS
from core.domain.run import Run, RunSpec
from core.domain.study import StudySpec
from core.domain.tracking import Mirror
from core.errors import Conflict, InvalidInput, NotFound, Unavailable
from core.jobs.nursery import Nursery
from core.services import Services
from core.services.experiments import Desk, Experiments
from core.settings import Settings
from core.store import open_store
from core.tracking.connection import environment
from core.tracking.entry import Entry, tracked
from tests.laboratory import a_worker
from tests.tracking.conftest import (
    MlflowServer,
    a_silent_port,
    by_uuid,
    free_port,
    seen,
    until,
)

BASE = "http://127.0.0.1:8000"
TRIALS = 30
CAP = 6
WRITE = """
import json, sys
from core.tracking.child import open_writer
config, request = json.loads(sys.argv[1]), json.loads(sys.argv[2])
print(json.dumps(open_writer(config)(request, lambda _: {})))
"""


def study_of(**given) -> StudySpec:
    return StudySpec.model_validate(
        {
            "run": {"strategy": "simple", "symbols": ["AAA"]},
            "space": {"span": {"min": 2, "max": TRIALS + 1, "step": 1}},
            "requirements": ["trades >= 5"],
            **given,
        }
    )


def run_of(span: int) -> RunSpec:
    return RunSpec(strategy="simple", symbols=("AAA",), params={"span": span})


@dataclass
class Watched:
    """The real desk, with a note of every question."""

    desk: Desk
    asked: list[str]

    def ask(self, request: dict) -> object:
        self.asked.append(request["op"])
        return self.desk.ask(request)


@dataclass
class Written:
    """A workbench whose worker has mirrored two runs and two studies."""

    settings: Settings
    services: Services
    first: Run
    again: Run
    study: Study
    large: Study

    @property
    def database(self) -> Path:
        return self.settings.data_dir / "mlflow.db"


@pytest.fixture(scope="module")
def written(tmp_path_factory, make_settings) -> Iterator[Written]:
    settings = make_settings(tmp_path_factory.mktemp("mirrors"), mlflow_ui_url="http://here:1/")
    with build(settings) as services, a_worker(settings):
        runs = [services.backtests.submit(run_of(9)) for _ in range(2)]
        studies = [
            services.studies.submit(study_of(**given))
            for given in ({}, {"tracked_trials": CAP, "seed": 1})
        ]

        def is_written() -> bool:
            records = [services.backtests.get(run.id) for run in runs]
            records += [services.studies.get(study.id) for study in studies]
            assert all(services.experiments.mirror_of(each).state != "failed" for each in records)
            return all(each.mlflow_run_id for each in records)

        until(is_written, "mirrored")
        yield Written(
            settings,
            services,
            *(services.backtests.get(run.id) for run in runs),
            *(services.studies.get(study.id) for study in studies),
        )


class TestRuns:
    def test_each_submission_is_a_run_of_its_own(self, written):
        found = by_uuid(written.database)

        for run in (written.first, written.again):
            there = found[run.uuid]
            assert (there.run_id, there.experiment_id) == (
                run.mlflow_run_id,
                run.mlflow_experiment_id,
            )
            assert (there.status, there.experiment) == ("FINISHED", "backtest.simple")
        assert written.again.reused

    def test_its_metrics_are_ours_and_undefined_ones_are_left_out(self, written):
        ours = written.first.metrics

        there = by_uuid(written.database)[written.first.uuid].metrics

        defined = {name: value for name, value in ours.values.items() if value is not None}
        assert {name: there[name] for name in METRICS if name in there} == defined
        assert set(ours.reasons).isdisjoint(there)
        assert {name: there[name] for name in ours.counters} == ours.counters

    def test_it_says_what_it_was_computed_from(self, written):
        run, there = written.first, by_uuid(written.database)[written.first.uuid]

        assert there.params["span"] == "9"
        wanted = {
            "strategy": "simple",
            "symbols": "AAA",
            "timeframe": "1d",
            "run_key": run.run_key,
            "code_hash": run.code_hash,
            "engine_version": run.engine_version,
            "costs": run.spec.costs.name,
            "badges": ",".join(run.badges),
            "workbench.run_id": str(run.id),
            "workbench.job_id": run.job_id,
        }
        assert {name: there.tags[name] for name in wanted} == wanted
        assert json.loads(there.tags["data_hash"]) == run.data_hashes
        assert there.tags["artifact.equity.parquet"] == f"sha256:{run.artifacts['equity.parquet']}"

    def test_small_tables_are_copied(self, written):
        there = by_uuid(written.database)[written.first.uuid].artifacts
        ours = written.services.backtests.artifact_path(written.first.id, "equity")

        assert (there / "equity.parquet").read_bytes() == ours.read_bytes()
        assert (there / "request.json").read_text() == written.first.spec.canonical()


class TestStudies:
    def test_it_is_an_experiment_with_a_run_for_each_trial(self, written):
        study, services = written.study, written.services
        found = [
            each
            for each in seen(written.database)
            if each.experiment == f"optimization.simple.{study.job.id}"
        ]

        (parent,) = [each for each in found if each.tags["workbench.uuid"] == study.uuid]
        children = [each for each in found if each is not parent]
        assert (parent.run_id, parent.experiment_id) == (
            study.mlflow_run_id,
            study.mlflow_experiment_id,
        )
        assert len(children) == TRIALS
        assert {each.tags["mlflow.parentRunId"] for each in children} == {parent.run_id}
        assert {each.status for each in found} == {"FINISHED"}
        trials = services.studies.table(study, "trials").rows_by_key("number", named=True)
        for child in children:
            (ours,) = trials[int(child.tags["workbench.trial"])]
            assert child.params == {"span": str(ours["param_span"])}
            defined = {name: ours[name] for name in METRICS if ours[name] is not None}
            assert {k: v for k, v in child.metrics.items() if k in METRICS} == defined
            assert child.metrics.get("value_0") == ours["value_0"]
            assert child.tags.get("refused") == ours["reason"]

    def test_the_parent_has_the_verdict_and_all_trials(self, written):
        study, services = written.study, written.services
        parent = by_uuid(written.database)[study.uuid]
        table = written.settings.artifacts_dir / "studies" / study.key[:2] / study.key

        assert parent.metrics["study.trials"] == TRIALS
        assert parent.tags["light"] == study.findings.light
        assert parent.tags["mlflow.note.content"] == study.findings.sentence
        assert parent.params["best.span"] == str(study.findings.chosen.params["span"])
        copied = (parent.artifacts / "trials.parquet").read_bytes()
        assert copied == (table / "trials.parquet").read_bytes()
        assert len(services.studies.table(study, "trials")) == TRIALS

    def test_of_more_than_are_tracked_the_best_are_there(self, written):
        study = written.large
        found = [
            each
            for each in seen(written.database)
            if each.tags.get("mlflow.parentRunId") == study.mlflow_run_id
        ]
        trials = written.services.studies.table(study, "trials").drop_nulls("score")

        assert len(found) == CAP
        there = {int(each.tags["workbench.trial"]) for each in found}
        best = trials.sort("score", descending=True)["number"].to_list()[: CAP - 1]
        assert set(best) | {study.findings.chosen.number} <= there

    @pytest.mark.parametrize(
        ("trials", "most", "kept"), [(500, 500, 500), (501, 500, 100), (9, 0, 0)]
    )
    def test_how_many_are_tracked(self, written, trials, most, kept):
        spec = study_of(tracked_trials=most)
        study = Study(
            id=1, uuid="u", job=written.study.job, spec=spec, title="t", source="cli",
            created_at=written.study.created_at,
        )  # fmt: skip
        frame = pl.DataFrame({"number": range(trials), "score": [float(n) for n in range(trials)]})

        found = tracked(study, frame)["number"].to_list()

        assert found == list(range(trials))[trials - kept :]


class TestReading:
    def test_experiments_are_listed(self, written):
        found = {each.name: each for each in written.services.experiments.list()}

        study = written.study
        one = found[f"optimization.simple.{study.job.id}"]
        assert one.experiment_id == study.mlflow_experiment_id
        assert one.url == f"http://here:1/#/experiments/{one.experiment_id}"
        assert {"backtest.simple", "Default"} <= set(found)

    def test_pages_have_the_true_total(self, written):
        experiments, study = written.services.experiments, written.study
        pages = [
            experiments.runs(
                study.mlflow_experiment_id, page=page, page_size=7, order_by=["metrics.sharpe DESC"]
            )
            for page in range(1, 6)
        ]

        assert {page.total for page in pages} == {TRIALS + 1}
        assert {page.total_pages for page in pages} == {5}
        ids = [run.run_id for page in pages for run in page.runs]
        assert len(ids) == len(set(ids)) == TRIALS + 1
        sharpes = [run.metrics.get("sharpe") for page in pages for run in page.runs]
        known = [each for each in sharpes if each is not None]
        assert known == sorted(known, reverse=True)

    def test_a_filter_counts_what_it_keeps(self, written):
        study = written.study
        found = written.services.experiments.runs(
            study.mlflow_experiment_id, page_size=3, where="params.span = '7'"
        )

        assert (found.total, len(found.runs)) == (1, 1)
        assert found.runs[0].tags["mlflow.parentRunId"] == study.mlflow_run_id

    def test_one_run_with_everything(self, written):
        mirror = written.services.experiments.mirror_of(written.first)
        run = written.services.experiments.run(mirror.run_id)

        assert run.metrics["sharpe"] == written.first.metrics.values["sharpe"]
        assert mirror.state == "written"
        assert (
            mirror.url
            == run.url
            == (f"http://here:1/#/experiments/{run.experiment_id}/runs/{run.run_id}")
        )

    def test_bad_questions_are_refused(self, written):
        experiments = written.services.experiments
        known = written.study.mlflow_experiment_id

        with pytest.raises(NotFound, match="9999"):
            experiments.runs("9999")
        with pytest.raises(NotFound, match="f" * 32):
            experiments.run("f" * 32)
        with pytest.raises(InvalidInput, match="cannot read"):
            experiments.runs(known, where="nonsense ~ 3")
        with pytest.raises(InvalidInput, match="cannot read"):
            experiments.runs(known, order_by=["no such column"])
        assert experiments.runs(known).total == TRIALS + 1

    def test_answers_are_kept_for_minutes_and_forgotten_on_request(self, written):
        now = [0.0]
        asked = []
        desk = Watched(written.services.experiments._desk, asked)
        url, folder = written.settings.database_url, written.settings.artifacts_dir
        with open_store(url, folder) as store:
            experiments = Experiments(store, desk, clock=lambda: now[0])
            study = written.study.mlflow_experiment_id
            for at in (0.0, 299.0, 301.0, 599.0, 600.5):
                now[0] = at
                experiments.list()
                experiments.runs(study)
            assert asked == ["experiments", "runs", "experiments", "runs"]
            asked.clear()
            assert experiments.forget("7777") == 1  # the list of all
            experiments.runs(study)
            assert asked == []
            assert experiments.forget(study) == 1
            experiments.runs(study)
            assert asked == ["runs"]


@pytest.fixture(scope="module")
def client(written) -> Iterator[TestClient]:
    with TestClient(create_app(written.services), base_url=BASE) as opened:
        yield opened


class TestRest:
    def test_a_run_says_where_it_is(self, written, client):
        run = client.get(f"/api/backtests/{written.first.id}").json()

        mirror = run["mlflow"]
        assert (mirror["state"], mirror["reason"]) == ("written", None)
        assert run["mlflow_run_id"] == mirror["run_id"] == written.first.mlflow_run_id
        there = client.get(f"/api/mlflow/runs/details/{mirror['run_id']}").json()
        assert there["info"]["experiment_id"] == mirror["experiment_id"]
        assert there["data"]["metrics"]["sharpe"] == run["metrics"]["sharpe"]
        assert there["url"] == mirror["url"]
        listed = client.get("/api/backtests").json()["backtests"]
        assert mirror["run_id"] in {each["mlflow_run_id"] for each in listed}

    def test_a_study_says_where_it_is(self, written, client):
        number = written.study.id
        study = client.get(f"/api/v1/optimization/{number}").json()

        mirror = study["mlflow"]
        assert (mirror["state"], mirror["reason"]) == ("written", None)
        there = client.get(f"/api/mlflow/runs/details/{mirror['run_id']}").json()
        assert there["info"]["experiment_id"] == mirror["experiment_id"]
        names = {
            each["experiment_id"]: each["name"]
            for each in client.get("/api/mlflow/experiments").json()["experiments"]
        }
        assert names[mirror["experiment_id"]] == f"optimization.simple.{written.study.job.id}"

    def test_experiments_and_pages_of_their_runs(self, written, client):
        experiments = client.get("/api/mlflow/experiments").json()["experiments"]
        (one,) = [each for each in experiments if each["name"] == "backtest.simple"]
        path = f"/api/mlflow/runs/{one['experiment_id']}"

        page = client.get(path, params={"page": 2, "page_size": 1}).json()
        assert {name: page[name] for name in ("total", "page", "page_size", "total_pages")} == {
            "total": 2,
            "page": 2,
            "page_size": 1,
            "total_pages": 2,
        }
        where = f"tags.`workbench.uuid` = '{written.again.uuid}'"
        kept = client.get(path, params={"filter": where}).json()
        assert [each["info"]["run_id"] for each in kept["runs"]] == [written.again.mlflow_run_id]

    @pytest.mark.parametrize(
        ("path", "status"),
        [
            ("4711", 404),
            (f"details/{'a' * 32}", 404),
            ("1?filter=nonsense", 400),
            ("1?page=0", 422),
            ("1?limit=3", 422),
        ],
    )
    def test_what_cannot_be_answered_says_why(self, client, path, status):
        answer = client.get(f"/api/mlflow/runs/{path}")

        assert (answer.status_code, bool(answer.json()["detail"])) == (status, True), answer.text

    def test_the_cache_is_emptied_on_request(self, client):
        client.get("/api/mlflow/experiments")

        answer = client.post("/api/mlflow/cache/invalidate", params={"experiment_id": "1"})
        assert (answer.status_code, "forgotten" in answer.json()["message"]) == (200, True)


def test_while_it_is_down_everything_else_lives(tmp_path, make_settings):
    settings = make_settings(tmp_path, mlflow_tracking_uri=f"http://127.0.0.1:{free_port()}")
    with (
        build(settings) as services,
        TestClient(create_app(services), base_url=BASE) as client,
    ):
        run = services.backtests.submit(run_of(5))
        answer = client.get("/api/mlflow/experiments")
        assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
        assert "127.0.0.1" in answer.json()["detail"]
        assert answer.headers["retry-after"]
        assert client.get(f"/api/backtests/{run.id}").json()["mlflow"]["state"] == "waiting"
        assert client.get("/api/v1/health/ready").status_code == 200
        assert client.get("/api/mlflow/runs/1").status_code == 503
        health = client.get("/api/v1/health/detailed").json()
        assert (health["status"], health["dependencies"]["mlflow"]["status"]) == (
            "degraded",
            "unhealthy",
        )


def test_the_command_shows_it_to_this_machine_only(tmp_path, make_settings):
    settings, port = make_settings(tmp_path), free_port()
    words = [sys.executable, "-m", "core", "mlflow", "--port", str(port), "--json"]
    own = {"WORKBENCH_DATA_DIR": str(settings.data_dir), "WORKBENCH_MLFLOW_TRACKING_URI": ""}
    command = subprocess.Popen(
        words, env={**os.environ, **own}, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    try:
        told = "".join(iter(lambda: command.stdout.readline().decode(), "}\n"))
        address = f"http://127.0.0.1:{port}"
        assert json.loads(told + "}") == {"mlflow": address}
        other = urllib.request.Request(f"{address}/", headers={"Host": "elsewhere.example"})  # noqa: S310
        with pytest.raises(urllib.error.HTTPError, match="403"):
            urllib.request.urlopen(other)  # noqa: S310
    finally:
        command.send_signal(signal.SIGINT)
        rest, _ = command.communicate(timeout=60)
    assert (command.returncode, rest) == (0, b"")
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0


def entries(count: int) -> list[dict]:
    def entry(uuid: str, name: str) -> dict:
        tags = {"workbench.uuid": uuid}
        numbers = {f"m{n}": float(n) for n in range(20)}
        each = Entry(name, uuid, {"p": name}, numbers, tags, 1_700_000_000_000, 1_700_000_001_000)
        return {slot: getattr(each, slot) for slot in Entry.__slots__}

    return [entry("study", "study"), *(entry(f"study:{n}", f"trial {n}") for n in range(count))]


def test_who_is_killed_in_the_middle_leaves_nothing_double(tmp_path, empty_mlflow):
    count, database = 60, tmp_path / "mlflow.db"
    database.write_bytes(empty_mlflow.read_bytes())
    path = tmp_path / "entries.jsonl"
    path.write_text("\n".join(map(json.dumps, entries(count))))
    config = {"uri": f"sqlite:///{database}", "files": str(tmp_path / "f"), "patience": 0}
    request = {
        "names": ["x.1", "x.1.u"],
        "entries": str(path),
        "files": [str(path)],
        "count": count,
    }
    words = [sys.executable, "-c", WRITE, json.dumps(config), json.dumps(request)]
    fresh = {**os.environ, **environment()}

    for least in (5, 25):
        writer = subprocess.Popen(words, env=fresh, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        until(lambda least=least: len(seen(database)) >= least, f"at {least} runs")
        os.kill(writer.pid, signal.SIGKILL)
        writer.communicate()
        assert len(seen(database)) < count
    answers = [
        json.loads(subprocess.run(words, env=fresh, capture_output=True, check=True).stdout)
        for _ in range(2)
    ]

    assert answers[0] == answers[1]
    found = by_uuid(database)
    assert len(found) == count + 1
    assert {each.status for each in found.values()} == {"FINISHED"}
    assert {len(each.metrics) for each in found.values()} == {20}
    assert {each.experiment for each in found.values()} == {"x.1"}
    children = [each for uuid, each in found.items() if uuid != "study"]
    assert {each.tags["mlflow.parentRunId"] for each in children} == {answers[0]["run_id"]}


def test_a_study_completes_while_mlflow_is_stopped_and_is_mirrored_later(tmp_path, make_settings):
    own = make_settings(tmp_path / "server")
    server, database = MlflowServer(own), own.data_dir / "mlflow.db"
    settings = make_settings(tmp_path / "bench", mlflow_tracking_uri=server.uri)
    impatient = settings.model_copy(update={"mlflow_patience_seconds": 0.0})
    with build(settings) as services:
        run = services.backtests.submit(run_of(5))
        study = services.studies.submit(study_of())

        def mirrors() -> list[Mirror]:
            records = (services.backtests.get(run.id), services.studies.get(study.id))
            return [services.experiments.mirror_of(each) for each in records]

        with a_worker(impatient):
            until(lambda: {each.state for each in mirrors()} == {"failed"}, "given up")
        assert all("cannot be used" in str(each.reason) for each in mirrors())
        assert services.studies.get(study.id).job.state is JobState.COMPLETED
        with pytest.raises(Unavailable, match="cannot be used"):
            services.experiments.list()
        assert services.backtests.list().total == 1

        assert services.experiments.mirror_missing() == 2
        assert services.experiments.mirror_missing() == 0
        server.start()
        try:
            with a_worker(settings):
                until(lambda: len(seen(database)) >= 5, "in the middle")
                server.stop()
                until(lambda: "waits" in str(mirrors()[1].reason), "waiting")
                assert len(seen(database)) < TRIALS + 2
                assert services.system.health(beside=True)["mlflow"]["status"] == "unhealthy"
                server.start()
                assert services.system.health(beside=True)["mlflow"] == {
                    "status": "healthy",
                    "detail": "answers",
                }
                until(lambda: {each.state for each in mirrors()} == {"written"}, "mirrored")
        finally:
            server.stop()
    found = by_uuid(database)
    assert {run.uuid, study.uuid} <= set(found)
    assert len(found) == TRIALS + 2
    assert {each.status for each in found.values()} == {"FINISHED"}


def test_an_mlflow_that_hangs_keeps_nobody_waiting(tmp_path, monkeypatch):
    with a_silent_port() as port:
        nursery = Nursery(environment=environment(), folder=tmp_path)
        desk = Desk(nursery, f"http://127.0.0.1:{port}", seconds=1.0, first=3.0)
        with pytest.raises(Unavailable, match=r"took longer than 3 s|cannot be used"):
            desk.ask({"op": "experiments"})
        asked = []
        monkeypatch.setattr(desk, "_answer", asked.append)
        with pytest.raises(Unavailable):  # known for a moment, and not asked again
            desk.ask({"op": "experiments"})
        assert asked == []
        desk.close()


def test_where_tracking_is_off_nothing_is_asked_for(tmp_path, make_settings):
    settings = make_settings(tmp_path, mlflow_tracking_uri="off")
    with build(settings) as services:
        run = services.backtests.submit(run_of(5))

        assert services.jobs.list(JobQuery()).total == 0
        assert services.experiments.mirror_of(run).state == "off"
        with pytest.raises(Conflict, match="switched off"):
            services.experiments.list()
    on = make_settings(tmp_path)
    with build(on) as services:
        assert services.experiments.mirror_missing() == 1


def test_before_anything_is_written_no_mlflow_is_begun(tmp_path, make_settings):
    settings = make_settings(tmp_path)
    settings.tracking_file.unlink()
    with build(settings) as services:
        assert services.experiments.list() == ()
        with pytest.raises(NotFound):
            services.experiments.runs("1")
    assert not settings.tracking_file.exists()
