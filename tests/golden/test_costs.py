"""What an order costs, against brokers' own examples, contract notes and the calendars of fees.

Sources: Interactive Brokers' pricing page for US stocks (fixed and tiered); SEC fee advisories and
FINRA's SR-FINRA-2024-019 for the fees on sales; a worked NIFTY round trip at the rates of April
2026, all as collected in the project's methods page, part 7.
"""

from __future__ import annotations

import shutil
from datetime import date

import numpy as np
import pytest
from pydantic import ValidationError

from core.domain import cost_presets as presets
from core.domain.cost_presets import cost_presets, find_costs
from core.domain.costs import CostChange, CostModel
from core.domain.options import EngineOptions
from core.domain.signals import Code
from core.engine.simulate import simulate
from core.errors import InvalidInput
from tests.factories import make_bars, signals_at

EPOCH = date(1970, 1, 1)


def round_trip(costs, units, prices, day=date(2020, 6, 1), *, sold_on=None, short=False):
    """Fees of the entry and of the exit, as the engine charges them."""
    first = (day - EPOCH).days
    last = ((sold_on or day) - EPOCH).days
    bought_at, sold_at = prices
    price = np.array([bought_at, bought_at, sold_at, sold_at])
    bars = make_bars(
        price, session=[first - 1, first, last, last], ts=np.arange(4) * 60_000_000 + 1
    )
    signals = signals_at(4, {0: Code.SHORT if short else Code.LONG, 1: Code.FLAT})
    options = EngineOptions(initial_cash=1e9, sizing="units", size=units, lot_size=0.0)
    free_of_slippage = costs.model_copy(update={"slippage_bps": 0.0})
    fills = simulate(bars, signals, options, free_of_slippage).fills
    assert list(fills.price) == [bought_at, sold_at]
    return tuple(fills.fee)


@pytest.mark.parametrize(
    ("shares", "price", "fixed", "tiered"),
    [
        (100, 25.0, 1.00, 0.35),
        (1_000, 25.0, 5.00, 3.50),
        (1_000, 0.25, 2.50, 2.50),
        (10, 0.20, 0.02, 0.02),
    ],
)
def test_the_commission_examples_of_interactive_brokers(shares, price, fixed, tiered):
    only_commission = {"charge_per_unit": 0.0, "commission_tax": 0.0}
    plans = (
        (find_costs("ibkr_fixed"), fixed),
        (find_costs("ibkr_tiered").model_copy(update=only_commission), tiered),
    )

    for costs, expected in plans:
        assert round_trip(costs, shares, (price, price)) == pytest.approx((expected, expected))


def test_tiered_pricing_passes_the_fees_of_exchange_and_clearing_on():
    # 0.35 and 0.0735 % of it, then 100 x (0.003 + 0.0002 + 0.00005)
    assert round_trip(find_costs("ibkr_tiered"), 100, (25.0, 25.0))[0] == pytest.approx(0.67525725)


@pytest.mark.parametrize(
    ("day", "sec", "taf"),
    [
        (date(2023, 2, 26), 0.00, 0.0),
        (date(2023, 2, 27), 0.80, 0.0),
        (date(2023, 12, 31), 0.80, 0.0),
        (date(2024, 1, 1), 0.80, 0.166),
        (date(2024, 5, 21), 0.80, 0.166),
        (date(2024, 5, 22), 2.78, 0.166),
        (date(2025, 5, 13), 2.78, 0.166),
        (date(2025, 5, 14), 0.00, 0.166),
        (date(2025, 12, 31), 0.00, 0.166),
        (date(2026, 1, 1), 0.00, 0.195),
        (date(2026, 4, 3), 0.00, 0.195),
        (date(2026, 4, 4), 2.06, 0.195),
        (date(2027, 1, 1), 2.06, 0.232),
        (date(2028, 1, 1), 2.06, 0.240),
    ],
)
def test_fees_on_sales_change_on_their_days_and_buyers_never_pay_them(day, sec, taf):
    bought, sold = round_trip(find_costs("ibkr_fixed"), 1_000, (100.0, 100.0), day)

    assert bought == pytest.approx(5.0)
    assert sold == pytest.approx(5.0 + sec + taf)


def test_a_short_sale_pays_on_the_way_in():
    sold, bought = round_trip(
        find_costs("ibkr_fixed"), 1_000, (100.0, 100.0), date(2026, 6, 1), short=True
    )

    assert (sold, bought) == pytest.approx((5.0 + 2.06 + 0.195, 5.0))


def test_the_trading_activity_fee_has_a_cap():
    costs = find_costs("ibkr_fixed").model_copy(
        update={"bps": 0.0, "per_unit": 0.0, "minimum": 0.0}
    )

    assert round_trip(costs, 100_000, (1.0, 1.0), date(2025, 6, 2))[1] == pytest.approx(8.30)
    assert round_trip(costs, 100_000, (1.0, 1.0), date(2027, 6, 1))[1] == pytest.approx(
        11.61 + 2.06
    )


def test_each_side_of_a_trade_pays_what_is_due_on_its_own_day():
    bought, sold = round_trip(
        find_costs("nse_options"), 65, (120.0, 126.0), date(2026, 3, 31), sold_on=date(2026, 4, 1)
    )
    before = round_trip(find_costs("nse_options"), 65, (120.0, 126.0), date(2026, 3, 31))

    assert bought == before[0]
    assert sold - before[1] == pytest.approx(8_190 * (0.0015 - 0.0010))


@pytest.mark.parametrize(("lots", "rupees"), [(1, 66.44), (2, 85.68), (10, 239.62)])
def test_a_nifty_option_round_trip_to_the_paisa(lots, rupees):
    fees = round_trip(find_costs("nse_options"), 65 * lots, (120.0, 126.0), date(2026, 4, 1))

    assert round(sum(fees), 2) == rupees


def test_a_nifty_future_round_trip_before_the_rounding_of_the_contract_note():
    fees = round_trip(find_costs("nse_futures"), 65, (25_000.0, 25_000.0), date(2026, 4, 1))
    # Notes round tax and stamp to the rupee: 812.50 -> 813 and 32.50 -> 33, the published 967.
    assert sum(fees) + 0.5 + 0.5 == pytest.approx(967, abs=0.5)
    assert sum(fees) == pytest.approx(40 + 812.5 + 32.5 + 1.18 * 3.25e6 * 1.93e-5 + 0.18 * 40)


@pytest.mark.parametrize(
    ("day", "stt"), [(date(2024, 9, 30), 0.000625), (date(2024, 10, 1), 0.001)]
)
def test_the_tax_on_options_by_date(day, stt):
    bought, sold = round_trip(find_costs("nse_options"), 65, (120.0, 120.0), day)

    assert sold - bought == pytest.approx(7_800 * (stt - 0.00003))


def test_a_cap_in_money_holds_for_the_commission_only():
    costs = CostModel(bps=10.0, maximum=5.0, charge_bps=1.0, commission_tax=0.5)

    assert round_trip(costs, 100, (100.0, 100.0)) == pytest.approx((5 * 1.5 + 1.0,) * 2)


def test_changes_of_fees_must_come_in_order():
    with pytest.raises(ValidationError, match="in order of `since`"):
        CostModel(changes=(CostChange(since=date(2024, 1, 2)), CostChange(since=date(2024, 1, 2))))


def test_costs_that_begin_later_are_not_called_free():
    assert not CostModel(changes=(CostChange(since=date(2024, 1, 2), fixed=1.0),)).is_free
    assert CostModel(changes=(CostChange(since=date(2024, 1, 2), fixed=0.0),)).is_free
    assert CostModel(sell_charge_per_unit=1.0, sell_charge_maximum=0.0).is_free


def test_presets_are_the_files_of_their_folder_with_the_default_first():
    assert list(cost_presets()) == [
        "ibkr_fixed",
        "bps_5",
        "crypto_taker",
        "ibkr_tiered",
        "nse_futures",
        "nse_options",
        "zero",
    ]
    assert all(costs.name == name for name, costs in cost_presets().items())


def test_an_unknown_preset_is_named_with_those_there_are():
    with pytest.raises(InvalidInput, match="'ibkr' is not known") as caught:
        find_costs("ibkr")

    assert "ibkr_tiered" in str(caught.value.expected)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("per_unit: 0.005\nminimun: 1", "minimun: Extra inputs are not permitted"),
        ("per_unit: -1", "per_unit: Input should be greater than or equal to 0"),
        ("per_unit: [", "mine.yaml is no cost model"),
        ("just words", "mine.yaml is no cost model"),
        ("changes: [{since: 2024-01-02}, {since: 2024-01-01}]", "in order of `since`"),
    ],
)
def test_a_broken_preset_is_named_when_asked_for_and_harms_no_other(
    text, said, tmp_path, monkeypatch
):
    shutil.copytree(presets.FOLDER, tmp_path, dirs_exist_ok=True)
    (tmp_path / "mine.yaml").write_text(text)
    monkeypatch.setattr(presets, "FOLDER", tmp_path)
    presets._files.cache_clear()
    cost_presets.cache_clear()
    try:
        assert find_costs("ibkr_fixed").per_unit == 0.005
        assert "mine" not in cost_presets()
        with pytest.raises(InvalidInput, match="no cost model") as caught:
            find_costs("mine")
        assert said in str(caught.value)
    finally:
        presets._files.cache_clear()
        cost_presets.cache_clear()
