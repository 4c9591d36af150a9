"""A kind of job for storms: its child counts in small steps, writes a file and says how far it is.

The task's effect is a row of a table of the test, so that a job done twice shows.
"""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

from sqlalchemy import text

from core.domain.job import Job, JobError
from core.errors import DataProblem
from core.jobs.nursery import Death
from core.jobs.wire import Ask, Handler, Message
from core.jobs.worker import Effect

HANDLER = "tests.faults.counting_job:open_counter"
TABLE = "CREATE TABLE effects (job_id INTEGER NOT NULL, told INTEGER NOT NULL)"
LINES = 500


def open_counter(_config: Message) -> Handler:
    """Give the child's handler."""
    return _count


def _count(request: Message, ask: Ask) -> Message:
    if "says" in request:
        ask({"progress": request["says"]})
    if request.get("spin"):
        from tests.faults.spinning import spin  # storms start it by the dozen, and none spins

        spin(1)  # compiled
        ask({"progress": {"done": 1, "total": 2, "step": "spins"}})
        return {"answer": spin(request["spin"])}
    if request.get("crash"):
        os.kill(os.getpid(), request["crash"])
    for step in range(request["steps"]):
        time.sleep(request["pause"])
        ask({"progress": {"done": step + 1, "total": request["steps"], "step": f"step {step + 1}"}})
    path = Path(request["scratch"]) / "out.json"
    path.write_text(json.dumps([request["number"]] * LINES))
    return {"answer": request["number"]}


class Counting:
    """The task; what is published stands in `published`, one file for each job."""

    def __init__(self, published: Path) -> None:
        self._published = published

    def request(self, job: Job, scratch: Path) -> Message:
        """Pass the payload on."""
        return {"steps": 3, "pause": 0.005, "scratch": str(scratch), **job.payload}

    def reply(self, job: Job, scratch: Path) -> None:
        """Answer nothing: the child asks nothing."""

    def publish(self, job: Job, answer: Message, scratch: Path) -> Effect:
        """Move the file to where it stays, by a rename after it was written through."""
        made = scratch / "out.json"
        if not made.exists():
            raise DataProblem("the child wrote nothing")
        with made.open("rb") as stream:
            os.fsync(stream.fileno())
        made.replace(self._published / f"{job.id}.json")
        row = {"job_id": job.id, "told": answer["answer"]}

        def write(transaction) -> None:
            transaction.execute(text("INSERT INTO effects VALUES (:job_id, :told)"), row)

        return write

    def death(self, job: Job, death: Death) -> JobError:
        """Say it in the words of the death."""
        return JobError(death.cause, f"job {job.id} {death.message}")
