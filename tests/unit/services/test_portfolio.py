"""Several symbols on one account, from the request to the stored tables."""

from __future__ import annotations

import re

import numpy as np
import polars as pl
import pytest

from core.domain.cost_presets import find_costs
from core.domain.options import EngineOptions, OptionProxy
from core.domain.run import RunStatus
from core.errors import InvalidInput
from core.services import narrative
from tests.laboratory import lay_prices, wave, weekdays, write_strategy

EQUAL = """
    import numpy as np
    from core.domain.strategy import Strategy, UniverseView, Weights


    class Equal(Strategy):
        '''Buy everything once, in equal parts.'''

        universe = True

        def generate_signals(self, view: UniverseView) -> Weights:
            values = np.full(view.shape, np.nan)
            values[0] = 1.0 / len(view.symbols)
            return Weights(values)
"""
TURNS = """
    import numpy as np
    from core.domain.strategy import Strategy, UniverseView, Weights


    class Turns(Strategy):
        '''Long one and short the other, changing every month.'''

        universe = True

        def generate_signals(self, view: UniverseView) -> Weights:
            symbols = len(view.symbols)
            side = np.where(np.cumsum(view.month_start) % 2 == 0, 0.8, -0.8) / symbols
            values = np.outer(side, (-1.0) ** np.arange(symbols))
            return Weights(np.where(view.month_start[:, None], values, np.nan))
"""


@pytest.fixture
def shop(lab):
    """The laboratory with a third symbol, which begins later, and two universe strategies."""
    lay_prices(lab.lake, "LATE", wave(200, period=33.0), first=weekdays(60)[-1])
    write_strategy(lab.strategies, "equal", EQUAL)
    write_strategy(lab.strategies, "turns", TURNS)
    return lab


THREE = ("AAA", "BBB", "LATE")
CASES = {
    "codes": ("simple", THREE, EngineOptions(account="shared", size=40.0)),
    "weights": ("turns", ("AAA", "BBB"), EngineOptions()),
    "borrow": ("turns", ("AAA", "BBB"), EngineOptions(borrow_rate=0.05)),
    "options": (
        "turns",
        ("AAA", "BBB"),
        EngineOptions(multiplier=10.0, option=OptionProxy(gamma=0.01, theta=0.02)),
    ),
}


def tables(lab, run):
    backtests = lab.services.backtests
    equity = backtests.equity(run, max_points=None)
    return equity, backtests.positions(run), backtests.trades(run), backtests.fills(run)


@pytest.fixture(params=CASES)
def run(request, shop):
    strategy, symbols, options = CASES[request.param]
    found = shop.submit(
        strategy=strategy, symbols=symbols, options=options, costs=find_costs("bps_5")
    )
    assert found.status is RunStatus.COMPLETED, found.error
    return found


def test_the_books_balance_at_every_close(shop, run):
    """Cash is what fills left of the capital; equity is cash and every position at its close."""
    equity, positions, _, fills = tables(shop, run)
    options = run.spec.options
    multiplier = options.multiplier * (options.option.delta if options.option else 1.0)
    cash, value = options.initial_cash, dict.fromkeys(run.spec.symbols, 0.0)
    accrues = options.borrow_rate > 0 or options.option is not None
    told: list[float] = []

    paid = {}
    for fill in fills.iter_rows(named=True):
        cost = fill["quantity"] * fill["price"] * multiplier + fill["fee"]
        paid[fill["timestamp"]] = paid.get(fill["timestamp"], 0.0) + cost
    rows = positions.partition_by("timestamp", as_dict=True)
    for at, total in equity.select("timestamp", "equity").iter_rows():
        cash -= paid.get(at, 0.0)
        here = rows[at,]
        value |= dict(here.select("symbol", "value").iter_rows())
        (known,) = set(here["cash"].to_list())
        assert set(here["equity"].to_list()) == {total}
        assert known + sum(value.values()) == pytest.approx(total, rel=1e-12)
        if not accrues:
            assert known == pytest.approx(cash, rel=1e-9)
        told.append(known - cash)

    assert shop.services.backtests.accrued(run) == pytest.approx(told[-1], rel=1e-6, abs=1e-6)
    if accrues:
        assert abs(told[-1]) > 1.0


def test_borrow_is_what_short_positions_pay_from_session_to_session(shop):
    run = shop.submit(strategy="turns", symbols=("AAA", "BBB"), options=CASES["borrow"][2])
    _, positions, _, _ = tables(shop, run)

    paid = 0.0
    for own in positions.partition_by("symbol"):
        days = own["session"].cast(pl.Int32).to_list()
        value = own["value"].to_list()
        for before in range(len(days) - 1):
            paid += max(-value[before], 0.0) * 0.05 * (days[before + 1] - days[before]) / 360

    assert paid > 1.0
    assert shop.services.backtests.accrued(run) == pytest.approx(-paid, rel=1e-9)


def test_positions_have_one_row_for_each_bar_of_each_symbol(shop, run):
    _, positions, _, _ = tables(shop, run)

    for symbol in run.spec.symbols:
        bars = shop.services.backtests.prices(run, symbol, max_points=None)
        own = positions.filter(pl.col("symbol") == symbol)
        assert own["timestamp"].to_list() == bars["timestamp"].to_list()
        assert own["close"].to_list() == bars["close"].to_list()


def test_contributions_in_money_sum_to_the_net_profit(shop, run):
    _, _, trades, _ = tables(shop, run)
    parts = {name: each["net_profit"] for name, each in run.by_symbol.items()}

    assert [*parts] == [*run.spec.symbols]
    assert sum(parts.values()) == pytest.approx(run.metrics["net_profit"], rel=1e-9, abs=1e-6)
    if run.spec.options.borrow_rate or run.spec.options.option:
        return
    for name, pnl in parts.items():
        own = trades.filter(pl.col("symbol") == name)["pnl"].sum()
        assert pnl == pytest.approx(own, rel=1e-9, abs=1e-6)


def test_trades_are_in_order_of_entry_and_fills_in_order_of_time(shop, run):
    _, _, trades, fills = tables(shop, run)

    assert trades["entry_time"].is_sorted()
    assert fills["timestamp"].is_sorted()
    assert trades.height >= 4


def test_weights_and_cash_are_all_of_equity(shop, run):
    found = shop.services.backtests.weights(run, max_points=10_000)
    equity, positions, _, _ = tables(shop, run)

    total = found.weights.sum(axis=1) + found.others + found.cash
    assert total == pytest.approx(np.ones(equity.height), rel=1e-12)
    assert {*found.names} == {*run.spec.symbols}
    assert found.merged == 0
    own = positions.filter(pl.col("symbol") == found.names[0])
    joined = own.join(equity.select("timestamp", total="equity"), on="timestamp")
    expected = dict(joined.select("timestamp", pl.col("value") / pl.col("total")).iter_rows())
    for at, weight in zip(found.frame["timestamp"], found.weights[:, 0], strict=True):
        if at in expected:
            assert weight == pytest.approx(expected[at], rel=1e-12, abs=1e-15)


def test_few_closes_are_real_ones_with_the_first_and_the_last(shop, run):
    every = shop.services.backtests.weights(run, max_points=10_000)
    few = shop.services.backtests.weights(run, max_points=7)

    times = every.frame["timestamp"].to_list()
    assert [few.frame["timestamp"][0], few.frame["timestamp"][-1]] == [times[0], times[-1]]
    assert few.frame.height == 7
    rows = [times.index(at) for at in few.frame["timestamp"]]
    assert few.weights.tolist() == every.weights[rows].tolist()


def test_buying_equal_parts_once_is_the_closed_form(shop):
    """With fractions, sized at the fill and without costs it is exactly buying and holding."""
    options = EngineOptions(lot_size=0.0, size_ref="fill")
    run = shop.submit(
        strategy="equal", symbols=("AAA", "BBB"), options=options, costs=find_costs("zero")
    )
    equity, *_ = tables(shop, run)

    expected = np.zeros(equity.height)
    for symbol in run.spec.symbols:
        bars = shop.services.backtests.prices(run, symbol, max_points=None)
        expected += 50_000.0 * bars["close"].to_numpy() / bars["open"][1]
    expected[0] = 100_000.0
    assert equity["equity"].to_numpy() == pytest.approx(expected, rel=1e-12)
    whole = run.metrics
    assert (whole["trades"], whole["open_trades"], whole["turnover"] > 0) == (0.0, 2.0, True)


def test_each_rule_of_the_interval_gives_what_a_run_of_that_rule_gives(shop):
    rules = [EngineOptions(), EngineOptions(delay=1), EngineOptions(fill="close")]
    for strategy, symbols, _ in (CASES["weights"], CASES["codes"]):
        more = {"account": "shared", "size": 40.0} if strategy == "simple" else {}
        options = [each.model_copy(update=more) for each in rules]
        runs = [
            shop.submit(
                strategy=strategy,
                symbols=symbols,
                options={**each.model_dump(exclude_defaults=True)},
            )
            for each in options
        ]

        found = shop.services.backtests.assumptions(runs[0])

        by_rule = {one.rule: one.metrics for one in found.each}
        for rule, run in zip(("next_open", "bar_later", "same_close"), runs, strict=True):
            assert by_rule[rule] == run.metrics


def test_the_costs_of_a_shared_account_are_taken_apart(shop, run):
    found = shop.services.backtests.costs(run)

    assert found.fees.amount == pytest.approx(run.metrics["fees"], rel=1e-9)
    assert found.slippage.amount == pytest.approx(run.metrics["slippage"], rel=1e-9)


def test_a_run_on_one_account_is_reproduced_bit_for_bit(shop, run):
    assert shop.services.backtests.reproduce(run).identical


def test_a_universe_always_shares_and_says_so(shop):
    run = shop.submit(strategy="equal", symbols=("AAA", "BBB"))

    assert run.spec.options.account == "shared"
    policy = shop.services.backtests.policy(run)
    assert "positions by weight of equity, in whole units" in policy
    assert "one account for all symbols" in policy
    assert "% of equity in each position" not in policy
    assert "% of equity in each position" in narrative.policy(run.spec)


def test_sleeves_for_a_universe_are_refused_with_what_to_do(shop):
    with pytest.raises(InvalidInput, match="weighs all symbols together") as refused:
        shop.submit(
            strategy="equal", symbols=("AAA", "BBB"), options=EngineOptions(account="sleeves")
        )

    assert refused.value.field == "options.account"
    assert "shared" in str(refused.value.expected)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ("Signals.side(long=view.close[:, 0] > 0)", "generate_signals gave Signals"),
        ("None", "generate_signals gave NoneType"),
        ("Weights(np.zeros((2, 2)))", r"weights have shape \(2, 2\)"),
        ("Weights([0.5])", "weights are list"),
        ("Weights(np.full(view.shape, 1))", "weights are int64"),
        ("Weights(np.full(view.shape, np.inf))", "weights are infinite"),
    ],
)
def test_what_makes_no_sense_fails_the_run_with_a_sentence(shop, answer, said):
    body = EQUAL.replace("return Weights(values)", f"return {answer}").replace(
        "import Strategy,", "import Signals, Strategy,"
    )
    write_strategy(shop.strategies, "odd", body)

    run = shop.submit(strategy="odd", symbols=("AAA", "BBB"))

    assert run.status is RunStatus.FAILED
    assert run.error.code == "strategy_failed"
    assert re.search(said, run.error.message)


def test_one_symbol_with_signals_gives_the_same_numbers_on_either_account(shop):
    sleeve = shop.submit()
    shared = shop.submit(options=EngineOptions(account="shared"))

    assert shared.metrics == sleeve.metrics
    assert shared.artifacts == sleeve.artifacts


def test_checking_a_universe_strategy_tries_it_on_several_symbols(shop):
    report = shop.services.strategies.check("turns")

    assert report["valid"], report
    assert report["warnings"] == []
    assert report["signals"]["long"] > 20
    assert report["signals"]["short"] > 20
    assert report["trades"] > 20


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("universe = 1", "Its universe is 1"),
        ('universe = True\n        engine = {"account": "sleeves"}', "asks for sleeves"),
    ],
)
def test_a_class_that_contradicts_itself_is_listed_with_the_reason(shop, line, said):
    write_strategy(shop.strategies, "odd", EQUAL.replace("universe = True", line))

    shop.services.strategies.rescan()

    assert said in shop.services.strategies.get("odd").error
