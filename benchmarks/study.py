"""A study in the queue beside the bare sweep of the same parameter sets."""

from __future__ import annotations

import statistics
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.engine import minutes
from benchmarks.timing import Row, row
from core.bootstrap import build
from core.bootstrap.worker import work
from core.catalog import Catalog
from core.domain.bars import Bars
from core.domain.job import JobState
from core.domain.study import StudySpec
from core.engine.sweep import sweep
from core.services import Services
from core.settings import Settings
from strategies.ema_crossover import EMACrossoverStrategy

PATIENCE = 600.0


def measure(*, quick: bool) -> Iterator[Row]:
    """Time a grid from its submission to its ranked result."""
    bars, steps = (20_000, 10) if quick else (100_000, 50)
    space = {
        "fast": {"min": 3, "max": 3 + steps - 1, "step": 1},
        "slow": {"min": 60, "max": 60 + 3 * (steps - 1), "step": 3},
    }
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings.load(data_dir=Path(folder), worker_slots=1)
        spec = StudySpec.model_validate(
            {
                "run": {"strategy": "ema_crossover", "symbols": ["MINUTE"], "timeframe": "1m"},
                "space": space,
                "validation": {"share": 0.0},
            }
        )
        yield from _beside(settings, spec, bars, rounds=2 if quick else 5)


def as_csv(bars: Bars) -> bytes:
    """Write bars as somebody's file."""
    moments = bars.ts.astype("datetime64[us]").astype("datetime64[s]").astype(str)
    columns = (bars.open, bars.high, bars.low, bars.close, bars.volume)
    rows = zip(moments, *(column.tolist() for column in columns), strict=True)
    lines = (",".join(map(str, each)) for each in rows)
    return "\n".join(["timestamp,open,high,low,close,volume", *lines]).encode()


def _beside(settings: Settings, spec: StudySpec, count: int, rounds: int) -> Iterator[Row]:
    with build(settings) as services:
        services.market.import_csv(as_csv(minutes(count)), name="minute.csv", symbol="MINUTE")
    bars = Catalog(settings.lake_dir).bars("MINUTE", spec.run.timeframe)
    sets = [
        {"fast": fast, "slow": slow}
        for fast in spec.space["fast"].values()
        for slow in spec.space["slow"].values()
    ]
    stop = threading.Event()
    ready = threading.Event()
    worker = threading.Thread(
        target=work,
        args=(stop,),
        kwargs={"settings": settings, "ready": lambda _: ready.set()},
    )
    worker.start()
    ready.wait()
    try:
        with build(settings) as services:
            bare, whole = [], []
            for number in range(rounds):
                began = time.perf_counter()
                sweep(EMACrossoverStrategy, bars, sets, spec.run.options, spec.run.costs)
                bare.append(time.perf_counter() - began)
                whole.append(_study(services, spec.model_copy(update={"seed": number})))
    finally:
        stop.set()
        worker.join()
    ratio = statistics.median(a / b for a, b in zip(whole, bare, strict=True))
    size = f"{len(sets):,} x {count:,}"
    yield row("study: the bare sweep", size, bare)
    yield row("study: submitted to ranked result", size, whole, f"{ratio:.2f} x the bare sweep")


def _study(services: Services, spec: StudySpec) -> float:
    began = time.perf_counter()
    study = services.studies.submit(spec)
    while not (job := services.jobs.get(study.job.id)).state.is_final:
        assert time.perf_counter() < began + PATIENCE
        time.sleep(0.01)
    took = time.perf_counter() - began
    assert job.state is JobState.COMPLETED, job.error
    assert services.studies.get(study.id).findings is not None
    return took
