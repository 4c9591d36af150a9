"""Makes bars, signals, options and costs for tests: by hand, from a seed, and for hypothesis.

Random prices lie on a coarse grid and protective distances are multiples of it, so that ties
(`L == stop`, `H == target`, `O == limit`) happen often instead of never.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, time, timedelta
from typing import Any

import numpy as np
from hypothesis import strategies as st

from core.domain.bars import US_PER_DAY, Bars
from core.domain.costs import CostChange, CostModel
from core.domain.fx import FxRates
from core.domain.market import MARKETS, Market
from core.domain.options import EngineOptions
from core.domain.signals import Code, Level, Signals
from core.domain.timeframe import Timeframe

ZERO = CostModel(name="zero")
US_PER_MINUTE = 60_000_000


@dataclass(frozen=True)
class Case:
    """All that `simulate` is given."""

    bars: Bars
    signals: Signals
    options: EngineOptions
    costs: CostModel

    def with_options(self, **changes: Any) -> Case:
        return replace(self, options=self.options.model_copy(update=changes))

    def with_costs(self, **changes: Any) -> Case:
        return replace(self, costs=self.costs.model_copy(update=changes))


# By hand ---------------------------------------------------------------------------------------


def make_bars(
    open: Any,  # noqa: A002 - the column's own word
    high: Any = None,
    low: Any = None,
    close: Any = None,
    *,
    volume: Any = None,
    dividend: Any = None,
    split: Any = None,
    funding: Any = None,
    fx: FxRates | None = None,
    session: Any = None,
    minute: Any = None,
    ts: Any = None,
    symbol: str = "TEST",
    timeframe: Timeframe = Timeframe.D1,
    market: Market = MARKETS["XNYS"],
) -> Bars:
    """Bars from columns; daily from 2020-01-01 unless told otherwise.

    With `open` alone, or `open` and `close`, the extremes are drawn as tight as they can be.
    """
    opens = np.array(open, dtype=np.float64)
    closes = opens.copy() if close is None else np.array(close, dtype=np.float64)
    highs = np.maximum(opens, closes) if high is None else np.array(high, dtype=np.float64)
    lows = np.minimum(opens, closes) if low is None else np.array(low, dtype=np.float64)
    if (highs < np.maximum(opens, closes)).any() or (lows > np.minimum(opens, closes)).any():
        raise ValueError("high or low does not enclose open and close")
    count = len(opens)
    if session is None:
        session = np.arange(count) + (date(2020, 1, 1) - date(1970, 1, 1)).days
    session = np.array(session, dtype=np.int32)
    minute = np.array(np.zeros(count) if minute is None else minute, dtype=np.int32)
    if ts is None:
        ts = session.astype(np.int64) * US_PER_DAY + minute.astype(np.int64) * US_PER_MINUTE
    return Bars(
        symbol=symbol,
        timeframe=timeframe,
        market=market,
        ts=np.array(ts, dtype=np.int64),
        session=session,
        minute=minute,
        open=opens,
        high=highs,
        low=lows,
        close=closes,
        volume=np.full(count, np.nan) if volume is None else np.array(volume, dtype=np.float64),
        dividend=None if dividend is None else np.array(dividend, dtype=np.float64),
        split=None if split is None else np.array(split, dtype=np.float64),
        funding=None if funding is None else np.array(funding, dtype=np.float64),
        fx=fx,
    )


def bars_of(*rows: tuple[float, float, float, float]) -> Bars:
    """Daily bars from (open, high, low, close) rows."""
    return make_bars(*np.array(rows, dtype=np.float64).T)


def codes(*values: int) -> np.ndarray:
    return np.array(values, dtype=np.int8)


def signals_at(count: int, rows: dict[int, int], **rest: Any) -> Signals:
    """HOLD everywhere except at the given rows."""
    column = np.full(count, Code.HOLD, dtype=np.int8)
    for row, code in rows.items():
        column[row] = code
    return Signals(codes=column, **rest)


def mirrored(case: Case, around: float = 100.0) -> Case:
    """The same case upside down: prices reflected, long and short exchanged.

    Percentages have no mirror image, so levels must be in points or prices.
    """
    twice = 2 * around
    bars, signals = case.bars, case.signals
    swap = {Code.LONG: -1, Code.SHORT: 1, Code.CLOSE_LONG: -3, Code.CLOSE_SHORT: 3}

    def level(old: Level | None) -> Level | None:
        if old is None or old.unit == "points":
            return old
        if old.unit == "percent":
            raise ValueError("a percentage has no mirror image")
        return Level(twice - old.value, "price")

    flipped = make_bars(
        twice - bars.open,
        twice - bars.low,
        twice - bars.high,
        twice - bars.close,
        session=bars.session,
        minute=bars.minute,
        timeframe=bars.timeframe,
    )
    turned = replace(
        signals,
        codes=np.array([swap.get(Code(c), c) for c in signals.codes], dtype=np.int8),
        stop=level(signals.stop),
        target=level(signals.target),
        trail=level(signals.trail),
        entry_price=None if signals.entry_price is None else twice - signals.entry_price,
    )
    return replace(case, bars=flipped, signals=turned)


# From a seed -----------------------------------------------------------------------------------

GRID = 0.5
SESSION_START = 9 * 60 + 30


def random_bars(
    seed: int | np.random.Generator,
    count: int = 120,
    *,
    sessions: int = 6,
    grid: float = GRID,
    start: float = 100.0,
    wildness: int = 3,
    floor: float = 20.0,
) -> Bars:
    """Valid bars on a price grid, with gaps, flat bars, ties and touches, in several sessions.

    Args:
        sessions: Number of sessions the bars are cut into, each from 09:30; 15 minutes apart, or
            closer where a session has many bars.
        wildness: Largest step in grid units, drawn anew for body, wicks and gap of each bar.
        floor: Prices bounce off this level so that they stay positive.
    """
    rng = np.random.default_rng(seed)
    rows = []
    last = start
    for _ in range(count):
        gap = 0 if rng.random() < 0.6 else int(rng.integers(-wildness, wildness + 1))
        body = int(rng.integers(-wildness, wildness + 1))
        up, down = rng.integers(0, wildness + 1, size=2) * (rng.random(2) < 0.7)
        opening = max(last + gap * grid, floor)
        closing = max(opening + body * grid, floor)
        high = max(opening, closing) + float(up) * grid
        low = max(min(opening, closing) - float(down) * grid, grid)
        rows.append((opening, high, low, closing))
        last = closing
    cuts = np.sort(rng.choice(np.arange(1, count), size=min(sessions, count) - 1, replace=False))
    session = np.zeros(count, dtype=np.int32)
    minute = np.zeros(count, dtype=np.int32)
    for day, chunk in enumerate(np.split(np.arange(count), cuts)):
        session[chunk] = 18_262 + day
        minute[chunk] = SESSION_START + min(15, 840 // len(chunk)) * np.arange(len(chunk))
    columns = np.array(rows).T
    return make_bars(*columns, session=session, minute=minute, timeframe=Timeframe.M15)


def random_signals(rng: np.random.Generator, bars: Bars, *, grid: float = GRID) -> Signals:
    """Codes of every kind, with protection in any unit, per row or for all rows, some missing."""
    count = len(bars)
    quiet = rng.choice([0.3, 0.6, 0.85])
    loud = (1 - quiet) / 5
    column = rng.choice(
        np.array([2, 1, -1, 0, 3, -3], dtype=np.int8),
        size=count,
        p=[quiet, 1.5 * loud, 1.5 * loud, 0.8 * loud, 0.6 * loud, 0.6 * loud],
    )
    entry_price = None
    if rng.random() < 0.45:
        away = rng.integers(-4, 5, size=count) * grid
        entry_price = np.maximum(bars.close + away, grid)
        entry_price[rng.random(count) < rng.choice([0.0, 0.4])] = np.nan
    return Signals(
        codes=column,
        stop=_random_level(rng, bars, grid, down=True),
        target=_random_level(rng, bars, grid, down=False),
        trail=_random_level(rng, bars, grid, down=True, price=False, odds=0.3),
        max_bars=int(rng.choice([0, 0, 1, 2, 5])),
        entry_price=entry_price,
        entry_kind=str(rng.choice(["limit", "stop"])),  # type: ignore[arg-type]
        conflicts=int(rng.integers(0, 3)),
    )


def _random_level(
    rng: np.random.Generator,
    bars: Bars,
    grid: float,
    *,
    down: bool,
    price: bool = True,
    odds: float = 0.6,
) -> Level | None:
    if rng.random() >= odds:
        return None
    count = len(bars)
    unit = str(rng.choice(["percent", "points", "price"] if price else ["percent", "points"]))
    if unit == "percent":
        values = rng.choice([0.5, 1.0, 2.0, 3.7], size=count)
    elif unit == "points":
        values = rng.integers(1, 8, size=count) * grid
    else:
        # By the row's own direction most of the time, so that protection is not always void.
        side = np.where(rng.random(count) < 0.5, 1.0, -1.0) * (-1.0 if down else 1.0)
        values = np.maximum(bars.close + side * rng.integers(1, 8, size=count) * grid, grid)
    if unit != "price" and rng.random() < 0.4:
        return Level(float(values[0]), unit)  # type: ignore[arg-type]
    values[rng.random(count) < 0.2] = np.nan
    return Level(values, unit)  # type: ignore[arg-type]


def random_options(rng: np.random.Generator) -> EngineOptions:
    intraday = bool(rng.random() < 0.4)
    sizing = str(rng.choice(["percent_of_equity", "units", "lots"]))
    lot_size = float(rng.choice([1.0, 1.0, 0.0, 0.0, 0.25, 0.1, 10.0]))
    if sizing == "lots" and lot_size == 0.0:
        lot_size = 5.0
    margin = float(rng.choice([1.0, 1.0, 0.3, 0.02]))
    size = {
        "percent_of_equity": [100.0, 37.5, 250.0] if margin > 0.1 else [100.0, 1_000.0, 4_000.0],
        "units": [1.0, 0.3, 12.3, 60.0],
        "lots": [1.0, 3.0, 2.5],
    }[sizing]

    def clock(odds: float) -> time | None:
        if rng.random() >= odds:
            return None
        minutes = SESSION_START + int(rng.integers(3, 40)) * 10
        return time(minutes // 60, minutes % 60)

    return EngineOptions(
        initial_cash=float(rng.choice([300.0, 2_000.0, 30_000.0, 100_000.0])),
        fill=rng.choice(["next_open", "next_open", "close"]),
        delay=int(rng.choice([0, 0, 0, 1, 3])),
        sizing=sizing,  # type: ignore[arg-type]
        size=float(rng.choice(size)),
        size_ref=rng.choice(["decision", "fill"]),
        lot_size=lot_size,
        multiplier=float(rng.choice([1.0, 1.0, 0.5, 3.0, 20.0])),
        initial_margin=margin,
        on_insufficient=rng.choice(["scale", "reject"]),
        allow_short=bool(rng.random() < 0.8),
        fill_on_touch=bool(rng.random() < 0.4),
        intraday=intraday,
        square_off=clock(0.6) if intraday else None,
        no_entry_after=clock(0.25),
        close_at_end=bool(rng.random() < 0.3),
    )


def random_charges(rng: np.random.Generator) -> dict[str, float | None]:
    """What is charged beside the commission; nothing in half of all cases."""
    if rng.random() < 0.5:
        return {}
    return {
        "maximum": [None, 20.0][int(rng.integers(2))],
        "commission_tax": float(rng.choice([0.0, 0.18])),
        "charge_bps": float(rng.choice([0.0, 4.1])),
        "charge_per_unit": float(rng.choice([0.0, 0.00325])),
        "buy_charge_bps": float(rng.choice([0.0, 0.3])),
        "sell_charge_bps": float(rng.choice([0.0, 0.206, 15.0])),
        "sell_charge_per_unit": float(rng.choice([0.0, 0.000195, 0.1])),
        "sell_charge_maximum": [None, 9.79, 0.5][int(rng.integers(3))],
    }


def random_changes(rng: np.random.Generator) -> tuple[CostChange, ...]:
    """Fees that change on some of the days bars are made on."""
    days = sorted({int(day) for day in rng.integers(0, 10, int(rng.integers(0, 3)))})
    return tuple(
        CostChange(
            since=date(2020, 1, 1) + timedelta(days=day),
            **{name: value for name, value in random_charges(rng).items() if rng.random() < 0.7},
            **({"fixed": float(rng.choice([0.0, 5.0]))} if rng.random() < 0.5 else {}),
        )
        for day in days
    )


def random_costs(rng: np.random.Generator) -> CostModel:
    if rng.random() < 0.2:
        return ZERO
    return CostModel(
        **random_charges(rng),
        changes=random_changes(rng),
        fixed=float(rng.choice([0.0, 0.0, 1.5, 30.0])),
        per_unit=float(rng.choice([0.0, 0.005, 0.35])),
        bps=float(rng.choice([0.0, 3.0, 20.0])),
        minimum=float(rng.choice([0.0, 1.0, 8.0])),
        maximum_rate=[None, None, 0.01, 0.0005][int(rng.integers(4))],
        slippage_bps=float(rng.choice([0.0, 1.0, 12.5])),
        half_spread_bps=float(rng.choice([0.0, 2.0])),
        tick=float(rng.choice([0.0, 0.0, 0.01, 0.05, 0.25])),
    )


def random_case(seed: int, count: int = 120) -> Case:
    """One of everything, decided by the seed alone."""
    rng = np.random.default_rng(seed)
    bars = random_bars(
        rng,
        count,
        sessions=int(rng.integers(1, 9)) + max(0, count - 200) // 40,
        wildness=int(rng.choice([1, 3, 8])),
    )
    case = Case(bars, random_signals(rng, bars), random_options(rng), random_costs(rng))
    case = replace(case, costs=with_rounding(case.costs, seed))
    others = np.random.default_rng([seed, 9])
    if others.random() < 0.2:
        options = case.options.model_copy(
            update={"shortable": {bars.symbol: others.random() < 0.5}}
        )
        case = replace(case, options=options)
    return with_sizes(with_limits(case, np.random.default_rng([seed, 14])), seed)


def with_sizes(case: Case, seed: int) -> Case:
    """Other kinds of size and sizes by row, now and then; drawn apart from the rest."""
    rng = np.random.default_rng([seed, 3])
    signals, options = case.signals, case.options
    if rng.random() < 0.35:
        options = with_kind_of_size(options, rng)
    if options.sizing == "risk" and signals.stop is None and signals.trail is None:
        signals = replace(signals, stop=_random_level(rng, case.bars, GRID, down=True, odds=1.0))
    if rng.random() < 0.3:
        signals = replace(signals, size=sizes_by_row(rng, options, len(case.bars)))
    return replace(case, signals=signals, options=options)


def with_kind_of_size(options: EngineOptions, rng: np.random.Generator) -> EngineOptions:
    """Money, risk or volatility, of a size that buys something and often more than cash covers."""
    sizing = str(rng.choice(["value", "risk", "vol_target"]))
    sizes = {
        "value": options.initial_cash * float(rng.choice([0.1, 0.5, 2.0])),
        "risk": float(rng.choice([0.25, 1.0, 20.0])),
        "vol_target": float(rng.choice([1.0, 15.0, 80.0])) / (options.initial_margin or 1.0),
    }
    drawn = {"sizing": sizing, "size": sizes[sizing]}
    if rng.random() < 0.8:
        drawn["volatility_bars"] = int(rng.choice([2, 3, 8, 19]))
    return EngineOptions(**{**dict(options), **drawn})


def sizes_by_row(
    rng: np.random.Generator, options: EngineOptions, count: int
) -> float | np.ndarray:
    """Multiples of the run's size, for all rows or for some, nothing now and then."""
    values = options.size * rng.choice([0.0, 0.2, 0.7, 1.0, 3.0], size=count)
    if rng.random() < 0.2:
        return float(values[0])
    values[rng.random(count) < rng.choice([0.0, 0.3, 0.9])] = np.nan
    return values


def with_rounding(costs: CostModel, seed: int) -> CostModel:
    """Charges in whole cents, now and then, and from a day on; drawn apart from the rest."""
    rng = np.random.default_rng([seed, 100])
    if rng.random() < 0.6:
        return costs
    ways = ["none", "cent_up", "cent_nearest"]
    changes = tuple(
        change.model_copy(update={"rounding": [None, *ways][int(rng.integers(4))]})
        for change in costs.changes
    )
    return costs.model_copy(update={"rounding": ways[int(rng.integers(1, 3))], "changes": changes})


def with_limits(case: Case, rng: np.random.Generator) -> Case:
    """Day limits, cooldown and other rules that seldom meet, added to some cases and not others."""
    if rng.random() < 0.3:
        return case
    options: dict[str, Any] = {}
    if rng.random() < 0.15:
        options["protection"] = "close"
    if rng.random() < 0.1:
        options["initial_margin"] = 0.0
    if rng.random() < 0.4:
        options |= random_day_limits(rng, case.options.initial_cash)
    if rng.random() < 0.2:
        options["max_trades_per_day"] = int(rng.choice([1, 2, 4]))
    if rng.random() < 0.3:
        options["cooldown_bars"] = int(rng.choice([1, 2, 6]))
        options["cooldown_losses"] = int(rng.choice([1, 1, 2]))
    costs = {}
    if rng.random() < 0.3:
        costs["slippage_points"] = float(rng.choice([0.05, 0.5, 1.0]))
    if rng.random() < 0.3:
        costs["per_trade"] = float(rng.choice([2.5, 12.0]))
    signals = replace(case.signals, ttl=int(rng.choice([1, 2, 3, 8])))
    if signals.ttl > 1 and signals.entry_price is not None and rng.random() < 0.7:
        signals = waiting(signals, case.bars, rng)
    return replace(case.with_options(**options).with_costs(**costs), signals=signals)


def waiting(signals: Signals, bars: Bars, rng: np.random.Generator) -> Signals:
    """Entries at prices not reached at once, with bars of silence behind most of them."""
    codes = signals.codes.copy()
    assert signals.entry_price is not None
    prices = signals.entry_price.copy()
    below = -1 if signals.entry_kind == "limit" else 1
    for row in np.flatnonzero((np.abs(codes) == 1) & (rng.random(len(codes)) < 0.8)):
        if abs(codes[row]) == 1:  # not silenced by an earlier one
            away = float(rng.integers(1, 7)) * GRID
            prices[row] = max(bars.close[row] + below * codes[row] * away, GRID)
            codes[row + 1 : row + 1 + int(rng.integers(0, 6))] = Code.HOLD
    return replace(signals, codes=codes, entry_price=prices)


def random_day_limits(rng: np.random.Generator, cash: float) -> dict[str, Any]:
    """A target, a loss or both, near enough to be met."""
    unit = str(rng.choice(["money", "points"]))
    near = [1.0, 2.5, 6.0] if unit == "points" else [5.0, 40.0, cash * 0.01, cash * 0.03]
    which = int(rng.integers(3))
    return {
        "daily_unit": unit,
        "daily_action": str(rng.choice(["flatten", "entries"])),
        "daily_target": float(rng.choice(near)) if which != 1 else None,
        "daily_loss": float(rng.choice(near)) if which != 0 else None,
    }


# For hypothesis --------------------------------------------------------------------------------


@st.composite
def bar_lists(draw: st.DrawFn, min_size: int = 2, max_size: int = 14) -> Bars:
    """A few bars in whole points, cut into sessions."""
    count = draw(st.integers(min_size, max_size))
    step = st.integers(-3, 3)
    wick = st.integers(0, 3)
    rows, last = [], 100
    session, minute, day, clock = [], [], 18_262, SESSION_START
    for _ in range(count):
        opening = last + draw(step)
        last = opening + draw(step)
        low, high = min(opening, last) - draw(wick), max(opening, last) + draw(wick)
        rows.append((opening, high, low, last))
        if session and draw(st.integers(0, 4)) == 0:
            day, clock = day + 1, SESSION_START
        session.append(day)
        minute.append(clock)
        clock += 15
    columns = np.array(rows, dtype=np.float64).T
    return make_bars(*columns, session=session, minute=minute, timeframe=Timeframe.M15)


@st.composite
def levels(draw: st.DrawFn, count: int, *, price: bool = True) -> Level | None:
    unit = draw(st.sampled_from(["percent", "points", "price"] if price else ["percent", "points"]))
    bottom, top = (88, 112) if unit == "price" else (1, 5)
    value = st.integers(bottom, top).map(float)
    if draw(st.booleans()):
        return Level(draw(value), unit)  # type: ignore[arg-type]
    rows = draw(st.lists(value | st.just(float("nan")), min_size=count, max_size=count))
    return Level(np.array(rows), unit)  # type: ignore[arg-type]


@st.composite
def signal_rows(draw: st.DrawFn, count: int) -> Signals:
    one = st.sampled_from([2, 2, 1, 1, -1, -1, 0, 3, -3])
    column = draw(st.lists(one, min_size=count, max_size=count))
    entry_price = None
    if draw(st.booleans()):
        at = st.integers(92, 108).map(float) | st.just(float("nan"))
        entry_price = np.array(draw(st.lists(at, min_size=count, max_size=count)))
    return Signals(
        codes=np.array(column, dtype=np.int8),
        stop=draw(st.none() | levels(count)),
        target=draw(st.none() | levels(count)),
        trail=draw(st.none() | levels(count, price=False)),
        max_bars=draw(st.sampled_from([0, 0, 1, 2, 4])),
        entry_price=entry_price,
        entry_kind=draw(st.sampled_from(["limit", "stop"])),
        ttl=draw(st.sampled_from([1, 1, 2, 4])),
        conflicts=draw(st.integers(0, 2)),
    )


@st.composite
def engine_options(draw: st.DrawFn) -> EngineOptions:
    sizing = draw(st.sampled_from(["units", "percent_of_equity", "lots"]))
    intraday = draw(st.booleans())
    clock = st.none() | st.sampled_from([time(9, 45), time(10, 0), time(10, 20)])
    lot_sizes = [1.0, 0.1, 10.0] if sizing == "lots" else [1.0, 0.0, 0.1, 10.0]
    return EngineOptions(
        initial_cash=draw(st.sampled_from([100_000.0, 1_000.0, 150.0])),
        fill=draw(st.sampled_from(["next_open", "close"])),
        delay=draw(st.sampled_from([0, 0, 1, 2])),
        sizing=sizing,
        size=draw(st.sampled_from([1.0, 10.0, 33.3, 100.0, 300.0])),
        size_ref=draw(st.sampled_from(["decision", "fill"])),
        lot_size=draw(st.sampled_from(lot_sizes)),
        multiplier=draw(st.sampled_from([1.0, 0.5, 20.0])),
        initial_margin=draw(st.sampled_from([1.0, 1.0, 0.25, 0.02, 0.0])),
        on_insufficient=draw(st.sampled_from(["scale", "reject"])),
        allow_short=draw(st.sampled_from([True, True, False])),
        fill_on_touch=draw(st.booleans()),
        intraday=intraday,
        square_off=draw(clock) if intraday else None,
        no_entry_after=draw(clock),
        protection=draw(st.sampled_from(["intrabar", "intrabar", "close"])),
        close_at_end=draw(st.booleans()),
        **draw(st.just({}) | day_limits()),
    )


@st.composite
def day_limits(draw: st.DrawFn) -> dict[str, Any]:
    limit = st.none() | st.sampled_from([1.0, 2.0, 5.0, 40.0])
    return {
        "daily_target": draw(limit),
        "daily_loss": draw(limit),
        "daily_unit": draw(st.sampled_from(["money", "points"])),
        "daily_action": draw(st.sampled_from(["flatten", "entries"])),
        "max_trades_per_day": draw(st.sampled_from([None, None, 1, 2])),
        "cooldown_bars": draw(st.sampled_from([0, 0, 1, 3])),
        "cooldown_losses": draw(st.sampled_from([1, 1, 2])),
    }


@st.composite
def cost_models(draw: st.DrawFn) -> CostModel:
    def one(*values: Any) -> Any:
        return draw(st.sampled_from(values))

    return CostModel(
        fixed=one(0.0, 2.0, 30.0),
        per_unit=one(0.0, 0.01, 0.5),
        bps=one(0.0, 5.0, 30.0),
        minimum=one(0.0, 1.0, 12.0),
        maximum_rate=one(None, 0.01, 0.0002),
        slippage_bps=one(0.0, 10.0, 100.0),
        half_spread_bps=one(0.0, 2.5),
        slippage_points=one(0.0, 0.0, 0.25, 1.0),
        per_trade=one(0.0, 0.0, 3.0),
        tick=one(0.0, 0.05, 0.5),
        maximum=one(None, 20.0),
        commission_tax=one(0.0, 0.18),
        charge_bps=one(0.0, 4.0),
        charge_per_unit=one(0.0, 0.25),
        buy_charge_bps=one(0.0, 3.0),
        sell_charge_bps=one(0.0, 15.0),
        sell_charge_per_unit=one(0.0, 0.5),
        sell_charge_maximum=one(None, 2.0),
        rounding=one("none", "none", "cent_up", "cent_nearest"),
        changes=tuple(
            CostChange(
                since=date(2020, 1, day), fixed=one(None, 1.0), sell_charge_bps=one(None, 7.0)
            )
            for day in one((), (2,), (1, 3))
        ),
    )


@st.composite
def cases(draw: st.DrawFn) -> Case:
    bars = draw(bar_lists())
    return Case(
        bars,
        draw(signal_rows(len(bars))),
        draw(engine_options()),
        draw(cost_models() | st.just(ZERO)),
    )
