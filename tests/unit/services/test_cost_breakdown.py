"""Where the costs of a run went, judged by sums over its fills and by runs that cost nothing."""

from __future__ import annotations

import polars as pl
import pytest

from core.domain.cost_breakdown import COST_PARTS
from core.domain.costs import CostChange, CostModel
from core.domain.options import EngineOptions
from core.errors import Conflict, DataProblem, NotFound
from core.services import cost_breakdown
from tests.laboratory import failing, write_strategy

DEAR = CostModel(
    name="dear",
    per_unit=0.01,
    minimum=1.0,
    commission_tax=0.2,
    charge_bps=2.0,
    buy_charge_bps=3.0,
    sell_charge_bps=4.0,
    sell_charge_per_unit=0.05,
    sell_charge_maximum=20.0,
    per_trade=1.5,
    slippage_bps=2.0,
    half_spread_bps=1.0,
)
SHAPE = {"name", "changes", "commission_tax", "maximum", "maximum_rate", "tick"}
SHAPE |= {"fill_probability", "rounding", "slippage_bars"}
FIXED = EngineOptions(sizing="units", size=100, initial_cash=1e6)


def test_each_part_is_what_its_rule_takes_of_the_fills(lab):
    run = lab.submit(symbols=("AAA", "BBB"), costs=DEAR, options=FIXED)
    fills = lab.services.backtests.fills(run).to_dicts()

    found = lab.services.backtests.costs(run.id)

    def summed(take, side=0):
        chosen = [each for each in fills if side * each["quantity"] >= 0]
        return sum(take(abs(each["quantity"]), each["price"]) for each in chosen)

    commission = summed(lambda units, _: max(0.01 * units, 1.0))
    value = summed(lambda units, price: units * price)
    closed = sum(each["quantity"] < 0 for each in fills)
    expected = {
        "commission": commission,
        "commission_tax": 0.2 * commission,
        "charges": 2e-4 * value,
        "buy_charges": 3e-4 * summed(lambda units, price: units * price, side=1),
        "sell_charges": 4e-4 * summed(lambda units, price: units * price, side=-1),
        "unit_charges": summed(lambda units, _: min(0.05 * units, 20.0), side=-1),
        "round_trips": 1.5 * closed,
        "slippage": found.slippage.amount * 2 / 3,
        "spread": found.slippage.amount / 3,
    }
    assert {line.part: line.amount for line in found.lines} == pytest.approx(expected)
    assert list(expected) == [name for name in COST_PARTS if name in expected]
    assert found.traded == pytest.approx(value)
    assert found.slippage.amount == pytest.approx(3e-4 * value, rel=1e-3)
    assert found.fees.amount == pytest.approx(run.metrics["fees"])
    assert found.slippage.amount == pytest.approx(run.metrics["slippage"])
    assert found.total.cost_share == pytest.approx(1.0)
    by_part = {line.part: line for line in found.lines}
    assert by_part["sell_charges"].fills == by_part["round_trips"].fills == closed
    assert by_part["charges"].bps == pytest.approx(2.0)
    assert by_part["charges"].per_trade == pytest.approx(2e-4 * value / run.metrics["trades"])


def test_at_no_costs_the_curve_gives_what_a_free_run_of_the_same_trades_gives(lab):
    free = lab.submit(costs=CostModel(name="free"), options=FIXED)
    dear = lab.submit(costs=DEAR, options=FIXED)

    found = lab.services.backtests.costs(dear)

    curve = dict(found.curve)
    assert [*curve] == [step / 4 for step in range(13)]
    assert curve[0.0] == pytest.approx(free.metrics["net_profit"])
    assert curve[1.0] == pytest.approx(dear.metrics["net_profit"])
    assert curve[3.0] == pytest.approx(
        3 * dear.metrics["net_profit"] - 2 * free.metrics["net_profit"]
    )
    assert found.gross_profit == pytest.approx(free.metrics["net_profit"])


def test_costs_times_the_break_even_take_everything(lab):
    fees = DEAR.model_copy(update={"slippage_bps": 0.0, "half_spread_bps": 0.0})
    paid = lab.services.backtests.costs(lab.submit(costs=fees, options=FIXED))
    times = paid.breakeven_multiple
    scaled = {
        name: getattr(fees, name) * times for name in CostModel.model_fields if name not in SHAPE
    }

    run = lab.submit(costs=CostModel(**{**fees.model_dump(), **scaled}), options=FIXED)

    assert run.metrics["net_profit"] == pytest.approx(0.0, abs=1e-9 * paid.gross_profit)
    assert paid.breakeven_bps == pytest.approx(run.metrics["breakeven_bps"])


def test_fees_of_each_period_are_told_apart(lab):
    all_days = lab.services.backtests.fills(lab.submit(options=FIXED))["timestamp"].dt.date()
    middle = all_days.sort()[len(all_days) // 2]
    later = CostModel(fixed=1.0, changes=(CostChange(since=middle, charge_bps=5.0),))
    run = lab.submit(symbols=("AAA", "BBB"), costs=later, options=FIXED)
    fills = lab.services.backtests.fills(run)

    found = lab.services.backtests.costs(run)

    since = fills.filter(pl.col("timestamp").dt.date() >= middle)
    by_part = {line.part: line for line in found.lines}
    assert 0 < len(since) < len(fills)
    assert by_part["charges"].fills == len(since)
    assert by_part["charges"].amount == pytest.approx(
        5e-4 * (since["quantity"].abs() * since["price"]).sum()
    )


def test_a_free_run_has_no_break_even_multiple(lab):
    found = lab.services.backtests.costs(lab.submit(costs=CostModel(name="zero")))

    assert found.lines == ()
    assert found.total.amount == 0.0
    assert found.total.cost_share is None
    assert found.breakeven_multiple is None
    assert found.reasons == {"breakeven_multiple": "no_costs"}
    assert {net for _, net in found.curve} == {found.net_profit}


def test_a_run_without_fills_has_nothing_to_divide_by(lab):
    write_strategy(lab.strategies, "idle", failing("return Signals.side(long=view.close < 0)"))

    found = lab.services.backtests.costs(lab.submit(strategy="idle"))

    assert (found.fills, found.traded, found.total.amount) == (0, 0.0, 0.0)
    assert (found.total.bps, found.total.per_trade, found.total.gross_share) == (None, None, None)
    assert found.reasons == {"breakeven_multiple": "no_costs", "breakeven_bps": "no_trades"}


def test_a_loss_before_costs_has_no_break_even_multiple(lab):
    body = "return Signals.side(short=view.close > 0)"
    write_strategy(lab.strategies, "wrong", failing(body))

    run = lab.submit(strategy="wrong")
    found = lab.services.backtests.costs(run)

    assert found.gross_profit < 0
    assert found.total.gross_share is None
    assert found.reasons == {"breakeven_multiple": "no_gross_profit"}


def test_fees_that_today_s_rules_do_not_give_are_refused(lab):
    run = lab.submit(costs=DEAR)
    fills = lab.services.backtests.fills(run).with_columns(
        pl.col("fee") * 1.001, pl.col("timestamp").dt.date().alias("session")
    )

    with pytest.raises(DataProblem, match=f"fees of run {run.id} are not those of its cost model"):
        cost_breakdown.breakdown(run, fills)


def test_only_completed_runs_have_costs(lab):
    write_strategy(lab.strategies, "bad", failing("x = 1 / 0"))

    with pytest.raises(Conflict, match="failed"):
        lab.services.backtests.costs(lab.submit(strategy="bad"))
    with pytest.raises(NotFound):
        lab.services.backtests.costs(999)
