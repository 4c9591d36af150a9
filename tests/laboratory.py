"""A small workbench for tests: prices laid into a lake, strategies written into a folder."""

from __future__ import annotations

import math
import textwrap
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from core.bootstrap.worker import work
from core.domain import study_presets
from core.settings import Settings

FIRST_DAY = date(2020, 1, 2)
PATIENCE = 180.0
SWEPT_SECONDS = 30.0

SIMPLE = """
    from core.domain.strategy import MarketView, Param, Signals, Strategy


    class Simple(Strategy):
        '''Long above an average, out below it.'''

        span: int = Param(10, ge=2, le=100)

        def generate_signals(self, view: MarketView) -> Signals:
            average = view.ind.sma(self.span)
            return Signals.side(long=view.close > average, exit=view.close < average)
"""


def settings_in(folder: Path, **changes: Any) -> Settings:
    """Settings of a workbench below a folder, deaf to the machine's environment files."""
    given = {"data_dir": folder / "data", "strategies_dir": folder / "strategies", **changes}
    return Settings.load(_env_file=None, **given)


@contextmanager
def searching_by(folder: Path, share: float) -> Iterator[None]:
    """Let `config/optimization.yaml` be one that searches this share of the sessions."""
    (folder / "optimization.yaml").write_text(f"optimization: {{train_test_split: {share}}}\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(study_presets, "FOLDER", folder)
        study_presets.optimization_config.cache_clear()
        yield
    study_presets.optimization_config.cache_clear()


@contextmanager
def a_worker(settings: Settings) -> Iterator[None]:
    """Let a worker empty the queue beside the test, once everything of it is loaded."""
    stop, ready = threading.Event(), threading.Event()
    thread = threading.Thread(
        target=work,
        args=(stop,),
        kwargs={"settings": settings, "slots": 1, "ready": lambda _: ready.set()},
    )
    thread.start()
    try:
        assert ready.wait(PATIENCE), "the worker did not become ready"
        yield
    finally:
        stop.set()
        thread.join(PATIENCE)
        assert not thread.is_alive()


def vanishes(path: Path) -> bool:
    """Whether a worker clears it away: it records the end of a job first, and sweeps then."""
    deadline = time.monotonic() + SWEPT_SECONDS
    while path.exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    return not path.exists()


def write_strategy(folder: Path, name: str, body: str = SIMPLE) -> Path:
    """Write a strategy file."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.py"
    path.write_text(textwrap.dedent(body).lstrip())
    return path


def failing(body: str, *, imports: str = "") -> str:
    """A strategy whose signals are made by `body`, one statement a line."""
    lines = "\n".join(f"            {line}" for line in textwrap.dedent(body).strip().splitlines())
    return f"""
    from core.domain.strategy import MarketView, Signals, Strategy
    {imports}

    class Broken(Strategy):
        '''Does what no strategy should.'''

        def generate_signals(self, view: MarketView) -> Signals:
{lines}
            return Signals.side(long=view.close > view.open)
    """


def weekdays(count: int, first: date = FIRST_DAY) -> list[date]:
    """So many dates from Monday to Friday."""
    days = (first + timedelta(days) for days in range(2 * count + 7))
    return [day for day in days if day.weekday() < 5][:count]


def wave(count: int, *, period: float = 40.0, drift: float = 0.0005) -> list[float]:
    """Closes that swing around a rising line; the same everywhere."""
    return [
        round(100 * (1 + drift * t) * (1 + 0.1 * math.sin(2 * math.pi * t / period)), 4)
        for t in range(count)
    ]


def lay_prices(
    lake: Path, symbol: str, closes: Sequence[float], *, first: date = FIRST_DAY
) -> None:
    """Put daily bars into the lake's layout, as somebody else's tool would."""
    days = weekdays(len(closes), first)
    close = np.array(closes, dtype=np.float64)
    opened = np.concatenate((close[:1], close[:-1]))
    frame = pl.DataFrame(
        {
            "timestamp": pl.Series(
                [datetime(day.year, day.month, day.day, tzinfo=UTC) for day in days]
            ).cast(pl.Datetime("us", "UTC")),
            "open": opened,
            "high": np.maximum(opened, close) * 1.01,
            "low": np.minimum(opened, close) * 0.99,
            "close": close,
            "volume": np.full(len(close), 1_000.0),
        }
    )
    lay_frame(lake, symbol, "1d", frame)


def lay_hours(
    lake: Path, symbol: str, closes: Sequence[float], *, first: date = FIRST_DAY, stretch: float = 1
) -> None:
    """Put three hours inside each day of `lay_prices`, the high first on one day, last on the next.

    Args:
        stretch: What the highs are multiplied by: above 1 they contradict the days.
    """
    rows = []
    before = closes[0]
    for n, (day, close) in enumerate(zip(weekdays(len(closes), first), closes, strict=True)):
        high, low = max(before, close) * 1.01 * stretch, min(before, close) * 0.99
        turns = [before, high, low, close] if n % 2 else [before, low, high, close]
        for hour, (begin, end) in enumerate(pairwise(turns)):
            at = datetime(day.year, day.month, day.day, hour, tzinfo=UTC)
            rows.append((at, begin, max(begin, end), min(begin, end), end, 100.0))
        before = close
    names = ["timestamp", "open", "high", "low", "close", "volume"]
    frame = pl.DataFrame(rows, schema=names, orient="row")
    lay_frame(lake, symbol, "1h", frame.cast({"timestamp": pl.Datetime("us", "UTC")}))


def lay_frame(lake: Path, symbol: str, timeframe: str, frame: pl.DataFrame) -> None:
    """Put bars of any length into the lake's layout."""
    for (year,), part in frame.group_by(pl.col("timestamp").dt.year(), maintain_order=True):
        folder = lake / "ohlcv" / timeframe / f"symbol={symbol}" / f"year={year}"
        folder.mkdir(parents=True, exist_ok=True)
        part.write_parquet(folder / f"{symbol}_{year}.parquet")
