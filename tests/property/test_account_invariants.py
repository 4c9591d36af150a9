"""What must be true of the general driver itself, whatever is thrown at it.

The judge obeys the same laws (`test_shared_reference.py`), over other seeds.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields, is_dataclass, replace
from threading import Barrier
from typing import Any

import numpy as np
import pytest

from core.analytics.attribution import contributions
from core.domain.bars import Bars
from core.domain.fx import FxRates
from core.domain.signals import Code, Level, Signals, Weights
from core.domain.simulation import PortfolioSimulation
from core.engine import account, portfolio
from core.engine.account import simulate_account
from tests.factories import make_bars
from tests.property.shared_cases import (
    SharedCase,
    random_shared_case,
    with_actions,
    with_interest,
    with_rates,
)
from tests.property.test_shared_reference import in_order, on_the_grid, scaled
from tests.reference.compare_shared import compiled, outcome_of_account, shared_differences
from tests.reference.naive_shared import run_shared

SEEDS = range(1_000, 1_200)
FREE: dict[str, Any] = {"borrow_rate": 0.0, "borrow_rates": {}}  # to borrow


def bits(run: Any) -> bytes:
    """All arrays and figures of a result, or of what it was made from."""
    if isinstance(run, np.ndarray):
        return run.tobytes()
    if is_dataclass(run):
        parts = (getattr(run, column.name) for column in fields(run))
        return b"".join(bits(part) for part in parts if not isinstance(part, tuple))  # not its bars
    return repr(run).encode()


def listed(wanted: list[Signals] | Weights) -> list[Any]:
    return [wanted] if isinstance(wanted, Weights) else wanted


# Money -----------------------------------------------------------------------------------------


def test_cash_is_what_fills_leave_and_equity_what_is_held_besides():
    """To the last bit, where nothing but fills moves cash."""
    filled = 0
    for seed in SEEDS:
        case = random_shared_case(seed)
        case = (*case[:2], case[2].model_copy(update={**FREE, "option": None}), case[3])
        run = simulate_account(*case)
        cash, held, n = case[2].initial_cash, np.zeros(len(case[0])), 0

        for row in range(len(run.ts)):
            while n < len(run.fills.bar) and run.fills.bar[n] == row:
                quantity = run.fills.quantity[n]
                cash = cash - quantity * run.fills.price[n] * run.multiplier
                cash = cash - run.fills.fee[n]
                held[run.fill_symbol[n]] += quantity
                n += 1
            assert run.cash[row] == cash, f"seed {seed}"
            np.testing.assert_allclose(run.quantity[row], held, atol=1e-9 * max(abs(held).max(), 1))
            equity = cash
            for symbol in range(len(held)):
                if run.quantity[row, symbol] != 0:
                    equity = equity + run.quantity[row, symbol] * run.mark[row, symbol] * (
                        run.multiplier
                    )
            assert run.equity[row] == equity, f"seed {seed}"
        assert n == len(run.fills.bar)
        filled += n
    assert filled > 2_000


def test_what_was_gained_is_trades_less_borrow_and_what_options_accrued():
    for seed in SEEDS:
        case = random_shared_case(seed)
        run = simulate_account(*case)

        turnover = np.abs(run.fills.quantity * run.fills.price).sum() * run.multiplier
        explained = run.trades.pnl.sum() - run.borrow + run.carry
        gained = run.equity[-1] - case[2].initial_cash
        scale = turnover + case[2].initial_cash
        assert gained == pytest.approx(explained, abs=1e-11 * scale), f"seed {seed}"


def test_interest_is_the_other_part_of_what_was_gained():
    paid = earned = 0
    for seed in SEEDS:
        case = with_interest(with_actions(random_shared_case(seed), seed), seed)
        run = simulate_account(*case)

        turnover = np.abs(run.fills.quantity * run.fills.price).sum() * run.multiplier
        explained = run.trades.pnl.sum() - run.borrow + run.dividends + run.interest
        gained = run.equity[-1] - case[2].initial_cash
        scale = turnover + case[2].initial_cash + abs(run.interest)
        assert gained == pytest.approx(explained, abs=1e-11 * scale), f"seed {seed}"
        together = contributions(run).sum(axis=1)[-1]
        assert together + run.interest == pytest.approx(gained, abs=1e-11 * scale)
        earned += run.interest > 0.0
        paid += run.interest < 0.0
    assert min(earned, paid) > 5


# Currencies ------------------------------------------------------------------------------------


def test_cash_is_what_fills_leave_at_their_rates():
    """To the last bit, where nothing but fills moves cash."""
    filled = 0
    for seed in SEEDS:
        bars, wanted, options, costs = with_rates(random_shared_case(seed), seed)
        options = options.model_copy(update={**FREE, "funding": False})
        run = simulate_account(bars, wanted, options, costs)
        assert run.fills.fx is not None
        assert run.fx is not None
        cash, n = options.initial_cash, 0

        for row in range(len(run.ts)):
            while n < len(run.fills.bar) and run.fills.bar[n] == row:
                paid = run.fills.quantity[n] * run.fills.price[n] * run.multiplier
                cash = cash - paid * run.fills.fx[n]
                cash = cash - run.fills.fee[n]
                n += 1
            assert run.cash[row] == cash, f"seed {seed}"
            equity = cash
            for symbol in np.flatnonzero(run.quantity[row]):
                value = run.quantity[row, symbol] * run.mark[row, symbol] * run.multiplier
                equity = equity + value * run.fx[row, symbol]
            assert run.equity[row] == equity, f"seed {seed}"
        filled += n
    assert filled > 2_000


def test_what_was_gained_in_the_accounts_currency_is_trades_and_what_came_without_a_fill():
    paid = 0
    for seed in SEEDS:
        case = with_actions(with_rates(random_shared_case(seed), seed), seed)
        run = simulate_account(*case)
        assert run.fills.fx is not None

        turnover = np.abs(run.fills.quantity * run.fills.price * run.fills.fx).sum()
        explained = run.trades.pnl.sum() - run.borrow - run.funding + run.dividends
        gained = run.equity[-1] - case[2].initial_cash
        scale = turnover * run.multiplier + case[2].initial_cash + abs(run.funding)
        assert gained == pytest.approx(explained, abs=1e-11 * scale), f"seed {seed}"
        assert run.accrued[-1].sum() == pytest.approx(
            run.dividends - run.borrow - run.funding, abs=1e-11 * scale
        )
        paid += run.funding != 0.0
    assert paid > 30


def test_rates_known_after_a_row_change_nothing_up_to_its_close():
    """Every rate that is known only after the row is over becomes another one."""
    compared = 0
    for seed in SEEDS[:80]:
        bars, wanted, options, costs = with_rates(random_shared_case(seed), seed)
        run = simulate_account(bars, wanted, options, costs)
        row = len(run.ts) // 2
        over = min(
            int(each.over[each.ts == run.ts[row]][0]) for each in bars if run.ts[row] in each.ts
        )
        other = simulate_account(
            [replace(each, fx=each.fx and changed_after(each.fx, over)) for each in bars],
            wanted,
            options,
            costs,
        )

        upto = slice(0, row + 1)
        for name in ("equity", "cash", "quantity", "accrued"):
            assert bits(getattr(run, name)[upto]) == bits(getattr(other, name)[upto]), (
                f"{seed} {name}"
            )
        compared += bits(run.equity) != bits(other.equity)
    assert compared > 20


def changed_after(rates: FxRates, moment: int) -> FxRates:
    return replace(rates, rate=np.where(rates.known > moment, rates.rate * 1.37, rates.rate))


@pytest.mark.parametrize("factor", [1.0, 0.25, 64.0])
def test_an_account_in_another_unit_has_the_same_trades(factor):
    """One rate for all symbols and at all times: everything in money is so many times as much."""
    for seed in SEEDS:
        bars, wanted, options, costs = random_shared_case(seed)
        options = options.model_copy(update={"option": None})
        days = np.unique(np.concatenate([each.ts for each in bars]))
        rates = FxRates("FX", "EUR", "USD", days, np.full(len(days), factor))
        money = {"initial_cash": options.initial_cash * factor}
        for name in ("daily_target", "daily_loss"):
            limit = getattr(options, name)
            if limit is not None and options.daily_unit == "money":
                money[name] = limit * factor
        as_much = wanted
        if options.sizing == "value" and isinstance(wanted, list):
            money["size"] = options.size * factor
            as_much = [
                each if each.size is None else replace(each, size=each.size * factor)
                for each in wanted
            ]

        one = simulate_account(bars, wanted, options, costs)
        other = simulate_account(
            [replace(each, fx=rates) for each in bars],
            as_much,
            options.model_copy(update=money),
            costs,
        )

        assert bits(one.equity * factor) == bits(other.equity), f"seed {seed}"
        assert bits(one.cash * factor) == bits(other.cash)
        assert bits(one.quantity) == bits(other.quantity)
        assert bits(one.trades.pnl * factor) == bits(other.trades.pnl)
        assert bits(one.trades.risk * factor) == bits(other.trades.risk)
        assert bits(one.fills.fee * factor) == bits(other.fills.fee)
        assert bits(one.accrued * factor) == bits(other.accrued)
        assert (one.counters, one.max_drawdown, one.gross_exposure) == (
            *(other.counters, other.max_drawdown, other.gross_exposure),
        )


def test_funding_that_is_switched_off_changes_nothing():
    for seed in SEEDS:
        bars, wanted, options, costs = random_shared_case(seed)
        options = options.model_copy(update={"funding": False, "option": None})
        paying = [replace(each, funding=np.full(len(each), 0.5)) for each in bars]

        one = simulate_account(bars, wanted, options, costs)
        other = simulate_account(paying, wanted, options, costs)

        assert bits(one) == bits(other), f"seed {seed}"


# Symbols ---------------------------------------------------------------------------------------


def test_another_order_of_symbols_with_distinct_priorities_changes_nothing():
    compared = 0
    for seed in SEEDS:
        case = on_the_grid(random_shared_case(seed))
        order = list(np.random.default_rng(seed).permutation(len(case[0])))
        one, other = simulate_account(*case), simulate_account(*in_order(case, order))

        assert one.equity.tobytes() == other.equity.tobytes(), f"seed {seed}"
        assert one.cash.tobytes() == other.cash.tobytes(), f"seed {seed}"
        np.testing.assert_array_equal(one.quantity[:, order], other.quantity)
        assert one.counters == other.counters, f"seed {seed}"
        compared += len(one.fills.bar) if len(order) > 1 else 0
    assert compared > 500


def with_a_silent_symbol(case: SharedCase) -> SharedCase:
    """One more that wants nothing and has a bar now and then, the last time included."""
    bars, wanted, options, costs = case
    ts, first = np.unique(np.concatenate([each.ts for each in bars]), return_index=True)
    session = np.concatenate([each.session for each in bars])[first]
    minute = np.concatenate([each.minute for each in bars])[first]
    rows = np.arange(len(ts) - 1, -1, -3)[::-1]
    price = np.linspace(10.0, 900.0, len(rows))
    silent = make_bars(
        price,
        volume=np.full(len(rows), 9.0),
        session=session[rows],
        minute=minute[rows],
        ts=ts[rows],
        symbol="SILENT",
    )
    if isinstance(wanted, Weights):

        def wider(level: Level | None) -> Level | None:
            if level is None or np.ndim(level.value) == 0:
                return level
            return Level(np.c_[level.value, np.full(len(ts), np.nan)], level.unit)

        more: list[Signals] | Weights = Weights(
            np.c_[wanted.values, np.full(len(ts), np.nan)],
            stop=wider(wanted.stop),
            target=wider(wanted.target),
            trail=wider(wanted.trail),
        )
    else:
        more = [*wanted, Signals(codes=np.full(len(rows), Code.HOLD, dtype=np.int8))]
    return [*bars, silent], more, options, costs


def test_a_symbol_that_wants_nothing_changes_nothing_though_it_is_mostly_absent():
    for seed in SEEDS:
        bars, wanted, options, costs = random_shared_case(seed)
        options = options.model_copy(update={"intrabar_margin": False})  # of one symbol only
        case = bars, wanted, options, costs

        one, other = simulate_account(*case), simulate_account(*with_a_silent_symbol(case))

        assert one.cash.tobytes() == other.cash.tobytes(), f"seed {seed}"
        assert one.equity.tobytes() == other.equity.tobytes(), f"seed {seed}"
        np.testing.assert_array_equal(one.quantity, other.quantity[:, :-1])
        assert not other.quantity[:, -1].any()
        assert bits(one.trades) == bits(other.trades), f"seed {seed}"
        assert one.counters == other.counters, f"seed {seed}"


# Missing numbers -------------------------------------------------------------------------------


def without_levels(case: SharedCase, absent: Any) -> SharedCase:
    """Levels that do not exist: None, or NaN in every row."""
    bars, wanted, options, costs = case
    if options.sizing == "risk":  # which needs one
        options = options.model_copy(update={"sizing": "percent_of_equity"})

    def bare(given: Any, shape: tuple[int, ...]) -> Any:
        level = None if absent is None else Level(np.full(shape, np.nan), "points")
        return replace(given, stop=level, target=level, trail=level)

    if isinstance(wanted, Weights):
        return bars, bare(wanted, wanted.values.shape), options, costs
    return bars, [bare(each, each.codes.shape) for each in wanted], options, costs


def test_a_level_that_is_nan_in_every_row_is_none():
    for seed in SEEDS:
        case = random_shared_case(seed)

        none = simulate_account(*without_levels(case, None))
        nan = simulate_account(*without_levels(case, np.nan))

        assert bits(none) == bits(nan), f"seed {seed}"


def test_volume_may_be_missing_where_no_rule_asks_for_it():
    def unknown(each: Bars) -> Bars:
        return replace(each, volume=np.full(len(each), np.nan))

    compared = 0
    for seed in SEEDS:
        bars, wanted, options, costs = random_shared_case(seed)
        if options.max_participation is not None or costs.impact or costs.volume_share:
            continue

        one = simulate_account(bars, wanted, options, costs)
        other = simulate_account([unknown(each) for each in bars], wanted, options, costs)

        assert bits(one) == bits(other), f"seed {seed}"
        compared += 1
    assert compared > 40


@pytest.mark.parametrize("compile_it", [True, False], ids=["compiled", "twin"])
def test_weights_without_any_opinion_do_nothing(compile_it):
    for seed in SEEDS[:40]:
        bars, _, options, costs = random_shared_case(seed)
        rows = len(np.unique(np.concatenate([each.ts for each in bars])))
        silent = Weights(np.full((rows, len(bars)), np.nan))

        run = simulate_account(bars, silent, options, costs, compiled=compile_it)

        assert len(run.fills.bar) == 0
        assert (run.equity == options.initial_cash).all()
        assert np.isfinite(run.max_drawdown)


# Scale -----------------------------------------------------------------------------------------


def test_prices_times_sixteen_and_sizes_by_sixteen_give_the_same_bits():
    for seed in SEEDS:
        case = random_shared_case(seed)
        if case[2].option is not None:  # its least premium does not grow with prices
            continue

        one, other = simulate_account(*case), simulate_account(*scaled(case, 16.0))

        assert one.cash.tobytes() == other.cash.tobytes(), f"seed {seed}"
        assert one.equity.tobytes() == other.equity.tobytes(), f"seed {seed}"
        assert one.trades.pnl.tobytes() == other.trades.pnl.tobytes(), f"seed {seed}"
        assert one.counters == other.counters
        np.testing.assert_array_equal(one.quantity / 16, other.quantity)


# Tables ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("compile_it", [True, False], ids=["compiled", "twin"])
def test_a_run_that_fills_its_tables_is_run_again_and_says_the_same(monkeypatch, compile_it):
    name = "run_portfolio" if compile_it else "run_portfolio_python"
    kernel, runs = getattr(portfolio, name), []

    def counted(*given: Any) -> Any:
        answer = kernel(*given)
        runs.append((len(given[10].trades), answer[0]))
        return answer

    monkeypatch.setattr(account, "FIRST_TABLE_ROWS", 0)
    monkeypatch.setattr(portfolio, name, counted)
    grown = 0
    for seed in SEEDS[:60]:
        case = random_shared_case(seed, count=90)
        expected = run_shared(*case)
        runs.clear()

        again = simulate_account(*case, compiled=compile_it)

        assert shared_differences(expected, outcome_of_account(again)) == [], f"seed {seed}"
        assert [size for size, _ in runs] == [16 * len(case[0]) * 4**n for n in range(len(runs))]
        assert all(done < len(again.ts) for _, done in runs[:-1])
        grown += len(runs) > 1
    assert grown >= 5


# Determinism -----------------------------------------------------------------------------------


def test_two_threads_at_once_say_what_one_says():
    """Kernels let go of the interpreter's lock and share nothing but what they read."""
    cases = [random_shared_case(seed, count=200) for seed in SEEDS[:24]]
    alone = [bits(simulate_account(*case)) for case in cases]
    together = Barrier(2)

    def work(_: int) -> list[bytes]:
        together.wait()
        return [bits(simulate_account(*case)) for _ in range(5) for case in cases]

    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(work, range(2)))

    assert answers == [alone * 5] * 2


def test_what_a_run_is_given_is_as_it_was_afterwards():
    for seed in SEEDS[:60]:
        case, fresh = random_shared_case(seed), random_shared_case(seed)

        first: PortfolioSimulation = simulate_account(*case)

        assert shared_differences(compiled(*fresh), outcome_of_account(first)) == []
        assert [bits(each) for each in case[0]] == [bits(each) for each in fresh[0]]
        for one, other in zip(listed(case[1]), listed(fresh[1]), strict=True):
            assert bits(one) == bits(other)
        assert bits(simulate_account(*case)) == bits(first)
