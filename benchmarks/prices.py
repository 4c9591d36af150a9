"""Importing a CSV file, and reading bars back from the lake."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl

from benchmarks.engine import minutes
from benchmarks.timing import Row, row, seconds
from core.catalog import Catalog
from core.catalog.importer import import_csv
from core.domain.bars import Bars
from core.domain.timeframe import Timeframe


def as_csv(bars: Bars) -> bytes:
    """Write bars as a file a person might have."""
    frame = pl.DataFrame(
        {
            "timestamp": pl.Series(bars.ts).cast(pl.Datetime("us", "UTC")),
            "open": bars.open,
            "high": bars.high,
            "low": bars.low,
            "close": bars.close,
        }
    )
    return frame.write_csv(datetime_format="%Y-%m-%dT%H:%M:%SZ").encode()


def measure(*, quick: bool) -> Iterator[Row]:
    """Time an import into an empty lake, and reads at the stored and at a longer timeframe."""
    count = 50_000 if quick else 500_000
    bars = minutes(count)
    text = as_csv(bars)
    size = f"{count:,} minutes"
    rounds = 3 if quick else 5
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        lakes = iter(range(1_000))

        def bring() -> Catalog:
            catalog = Catalog(root / str(next(lakes)))
            report = import_csv(catalog, text, name="walk.csv", symbol="WALK", market="24/7")
            assert (report.rows_stored, len(report.rejections)) == (count, 0)
            return catalog

        (times,) = seconds(bring, rounds=rounds)
        rate = f"{count / min(times) / 1e6:.2f} M rows/s, {len(text) / 1e6:.0f} MB"
        yield row("import: CSV to lake", size, times, rate)

        catalog = bring()
        stored = catalog.bars("WALK", Timeframe.M1)
        assert np.array_equal(stored.ts, bars.ts)
        assert np.array_equal(stored.close, bars.close)
        daily = catalog.bars("WALK", Timeframe.D1)
        assert daily.high.max() == bars.high.max()
        as_stored, as_days = seconds(
            lambda: catalog.bars("WALK", Timeframe.M1),
            lambda: catalog.bars("WALK", Timeframe.D1),
            rounds=rounds * 2,
        )
        yield row("lake: bars as stored", size, as_stored)
        yield row("lake: days made of minutes", f"{len(daily):,} days", as_days)
