from __future__ import annotations

from datetime import date, time, timedelta

import pytest
from streamlit.testing.v1 import AppTest

from core.domain.cost_presets import find_costs
from core.domain.costs import CostModel, OtherFees
from core.domain.options import EngineOptions
from core.domain.run import RunQuery, RunSpec
from core.domain.timeframe import Timeframe
from tests.laboratory import lay_prices, wave
from tests.ui.conftest import go, words
from ui import state
from ui.components import costs_form


def choose(page, strategy):
    return page.selectbox(state.FORM_STRATEGY).select(strategy).run()


def newest(services):
    return services.backtests.list(RunQuery(page_size=1)).runs[0]


def test_every_kind_of_parameter_gets_its_widget(open_page):
    page = choose(open_page(), "every_kind")

    length = page.number_input(state.param("every_kind", "length"))
    band = page.number_input(state.param("every_kind", "band"))
    patient = page.toggle(state.param("every_kind", "patient"))
    mode = page.selectbox(state.param("every_kind", "mode"))
    assert (length.value, length.min, length.max, length.step) == (14, 2, 50, 2)
    assert (band.value, band.min, band.max, band.step) == (1.5, 0.5, 5.0, 0.25)
    assert band.label == "Band (sd)"
    assert patient.value is True
    assert mode.options == ["wilder", "cutler"]


def test_the_help_of_a_parameter_says_what_is_allowed(open_page):
    fast = open_page().number_input(state.param("crossing", "fast"))

    assert fast.help == "Length of the fast average. A whole number from 2 to 60, normally 5."


def test_a_broken_constraint_is_named_before_anything_can_be_submitted(open_page):
    page = open_page()

    page.number_input(state.param("crossing", "fast")).set_value(30).run()

    assert "fast=30, slow=20 break a constraint" in words(page)
    assert page.button("form_run").disabled


def test_no_symbol_is_a_mistake_with_words(open_page):
    page = open_page()

    page.multiselect(state.FORM_SYMBOLS).set_value([]).run()

    assert "No symbol is chosen" in words(page)
    assert page.button("form_run").disabled


def test_a_range_that_ends_before_it_starts_is_a_mistake_with_words(open_page):
    page = open_page()

    page.date_input(state.FORM_START).set_value(date(2021, 5, 3))
    page.date_input(state.FORM_END).set_value(date(2021, 5, 1)).run()

    assert "start 2021-05-03 is after end 2021-05-01" in words(page).lower()


def test_options_that_contradict_each_other_are_a_mistake_with_words(open_page):
    page = open_page()

    page.selectbox(state.option("sizing")).select("lots")
    page.number_input(state.option("lot_size")).set_value(0.0).run()

    assert "Sizing in lots needs a lot_size above 0" in words(page)


@pytest.mark.parametrize(
    ("name", "said", "told"),
    [
        ("borrow_rates", "AAPL", "Borrow by symbol has &#x27;AAPL&#x27;"),
        ("borrow_rates", "=0.4", "Borrow by symbol has &#x27;=0.4&#x27;"),
        ("borrow_rates", "AAPL=0,4", "Borrow by symbol has &#x27;4&#x27;"),
        ("borrow_rates", "AAPL=0.1, aapl=0.2", "Borrow by symbol names aapl twice"),
        ("borrow_rates", "GME=0.4", "Borrow by symbol names GME, which is not chosen"),
        ("borrow_rates", "AAPL=much", "Borrow by symbol, AAPL is &#x27;much&#x27;, expected a num"),
        (
            "borrow_rates",
            "AAPL=11",
            "Borrow by symbol, AAPL is &#x27;11&#x27;, expected at most 10",
        ),
        (
            "shortable",
            "AAPL=maybe",
            "Shorts by symbol, AAPL is &#x27;maybe&#x27;, expected true or",
        ),
        ("shortable", "KO=yes", "Shorts by symbol names KO, which is not chosen"),
    ],
)
def test_what_cannot_be_said_by_symbol_is_a_mistake_with_words(open_page, name, said, told):
    page = open_page("")
    page.multiselect(state.FORM_SYMBOLS).set_value(["AAPL", "MSFT"]).run()

    page.text_input(state.option(name)).set_value(said).run()

    assert page.button("form_run").disabled
    assert told in words(page)
    page.text_input(state.option(name)).set_value("").run()
    assert not page.button("form_run").disabled


def test_symbols_may_be_named_in_small_letters(open_page, services):
    page = open_page("")
    page.multiselect(state.FORM_SYMBOLS).set_value(["AAPL", "MSFT"]).run()

    page.text_input(state.option("borrow_rates")).set_value("aapl=0.4").run()
    page.button("form_run").click().run()

    assert newest(services).spec.options.borrow_rates == {"AAPL": 0.4}


def test_a_size_begins_with_a_number_that_suits_its_kind(open_page):
    page = open_page()
    sizing, size = state.option("sizing"), state.option("size")
    expected = {
        "risk": 1.0,
        "vol_target": 15.0,
        "value": 10_000.0,
        "units": 100.0,
        "percent_of_equity": 100.0,
    }

    for kind, first in expected.items():
        page.selectbox(sizing).select(kind).run()
        assert page.number_input(size).value == first

    page.number_input(size).set_value(40.0).run()
    page.selectbox(sizing).select("risk").run()
    assert page.number_input(size).value == 40.0
    page.number_input(size).set_value(100.0).run()
    assert "all of which one stop would lose" in words(page)


def test_the_look_back_is_asked_where_it_counts(open_page, services):
    page = open_page()
    key = state.option("volatility_bars")
    assert key not in {each.key for each in page.number_input}

    page.selectbox(state.option("sizing")).select("vol_target").run()
    page.number_input(key).set_value(40).run()
    page.button("form_run").click().run()

    options = newest(services).spec.options
    assert (options.sizing, options.size, options.volatility_bars) == ("vol_target", 15.0, 40)


def test_calls_inside_bars_wait_for_calls(open_page):
    page = open_page()
    inside = state.option("intrabar_margin")
    assert page.toggle(inside).disabled

    page.number_input(state.option("maintenance_margin")).set_value(0.5).run()

    assert not page.toggle(inside).disabled


def test_dates_are_bounded_by_the_prices_of_the_chosen_symbols(open_page):
    page = open_page()

    page.multiselect(state.FORM_SYMBOLS).set_value(["YOUNG"]).run()

    start = page.date_input(state.FORM_START)
    assert (start.min, start.max) == (date(2022, 1, 3), date(2022, 5, 20))


def test_a_date_outside_the_prices_of_another_symbol_is_brought_inside(open_page):
    page = open_page()
    page.date_input(state.FORM_START).set_value(date(2020, 6, 1)).run()

    page.multiselect(state.FORM_SYMBOLS).set_value(["YOUNG"]).run()

    assert page.date_input(state.FORM_START).value == date(2022, 1, 3)


def test_only_bar_lengths_that_can_be_served_are_offered(open_page, services):
    offered = open_page().selectbox(state.FORM_TIMEFRAME).options

    assert offered == [str(each) for each in services.market.timeframes("AAPL")]
    assert "1m" not in offered


def test_the_benchmark_is_the_own_symbols_unless_another_is_chosen(open_page, services):
    page = open_page()
    box = page.selectbox(state.FORM_BENCHMARK)
    assert box.options[:3] == ["Own symbols, bought and held", "AAPL", "MSFT"]

    box.select("MSFT").run()
    page.button("form_run").click().run()

    assert newest(services).spec.benchmark == "MSFT"


def test_only_benchmarks_that_meet_the_symbols_are_offered(open_page, services):
    lay_prices(services.settings.lake_dir, "ANCIENT", wave(30), first=date(1990, 1, 1))
    page = open_page()
    page.multiselect(state.FORM_SYMBOLS).set_value(["AAPL"]).run()
    assert "ANCIENT" not in page.selectbox(state.FORM_BENCHMARK).options

    page.multiselect(state.FORM_SYMBOLS).set_value(["ANCIENT"]).run()

    offered = page.selectbox(state.FORM_BENCHMARK).options
    assert "ANCIENT" in offered
    assert "AAPL" not in offered


def test_only_benchmarks_with_such_bars_are_offered(open_page, services, tmp_path):
    file = tmp_path / "weeks.csv"
    days = [date(2020, 1, 6) + timedelta(weeks=week) for week in range(60)]
    rows = "\n".join(f"{day},1,2,0.5,1.5" for day in days)
    file.write_text(f"date,open,high,low,close\n{rows}\n")
    services.market.import_csv(file, name="weeks.csv", symbol="WEEKS", timeframe=Timeframe.W1)

    page = open_page()
    assert "WEEKS" not in page.selectbox(state.FORM_BENCHMARK).options
    page.selectbox(state.FORM_TIMEFRAME).set_value(Timeframe.W1).run()

    assert "WEEKS" in page.selectbox(state.FORM_BENCHMARK).options


def test_the_policy_under_the_form_follows_the_choices(open_page):
    page = open_page()
    assert "Decides at a close, fills at the next open" in words(page)

    page.segmented_control(state.option("fill")).set_value("close").run()

    assert "which nobody can trade" in words(page)
    assert "Optimistic" in words(page)


def test_choosing_a_strategy_takes_over_what_it_expects_of_the_engine(open_page):
    page = choose(open_page(), "every_kind")

    assert page.toggle(state.option("allow_short")).value is False
    assert page.number_input(state.option("delay")).value == 2

    page = choose(page, "crossing")

    assert page.toggle(state.option("allow_short")).value is True
    assert page.number_input(state.option("delay")).value == 0


def test_a_cost_preset_fills_its_figures_and_editing_one_makes_it_custom(open_page):
    page = open_page()

    page.selectbox(state.FORM_COSTS).select("bps_5").run()
    assert page.number_input(state.cost("bps")).value == 5.0
    page.number_input(state.cost("bps")).set_value(7.0).run()

    assert page.selectbox(state.FORM_COSTS).value == "custom"
    assert "7 bps of value" in words(page)


def test_run_submits_exactly_what_the_form_says_and_opens_the_run(open_page, services):
    page = open_page()
    page.number_input(state.param("crossing", "fast")).set_value(7)
    page.multiselect(state.FORM_SYMBOLS).set_value(["AAPL", "MSFT"])
    page.date_input(state.FORM_START).set_value(date(2020, 2, 3))
    page.number_input(state.option("initial_cash")).set_value(50_000.0)
    page.selectbox(state.FORM_COSTS).select("zero").run()

    page.button("form_run").click().run()

    run = newest(services)
    assert run.source == "ui"
    assert run.spec == RunSpec(
        strategy="crossing",
        params={"fast": 7, "slow": 20},
        symbols=("AAPL", "MSFT"),
        start=date(2020, 2, 3),
        options=EngineOptions(initial_cash=50_000.0),
        costs=find_costs("zero"),
    )
    assert page.query_params["id"] == str(run.id)
    assert f"Run #{run.id}" in words(page)


def test_a_strategy_that_fails_leads_to_a_run_page_that_says_why(open_page):
    page = choose(open_page(), "faulty")

    page.button("form_run").click().run()

    assert not page.exception
    assert "The strategy failed" in words(page)
    assert "IndexError" in words(page)
    assert "Traceback" not in words(page)


SPEC = RunSpec(
    strategy="every_kind",
    params={"length": 20, "band": 2.25, "patient": False, "mode": "cutler"},
    symbols=("MSFT", "AAPL"),
    timeframe="1w",
    start=date(2020, 3, 2),
    end=date(2021, 12, 31),
    options=EngineOptions(
        initial_cash=12_345.0,
        fill="close",
        delay=3,
        sizing="lots",
        size=2.0,
        size_ref="fill",
        lot_size=5.0,
        multiplier=2.0,
        initial_margin=0.5,
        on_insufficient="reject",
        allow_short=False,
        fill_on_touch=True,
        seed=11,
        detail="1d",
        intraday=True,
        square_off=time(15, 15),
        no_entry_after=time(14, 0),
        close_at_end=True,
        risk_free=0.035,
    ),
    costs=CostModel(
        per_unit=0.01,
        bps=3.0,
        minimum=1.5,
        maximum_rate=0.02,
        tick=0.05,
        fill_probability=0.9,
        rounding="cent_up",
        slippage_atr=0.1,
        slippage_bars=20,
    ),
    benchmark="AAPL",
)


@pytest.mark.parametrize(
    "spec",
    [
        SPEC,
        SPEC.model_copy(update={"options": EngineOptions(), "costs": find_costs("crypto_taker")}),
        SPEC.model_copy(update={"start": None, "end": None, "benchmark": None}),
    ],
)
def test_run_again_with_changes_brings_back_every_choice(open_page, services, spec):
    asked = services.backtests.submit(spec, source="api")
    page = open_page("run", id=str(asked.id))

    page.button("run_again").click().run()
    page.button("form_run").click().run()

    again = newest(services)
    assert again.id != asked.id
    assert again.spec == asked.spec


def form_of_accounts_and_costs():
    import streamlit as st

    from core.domain.options import EngineOptions
    from ui.components import account_form, costs_form

    if "asked" in st.session_state:
        options, costs = st.session_state.pop("asked")
        account_form.fill(options)
        costs_form.fill(costs)
    st.session_state["shown"] = (
        EngineOptions.model_validate(account_form.show()),
        costs_form.show(),
    )


LEAST = 5e-324
TINY_ACCOUNT = EngineOptions(
    initial_cash=0.5, initial_margin=1e-6, size=1e-7, lot_size=1e-9, multiplier=1e-8
)
ODD_COSTS = CostModel(name="my broker", per_unit=1e-7, bps=1 / 3, maximum_rate=0.1 + 0.2, tick=1e-9)


@pytest.mark.parametrize(
    ("options", "costs"),
    [
        (EngineOptions(), CostModel()),
        (SPEC.options, SPEC.costs),
        (EngineOptions(funding=False), CostModel()),
        (
            EngineOptions(
                sizing="vol_target",
                size=12.5,
                volatility_bars=60,
                maintenance_margin=0.5,
                intrabar_margin=True,
                max_dd_limit=0.25,
            ),
            CostModel(),
        ),
        (EngineOptions(sizing="risk", size=0.5, volatility_bars=60), CostModel()),
        (
            EngineOptions(
                borrow_rate=0.003,
                cash_rate=0.02,
                margin_rate=0.065,
                borrow_rates={"GME": 0.1 + 0.2, "BRK.B": 0.0},
                shortable={"GME": False, "KO": True},
            ),
            CostModel(),
        ),
        (TINY_ACCOUNT, ODD_COSTS),
        (
            EngineOptions(
                initial_cash=LEAST, initial_margin=LEAST, size=LEAST, lot_size=0, multiplier=LEAST
            ),
            CostModel(name="zero", bps=LEAST, fixed=LEAST, maximum_rate=LEAST),
        ),
        (
            EngineOptions(
                initial_cash=1e12, delay=100, size=1e9, lot_size=1e9, multiplier=1e9, sizing="lots"
            ),
            CostModel(
                fixed=1e6,
                per_unit=1e6,
                bps=10_000,
                minimum=1e6,
                maximum_rate=1,
                slippage_bps=10_000,
                half_spread_bps=10_000,
                tick=1e6,
            ),
        ),
        (
            EngineOptions(
                initial_cash=123_456.789_012_3,
                initial_margin=1 / 3,
                intraday=True,
                square_off=time(15, 29, 30),
                no_entry_after=time(15, 0, 0, 5),
            ),
            CostModel(maximum_rate=0.07),
        ),
        (EngineOptions(), find_costs("ibkr_fixed")),
        (EngineOptions(), find_costs("conservative")),
        (EngineOptions(), find_costs("conservative:nse_options")),
        (
            EngineOptions(),
            CostModel(
                per_trade=2.5,
                charge_bps=0.03,
                charge_per_unit=0.001,
                buy_charge_bps=0.3,
                sell_charge_bps=15,
                slippage_points=0.05,
                impact=1.0,
                volume_share=0.1,
            ),
        ),
    ],
)
def test_a_filled_form_gives_back_what_it_was_filled_with(options, costs):
    page = AppTest.from_function(form_of_accounts_and_costs, default_timeout=60)
    page.session_state["asked"] = (options, costs)

    for _ in range(3):  # the second run reads what the browser sent back
        page.run()
        assert not page.exception
        assert page.session_state["shown"] == (options, costs)


def test_editing_one_figure_leaves_the_others_exactly_as_they_were():
    page = AppTest.from_function(form_of_accounts_and_costs, default_timeout=60)
    page.session_state["asked"] = (TINY_ACCOUNT, ODD_COSTS)
    page.run()

    page.number_input(state.cost("minimum")).set_value(2.0).run()
    page.number_input(state.option("size")).set_value(3.0).run()

    options, costs = page.session_state["shown"]
    assert options == TINY_ACCOUNT.model_copy(update={"size": 3.0})
    assert costs == ODD_COSTS.model_copy(update={"minimum": 2.0, "name": "custom"})


def test_choices_survive_a_visit_to_another_page(open_page):
    page = open_page()
    page.number_input(state.param("crossing", "fast")).set_value(9)
    page.multiselect(state.FORM_SYMBOLS).set_value(["MSFT"]).run()

    page.button("form_run").click().run()
    assert "Run #" in words(page)
    go(page)

    assert page.number_input(state.param("crossing", "fast")).value == 9
    assert page.multiselect(state.FORM_SYMBOLS).value == ["MSFT"]


def test_a_strategy_that_cannot_be_read_is_named_with_its_reason(open_page):
    page = open_page()

    assert "1 strategy cannot be used" in words(page)
    assert "SyntaxError" in words(page)


def test_a_preset_is_said_in_words_where_it_is_chosen():
    page = AppTest.from_function(form_of_accounts_and_costs, default_timeout=60)
    page.session_state["asked"] = (EngineOptions(), find_costs("conservative"))

    page.run()

    main = list(page.main.children.values())
    box = next(
        place
        for place, each in enumerate(main)
        if each.type == "selectbox" and each.key == state.FORM_COSTS
    )
    assert main[box + 1].type == "caption"
    assert main[box + 1].value.startswith(
        "Made of ibkr_fixed times 1.5 and a tick of slippage: 0.0075"
    )


def test_the_details_list_the_fees_that_change_from_a_day_on():
    page = AppTest.from_function(form_of_accounts_and_costs, default_timeout=60)
    page.session_state["asked"] = (EngineOptions(), find_costs("nse_options"))

    page.run()

    details = next(each for each in page.expander if each.label == "Cost details")
    # The securities transaction tax on options sold went to 0.1 %, then to 0.15 %.
    assert details.caption[-1].value.splitlines()[1:] == [
        "- 01 Oct 2024: charges 4.20434 bps, to sell 10 bps",
        "- 01 Apr 2026: to sell 15 bps",
    ]


def test_every_fee_that_can_change_has_a_label():
    labelled = {figure.name for figure in costs_form.FIGURES} | set(costs_form.OTHERS)

    assert set(OtherFees.model_fields) <= labelled


def doubts(page):
    return [each.value for each in page.caption if each.value.startswith(":red[")]


def test_a_round_trip_that_costs_the_capital_is_doubted_beside_its_figure(open_page):
    page = open_page()
    page.number_input(state.option("initial_cash")).set_value(1_000.0)
    page.number_input(state.cost("per_trade")).set_value(999.0).run()
    assert doubts(page) == []

    page.number_input(state.cost("per_trade")).set_value(1_000.0).run()

    assert doubts(page) == [":red[One round trip costs all of the capital, 1,000.]"]


def test_slippage_beyond_the_lowest_price_is_doubted_beside_its_figure(open_page, services):
    page = open_page()
    low = services.market.bars_frame("AAPL", Timeframe.D1)["low"].min()
    page.number_input(state.cost("slippage_points")).set_value(low * 0.99).run()
    assert doubts(page) == []

    page.number_input(state.cost("slippage_points")).set_value(low + 1.0).run()

    (doubt,) = doubts(page)
    assert f"{low:,.6g}" in doubt
