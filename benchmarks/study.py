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
from core.bootstrap.wiring import utc_now
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
    """Time a grid from its submission to its ranked result.

    The study asks for all that is judged without being asked for: Deflated Sharpe, PBO, SPA,
    plateau and sensitivity; nothing is held back, and there are no worlds without edge.
    """
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
            bare: list[float] = []
            whole: list[dict[str, float]] = []
            for number in range(rounds):
                began = time.perf_counter()
                sweep(EMACrossoverStrategy, bars, sets, spec.run.options, spec.run.costs)
                bare.append(time.perf_counter() - began)
                whole.append(_study(services, spec.model_copy(update={"seed": number})))
    finally:
        stop.set()
        worker.join()
    ratios = [sum(spans.values()) / alone for spans, alone in zip(whole, bare, strict=True)]
    size = f"{len(sets):,} x {count:,}"
    yield row("study: the bare sweep", size, bare)
    took = [sum(spans.values()) for spans in whole]
    note = f"{statistics.median(ratios):.2f} x the bare sweep"
    yield row("study: submitted to ranked result", size, took, note)
    for part in whole[0]:
        yield row(f"study: of it {part}", size, [spans[part] for spans in whole])


def _study(services: Services, spec: StudySpec) -> dict[str, float]:
    """Seconds of a study by part, from its submission until its result can be read."""
    began, at = time.perf_counter(), utc_now()
    study = services.studies.submit(spec)
    while not (job := services.jobs.get(study.job.id)).state.is_final:
        assert time.perf_counter() < began + PATIENCE
        time.sleep(0.01)
    whole = time.perf_counter() - began
    assert job.state is JobState.COMPLETED, job.error
    findings = services.studies.get(study.id).findings
    assert findings is not None
    assert job.started_at is not None
    waited = (job.started_at - at).total_seconds()
    return {
        "waiting for a worker": waited,
        "process, loading, publishing": whole - waited - findings.seconds,
        "sweeping": findings.spent["search"],
        "judging": findings.spent["judge"],
        "the rest": findings.seconds - findings.spent["search"] - findings.spent["judge"],
    }
