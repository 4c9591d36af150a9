"""What symbols contributed adds up to what their account gained; metrics of such an account.

Contributions are made of fills. They are judged by trades, which the engine keeps apart.
"""

from __future__ import annotations

import math
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from core.analytics.attribution import contributions, each_symbol
from core.analytics.summary import summarise
from core.domain.costs import CostModel
from core.domain.metrics import METRICS
from core.domain.options import EngineOptions
from core.domain.signals import Weights, points
from core.domain.simulation import PortfolioSimulation
from core.engine.account import simulate_account
from tests.factories import ZERO, make_bars, signals_at
from tests.property.shared_cases import random_shared_case, with_rates
from tests.reference import metrics as reference
from tests.unit.analytics.simulations import Trade, simulation_of

SEEDS = range(80)
CONVERTED = 60  # seeds from here on have currencies and funding


@cache
def account_of(seed: int) -> PortfolioSimulation:
    case = random_shared_case(seed)
    return simulate_account(*(case if seed < CONVERTED else with_rates(case, seed)))


def scale_of(account: PortfolioSimulation) -> float:
    """Money that was turned over: sums of it are known to a part in 1e12."""
    fx = 1.0 if account.fills.fx is None else account.fills.fx
    traded = np.abs(account.fills.quantity * account.fills.price * fx).sum() * account.multiplier
    accrued = abs(account.borrow) + abs(account.carry) + abs(account.funding)
    return account.initial_cash + float(traded) + accrued


@pytest.mark.parametrize("seed", SEEDS)
def test_at_every_time_contributions_add_up_to_what_the_account_gained(seed):
    account = account_of(seed)

    together = contributions(account).sum(axis=1)

    assert together == pytest.approx(
        account.equity - account.initial_cash, rel=0, abs=1e-11 * scale_of(account)
    )


@pytest.mark.parametrize("seed", SEEDS)
def test_a_contribution_is_the_result_of_the_symbols_trades_and_what_accrued(seed):
    account = account_of(seed)
    expected = [
        math.fsum(account.trades.pnl[account.trade_symbol == place]) + account.accrued[-1, place]
        for place in range(len(account.bars))
    ]

    found = contributions(account)[-1]

    assert found == pytest.approx(expected, rel=0, abs=1e-11 * scale_of(account))


def test_the_seeds_meet_borrow_accruals_and_ruin():
    accounts = [account_of(seed) for seed in SEEDS]

    assert sum(account.borrow > 0.0 for account in accounts) >= 2
    assert sum(account.carry != 0.0 for account in accounts) >= 2
    assert sum(account.ruined for account in accounts) >= 1
    assert sum(account.funding != 0.0 for account in accounts) >= 2
    assert sum(account.fx is not None for account in accounts) >= 2


@pytest.mark.parametrize("seed", SEEDS)
def test_what_accrued_on_symbols_is_what_the_account_paid_and_got(seed):
    account = account_of(seed)

    assert account.accrued[-1].sum() == pytest.approx(
        account.dividends + account.carry - account.borrow - account.funding, rel=1e-12, abs=1e-9
    )


def measured(account: PortfolioSimulation, **rest):
    return summarise(account, options=EngineOptions(), costs=CostModel(), **rest)


@pytest.mark.parametrize("seed", SEEDS)
def test_symbols_add_up_in_money_exposure_fills_and_trades(seed):
    account = account_of(seed)
    whole = measured(account)
    parts = [measured(each) for each in each_symbol(account)]

    money = ("net_profit", "fees", "slippage", "dividends", "borrow", "carry")
    for name in (*money, "trades", "open_trades", "gross_exposure"):
        total = math.fsum(part[name] or 0.0 for part in parts)
        assert total == pytest.approx(whole[name], rel=1e-9, abs=1e-11 * scale_of(account)), name
    assert sum(part.counters["entries"] for part in parts) == whole.counters["entries"]


def judged(account: PortfolioSimulation):
    """The same account as one sleeve whose bars are the rows, for the judge of metrics.

    A position of one unit at the price of all that is held stands for the positions.
    """
    value = np.nansum(np.abs(account.quantity) * np.nan_to_num(account.mark), axis=1)
    held = value > 0.0
    trades, fills = account.trades, account.fills
    made = simulation_of(
        account.equity,
        initial_cash=account.initial_cash,
        multiplier=account.multiplier,
        close=np.where(held, value, 1.0),
        quantity=held.astype(np.float64),
        held=account.held,
        gross_exposure=account.gross_exposure,
        ambiguous_bars=account.counters.ambiguous_bars,
        trades=[
            Trade(
                entry_bar=int(trades.entry_bar[n]),
                exit_bar=int(trades.exit_bar[n]),
                pnl=trades.pnl[n],
                quantity=trades.quantity[n],
                entry_price=trades.entry_price[n],
                exit_price=trades.exit_price[n],
                mae=trades.mae[n],
                mfe=trades.mfe[n],
                risk=trades.risk[n],
            )
            for n in range(len(trades))
        ],
        ts=account.ts,
        session=np.maximum.accumulate(account.session),
        timeframe=account.bars[0].timeframe,
    )
    busiest = max((each.market for each in account.bars), key=lambda m: m.sessions_per_year)
    return replace(
        made,
        bars=replace(made.bars, market=busiest),
        fills=fills,
        trades=replace(made.trades, fx=trades.fx),
        dividends=account.dividends,
        borrow=account.borrow,
        carry=account.carry,
        funding=account.funding,
    )


@pytest.mark.parametrize("seed", SEEDS)
def test_metrics_of_a_shared_account_are_those_of_the_judge(seed):
    account = account_of(seed)
    sleeve = judged(account)
    other = make_bars(
        100.0 + np.arange(len(account.ts)) % 7,
        session=sleeve.bars.session,
        ts=account.ts,
        timeframe=sleeve.bars.timeframe,
    )
    expected = reference.metrics([sleeve], other)
    found = measured(account, benchmark=other)

    # Bars of trades are a symbol's own, not rows; sums of fills are as large as what was traded.
    own = {"bars_median", "bars_mean", "bars_max"}
    slack = {"breakeven_bps", "cost_share"}
    for name in set(METRICS) - own:
        value = expected[name]
        if isinstance(value, str):
            assert (found[name], found.reasons.get(name)) == (None, value), name
        else:
            loose = 1e-12 * scale_of(account) if name in slack else 1e-9
            assert found[name] == pytest.approx(value, rel=1e-9, abs=loose), name


def test_each_symbol_has_its_own_dividends_and_borrow():
    payer = replace(make_bars([50.0] * 4, symbol="PAYER"), dividend=np.array([0.0, 0.0, 0.5, 0.0]))
    short = make_bars([40.0] * 4, symbol="SHORT")
    weights = np.full((4, 2), np.nan)
    weights[0] = 0.5, -0.4
    options = EngineOptions(allow_short=True, initial_cash=10_000.0, borrow_rate=0.09)

    account = simulate_account([payer, short], Weights(weights), options, ZERO)
    first, second = (measured(each) for each in each_symbol(account))

    # 100 units receive 0.5; 100 short units at 40 pay 9 % of 4,000 for the two days after row 1.
    days = int(short.session[-1] - short.session[1])
    owed = 4_000.0 * 0.09 * days / 360
    assert (first["dividends"], first["borrow"], first["carry"]) == (50.0, 0.0, 0.0)
    assert (second["dividends"], second["carry"]) == (0.0, 0.0)
    assert second["borrow"] == pytest.approx(owed, rel=1e-12)
    assert (first["net_profit"], second["net_profit"]) == pytest.approx((50.0, -owed), rel=1e-12)
    assert measured(account)["net_profit"] == pytest.approx(50.0 - owed, rel=1e-12)


def test_bars_of_a_trade_count_those_of_its_symbol():
    often = make_bars([10.0] * 8, symbol="OFTEN")
    seldom = make_bars([10.0] * 3, session=often.session[[0, 4, 7]], symbol="SELDOM")
    weights = np.full((8, 2), np.nan)
    weights[0] = 0.5
    weights[5] = 0.0

    account = simulate_account([often, seldom], Weights(weights), EngineOptions(), ZERO)

    # OFTEN is bought at row 1 and sold at row 6; SELDOM at its bar 1 (row 4) and its bar 2 (row 7).
    assert account.own_bars(account.trades.exit_bar, account.trade_symbol).tolist() == [6, 2]
    assert measured(account)["bars_max"] == 5.0
    assert measured(each_symbol(account)[1])["bars_max"] == 1.0


def test_a_shared_account_is_measured_against_its_own_symbols_in_equal_parts():
    up = make_bars(100.0 * 1.01 ** np.arange(70), symbol="UP")
    still = make_bars(np.full(70, 50.0), symbol="STILL")
    weights = np.full((70, 2), np.nan)
    weights[0] = 0.5
    options = EngineOptions(lot_size=0.0, size_ref="fill")

    account = simulate_account([up, still], Weights(weights), options, ZERO)
    found = summarise(account, options=options, costs=ZERO)

    # Both are bought in equal parts, the account one bar after its benchmark.
    held = np.r_[1.0, 0.5 * 1.01 ** np.arange(70) + 0.5]
    own = np.r_[1.0, 1.0, 0.5 * 1.01 ** np.arange(69) + 0.5]
    assert found["final_equity"] == pytest.approx(own[-1] * 1e5, rel=1e-12)
    y, x = own[1:] / own[:-1] - 1.0, held[1:] / held[:-1] - 1.0
    slope = np.cov(x, y)[0, 1] / np.var(x, ddof=1)
    assert found["beta"] == pytest.approx(slope, rel=1e-9)


def test_a_position_of_a_single_bar_was_held_in_it():
    # Bought at the open of bar 1 and stopped in it; the other symbol is never traded.
    falling = make_bars([10.0, 10, 10, 10], [10.0, 10, 10, 10], [10.0, 8, 10, 10])
    still = make_bars([5.0, 5, 5, 5], symbol="STILL")
    wanted = [signals_at(4, {0: 1}, stop=points(1.0)), signals_at(4, {})]

    traded, untouched = each_symbol(
        simulate_account([falling, still], wanted, EngineOptions(account="shared"), ZERO)
    )

    assert traded.quantity[:, 0].tolist() == [0, 0, 0, 0]
    assert traded.held.tolist() == [False, True, False, False]
    assert not untouched.held.any()
