"""What metrics are computed from: one pass over the simulations, shared by all of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import NamedTuple

import numpy as np

from core.analytics import benchmark as relative
from core.analytics import combine, drawdown, returns, trade_stats
from core.analytics.undefined import NOISE
from core.domain.bars import Bars, FloatArray, IntArray
from core.domain.simulation import PortfolioSimulation, Simulation, Traded, Trades

_One = Simulation | PortfolioSimulation


@dataclass(frozen=True, eq=False, slots=True)
class ClosedTrades:
    """Closed round trips of all symbols in order of exit, shape (N,) per column.

    Attributes:
        exit: Opening time of the bar of exit, microseconds UTC.
        pnl: Money, net of costs.
        returns: `pnl` over the money put in.
        multiples: `pnl` over the money at risk at entry, NaN without a stop.
        bars: From the bar of entry to the bar of exit, of the symbol; 0 within one bar.
        seconds: Between the openings of these bars.
        mae, mfe: Fractions of the entry price.
        mae_r, mfe_r: The same over the risk at entry, NaN without a stop.
    """

    exit: IntArray
    pnl: FloatArray
    returns: FloatArray
    multiples: FloatArray
    bars: IntArray
    seconds: FloatArray
    mae: FloatArray
    mfe: FloatArray
    mae_r: FloatArray
    mfe_r: FloatArray

    def __len__(self) -> int:
        """Number of closed trades."""
        return len(self.pnl)


@dataclass(frozen=True, eq=False, slots=True)
class Account:
    """One run: one sleeve, several together, or symbols that share one account.

    Attributes:
        initial_cash: Money before the first bar.
        final_equity: Money at the last close.
        years: From the opening of the first bar to the end of the last, of 365.2425 days.
        per_year: Sessions (weeks, months for bars that long) by which figures are annualised.
        bars_per_year: `per_year` times the mean number of bars in a session.
        risk_free: Effective rate a year that ratios are in excess of.
        session_rate, bar_rate: What it earns in a session, and in a bar.
        closes: Equity at the end of each session, shape (D,).
        returns: Of sessions, up to and including the one of ruin.
        ordered: The same, sorted.
        bar_returns: Of bars, likewise.
        pairs: Returns of sessions beside those of the benchmark.
        drawdowns: At the end of each session, shape (D,).
        underwater: Spells of sessions below the peak.
        max_drawdown: On bars, at most 0.
        money_drawdown: On bars, at least 0.
        exposure: Share of bars with a position, over the bars of all sleeves, or over the times at
            which any symbol of a shared account has a bar.
        gross_exposure: Mean of |position value| over equity.
        notional: Sum of |quantity| x price x multiplier of all fills, in the account's currency.
        fees, slippage: Sums over all fills, money.
        dividends, borrow, carry, funding, interest: Cash that belongs to no trade, money; see
            `Simulation`.
        fills: Number of them.
        trades: Closed ones.
        open_trades: Number of positions still open.
        ambiguous_bars: Bars that cannot say what came first.
        is_ruined: Whether the account, or a sleeve of it, was ruined.
        is_stopped: Whether the account, or a sleeve of it, ended at its drawdown limit.
    """

    initial_cash: float
    final_equity: float
    years: float
    per_year: float
    bars_per_year: float
    risk_free: float
    session_rate: float
    bar_rate: float
    closes: FloatArray
    returns: FloatArray
    ordered: FloatArray
    bar_returns: FloatArray
    pairs: relative.Pairs
    drawdowns: FloatArray
    underwater: drawdown.Underwater
    max_drawdown: float
    money_drawdown: float
    exposure: float
    gross_exposure: float
    notional: float
    fees: float
    slippage: float
    dividends: float
    borrow: float
    carry: float
    funding: float
    interest: float
    fills: int
    trades: ClosedTrades
    open_trades: int
    ambiguous_bars: int
    is_ruined: bool
    is_stopped: bool

    @property
    def net_profit(self) -> float:
        """Money gained, open positions at their last mark."""
        return self.final_equity - self.initial_cash

    @property
    def costs(self) -> float:
        """Fees and slippage, money."""
        return self.fees + self.slippage

    @property
    def gross_profit(self) -> float:
        """Money gained before costs; 0 if it is no more than the rounding of its terms."""
        gross = self.net_profit + self.costs
        terms = self.initial_cash + abs(self.final_equity) + self.costs
        return gross if abs(gross) > NOISE * terms else 0.0


class Pace(NamedTuple):
    """How time goes by for an account; see `Account`."""

    years: float
    per_year: float
    session_rate: float


def account_of(traded: Traded, benchmark: Bars | None = None, risk_free: float = 0.0) -> Account:
    """Gather what metrics need.

    Args:
        traded: Sleeves of one account, not all without bars, or an account that symbols share.
        benchmark: Bars to buy and hold instead; None for those of the symbols themselves.
        risk_free: Effective rate a year, a fraction.
    """
    simulations: Sequence[_One]
    if isinstance(traded, PortfolioSimulation):
        simulations, symbols = [traded], [*traded.bars]
    else:
        simulations, symbols = traded, [each.bars for each in traded]
    curve = combine.combine(traded)
    start, total = curve.initial_cash, len(curve.ts)
    ends = returns.session_ends(curve.session)
    closes = curve.equity[ends]
    session_returns = returns.simple_returns(closes, start)
    bar_returns = returns.simple_returns(curve.equity, start)
    falls = drawdown.drawdowns(closes, start)
    worst = _max_drawdown(simulations, curve)
    has_fallen = worst < -NOISE
    pace = pace_of([bars for bars in symbols if len(bars)], len(ends), risk_free)
    years, per_year = pace.years, pace.per_year
    bars_per_year = per_year * total / len(ends)
    fills = [simulation.fills for simulation in simulations]
    return Account(
        initial_cash=start,
        final_equity=float(curve.equity[-1]),
        years=years,
        per_year=per_year,
        bars_per_year=bars_per_year,
        risk_free=risk_free,
        session_rate=pace.session_rate,
        bar_rate=returns.risk_free_return(risk_free, bars_per_year),
        closes=closes,
        returns=session_returns,
        ordered=np.sort(session_returns),
        bar_returns=bar_returns,
        pairs=relative.pairs_with_own_symbols(
            symbols, curve, ends, session_returns, per_year, risk_free=risk_free
        )
        if benchmark is None
        else relative.pairs_with(
            benchmark,
            curve.session[ends][: len(session_returns)],
            closes[: len(session_returns)],
            start,
            per_year,
            risk_free=risk_free,
        ),
        drawdowns=falls,
        underwater=drawdown.underwater(falls),
        max_drawdown=worst if has_fallen else 0.0,
        money_drawdown=drawdown.money_drawdown(curve.equity, start) if has_fallen else 0.0,
        exposure=_exposure(simulations),
        gross_exposure=combine.gross_exposure(traded, curve),
        notional=sum(_notional(simulation) for simulation in simulations),
        fees=sum(float(fill.fee.sum()) for fill in fills),
        slippage=sum(float(fill.slippage.sum()) for fill in fills),
        dividends=sum(each.dividends for each in simulations),
        borrow=sum(each.borrow for each in simulations),
        carry=sum(each.carry for each in simulations),
        funding=sum(each.funding for each in simulations),
        interest=sum(each.interest for each in simulations),
        fills=sum(len(fill) for fill in fills),
        trades=_closed_trades(simulations),
        open_trades=sum(_open_trades(simulation) for simulation in simulations),
        ambiguous_bars=sum(each.counters.ambiguous_bars for each in simulations),
        is_ruined=any(each.ruined for each in simulations),
        is_stopped=any(each.stopped for each in simulations),
    )


def pace_of(bars: Sequence[Bars], sessions: int, risk_free: float = 0.0) -> Pace:
    """Say by what figures of an account are annualised.

    Args:
        bars: Of its symbols, at least one and none empty.
        sessions: How many it has.
        risk_free: Effective rate a year, a fraction.
    """
    first = min(int(each.ts[0]) for each in bars)
    years = returns.years_between(first, max(returns.end_of(each) for each in bars))
    per_year = returns.periods_per_year(
        bars[0].timeframe,
        periods=sessions,
        years=years,
        nominal=max(each.market.sessions_per_year for each in bars),
    )
    return Pace(years, per_year, returns.risk_free_return(risk_free, per_year))


def _max_drawdown(simulations: Sequence[_One], curve: combine.Curve) -> float:
    if len(simulations) == 1:
        return simulations[0].max_drawdown
    return drawdown.max_drawdown(curve.equity, curve.initial_cash)


def _exposure(simulations: Sequence[_One]) -> float:
    held = sum(int(np.count_nonzero(simulation.held)) for simulation in simulations)
    return held / sum(len(simulation.held) for simulation in simulations)


def _notional(simulation: _One) -> float:
    fills = simulation.fills
    traded = np.abs(fills.quantity) * fills.price
    if fills.fx is not None:
        traded = traded * fills.fx
    return float(traded.sum()) * simulation.multiplier


def _closed_trades(simulations: Sequence[_One]) -> ClosedTrades:
    sleeves = [
        _closed_trades_shared(each)
        if isinstance(each, PortfolioSimulation)
        else _closed_trades_of(each)
        for each in simulations
    ]
    if len(sleeves) == 1:
        return sleeves[0]
    order = np.argsort(np.concatenate([sleeve.exit for sleeve in sleeves]), kind="stable")
    return ClosedTrades(
        **{
            field.name: np.concatenate([getattr(sleeve, field.name) for sleeve in sleeves])[order]
            for field in fields(ClosedTrades)
        }
    )


def _closed_trades_of(simulation: Simulation) -> ClosedTrades:
    trades, ts = simulation.trades, simulation.bars.ts
    # Only the last can be open: a position must close before the next one opens.
    closed = slice(0, len(trades) - _open_trades(simulation))
    entry, leave = trades.entry_bar[closed], trades.exit_bar[closed]
    exits = ts[leave]
    return ClosedTrades(
        exit=exits,
        pnl=trades.pnl[closed],
        returns=trade_stats.trade_returns(trades, simulation.multiplier)[closed],
        multiples=trade_stats.risk_multiples(trades)[closed],
        bars=leave - entry,
        seconds=(exits - ts[entry]) / 1e6,
        **_excursions(trades, simulation.multiplier, closed),
    )


def _closed_trades_shared(account: PortfolioSimulation) -> ClosedTrades:
    trades = account.trades
    closed = np.flatnonzero(trades.exit_bar >= 0)
    closed = closed[np.argsort(trades.exit_bar[closed], kind="stable")]
    entry, leave = trades.entry_bar[closed], trades.exit_bar[closed]
    symbols = account.trade_symbol[closed]
    exits = account.ts[leave]
    return ClosedTrades(
        exit=exits,
        pnl=trades.pnl[closed],
        returns=trade_stats.trade_returns(trades, account.multiplier)[closed],
        multiples=trade_stats.risk_multiples(trades)[closed],
        bars=account.own_bars(leave, symbols) - account.own_bars(entry, symbols),
        seconds=(exits - account.ts[entry]) / 1e6,
        **_excursions(trades, account.multiplier, closed),
    )


def _excursions(
    trades: Trades, multiplier: float, closed: slice | IntArray
) -> dict[str, FloatArray]:
    return {
        "mae": trades.mae[closed],
        "mfe": trades.mfe[closed],
        "mae_r": trade_stats.excursion_multiples(trades, trades.mae, multiplier)[closed],
        "mfe_r": trade_stats.excursion_multiples(trades, trades.mfe, multiplier)[closed],
    }


def _open_trades(simulation: _One) -> int:
    return int(np.count_nonzero(simulation.trades.exit_bar < 0))
