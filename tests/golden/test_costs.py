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
from core.domain.cost_presets import cost_presets, costs_from, find_costs, sentence_of
from core.domain.costs import CostChange, CostModel
from core.domain.options import EngineOptions
from core.domain.signals import Code
from core.engine.simulate import simulate
from core.errors import InvalidInput
from tests.factories import make_bars, signals_at

EPOCH = date(1970, 1, 1)
MADE_OF_OTHERS = {"conservative", "ibkr_fixed_taf_holiday"}


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
    fills = simulate(bars, signals, options, exactly(costs)).fills
    assert list(fills.price) == [bought_at, sold_at]
    return tuple(fills.fee)


def exactly(costs):
    """The same fees at the very price."""
    return costs.model_copy(update={"slippage_bps": 0.0, "half_spread_bps": 0.0, "tick": 0.0})


def outcome(costs):
    """What a round trip of 100 units at 50 leaves."""
    bars = make_bars(np.array([50.0, 50.0, 50.0, 50.0]))
    signals = signals_at(4, {0: Code.LONG, 1: Code.FLAT})
    options = EngineOptions(initial_cash=1e9, sizing="units", size=100, lot_size=0.0)
    return simulate(bars, signals, options, costs).equity[-1]


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


ROUNDED_FEES = [
    # 1,000 shares at 100 in June 2026: SEC 100,000 x 20.60/M = 2.06, TAF 1,000 x 0.000195 = 0.195
    ("cent_up", 1_000, 100.0, 2.06, 0.20),
    ("cent_nearest", 1_000, 100.0, 2.06, 0.20),
    # 100 at 25: 0.0515 and 0.0195
    ("cent_up", 100, 25.0, 0.06, 0.02),
    ("cent_nearest", 100, 25.0, 0.05, 0.02),
    # 10 at 10: 0.00206 and 0.00195
    ("cent_up", 10, 10.0, 0.01, 0.01),
    ("cent_nearest", 10, 10.0, 0.00, 0.00),
    # 50,205 at 2, which is 100,410: 2.068446; TAF 9.789975 is a hair below its cap of 9.79
    ("cent_up", 50_205, 2.0, 2.07, 9.79),
    ("cent_nearest", 50_205, 2.0, 2.07, 9.79),
]


@pytest.mark.parametrize(("how", "shares", "price", "sec", "taf"), ROUNDED_FEES)
def test_r4_regulators_fees_are_whole_cents_each_where_that_is_asked_for(
    how, shares, price, sec, taf
):
    costs = costs_from({"base": "ibkr_fixed", "rounding": how})

    bought, sold = round_trip(costs, shares, (price, price), date(2026, 6, 1))

    commission = min(max(0.005 * shares, 1.0), 0.01 * shares * price)
    assert bought == pytest.approx(commission, abs=1e-12)
    assert sold == pytest.approx(commission + sec + taf, abs=1e-9)


def test_r4_a_charge_of_whole_cents_is_left_as_it_is():
    # 1.1 x 100 is 110.00000000000001 in binary: not 1.11
    costs = CostModel(buy_charge_bps=1.1, sell_charge_per_unit=0.0110, rounding="cent_up")

    assert round_trip(costs, 100, (100.0, 100.0)) == pytest.approx((1.10, 1.10), abs=1e-12)


def test_r4_what_both_sides_pay_and_the_commission_are_not_rounded():
    costs = CostModel(
        per_unit=0.001, charge_per_unit=0.002, charge_bps=0.03, buy_charge_bps=0.01,
        rounding="cent_up",
    )  # fmt: skip

    # 0.003, 0.006 and 3 x 100 x 0.03 bps = 0.0009; to buy 0.0003, which is a cent
    assert round_trip(costs, 3, (100.0, 100.0)) == pytest.approx((0.0099 + 0.01, 0.0099), abs=1e-12)


def test_r4_fees_are_rounded_from_a_day_on_and_no_longer_from_another():
    costs = CostModel(
        sell_charge_bps=0.25,
        changes=(
            CostChange(since=date(2024, 1, 1), rounding="cent_up"),
            CostChange(since=date(2025, 1, 1), rounding="cent_nearest"),
            CostChange(since=date(2026, 1, 1), rounding="none"),
        ),
    )

    sold = [
        round_trip(costs, 10, (50.0, 50.0), date(year, 6, 3))[1]
        for year in (2023, 2024, 2025, 2026)
    ]

    assert sold == pytest.approx([0.0125, 0.02, 0.01, 0.0125], abs=1e-12)


def test_r9_an_entry_takes_no_more_than_cash_with_its_charges_rounded_up():
    # 100 at 1 for 100 of cash: 99 of them and a charge of 0.0099, which is a cent, are 99.01.
    costs = CostModel(buy_charge_bps=1.0, rounding="cent_up")
    bars = make_bars(np.array([1.0, 1.0, 1.0]))
    signals = signals_at(3, {0: Code.LONG})
    for lot, bought in ((1.0, 99.0), (0.0, 99.99)):
        options = EngineOptions(initial_cash=100.0, sizing="units", size=100, lot_size=lot)

        run = simulate(bars, signals, options, costs)

        assert run.fills.quantity.tolist() == pytest.approx([bought], abs=1e-12)
        assert run.cash[-1] >= 0.0
        assert run.cash[-1] == pytest.approx(100 - bought - 0.01, abs=1e-9)


def test_made_of_a_rounded_model_fees_are_multiplied_before_they_are_rounded():
    dear = costs_from({"base": "ibkr_fixed", "rounding": "cent_up", "times": 1.5})

    assert dear.rounding == "cent_up"
    # 1.5 x 0.0515 = 0.07725, 1.5 x 0.0195 = 0.02925
    assert round_trip(dear, 100, (25.0, 25.0), date(2026, 6, 1))[1] == pytest.approx(
        1.5 + 0.08 + 0.03, abs=1e-9
    )
    assert "charges of one side rounded up to the cent" in sentence_of(dear)


def test_no_preset_rounds_because_no_source_of_theirs_says_so():
    for costs in cost_presets().values():
        assert {fees.rounding for _, fees in costs.schedule()} == {"none"}


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


@pytest.mark.parametrize(
    ("day", "stt", "exchange"),
    [
        (date(2024, 9, 30), 0.000125, 0.0000173),
        (date(2024, 10, 1), 0.0002, 0.0000183),
        (date(2026, 3, 31), 0.0002, 0.0000183),
        (date(2026, 4, 1), 0.0005, 0.0000183),
    ],
)
def test_taxes_and_charges_on_futures_by_date(day, stt, exchange):
    bought, sold = round_trip(find_costs("nse_futures"), 65, (25_000.0, 25_000.0), day)
    value = 65 * 25_000.0

    assert bought == pytest.approx(1.18 * (20 + value * (exchange + 1e-6)) + value * 0.00002)
    assert sold == pytest.approx(1.18 * (20 + value * (exchange + 1e-6)) + value * stt)


@pytest.mark.parametrize(
    ("day", "stt", "exchange"),
    [
        (date(2024, 9, 30), 0.000625, 0.0003503),
        (date(2024, 10, 1), 0.001, 0.0003553),
        (date(2026, 3, 31), 0.001, 0.0003553),
        (date(2026, 4, 1), 0.0015, 0.0003553),
    ],
)
def test_taxes_and_charges_on_options_by_date(day, stt, exchange):
    bought, sold = round_trip(find_costs("nse_options"), 65, (120.0, 126.0), day)

    assert bought == pytest.approx(1.18 * (20 + 7_800 * (exchange + 1e-6)) + 7_800 * 0.00003)
    assert sold == pytest.approx(1.18 * (20 + 8_190 * (exchange + 1e-6)) + 8_190 * stt)


@pytest.mark.parametrize(("lots", "points"), [(1, 1.02), (2, 0.66), (10, 0.37)])
def test_a_nifty_scalp_breaks_even_at_these_points_of_premium(lots, points):
    units = 65 * lots
    fees = round_trip(find_costs("nse_options"), units, (120.0, 126.0), date(2026, 4, 1))

    assert round(sum(fees) / units, 2) == points
    # at a delta of a half one lot needs two points of the index before slippage
    assert round(sum(fees) / units / 0.5, 1) == round(2 * points, 1)


def test_tax_is_most_of_what_a_future_costs():
    bought, sold = round_trip(find_costs("nse_futures"), 65, (25_000.0, 25_000.0), date(2026, 4, 1))
    tax = 65 * 25_000.0 * 0.0005

    assert round((bought + sold) / 65, 1) == 14.9
    assert round(tax / (bought + sold), 2) == 0.84


@pytest.mark.parametrize(
    ("per_share", "commission"), [(0.0020, 2.0), (0.0015, 1.5), (0.0010, 1.0), (0.0005, 0.5)]
)
def test_the_volume_tiers_of_tiered_pricing_are_one_figure_of_it(per_share, commission):
    tier = costs_from({"base": "ibkr_tiered", "per_unit": per_share, "charge_per_unit": 0.0})
    untaxed = tier.model_copy(update={"commission_tax": 0.0})

    assert round_trip(untaxed, 1_000, (25.0, 25.0))[0] == pytest.approx(commission)
    assert round_trip(untaxed, 10, (25.0, 25.0))[0] == pytest.approx(0.35)


@pytest.mark.parametrize(
    ("day", "usual", "holiday"),
    [
        (date(2026, 9, 30), 0.195, 0.195),
        (date(2026, 10, 1), 0.195, 0.0),
        (date(2026, 12, 31), 0.195, 0.0),
        (date(2027, 1, 1), 0.232, 0.232),
    ],
)
def test_the_reported_holiday_of_the_activity_fee_is_off_unless_asked_for(day, usual, holiday):
    for name, taf in (("ibkr_fixed", usual), ("ibkr_fixed_taf_holiday", holiday)):
        sold = round_trip(find_costs(name), 1_000, (100.0, 100.0), day)[1]
        assert sold == pytest.approx(5.0 + 2.06 + taf)


# Costs made of others -----------------------------------------------------------------------------


@pytest.mark.parametrize("base", sorted(set(cost_presets()) - MADE_OF_OTHERS))
@pytest.mark.parametrize(
    "day", [date(2020, 6, 1), date(2024, 5, 22), date(2024, 10, 1), date(2026, 4, 4)]
)
@pytest.mark.parametrize(("units", "price"), [(100, 25.0), (7, 0.2), (65, 25_000.0), (90_000, 1.0)])
def test_conservative_fees_are_half_as_much_again_to_the_last_one(base, day, units, price):
    plain = round_trip(find_costs(base), units, (price, price), day)
    dear = find_costs(f"conservative:{base}").model_copy(update={"slippage_points": 0.0})

    assert round_trip(dear, units, (price, price), day) == pytest.approx(
        tuple(1.5 * fee for fee in plain)
    )


def test_conservative_concessions_are_half_as_much_again_and_a_tick():
    dear, options = find_costs("conservative"), find_costs("conservative:nse_options")

    assert dear == find_costs("conservative:ibkr_fixed").model_copy(update={"name": "conservative"})
    assert (dear.slippage_bps, dear.slippage_points, dear.tick) == (1.5, 0.01, 0.0)
    assert (options.slippage_bps, options.slippage_points, options.tick) == (0.0, 0.05, 0.05)
    assert options.commission_tax == 0.18
    assert sentence_of(dear).startswith(
        "made of ibkr_fixed times 1.5 and a tick of slippage: 0.0075 per"
    )
    assert sentence_of(dear.model_copy(update={"bps": 1.0})) == (
        dear.model_copy(update={"bps": 1.0}).sentence()
    )


def test_a_cap_as_a_share_ends_at_the_whole_value():
    assert costs_from({"base": "ibkr_fixed", "times": 100}).maximum_rate == 1.0
    assert costs_from({"base": "ibkr_fixed", "times": 0}).is_free


def test_changes_join_those_of_the_base_and_win_on_their_day():
    made = costs_from(
        {
            "base": "nse_options",
            "times": 2,
            "changes": [
                {"since": "2025-01-01", "fixed": 15},
                {"since": "2024-10-01", "sell_charge_bps": 8},
            ],
        }
    )

    days = [
        (str(one.since), one.fixed, one.sell_charge_bps, one.charge_bps) for one in made.changes
    ]
    assert days == [
        ("2024-10-01", None, 16.0, 2 * 4.20434),
        ("2025-01-01", 30.0, None, None),
        ("2026-04-01", None, 30.0, None),
    ]


# The keys of cost_config ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "units", "price", "short_sale"),
    [("ib_standard", 100, 50.0, 1.139), ("ib_pro", 100, 50.0, 0.489)],
)
def test_the_worked_examples_of_cost_config(name, units, price, short_sale):
    fees = round_trip(exactly(find_costs(name)), units, (price, price), short=True)

    assert fees[0] == pytest.approx(short_sale)
    assert fees[1] == pytest.approx(short_sale - 0.0000278 * units * price)


def test_in_cost_config_too_the_cap_beats_the_minimum():
    assert round_trip(exactly(find_costs("ib_standard")), 10, (5.0, 5.0))[0] == pytest.approx(0.50)


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ({"commission_per_share": 0.01}, {"per_unit": 0.01}),
        ({"minimum_commission": 2.5}, {"minimum": 2.5}),
        (
            {"commission_per_share": 1.0, "maximum_commission_rate": 0.02},
            {"per_unit": 1.0, "maximum_rate": 0.02},
        ),
        ({"sec_fee_rate": 0.0000206}, {"sell_charge_bps": 0.206}),
        ({"slippage": {"market_order_bps": 5}}, {"slippage_bps": 5.0}),
        ({"spread": {"typical_bps": 2}}, {"half_spread_bps": 1.0}),
        ({"spread": {"typical_bps": 2, "spread_factor": 0.25}}, {"half_spread_bps": 0.5}),
        ({"spread": {"typical_bps": 2, "use_midpoint": False}}, {"half_spread_bps": 2.0}),
        ({"spread": {"typical_bps": 2, "enabled": False}}, {}),
    ],
)
def test_each_key_of_cost_config_has_its_effect(said, meant):
    costs = costs_from(said)

    assert costs == CostModel(name="cost_config", **meant)
    free = outcome(CostModel())
    assert (outcome(costs) != free) == bool(meant)


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
        "conservative",
        "crypto_taker",
        "ib_pro",
        "ib_standard",
        "ibkr_fixed_taf_holiday",
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
        ("per_unit: 0.005\nminimun: 1", "minimun is not known"),
        ("per_unit: -1", "per_unit is -1, expected at least 0"),
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
