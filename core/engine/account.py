"""The checked door of the general driver: symbols on one account."""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt
from typing import NamedTuple

import numpy as np

from core.domain.bars import Bars, FloatArray, Int32Array, IntArray
from core.domain.costs import CostModel
from core.domain.options import EngineOptions
from core.domain.signals import Code, Level, Signals, Weights
from core.domain.simulation import Fills, PortfolioSimulation, Trades
from core.engine import convert, curve, desk, kernels, portfolio, sizes
from core.engine.chance import misses_of
from core.engine.detail import fine_of
from core.engine.grid import lay, lay_bars, mark
from core.engine.impact import impact_coefficients
from core.engine.slips import slips_of
from core.errors import DataProblem, InvalidInput, StrategyFailed

DELISTED_AFTER_DAYS = 5
FIRST_TABLE_ROWS = 1024
_NO_LEVELS = desk.Levels(np.array([[np.nan]]), 0)
_ALL_FILL = desk.Misses(np.zeros((1, 1, 2), dtype=np.bool_), 0)
_NO_SLIPS = desk.Levels(np.zeros((1, 1)), 0)
_ONE_TERM = desk.Levels(np.array([[1.0]]), 0)


class Timeline(NamedTuple):
    """The union of the symbols' bars.

    Attributes:
        ts: Opening times, shape (T,).
        number: Each symbol's own bar number, -1 where absent, shape (T, S).
        row_of: Row of each own bar, -1 beyond the last, shape (N, S).
        day: Session of each row, the latest that any bar has reached by then, shape (T,).
    """

    ts: IntArray
    number: Int32Array
    row_of: Int32Array
    day: Int32Array


def timeline_of(bars: Sequence[Bars]) -> Timeline:
    """Put symbols on one clock."""
    ts = bars[0].ts
    if any(not np.array_equal(ts, each.ts) for each in bars[1:]):
        ts = np.unique(np.concatenate([each.ts for each in bars]))
    every = np.arange(len(ts), dtype=np.int32)
    if all(len(each) == len(ts) for each in bars):
        day = np.maximum.reduce([each.session for each in bars])
        same = np.repeat(every, len(bars)).reshape(len(ts), len(bars))
        return Timeline(ts, same, same, np.maximum.accumulate(day))
    number = np.full((len(ts), len(bars)), -1, dtype=np.int32)
    row_of = np.full((max(len(each) for each in bars), len(bars)), -1, dtype=np.int32)
    day = np.full(len(ts), kernels.NEVER, dtype=np.int32)
    for s, each in enumerate(bars):
        rows = every if len(each) == len(ts) else np.searchsorted(ts, each.ts)
        number[rows, s] = every[: len(each)]
        row_of[: len(each), s] = rows
        day[rows] = np.maximum(day[rows], each.session)
    # Markets may disagree about the date, and a day that was over does not begin again.
    return Timeline(ts, number, row_of, np.maximum.accumulate(day))


def spread(timeline: Timeline, columns: Sequence[np.ndarray], missing: float) -> np.ndarray:
    """Lay one column for each symbol out on the rows of a timeline, shape (T, S)."""
    table = np.empty(timeline.number.shape, dtype=columns[0].dtype)
    lay(table, _stacked(columns), timeline.number, missing)
    return table


def simulate_account(
    bars: Sequence[Bars],
    wanted: Sequence[Signals] | Weights,
    options: EngineOptions,
    costs: CostModel,
    *,
    compiled: bool = True,
    timeline: Timeline | None = None,
) -> PortfolioSimulation:
    """Trade several symbols on one account by the rules of docs/engine_rules.md.

    Args:
        bars: One for each of S symbols, each with at least one bar.
        wanted: Signals for each symbol, one row per bar of it; or weights of shape (T, S) on the
            union of times.
        options: Account and fill rules.
        costs: Fees and price concession.
        compiled: False runs the plain-Python twin, which gives the same bits slowly.
        timeline: What `timeline_of` makes of these bars, where it is known already.

    Raises:
        DataProblem: a symbol has no bars, no volume where a rule needs it, no finer bars that fit
            where `detail` asks for some, prices on other terms than `adjust` says, or no rate into
            the account's currency.
        InvalidInput: options are traded by their delta in another currency, margin is to be tested
            inside bars of several symbols, or size is share of equity at risk without any stop.
        StrategyFailed: signals or weights have the wrong shape or impossible values.
    """
    _check(bars, options, costs)
    timeline = timeline or timeline_of(bars)
    rows = _rows(bars, timeline, options, costs)
    book = _book(bars, options)
    asked, guards = _asked(wanted, bars, timeline, book)
    how_big = _sizes(wanted, bars, timeline, options)
    first = wanted[0] if not isinstance(wanted, Weights) else Signals(np.empty(0, np.int8))
    charges = convert.charges_of(options, costs, timeline.day)
    # One kernel whether charges are rounded or not: a second one takes long to compile.
    charges = charges._replace(rounds=True)
    levy = charges
    if options.option is not None:
        charges = charges._replace(multiplier=charges.multiplier * options.option.delta)
    size = FIRST_TABLE_ROWS + portfolio.MOST_FILLS * len(bars)
    run = portfolio.run_portfolio if compiled else portfolio.run_portfolio_python
    total, symbols = timeline.number.shape
    equity, cash, held = np.empty(total), np.empty(total), np.empty(total, dtype=np.bool_)
    accrued = np.zeros((total, symbols))
    while True:
        quantity, share, account = (
            np.zeros((total, symbols)),
            np.zeros(total),
            np.zeros(desk.ACCOUNT_SLOTS),
        )
        last = book.copy()
        out = desk.Out(
            np.empty(size, dtype=desk.TRADE).view(np.recarray),
            np.empty(2 * size, dtype=desk.FILL).view(np.recarray),
            np.zeros(2, dtype=np.int64),
            np.zeros(desk.COUNTERS, dtype=np.int64),
        )
        done, ruined, stopped = run(
            rows,
            asked,
            guards,
            how_big,
            convert.limits_of(options, symbols),
            convert.config_of(options, first),
            _extra(options, costs, book),
            charges,
            levy,
            last,
            out,
            equity,
            cash,
            quantity,
            accrued,
            held,
            share,
            account,
            np.empty(symbols, dtype=np.int64),
        )
        if done == total:
            break
        size *= 4
    trades, fills = int(out.counts[0]), int(out.counts[1])
    conflicts = 0 if isinstance(wanted, Weights) else sum(each.conflicts for each in wanted)
    return PortfolioSimulation(
        bars=tuple(bars),
        initial_cash=options.initial_cash,
        multiplier=charges.multiplier,
        ts=timeline.ts,
        session=timeline.day,
        mark=rows.grid.mark.copy(),
        equity=equity,
        cash=cash,
        quantity=quantity,
        accrued=accrued,
        held=held,
        fills=_fills(out.fills[:fills].view(np.recarray), converts=rows.fx_open.step != 0),
        fill_symbol=out.fills.symbol[:fills].copy(),
        trades=_trades(out.trades[:trades].view(np.recarray), converts=rows.fx_open.step != 0),
        trade_symbol=out.trades.symbol[:trades].copy(),
        counters=convert.counters_of(out.counters, conflicts),
        max_drawdown=curve.worst_of(equity, options.initial_cash, bool(ruined)),
        gross_exposure=curve.sum_of(share) / total,
        ruined=bool(ruined),
        borrow=float(account[desk.BORROW]),
        carry=float(account[desk.CARRY]),
        dividends=float(account[desk.DIVIDENDS]),
        borrow_of=last.borrow.copy(),
        carry_of=last.carry.copy(),
        dividends_of=last.dividends.copy(),
        funding=float(account[desk.FUNDING]),
        funding_of=last.funding.copy(),
        interest=float(account[desk.INTEREST]),
        fx=rows.fx_close.value if rows.fx_close.step else None,
        stopped=bool(stopped),
    )


def _check(bars: Sequence[Bars], options: EngineOptions, costs: CostModel) -> None:
    """Refuse what an account cannot be run with."""
    for each in bars:
        if not len(each):
            raise DataProblem(f"there are no bars of {each.symbol} in the range asked for")
        needs_volume = options.max_participation is not None or costs.impact or costs.volume_share
        if needs_volume and bool(np.isnan(each.volume).any()):
            raise DataProblem(
                f"{each.symbol} has bars without volume",
                expected="volume, which a cap on participation and price impact are measured by",
                hint="drop max_participation, impact and volume_share, or use prices with volume",
            )
        if each.has_splits and options.adjust != "raw":
            raise DataProblem(
                f"prices of {each.symbol} jump by splits, and adjust is {options.adjust}",
                expected="split-adjusted prices, or adjust=raw",
                hint="read the prices with the same adjust as the run",
            )
        if each.has_dividends and options.adjust == "total_return":
            raise DataProblem(
                f"{each.symbol} comes with dividends, and adjust is total_return",
                expected="prices adjusted for dividends, without their cash",
                hint="read the prices with the same adjust as the run",
            )
        if each.fx is not None and options.option is not None:
            raise InvalidInput(
                f"options on {each.symbol} would be paid in {each.fx.currency}, and the account "
                f"is in {each.fx.account}",
                expected="option=null, or an account in the currency of the symbol",
                field="options.option",
            )
    if options.intrabar_margin and len(bars) > 1:
        raise InvalidInput(
            f"margin is tested inside bars of one symbol only, and {len(bars)} share this account",
            expected="intrabar_margin=false, account=sleeves, or one symbol",
            field="options.intrabar_margin",
        )


def _book(bars: Sequence[Bars], options: EngineOptions) -> desk.Book:
    """Give the state before the first row, with what holds for each symbol throughout."""
    book = desk.new_book(len(bars))
    for s, each in enumerate(bars):
        own = options.of_symbol(each.symbol)
        book[s].shorts, book[s].borrow_rate = own.allow_short, own.borrow_rate
    return book


def _rows(
    bars: Sequence[Bars], timeline: Timeline, options: EngineOptions, costs: CostModel
) -> desk.Rows:
    grid = np.empty(timeline.number.shape, dtype=desk.CELL).view(np.recarray)
    number = timeline.number
    columns = ("open", "high", "low", "close", "volume", "session")
    o, h, l, c, v, session = (  # noqa: E741 - the field's own notation
        _stacked([getattr(each, name) for each in bars]) for name in columns
    )
    flags = _stacked([convert.flags_of(each, options) for each in bars])
    lay_bars(grid, number, o, h, l, c, v, session, flags, kernels.NEVER)
    last_day = int(timeline.day[-1])
    for s, each in enumerate(bars):
        is_delisted = last_day - int(each.session[-1]) > DELISTED_AFTER_DAYS
        row = timeline.row_of[len(each) - 1, s]
        grid["ends"][row, s] = desk.DELISTED if is_delisted else desk.LAST
    if costs.impact:
        moved = _stacked([costs.impact * impact_of(each) for each in bars])
        lay(grid["impact"], moved, number, 0.0)
    slips = _NO_SLIPS
    if costs.slips_by_range:
        found = [slips_of(each, costs, terms_of(each)) for each in bars]
        slips = desk.Levels(spread(timeline, found, 0.0), 1)
    opening, closing = _fx(bars, timeline)
    return desk.Rows(
        grid,
        timeline.row_of,
        timeline.day,
        _actions(bars, timeline, options),
        _terms(bars, timeline),
        _misses(bars, timeline, options, costs),
        fine_of(bars, number, options),
        opening,
        closing,
        slips,
    )


def _misses(
    bars: Sequence[Bars], timeline: Timeline, options: EngineOptions, costs: CostModel
) -> desk.Misses:
    probability = costs.fill_probability
    if probability == 1.0:
        return _ALL_FILL
    drawn = [misses_of(each, options.seed, probability) for each in bars]
    limits = [
        spread(timeline, [each[:, limit] for each in drawn], missing=False)
        for limit in (desk.ENTRY_LIMIT, desk.TARGET_LIMIT)
    ]
    return desk.Misses(np.stack(limits, axis=2), 1)


def _fx(bars: Sequence[Bars], timeline: Timeline) -> tuple[desk.Levels, desk.Levels]:
    """Look up the rates known when each row opens, and when the first of its bars is over (R17)."""
    if all(each.fx is None for each in bars):
        return _ONE_TERM, _ONE_TERM
    ends = np.full(len(timeline.ts), np.iinfo(np.int64).max)
    for s, each in enumerate(bars):
        rows = timeline.row_of[: len(each), s]
        ends[rows] = np.minimum(ends[rows], each.over)
    opening = np.ones(timeline.number.shape)
    closing = np.ones(timeline.number.shape)
    for s, each in enumerate(bars):
        if each.fx is None:
            continue
        first, last = timeline.row_of[0, s], timeline.row_of[len(each) - 1, s] + 1
        for table, times in ((opening, timeline.ts), (closing, ends)):
            table[:first, s] = np.nan
            table[first:last, s] = each.fx.at(times[first:last])
            # Nobody but the last mark of what is still held asks for more.
            table[last:, s] = each.fx.at(times[last:], aged=True)
    return desk.Levels(opening, 1), desk.Levels(closing, 1)


def _actions(bars: Sequence[Bars], timeline: Timeline, options: EngineOptions) -> desk.Table:
    """List the bars on which something happens in order of rows, then of symbols."""
    found = [np.empty(0, dtype=desk.ACTION)]
    for s, each in enumerate(bars):
        if each.dividend is None and each.split is None and each.funding is None:
            continue
        dividend = np.zeros(len(each)) if each.dividend is None else each.dividend
        ratio = np.ones(len(each)) if each.split is None else each.split
        funding = np.zeros(len(each))
        if each.funding is not None and options.funding:
            funding = each.funding
        own = np.flatnonzero((dividend != 0.0) | (ratio != 1.0) | (funding != 0.0))
        part = np.empty(len(own), dtype=desk.ACTION)
        part["dividend"], part["split"], part["funding"] = dividend[own], ratio[own], funding[own]
        part["row"], part["symbol"] = timeline.row_of[own, s], s
        found.append(part)
    table = np.concatenate(found)
    return table[np.argsort(table["row"], kind="stable")].view(np.recarray)


def _terms(bars: Sequence[Bars], timeline: Timeline) -> desk.Levels:
    """Multiply the ratios of each symbol up as time goes on."""
    if not any(each.has_splits for each in bars):
        return _ONE_TERM
    terms = np.empty(timeline.number.shape)
    mark(terms, spread(timeline, [terms_of(each) for each in bars], np.nan))
    return desk.Levels(np.where(np.isnan(terms), 1.0, terms), 1)


def terms_of(bars: Bars) -> FloatArray:
    """Give the product of the split ratios up to each bar and with it, shape (T,)."""
    return np.ones(len(bars)) if bars.split is None else np.multiply.accumulate(bars.split)


def _stacked(columns: Sequence[np.ndarray]) -> np.ndarray:
    """Put one column for each symbol into rows, shape (S, N); the rest of shorter ones is 0."""
    most = max(len(column) for column in columns)
    if all(len(column) == most for column in columns):
        return np.array(columns)
    table = np.zeros((len(columns), most), dtype=columns[0].dtype)
    for s, column in enumerate(columns):
        table[s, : len(column)] = column
    return table


def impact_of(bars: Bars) -> FloatArray:
    """Give sigma / sqrt(ADV) of the 20 sessions before each bar's; 0 before there are as many.

    sigma is the population deviation of the returns between their closes, ADV their mean volume
    (Almgren et al. 2005; docs/engine_rules.md, price impact).
    """
    ends = np.flatnonzero(np.r_[bars.session[1:] != bars.session[:-1], True])
    begins = np.r_[0, ends[:-1] + 1]
    terms = terms_of(bars)
    closes, volume = (bars.close * terms)[ends], bars.volume / terms
    of_session = impact_coefficients(closes, volume, begins, ends)
    coefficients: FloatArray = np.repeat(of_session, ends - begins + 1) / np.sqrt(terms)
    return coefficients


def _asked(
    wanted: Sequence[Signals] | Weights,
    bars: Sequence[Bars],
    timeline: Timeline,
    book: desk.Book,
) -> tuple[desk.Wanted, desk.Guards]:
    """Lay out what strategies want; what holds for a symbol throughout goes into the book."""
    none = np.empty((0, 0))
    if isinstance(wanted, Weights):
        _check_weights(wanted, timeline.number.shape)
        values = _writable(wanted.values)
        asked = desk.Wanted(np.empty((0, 0), dtype=np.int8), values, none, none)
        book.ttl = 1
        book.stop_unit, book.target_unit, book.trail_unit = (
            convert.UNITS[level.unit] if level else 0
            for level in (wanted.stop, wanted.target, wanted.trail)
        )
        return asked, desk.Guards(
            _shared_level(wanted.stop), _shared_level(wanted.target), _shared_level(wanted.trail)
        )
    if len(wanted) != len(bars):
        raise StrategyFailed(f"{len(wanted)} signals for {len(bars)} symbols")
    for s, (signals, each) in enumerate(zip(wanted, bars, strict=True)):
        convert.check_signals(signals, len(each))
        state = book[s]
        state.max_bars, state.ttl = signals.max_bars, signals.ttl
        state.entry_is_stop = signals.entry_kind == "stop"
        state.stop_unit, state.target_unit, state.trail_unit = (
            convert.UNITS[level.unit] if level else 0
            for level in (signals.stop, signals.target, signals.trail)
        )
    rests = any(each.entry_price is not None for each in wanted)
    ranks = any(each.priority is not None for each in wanted)
    prices = _columns(wanted, "entry_price", np.nan) if rests else []
    places = _columns(wanted, "priority", 0.0) if ranks else []
    asked = desk.Wanted(
        codes=spread(timeline, [each.codes for each in wanted], int(Code.HOLD)),
        weights=none,
        entry_px=spread(timeline, prices, np.nan) if rests else none,
        priority=spread(timeline, places, 0.0) if ranks else none,
    )
    guards = desk.Guards(
        _levels([each.stop for each in wanted], wanted, timeline),
        _levels([each.target for each in wanted], wanted, timeline),
        _levels([each.trail for each in wanted], wanted, timeline),
    )
    return asked, guards


def _sizes(
    wanted: Sequence[Signals] | Weights,
    bars: Sequence[Bars],
    timeline: Timeline,
    options: EngineOptions,
) -> desk.SizeTable:
    """Lay out how big entries are; weights say it themselves."""
    by_row = known = _NO_LEVELS
    if not isinstance(wanted, Weights):
        for signals, each in zip(wanted, bars, strict=True):
            sizes.check_sizes(signals, options, len(each))
        if any(signals.size is not None for signals in wanted):
            scale = sizes.scale_of(options)
            given = [
                np.full(len(each), np.nan if signals.size is None else signals.size, np.float64)
                for signals, each in zip(wanted, bars, strict=True)
            ]
            by_row = desk.Levels(spread(timeline, [each * scale for each in given], np.nan), 1)
        if options.sizing == "vol_target":
            found = [sizes.volatility_of(each, options) for each in bars]
            known = desk.Levels(spread(timeline, found, np.nan), 1)
    return desk.SizeTable(sizes.KINDS[options.sizing], sizes.own_size(options), by_row, known)


def _columns(wanted: Sequence[Signals], name: str, missing: float) -> list[FloatArray]:
    return [
        np.full(len(each.codes), missing) if (given := getattr(each, name)) is None else given
        for each in wanted
    ]


def _levels(
    levels: Sequence[Level | None], wanted: Sequence[Signals], timeline: Timeline
) -> desk.Levels:
    if not any(levels):
        return _NO_LEVELS
    columns = [
        np.full(len(each.codes), np.nan)
        if level is None
        else np.broadcast_to(np.asarray(level.value, dtype=np.float64), len(each.codes))
        for level, each in zip(levels, wanted, strict=True)
    ]
    return desk.Levels(spread(timeline, columns, np.nan), 1)


def _shared_level(level: Level | None) -> desk.Levels:
    if level is None:
        return _NO_LEVELS
    values = np.asarray(level.value, dtype=np.float64)
    if values.ndim == 0:
        return desk.Levels(values.reshape(1, 1), 0)
    return desk.Levels(_writable(values), 1)


def _writable(values: FloatArray) -> FloatArray:
    """Give the one form the kernel is compiled for; a read-only array would be another."""
    return np.require(values, np.float64, ["C", "W"])


def _check_weights(wanted: Weights, shape: tuple[int, ...]) -> None:
    if wanted.values.shape != shape:
        raise StrategyFailed(
            f"weights have shape {wanted.values.shape}",
            expected=f"{shape}: one row per time, one column per symbol",
        )
    if bool(np.isinf(wanted.values).any()):
        raise StrategyFailed("weights are infinite", expected="finite numbers, NaN for no opinion")
    for name in ("stop", "target", "trail"):
        level = getattr(wanted, name)
        if level is not None:
            convert.check_level(name, level, shape)


def _extra(options: EngineOptions, costs: CostModel, book: desk.Book) -> desk.Extra:
    option = options.option
    return desk.Extra(
        maintenance=float(options.maintenance_margin),
        margin_inside=options.intrabar_margin,
        drawdown=float(options.max_dd_limit or 0.0),
        borrow=float(book.borrow_rate.max()),
        cash_rate=float(options.cash_rate),
        margin_rate=float(options.margin_rate),
        pyramid=options.pyramid,
        participation=float(options.max_participation or 0.0),
        band=float(options.rebalance_band),
        path=options.intrabar == "path",
        detail=options.detail is not None,
        moves_prices=bool(costs.impact or costs.volume_share or costs.slips_by_range),
        share_impact=float(costs.volume_share),
        delta=option.delta if option else 0.0,
        gamma=option.gamma if option else 0.0,
        theta=option.theta if option else 0.0,
        volatility=option.volatility if option else 0.0,
        root_years=sqrt(option.days_to_expiry / 365) if option else 0.0,
    )


def _fills(table: desk.Table, *, converts: bool) -> Fills:
    return Fills(
        bar=table.row.copy(),
        quantity=table.quantity.copy(),
        price=table.price.copy(),
        fee=table.fee.copy(),
        slippage=table.slippage.copy(),
        reason=table.reason.astype(np.uint8),
        fx=table.fx.copy() if converts else None,
    )


def _trades(table: desk.Table, *, converts: bool) -> Trades:
    return Trades(
        entry_bar=table.entry_row.copy(),
        exit_bar=table.exit_row.copy(),
        quantity=table.quantity.copy(),
        entry_price=table.entry.copy(),
        exit_price=table.exit.copy(),
        pnl=table.pnl.copy(),
        fees=table.fees_in + table.fees_out,
        slippage=table.slip_in + table.slip_out,
        mae=table.mae.copy(),
        mfe=table.mfe.copy(),
        risk=table.risk.copy(),
        exit_reason=table.reason.astype(np.uint8),
        ambiguous=table.ambiguous.astype(np.bool_),
        fx=table.paid / table.entry if converts else None,
    )
