"""Going once through a whole backtest before the first real one arrives.

It is done in the process that others are forked from, so that they begin with everything loaded
and opened, and again in each of them while it waits, because the first change to a page of memory
copies it. Measured: a run of 2,500 days takes a fresh process 35 ms without, 18 ms with both.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from core.catalog import Catalog
from core.catalog.columns import SCHEMA
from core.domain.costs import CostModel
from core.domain.options import EngineOptions
from core.domain.timeframe import Timeframe
from core.engine.simulate import simulate
from core.registry.load import find_class, imported
from core.services import execution, frames
from core.services.sample import sample_bars
from core.store.frames import RUN

GUEST = Path(__file__).parent / "guest"
NAME = "average"


def rehearse() -> Iterator[None]:
    """Go from reading prices to encoding a result, with a pause after each step.

    No step starts a thread: a process that has any cannot safely be forked.
    """
    _read_prices()
    yield
    bars, options, costs = sample_bars(), EngineOptions(), CostModel()
    with imported(GUEST, NAME) as module:
        yield
        signals = execution.signals_of(find_class(module).build({}), bars, GUEST)
    yield
    simulation = simulate(bars, signals, options, costs)
    execution.measure([simulation], options=options, costs=costs)
    yield
    tables = frames.frames_of([simulation], options.initial_cash)
    yield
    RUN.encode_all(tables)
    execution.engine_version()


def _read_prices() -> None:
    day = pl.Series("timestamp", [0], dtype=pl.Int64).cast(SCHEMA["timestamp"])
    prices = [pl.Series(name, [1.0]) for name in SCHEMA if name != "timestamp"]
    table = pa.RecordBatchReader.from_stream(pl.DataFrame([day, *prices])).read_all()
    with tempfile.TemporaryDirectory() as root:
        file = Path(root) / "ohlcv/1d/symbol=X/year=1970/X_1970.parquet"
        file.parent.mkdir(parents=True)
        pq.write_table(table, file)
        Catalog(Path(root)).bars("X", Timeframe.D1)
