"""Commands about work that waits: jobs, worker."""

from __future__ import annotations

import signal
import threading
from argparse import Namespace
from typing import TYPE_CHECKING, Any, get_args

from core import bootstrap
from core.bootstrap.alive import workers_alive
from core.cli.output import SAID, Reply, fact, line, table, to_json
from core.cli.words import one_of, require_within
from core.domain.job import Job, JobKind, JobQuery, JobState
from core.errors import InvalidInput

if TYPE_CHECKING:
    from rich.console import Console

    from core.services import Jobs

MOST = 1_000
MOST_SLOTS = 64  # as the settings have it


def jobs(args: Namespace) -> Reply:
    """List jobs, or show one; cancel it."""
    with bootstrap.build(executor="inline") as services:
        if args.job is None:
            if args.cancel:
                raise InvalidInput("--cancel names no job", expected="workbench jobs JOB --cancel")
            return _listing(services.jobs, args)
        job = services.jobs.cancel(args.job) if args.cancel else services.jobs.get(args.job)
        return _one(services.jobs, job)


def worker(args: Namespace) -> Reply:
    """Do jobs until Ctrl-C or SIGTERM, or say whether the workers of this machine do."""
    if args.check:
        return _alive()
    if args.slots is not None:
        require_within("--slots", args.slots, 1, MOST_SLOTS)
    from core.bootstrap.worker import work

    stop = threading.Event()
    before = {
        number: signal.signal(number, lambda *_: stop.set())
        for number in (signal.SIGINT, signal.SIGTERM)
    }

    def say(name: str) -> None:
        print(to_json({"worker": name}) if args.json else f"Worker {name} is ready.", flush=True)

    try:
        work(stop, slots=args.slots, ready=say)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    return SAID


def job_data(jobs: Jobs, job: Job) -> dict[str, Any]:
    """Give a job as one JSON object."""
    return {
        "id": job.id,
        "uuid": job.uuid,
        "kind": job.kind,
        "status": job.state.value,
        "priority": job.priority,
        "attempt": job.attempt,
        "worker": job.worker,
        "progress": job.progress,
        "done": job.done,
        "total": job.total,
        "step": job.step,
        "cancel_wanted": job.is_cancel_wanted,
        "seconds_left": jobs.seconds_left(job),
        "error": None
        if job.error is None
        else {"code": job.error.code, "message": job.error.message, "hint": job.error.hint},
        "created_at": job.created_at,
        "started_at": job.started_at,
        "completed_at": job.completed_at,
    }


def _alive() -> Reply:
    found = workers_alive()

    def show(out: Console) -> None:
        for name, seconds in found.items():
            line(out, f"Worker {name} was answered by the queue {seconds:.0f} s ago.")

    workers = [{"worker": name, "seconds": seconds} for name, seconds in found.items()]
    return Reply({"workers": workers}, show)


def _listing(jobs: Jobs, args: Namespace) -> Reply:
    require_within("--limit", args.limit, 1, MOST)
    state = one_of(JobState, args.status, "--status")
    kind = one_of(get_args(JobKind), args.kind, "--kind")
    page = jobs.list(JobQuery(state=state, kind=kind, limit=args.limit))
    stats = jobs.stats()
    data = {
        "jobs": [job_data(jobs, job) for job in page.jobs],
        "total": page.total,
        "counts": {state.value: count for state, count in stats.counts.items()},
        "mean_seconds": stats.mean_seconds,
    }

    def show(out: Console) -> None:
        columns = ["Job>", "Kind", "Status", "Done>", "Step", "Attempt>", "Submitted (UTC)"]
        table(out, columns, [_row(job) for job in page.jobs])
        counts = ", ".join(f"{count} {state}" for state, count in stats.counts.items() if count)
        line(out, f"{len(page.jobs)} of {page.total} jobs. In all: {counts or 'none'}.")

    return Reply(data, show)


def _one(jobs: Jobs, job: Job) -> Reply:
    events = jobs.history(job.id)
    data = job_data(jobs, job) | {
        "history": [
            {
                "at": event.at,
                "attempt": event.attempt,
                "from": event.from_state and event.from_state.value,
                "to": event.to_state.value,
                "note": event.note,
            }
            for event in events
        ]
    }

    def show(out: Console) -> None:
        line(out, f"Job {job.id}, {job.kind}: {job.state}")
        fact(out, "Done", f"{job.progress:.0%}" + (f", {job.step}" if job.step else ""))
        if job.error is not None:
            fact(out, "Error", ". ".join(filter(None, (job.error.message, job.error.hint))))
        for event in events:
            line(out, f"  {event.at:%Y-%m-%d %H:%M:%S}  {event.to_state:<10} {event.note}")

    return Reply(data, show)


def _row(job: Job) -> list[str]:
    return [
        str(job.id),
        job.kind,
        job.state.value,
        f"{job.progress:.0%}",
        job.step,
        str(job.attempt),
        f"{job.created_at:%Y-%m-%d %H:%M:%S}",
    ]
