"""Jobs, workers, and something that kills: workers, their keepers and their children, at random."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import text

from core.domain.job import JobQuery, JobState
from core.store import Store, open_store
from tests.faults.counting_job import LINES, TABLE

ROOT = Path(__file__).resolve().parents[2]
LEASE = 1.0
TRIES = 1_000  # of one job: here every death is the storm's fault
PATIENCE = 3_600.0
FEW = 50
KINDS = ("worker", "child", "keeper", "child")  # in turn, so that each is met; when is by chance


@dataclass
class Outcome:
    """What a storm came to."""

    jobs: int
    seconds: float = 0.0
    kills: dict[str, int] = field(default_factory=dict)
    states: dict[str, int] = field(default_factory=dict)
    attempts: int = 0
    lost: int = 0
    twice: int = 0
    torn: int = 0
    left_behind: int = 0


class Crew:
    """Worker processes; whoever dies is replaced."""

    def __init__(self, url: str, folder: Path, *, workers: int, slots: int) -> None:
        self._words = (url, str(folder), str(slots), str(LEASE), str(TRIES))
        self._folder = folder
        self._workers = [self._start() for _ in range(workers)]
        self.everybody: set[int] = set()

    def _start(self) -> subprocess.Popen[bytes]:
        with (self._folder / "workers.log").open("ab") as output:
            return subprocess.Popen(
                [sys.executable, "-m", "tests.faults.worker_process", *self._words],
                cwd=ROOT,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    def kill_one(self, kind: str, draw: random.Random) -> bool:
        """Kill a worker, the keeper of one, or a child of one; says whether there was any."""
        place = draw.randrange(len(self._workers))
        worker = self._workers[place]
        keepers = children_of(worker.pid)
        children = [child for keeper in keepers for child in children_of(keeper)]
        self.everybody |= {worker.pid, *keepers, *children}
        if not children:
            return False  # it is only starting: nothing could be lost
        victims = {"worker": [worker.pid], "keeper": keepers, "child": children}[kind]
        with suppress(ProcessLookupError):
            os.kill(draw.choice(victims), signal.SIGKILL)
        if kind == "worker":
            worker.wait()
            self._workers[place] = self._start()
        return True

    def end(self) -> None:
        """End all workers in order."""
        for worker in self._workers:
            self.everybody |= {worker.pid, *children_of(worker.pid)}
            worker.terminate()
        for worker in self._workers:
            worker.wait(30)


def children_of(pid: int) -> list[int]:
    """Processes a process has started itself."""
    found: list[int] = []
    if Path("/proc/thread-self/children").exists():  # where the kernel keeps the list
        for told in Path(f"/proc/{pid}/task").glob("*/children"):
            with suppress(OSError):
                found += map(int, told.read_text().split())
        return sorted(found)
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            if int(stat.read_text().rsplit(")", 1)[1].split()[1]) == pid:
                found.append(int(stat.parent.name))
    return found


def lives(pid: int) -> bool:
    """Whether a process runs, and is one of ours: numbers are used again."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes()
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return False
    return state != "Z" and (b"core.jobs.keeper" in words or b"worker_process" in words)


def storm(folder: Path, url: str, *, kills: int, jobs: int, seed: int, workers: int = 3) -> Outcome:
    """Let workers do all jobs while so many processes are killed.

    Jobs are added where they would run out before the last kill.
    """
    draw = random.Random(seed)  # noqa: S311 - a seed, no secret
    (folder / "published").mkdir(parents=True)
    outcome, killed = Outcome(0), Counter[str]()
    began = time.monotonic()
    with open_store(url, folder / "artifacts") as store:
        with store._database.write() as connection:
            connection.execute(text(TABLE))
        _add(store, outcome, jobs)
        crew = Crew(url, folder, workers=workers, slots=2)
        while time.monotonic() < began + PATIENCE:
            left, done = _open(store), sum(killed.values())
            if done < kills and left < FEW:
                _add(store, outcome, FEW)
            elif not left:
                break
            time.sleep(draw.uniform(0.01, 0.12))
            kind = KINDS[done % len(KINDS)]
            if done < kills and crew.kill_one(kind, draw):
                killed[kind] += 1
        crew.end()
        outcome.seconds = time.monotonic() - began
        outcome.kills = dict(killed)
        _judge(store, folder, outcome)
    time.sleep(LEASE)
    outcome.left_behind = sum(lives(pid) for pid in crew.everybody)
    return outcome


def _add(store: Store, outcome: Outcome, jobs: int) -> None:
    for number in range(outcome.jobs, outcome.jobs + jobs):
        store.jobs.submit("count", {"number": number}, now=datetime.now(UTC))
    outcome.jobs += jobs


def _open(store: Store) -> int:
    counts = store.jobs.stats().counts
    return counts[JobState.PENDING] + counts[JobState.RUNNING]


def _judge(store: Store, folder: Path, outcome: Outcome) -> None:
    page = store.jobs.list(JobQuery(limit=outcome.jobs + 1))
    outcome.states = dict(Counter(job.state.value for job in page.jobs))
    outcome.attempts = sum(job.attempt for job in page.jobs)
    outcome.lost = outcome.jobs - outcome.states.get("completed", 0)
    with store._database.read() as connection:
        effects = Counter(
            tuple(row) for row in connection.execute(text("SELECT job_id, told FROM effects")).all()
        )
    right = {(job.id, job.payload["number"]) for job in page.jobs}
    outcome.twice = sum(effects.values()) - len(effects) + len(effects.keys() - right)
    outcome.lost = max(outcome.lost, len(right - effects.keys()))
    for job in page.jobs:
        path = folder / "published" / f"{job.id}.json"
        whole = path.exists() and json.loads(path.read_text()) == [job.payload["number"]] * LINES
        outcome.torn += not whole
