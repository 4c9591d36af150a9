"""MLflow itself, embedded and as a server; what it holds is judged by plain SQL on its file."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from core.bootstrap.mlflow_server import server_of
from core.settings import Settings
from core.tracking.connection import environment
from tests.laboratory import lay_prices, settings_in, wave, write_strategy

PATIENCE = 120.0
CREATE = "import sys; from core.tracking.connection import connect; connect(sys.argv[1])"


@pytest.fixture(scope="session")
def empty_mlflow(tmp_path_factory) -> Path:
    """A database with MLflow's tables: making one takes seconds, so all processes share it."""
    base = tmp_path_factory.getbasetemp()
    folder = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    path = folder / "mlflow-template.db"
    with (folder / "mlflow-template.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not path.exists():
            fresh = path.with_suffix(".fresh")
            subprocess.run(
                [sys.executable, "-c", CREATE, f"sqlite:///{fresh}"],
                env={**os.environ, **environment()},
                capture_output=True,
                check=True,
            )
            fresh.rename(path)
    return path


@pytest.fixture(scope="session")
def make_settings(empty_mlflow) -> Callable[..., Settings]:
    """Gives settings of a workbench with prices, a strategy and an MLflow of its own."""

    def make(folder: Path, **changes) -> Settings:
        settings = settings_in(folder, **{"mlflow_tracking_uri": "", **changes})
        lay_prices(settings.lake_dir, "AAA", wave(700))
        write_strategy(settings.strategies_dir, "simple")
        shutil.copy(empty_mlflow, settings.data_dir / "mlflow.db")
        return settings

    return make


def until(is_so: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not is_so():
        assert time.monotonic() < deadline, f"still not {what}"
        time.sleep(0.05)


@dataclass
class Seen:
    """A run as MLflow's tables have it."""

    run_id: str
    experiment: str
    experiment_id: str
    status: str
    artifacts: Path
    tags: dict[str, str] = field(default_factory=dict)
    params: dict[str, str] = field(default_factory=dict)
    metrics: dict[str, float] = field(default_factory=dict)


def seen(database: Path) -> list[Seen]:
    """Everything in an MLflow's SQLite file."""
    file = f"file:{database}?mode=ro"
    with closing(sqlite3.connect(file, uri=True, timeout=20, isolation_level=None)) as opened:
        opened.execute("BEGIN")  # all of it as it is at one moment
        found = {
            row[0]: Seen(*row[:4], Path(row[4].removeprefix("file://")))
            for row in opened.execute(
                "select run_uuid, e.name, cast(e.experiment_id as text), status, artifact_uri "
                "from runs r join experiments e on e.experiment_id = r.experiment_id"
            )
        }
        for name, table in (("tags", "tags"), ("params", "params"), ("metrics", "latest_metrics")):
            for run_id, key, value in opened.execute(f"select run_uuid, key, value from {table}"):  # noqa: S608
                getattr(found[run_id], name)[key] = value
    return list(found.values())


def by_uuid(database: Path) -> dict[str, Seen]:
    """Runs by our uuid, each of which is there once."""
    found = seen(database)
    named = {each.tags["workbench.uuid"]: each for each in found}
    assert len(named) == len(found)
    return named


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class MlflowServer:
    """A real `mlflow server` on a file of its own, to be stopped and started again."""

    def __init__(self, settings: Settings) -> None:
        self.server = server_of(free_port(), settings)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def uri(self) -> str:
        return self.server.address

    def start(self) -> None:
        self._process = subprocess.Popen(
            self.server.words,
            env=self.server.environment,
            cwd=self.server.folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        until(self.server.answers, "answering")

    def stop(self) -> None:
        if self._process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None


@contextmanager
def a_silent_port() -> Iterator[int]:
    """Somebody who takes calls and never says a word."""
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(64)
        yield deaf.getsockname()[1]
