"""A sweep that another process kills: it writes every finished chunk to a folder."""

from __future__ import annotations

import os
import pickle
import time
from pathlib import Path
from typing import Any

from core.domain.costs import CostModel
from core.domain.options import EngineOptions
from core.domain.strategy import MarketView, Signals
from core.engine import sweep as sweeping
from core.engine.sweep import Chunk, SweepResult, sweep
from strategies.ema_crossover import EMACrossoverStrategy
from tests.factories import random_bars

SETS = [{"fast": f, "slow": s} for f in range(2, 8) for s in range(5, 30) if f < s]


class Patient(EMACrossoverStrategy):
    """Takes its time, so that there is a middle to be killed in."""

    def generate_signals(self, view: MarketView) -> Signals:
        time.sleep(float(os.environ.get("SWEEP_JOB_PATIENCE", "0")))
        return super().generate_signals(view)


def sweep_with(**rest: Any) -> SweepResult:
    size, sweeping.LONGEST_CHUNK = sweeping.LONGEST_CHUNK, 4
    fewest, sweeping.FEWEST_CHUNKS = sweeping.FEWEST_CHUNKS, 1
    try:
        bars = random_bars(1, 600, sessions=150)
        options, costs = EngineOptions(), CostModel(bps=1.0)
        return sweep(Patient, bars, SETS, options, costs, threads=2, code_hash="job", **rest)
    finally:
        sweeping.LONGEST_CHUNK, sweeping.FEWEST_CHUNKS = size, fewest


def work(folder: Path) -> None:
    os.environ["SWEEP_JOB_PATIENCE"] = "0.02"

    def keep(chunk: Chunk) -> None:
        draft = folder / f"{chunk.number}.draft"
        draft.write_bytes(pickle.dumps(chunk))
        draft.rename(folder / f"{chunk.number}.chunk")

    sweep_with(on_chunk=keep)
