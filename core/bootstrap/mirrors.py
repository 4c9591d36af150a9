"""Wires what writes to MLflow, beside a worker's other work: neither waits for the other."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from core.bootstrap.wiring import utc_now
from core.jobs.limits import Limits
from core.jobs.nursery import Nursery
from core.jobs.worker import Terms, Worker
from core.services.mirroring import MIRROR, MirrorTask
from core.settings import Settings
from core.store import Store
from core.tracking.connection import environment

WRITER: Final = "core.tracking.child:open_writer"
# The file that grows is MLflow's database.
LIMITS: Final = Limits(memory_mb=1_024, cpu_seconds=31_536_000, output_mb=1_048_576)
WALL_SECONDS: Final = 21_600.0
TRIES: Final = 3


@contextmanager
def mirroring(settings: Settings, store: Store, name: str, stop: threading.Event) -> Iterator[None]:
    """Do jobs of kind `mirror` until told to stop; nothing where tracking is off.

    The process that children are forked from starts with the first such job: it takes seconds.
    """
    uri = settings.tracking_uri
    if uri is None:
        yield
        return
    nursery = Nursery(
        preload=[WRITER.partition(":")[0]],
        warm=["core.tracking.connection:load"],
        environment=environment(),
        folder=settings.scratch_dir,
    )
    patience = settings.mlflow_patience_seconds
    mirrors = Worker(
        store.jobs,
        {MIRROR: MirrorTask(store)},
        nursery,
        name=f"{name} mirror",
        entry=WRITER,
        config={"uri": uri, "files": str(settings.tracking_dir), "patience": patience},
        scratch=settings.scratch_dir,
        clock=utc_now,
        terms=Terms(wall=patience + WALL_SECONDS, tries=TRIES, limits=LIMITS),
    )
    thread = threading.Thread(target=mirrors.run, args=(stop,), name="mirrors")
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
        nursery.close()
