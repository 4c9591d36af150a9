"""The work every engine does, the bars it does it on, and how a process reports a measurement.

Imports numpy only: each peer reads this file from an environment of its own.

Rules of the work, the same for all. 100 units whenever in the market, 1,000,000 of cash, a fee of
one basis point of value per fill, decided at the close, filled at the next open. An average of span
n begins with the first close and speaks from row n - 1 on.

W1  long while EMA(10) > EMA(30), short while below: always in the market.
W2  W1 for every fast 5..49, slow 20..195 step 5 with fast < slow; or fast 5..104, slow 105..205.
W3  W1 with a stop 2 % and a target 4 % away, flat from 15:50 to the session's first bar.
W4  100 symbols, one account: at each month's last close the 20 symbols that rose most over 126 days
    get 4.75 % of equity each; fractions of units.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

UNITS, CASH, FEE = 100, 1_000_000.0, 1e-4
FAST, SLOW = 10, 30
STOP, TARGET = 0.02, 0.04
SESSION, OPENS, SQUARE_OFF = 390, 9 * 60 + 30, 15 * 60 + 50
FASTS, SLOWS = tuple(range(5, 50)), tuple(range(20, 200, 5))
SYMBOLS, DAYS, LOOKBACK, TOP, WEIGHT = 100, 2_520, 126, 20, 0.0475
US_PER_DAY = 86_400_000_000


def combinations() -> list[tuple[int, int]]:
    """Give the 1,515 lanes of W2, by slow, then fast."""
    return [(fast, slow) for slow in SLOWS for fast in FASTS if fast < slow]


def many_combinations() -> list[tuple[int, int]]:
    """Give 10,100 lanes: fast 5..104, slow 105..205."""
    return [(fast, slow) for slow in range(105, 206) for fast in range(5, 105)]


def minutes(count: int, seed: int = 7) -> dict[str, np.ndarray]:
    """Make one-minute bars: log price 4.6 pulled back by 0.01 % a bar, 0.2 % noise, 390 a session.

    Keys: ts (int64, microseconds), session (int32, days since 1970), minute (int32, of the day),
    open, high, low, close (float64). The first n of a longer series are the series of n.
    """
    rng = np.random.default_rng(seed)
    noise = rng.normal(0.0, 1.0, (count, 4))
    close = np.empty(count)
    level, away = np.log(100.0), 0.0
    for t, step in enumerate((noise[:, 0] * 2e-3).tolist()):
        away = away * 0.9999 + step
        close[t] = away
    close = np.exp(level + close)
    opened = np.concatenate(([100.0], close[:-1])) * np.exp(noise[:, 1] * 2e-4)
    reach = np.exp(np.abs(noise[:, 2:]) * 1e-3)
    day, minute = np.divmod(np.arange(count), SESSION)
    first = np.datetime64("1990-01-01")
    session = np.busday_offset(first, day, roll="forward").astype("datetime64[D]").astype(np.int64)
    minute = minute + OPENS
    return {
        "ts": session * US_PER_DAY + minute * 60_000_000,
        "session": session.astype(np.int32),
        "minute": minute.astype(np.int32),
        "open": opened,
        "high": np.maximum(opened, close) * reach[:, 0],
        "low": np.minimum(opened, close) / reach[:, 1],
        "close": close,
    }


def days(count: int = DAYS, symbols: int = SYMBOLS, seed: int = 8) -> dict[str, np.ndarray]:
    """Make daily bars of many symbols on weekdays, arrays of shape (days, symbols) and ts."""
    rng = np.random.default_rng(seed)
    common = rng.normal(3e-4, 0.008, (count, 1))
    close = 50.0 * np.exp(np.cumsum(common + rng.normal(0.0, 0.014, (count, symbols)), axis=0))
    opened = np.vstack([close[:1], close[:-1]]) * np.exp(rng.normal(0.0, 3e-3, (count, symbols)))
    reach = np.exp(np.abs(rng.normal(0.0, 5e-3, (2, count, symbols))))
    session = np.busday_offset(np.datetime64("2010-01-01"), np.arange(count), roll="forward")
    return {
        "ts": session.astype("datetime64[D]").astype(np.int64) * US_PER_DAY,
        "open": opened,
        "high": np.maximum(opened, close) * reach[0],
        "low": np.minimum(opened, close) / reach[1],
        "close": close,
    }


def may_enter(bars: Mapping[str, np.ndarray]) -> np.ndarray:
    """Tell where an entry may fill in W3: before the square-off, decided on the same day."""
    first = np.empty(len(bars["ts"]), dtype=np.bool_)
    first[0] = True
    np.not_equal(bars["session"][1:], bars["session"][:-1], out=first[1:])
    return ~first & (bars["minute"] < SQUARE_OFF)


def must_leave(bars: Mapping[str, np.ndarray]) -> np.ndarray:
    """Tell at which opens a position is closed in W3."""
    return bars["minute"] >= SQUARE_OFF


def target_weights(ts: np.ndarray, close: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Give the rows that decide in W4 and the weights they want, shape (rows, symbols)."""
    month = ts.astype("datetime64[us]").astype("datetime64[M]")
    last = np.flatnonzero(month[1:] != month[:-1])
    rows = last[last >= LOOKBACK]
    rise = close[rows] / close[rows - LOOKBACK]
    best = np.argsort(-rise, axis=1, kind="stable")[:, :TOP]
    weights = np.zeros(rise.shape)
    np.put_along_axis(weights, best, WEIGHT, axis=1)
    return rows, weights


Run = Callable[[], Mapping[str, Any]]
Case = Callable[[Mapping[str, np.ndarray]], Mapping[str, Run]]


def serve(engine: str, cases: Mapping[str, Case]) -> None:
    """Answer one measurement as one line of JSON; the command line says which.

    `--imports` ends before any work, `--cold` prints the first answer and ends. A run gives
    `equity` and `trades`, and for sweeps the lanes it did; peak memory is taken over the first run
    after everything has been imported and compiled, the reading of the bars included.
    """
    parser = argparse.ArgumentParser()
    parser.add_argument("case", nargs="?", default="W1")
    parser.add_argument("label", nargs="?", default="")
    parser.add_argument("--bars", type=Path)
    parser.add_argument("--small", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--imports", action="store_true")
    parser.add_argument("--cold", action="store_true")
    args = parser.parse_args()
    if args.imports:
        print("{}", flush=True)
        return
    case = cases[args.case]
    if args.cold:
        print(json.dumps(_plain(case(load(args.bars))[args.label]())), flush=True)
        return
    case(load(args.small))[args.label]()
    base = _reset_peak()
    run = case(load(args.bars))[args.label]
    times: list[float] = []
    found: Mapping[str, Any] = {}
    peak = 0.0
    while len(times) < args.rounds and (len(times) < 1 or sum(times) < args.seconds):
        begun = time.perf_counter()
        found = run()
        times.append(time.perf_counter() - begun)
        if len(times) == 1:
            peak = _memory("VmHWM") - base
    if len(times) >= 4:  # the first may still compile or fill caches
        times = times[1:]
    print(json.dumps({"engine": engine, "times": times, "peak": peak, **_plain(found)}), flush=True)


def load(path: Path) -> dict[str, np.ndarray]:
    """Read bars written by `numpy.savez`."""
    with np.load(path) as stored:
        return {name: stored[name] for name in stored.files}


def _plain(found: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: value.tolist() if isinstance(value, np.ndarray) else value
        for name, value in found.items()
    }


def _reset_peak() -> float:
    """Forget the highest memory so far; give what is in use now, in MB."""
    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    except OSError:
        return _memory("VmHWM")
    return _memory("VmRSS")


def _memory(field: str) -> float:
    try:
        facts: Iterable[str] = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    except OSError:  # not Linux: the highest ever, which getrusage knows
        import resource  # noqa: PLC0415 - not on every system

        unit = 1 if sys.platform == "darwin" else 1_024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6
    kilobytes = next(line.split()[1] for line in facts if line.startswith(field))
    return int(kilobytes) * 1_024 / 1e6
