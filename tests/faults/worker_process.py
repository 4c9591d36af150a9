"""A worker in a process of its own, to be killed: `worker_process.py URL FOLDER SLOTS LEASE TRIES`.

Ends by itself once it is told to by SIGTERM.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path

from core.jobs.limits import Limits
from core.jobs.nursery import Nursery
from core.jobs.worker import Terms, Worker
from core.store import open_store
from core.store.jobs import JobRepository
from tests.faults.counting_job import HANDLER, Counting


def main(url: str, folder: str, slots: str, lease: str, tries: str) -> None:
    """Work until SIGTERM."""
    logging.basicConfig(level=logging.WARNING)
    root = Path(folder)
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    store = open_store(url, root / "artifacts")
    queue = JobRepository(store._database, most_attempts=int(tries))
    with Nursery(preload=["tests.faults.counting_job"], folder=root / "scratch") as nursery:
        worker = Worker(
            queue,
            {"count": Counting(root / "published")},
            nursery,
            name=f"worker-{os.getpid()}",
            entry=HANDLER,
            config={},
            scratch=root / "scratch",
            clock=lambda: datetime.now(UTC),
            terms=Terms(
                slots=int(slots),
                lease=float(lease),
                beat=float(lease) / 4,
                look=0.05,
                tries=int(tries),
                limits=Limits(),
            ),
        )
        worker.run(stop)
    store.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
