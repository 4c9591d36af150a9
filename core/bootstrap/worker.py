"""Wires a worker: the same records and prices as a server, and a queue instead of a door."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import nullcontext
from functools import partial

from core.bootstrap.alive import workers_folder
from core.bootstrap.kernels import kernel_cache
from core.bootstrap.mirrors import mirroring
from core.bootstrap.shards import ENTRY
from core.bootstrap.wiring import WORKER, migrate_if_new, nursery_of, utc_now
from core.jobs.cluster import Cluster
from core.jobs.limits import Limits
from core.jobs.presence import Presence
from core.jobs.worker import Terms, Worker
from core.services.backtest_task import BacktestTask
from core.services.backtests import BACKTEST
from core.services.studies import STUDY, StudyTask
from core.settings import Settings
from core.store import open_store

# What a study needs; the libraries among it take seconds to import, once here or in every child.
SEARCHING = ("core.services.conduct", "optuna", "sklearn.ensemble")


def work(
    stop: threading.Event,
    *,
    slots: int | None = None,
    settings: Settings | None = None,
    only: int | None = None,
    ready: Callable[[str], None] = lambda _: None,
) -> None:
    """Do jobs until told to stop.

    Args:
        stop: Set by whoever wants it to end.
        slots: Jobs done at the same time; None for the setting.
        settings: Those of the environment by default.
        only: Number of the one job it is there for; None for all that come.
        ready: Told the worker's name once everything is loaded.

    Raises:
        InvalidInput: a setting cannot be used.
        Unavailable: the records cannot be opened, or need `workbench migrate`.
    """
    settings = settings or Settings.load()
    kernels = str(kernel_cache(settings.cache_dir))
    migrate_if_new(settings.database_url)
    presence = Presence(workers_folder(settings))
    tracks = settings.tracking_uri is not None
    with (
        open_store(settings.database_url, settings.artifacts_dir, tracks=tracks) as store,
        nursery_of(settings, kernels, *SEARCHING) as nursery,
        # Who is there for one job leaves mirrors to those that stay.
        nullcontext() if only else mirroring(settings, store, presence.name, stop),
    ):
        worker = Worker(
            store.jobs,
            {
                BACKTEST: BacktestTask(store, snapshots=settings.snapshots_dir, clock=utc_now),
                STUDY: StudyTask(
                    store,
                    snapshots=settings.snapshots_dir,
                    connect=_connect_to(settings.dask_scheduler),
                ),
            },
            nursery,
            name=presence.name,
            entry=f"{WORKER}:open_worker",
            config={"lake": str(settings.lake_dir), "confined": True},
            scratch=settings.scratch_dir,
            clock=utc_now,
            terms=Terms(
                slots=slots or settings.worker_slots,
                only=only,
                wall=settings.job_wall_seconds,
                limits=Limits(
                    memory_mb=settings.job_memory_mb,
                    cpu_seconds=settings.job_cpu_seconds,
                    output_mb=settings.job_output_mb,
                ),
            ),
            alive=presence.beat,
        )
        while nursery.ready(1.0) is None and not stop.is_set():
            presence.beat()  # it compiles, and will work
        ready(presence.name)
        worker.run(stop)
    presence.close()


def _connect_to(address: str) -> Callable[[], Cluster] | None:
    return partial(Cluster, address, ENTRY) if address else None
