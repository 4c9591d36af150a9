"""Joins the rooms."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from core.bootstrap.housekeeper import Housekeeper
from core.bootstrap.kernels import VARIABLE, kernel_cache
from core.catalog import Catalog
from core.errors import StrategyFailed, Unavailable
from core.jobs.inline import Inline
from core.jobs.limits import Limits
from core.jobs.nursery import START_SECONDS, Died, Nursery
from core.jobs.presence import Presence
from core.jobs.runner import Runner
from core.jobs.wire import Handler
from core.jobs.work import Executor
from core.registry.blame import with_place
from core.registry.registry import Registry
from core.registry.scan import Isolation, Probe
from core.services import (
    Backtests,
    Experiments,
    Jobs,
    Market,
    Services,
    Strategies,
    Studies,
    System,
)
from core.services.experiments import Desk
from core.services.room import Calendars
from core.settings import Settings
from core.store import migrate, open_store
from core.tracking.connection import environment, ping

WORKER = "core.services.worker"
PROBE = "core.registry.probe"
SCAN_MEMORY_MB = 1_024


def wire(settings: Settings | None, *, executor: Literal["inline", "child"]) -> Services:
    """Wire everything up; see `core.bootstrap.build`."""
    settings = settings or Settings.load()
    kernels = str(kernel_cache(settings.cache_dir))
    migrate_if_new(settings.database_url)
    tracks = settings.tracking_uri is not None
    store = open_store(settings.database_url, settings.artifacts_dir, tracks=tracks)
    catalog = Catalog(settings.lake_dir)
    presence = Presence(settings.data_dir / "presence")
    config = {"lake": str(settings.lake_dir), "confined": executor == "child"}
    nursery = None
    work: Executor
    if executor == "child":
        nursery = nursery_of(settings, kernels)
        nursery.start()
        work = _runner(settings, nursery, config)
    else:
        work = Inline(lambda: _worker_here(config, kernels))
    registry = Registry(
        settings.strategies_dir,
        snapshots=settings.snapshots_dir,
        memory=settings.cache_dir / "strategies.json",
        isolation=isolation(settings, nursery),
    )
    scratch = settings.scratch_dir / presence.label
    jobs = Jobs(store, clock=utc_now)
    backtests = Backtests(
        store,
        catalog,
        registry,
        work,
        scratch=scratch,
        snapshots=settings.snapshots_dir,
        owner=lambda: presence.name,
        clock=utc_now,
        wait_seconds=settings.run_wait_seconds,
        queue_bars=settings.queue_bars if nursery else None,
    )
    desk = _desk(settings)
    house = None
    if nursery:
        house = Housekeeper(
            backtests, presence, scratch=settings.scratch_dir, kernels=Path(kernels)
        )

    def shut() -> None:
        if house:
            house.close()
        work.close()
        if desk:
            desk.close()
        presence.close()
        shutil.rmtree(scratch, ignore_errors=True)
        store.close()

    return Services(
        backtests=backtests,
        jobs=jobs,
        studies=Studies(store, registry, backtests, Calendars(catalog), clock=utc_now),
        experiments=Experiments(store, desk, file=settings.tracking_file, ui=settings.tracking_ui),
        strategies=Strategies(registry, work, settings.snapshots_dir),
        market=Market(catalog),
        system=System(
            store, catalog, work, settings, kernels=Path(kernels), beside=_beside(settings)
        ),
        settings=settings,
        shut=shut,
    )


def nursery_of(
    settings: Settings, kernels: str, *modules: str, folder: Path | None = None
) -> Nursery:
    """Make the place children of a server or a worker come from; nothing is started yet.

    Args:
        settings: Those of the server.
        kernels: Folder of compiled ones.
        modules: What every child begins with besides.
        folder: Working directory of the children; None for that of scratch.
    """
    return Nursery(
        preload=[WORKER, PROBE, *modules],
        warm=[f"{WORKER}:warm"],
        later=[f"{WORKER}:compile_the_rest"],
        environment={VARIABLE: kernels},
        folder=folder or settings.scratch_dir,
    )


def _beside(settings: Settings) -> dict[str, Callable[[], str]]:
    uri = settings.tracking_uri
    return {} if uri is None else {"mlflow": lambda: ping(uri)}


def _desk(settings: Settings) -> Desk | None:
    uri = settings.tracking_uri
    if uri is None:
        return None
    nursery = Nursery(environment=environment(), folder=settings.scratch_dir)
    return Desk(nursery, uri)


def utc_now() -> datetime:
    """Tell the time to record."""
    return datetime.now(UTC)


def migrate_if_new(url: str) -> None:
    """Give a new SQLite file its tables.

    Raises:
        Unavailable: the records are at another schema than this program's.
    """
    found, wanted = migrate.current(url), migrate.head()
    if found == wanted:
        return
    if found is None and url.startswith("sqlite"):
        migrate.upgrade(url)
        return
    raise Unavailable(
        f"the records are at schema {found or 'none'}",
        expected=wanted,
        hint="Run `workbench migrate`",
    )


def _worker_here(config: Mapping[str, Any], kernels: str) -> Handler:
    if "numba" not in sys.modules:
        os.environ[VARIABLE] = kernels  # before the next line imports it
    from core.services.worker import open_worker  # noqa: PLC0415

    return open_worker(dict(config))


def _runner(settings: Settings, nursery: Nursery, config: Mapping[str, Any]) -> Runner:
    return Runner(
        nursery,
        entry=f"{WORKER}:open_worker",
        config=config,
        limits=Limits(
            memory_mb=settings.run_memory_mb,
            cpu_seconds=settings.run_cpu_seconds,
            output_mb=settings.run_output_mb,
        ),
        wall_seconds=settings.run_wall_seconds,
        slots=settings.run_slots,
        line=settings.run_queue,
    )


def isolation(settings: Settings, nursery: Nursery | None) -> Isolation:
    """Let the registry look at files in children of the runner, or of a keeper of its own."""
    limits = Limits(memory_mb=SCAN_MEMORY_MB, cpu_seconds=max(1, round(settings.scan_seconds)))

    def probing(keepers: Nursery) -> Probe:
        def probe(request: dict[str, Any]) -> Mapping[str, Any]:
            child = keepers.spawn(f"{PROBE}:open_probe", {}, limits)
            try:
                child.listen(START_SECONDS)
                child.take(request)
                return child.answer(None, settings.scan_seconds)
            except Died as died:
                words = f"importing it {died.death.message}"
                place = died.death.place(settings.snapshots_dir)
                raise StrategyFailed(with_place(words, place)) from died
            finally:
                child.close()

        return probe

    @contextmanager
    def short_lived() -> Iterator[Probe]:
        with Nursery(preload=[PROBE], folder=settings.scratch_dir) as own:
            yield probing(own)

    def opened() -> AbstractContextManager[Probe]:
        return nullcontext(probing(nursery)) if nursery else short_lived()

    return opened
