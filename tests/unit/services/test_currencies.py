"""Symbols of several currencies on one account, from the request to the stored tables."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from core.domain.cost_presets import find_costs
from core.domain.run import RunStatus
from core.errors import InvalidInput, NotFound
from tests.laboratory import wave, weekdays, write_strategy
from tests.unit.services.test_portfolio import EQUAL

DAYS = 200
FREE = {"costs": find_costs("zero")}
FRACTIONS = {"lot_size": 0.0, "size_ref": "fill"}
HOME = np.array(wave(DAYS))
ABROAD = np.array(wave(DAYS, period=23.0))
EURO = 1.1 + 0.1 * np.sin(np.arange(DAYS) / 9)


def rows(closes: np.ndarray, first: int = 0, last: int = DAYS) -> bytes:
    lines = ["date,open,high,low,close,volume"]
    for n, day in list(enumerate(weekdays(DAYS)))[first:last]:
        before, close = closes[max(n - 1, 0)], closes[n]
        high, low = max(before, close) * 1.01, min(before, close) * 0.99
        lines.append(f"{day},{before!r},{high!r},{low!r},{close!r},1000".replace("np.float64", ""))
    return "\n".join([*lines, ""]).replace("(", "").replace(")", "").encode()


@pytest.fixture
def world(lab):
    """HOME in dollars, ABROAD in euros, on weekdays; the rates between them begin a day before."""
    market = lab.services.market
    market.import_csv(rows(HOME, 1), name="h.csv", symbol="HOME", market="XNYS")
    market.import_csv(rows(ABROAD, 1), name="a.csv", symbol="ABROAD", market="XEUR")
    market.import_csv(rows(EURO), name="r.csv", symbol="EURUSD", market="FX")
    write_strategy(lab.strategies, "equal", EQUAL)
    return lab


def both(world, **options):
    """Half of the account each, bought at the second open."""
    return world.submit(
        strategy="equal",
        symbols=("HOME", "ABROAD"),
        options={"account_currency": "USD", **FRACTIONS, **options},
        **FREE,
    )


def test_a_run_over_two_currencies_is_what_its_account_would_have(world):
    run = both(world)
    assert run.status is RunStatus.COMPLETED, run.error
    equity = world.services.backtests.equity(run.id, None)["equity"].to_numpy()

    # The second open is the first close, and the euro of the first day is known at it.
    home = 50_000 / HOME[1]
    abroad = 50_000 / (ABROAD[1] * EURO[1])
    expected = home * HOME[1:] + abroad * ABROAD[1:] * EURO[1:]
    assert equity == pytest.approx(expected, rel=1e-12)
    assert run.spec.options.account_currency == "USD"
    assert run.spec.options.fx == {"EUR": "EURUSD"}
    assert set(run.data_hashes) == {"HOME", "ABROAD", "fx:EURUSD"}
    assert "account in USD, EUR converted by EURUSD" in world.services.backtests.policy(run)
    (found,) = world.services.backtests.conversions(run.id)
    assert (found.symbol, found.currency, found.series) == ("ABROAD", "EUR", "EURUSD")
    assert (found.first, found.last) == pytest.approx((EURO[1], EURO[-1]))


def test_the_tables_say_the_rate_and_add_up(world):
    run = both(world)
    backtests = world.services.backtests
    held = backtests.positions(run.id, "ABROAD")
    fills = backtests.fills(run.id)

    assert held["fx"].to_list() == pytest.approx(EURO[1:].tolist(), rel=1e-15)
    assert (held["quantity"] * held["close"] * held["fx"] - held["value"]).abs().max() == 0.0
    assert backtests.positions(run.id, "HOME")["fx"].unique().to_list() == [1.0]
    assert fills["fx"].to_list() == pytest.approx([1.0, EURO[1]], rel=1e-15)
    assert backtests.accrued(run.id) == pytest.approx(0.0, abs=1e-9)
    parts = run.by_symbol
    assert sum(each["net_profit"] for each in parts.values()) == pytest.approx(
        run.metrics["net_profit"], rel=1e-12
    )
    weights = backtests.weights(run.id)
    assert weights.cash[1:] == pytest.approx(0.0, abs=1e-12)


def test_what_is_bought_and_held_is_converted_too(world):
    run = both(world)
    held = world.services.backtests.equity(run.id, None)["benchmark"].to_numpy()

    # The first open is the close of the day before, whose rate is known.
    home, abroad = HOME / HOME[0], ABROAD * EURO / (ABROAD[0] * EURO[0])
    assert held == pytest.approx((50_000 * home + 50_000 * abroad)[1:], rel=1e-12)


@pytest.mark.parametrize("account", ["shared", "sleeves"])
def test_an_inverted_series_gives_the_same_to_rounding(world, account):
    world.services.market.import_csv(
        rows(1.0 / EURO), name="i.csv", symbol="OWN.RATE", market="24/7", currency="EUR"
    )
    given = {
        "symbols": ("HOME", "ABROAD"),
        "strategy": "simple",
        **FREE,
    }
    options = {"account_currency": "USD", "account": account, **FRACTIONS}
    direct = world.submit(**given, options=options)
    inverted = world.submit(**given, options={**options, "fx": {"EUR": "own.rate"}})

    assert inverted.spec.options.fx == {"EUR": "OWN.RATE"}
    assert inverted.metrics["net_profit"] == pytest.approx(direct.metrics["net_profit"], rel=1e-9)
    assert direct.metrics["trades"] > 3


def test_the_account_may_be_in_the_other_currency(world):
    run = both(world, account_currency="EUR")

    assert run.spec.options.fx == {"USD": "EURUSD"}
    assert world.services.backtests.positions(run.id, "HOME")["fx"].to_list() == pytest.approx(
        (1 / EURO[1:]).tolist()
    )


def test_costs_are_taken_apart_in_the_accounts_currency(world):
    run = world.submit(
        strategy="simple",
        symbols=("HOME", "ABROAD"),
        options={"account_currency": "USD", "account": "shared"},
        costs={
            "name": "own",
            "fixed": 1.0,
            "bps": 3.0,
            "slippage_bps": 2.0,
            "half_spread_bps": 1.0,
        },
    )
    found = world.services.backtests.costs(run.id)

    assert sum(each.amount for each in found.lines) == pytest.approx(
        run.metrics["fees"] + run.metrics["slippage"], rel=1e-9
    )
    fills = world.services.backtests.fills(run.id)
    commission = next(each.amount for each in found.lines if each.part == "commission")
    value = (fills["quantity"].abs() * fills["price"] * 3e-4 + 1.0) * fills["fx"]
    assert commission == pytest.approx(value.sum(), rel=1e-9)
    assert found.traded == pytest.approx(
        (fills["quantity"].abs() * fills["price"] * fills["fx"]).sum(), rel=1e-12
    )


def test_a_run_is_reproduced_and_knows_when_its_rates_changed(world):
    run = both(world)
    assert world.services.backtests.reproduce(run.id).identical
    assert both(world).reused

    other = world.services.market
    other.import_csv(rows(EURO * 2), name="x.csv", symbol="OTHER", market="24/7", currency="USD")
    assert not both(world, fx={"EUR": "OTHER"}).reused


def test_rates_that_came_later_change_nothing_of_a_run(lab):
    """The assumption interval asks for the very inputs of the run, which has no end date."""
    market = lab.services.market
    for last in (150, DAYS):
        market.import_csv(rows(ABROAD, 1, last), name="a.csv", symbol="ABROAD", market="XEUR")
        market.import_csv(rows(EURO, 0, last), name="r.csv", symbol="EURUSD", market="FX")
        if last == 150:
            run = lab.submit(symbols=("ABROAD",), options={"account_currency": "USD"}, **FREE)

    found = lab.services.backtests.assumptions(run.id)
    assert next(each.metrics for each in found.each if each.is_own) == run.metrics
    again = lab.services.backtests.reproduce(run.id)
    assert again.changed_inputs == ("data:ABROAD", "data:fx:EURUSD", *again.changed_inputs[2:])


def test_one_currency_is_said_in_the_record_and_converts_nothing(world):
    plain = world.submit(symbols=("ABROAD",), **FREE)
    said = world.submit(symbols=("ABROAD",), options={"account_currency": "EUR"}, **FREE)

    assert plain.spec.options.account_currency == "EUR"
    assert plain.spec.options.fx == {}
    assert said.reused
    assert world.services.backtests.conversions(plain.id) == ()
    assert "fx" not in world.services.backtests.positions(plain.id).columns


def test_a_benchmark_in_another_currency_is_converted(world):
    run = world.submit(symbols=("HOME",), benchmark="ABROAD", **FREE)
    held = world.services.backtests.equity(run.id, None)["benchmark"].to_numpy()

    assert run.spec.options.fx == {"EUR": "EURUSD"}
    assert held[1:] / held[:-1] == pytest.approx(
        (ABROAD * EURO)[2:] / (ABROAD * EURO)[1:-1], rel=1e-12
    )


def test_intraday_bars_take_rates_of_days_before(world):
    """A rate of a day is known when the day is over, not at its label."""
    hours = [
        f"{day}T{hour:02d}:00:00Z,100,101,99,100,5"
        for day in weekdays(30)[20:]
        for hour in range(9, 17)
    ]
    text = "\n".join(["timestamp,open,high,low,close,volume", *hours, ""])
    world.services.market.import_csv(
        text.encode(), name="h.csv", symbol="HOURS", market="24/7", currency="EUR"
    )
    run = world.submit(
        symbols=("HOURS",), timeframe="1h", options={"account_currency": "USD"}, **FREE
    )
    held = world.services.backtests.positions(run.id)
    day_of = {day: n for n, day in enumerate(weekdays(DAYS))}
    expected = [EURO[day_of[day] - 1] for day in held["timestamp"].dt.date()]

    assert held["fx"].to_list() == pytest.approx(expected, rel=1e-15)


# Refusals --------------------------------------------------------------------------------------


def refused(world, kind, **request):
    count = world.count()
    with pytest.raises(kind) as found:
        world.submit(**request, **FREE)
    assert world.count() == count, "nothing is recorded"
    return found.value


def test_several_currencies_without_a_word_are_refused(world):
    error = refused(world, InvalidInput, symbols=("HOME", "ABROAD"))

    assert error.field == "options.account_currency"
    assert "HOME in USD, ABROAD in EUR" in error.message
    assert "EUR, USD" in error.expected


def test_missing_rates_are_named(world):
    error = refused(world, NotFound, symbols=("HOME",), options={"account_currency": "CHF"})

    assert error.field == "options.fx"
    assert "USDCHF or CHFUSD" in error.expected
    assert "USDCHF" in error.hint


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"account_currency": "USD", "fx": {"EUR": "NOWHERE"}}, "NOWHERE"),
        ({"account_currency": "USD", "fx": {"EUR": "HOME", "CHF": "HOME"}}, "CHF"),
        ({"account_currency": "GBP", "fx": {"EUR": "EURUSD"}}, "EUR in USD"),
        ({"fx": {"CHF": "EURUSD"}}, "CHF"),
    ],
)
def test_rates_that_are_none_are_refused(world, options, words):
    error = refused(world, (InvalidInput, NotFound), symbols=("ABROAD",), options=options)

    assert error.field == "options.fx"
    assert words in error.message


def test_a_symbol_whose_currency_nobody_said_is_refused(world):
    error = refused(world, InvalidInput, symbols=("AAA",), options={"account_currency": "USD"})

    assert "AAA" in error.message
    assert "import" in error.hint


def test_rates_that_begin_too_late_or_stop_fail_the_run_with_their_dates(lab):
    market = lab.services.market
    market.import_csv(rows(ABROAD, 1), name="a.csv", symbol="ABROAD", market="XEUR")
    market.import_csv(rows(EURO, 20, 60), name="r.csv", symbol="EURUSD", market="FX")
    options = {"account_currency": "USD"}

    early = lab.submit(symbols=("ABROAD",), options=options, **FREE)
    assert early.status is RunStatus.FAILED
    assert "no rate of EUR to USD by EURUSD is known at 2020-01-03" in early.error.message
    late = lab.submit(symbols=("ABROAD",), options=options, start=str(weekdays(DAYS)[30]), **FREE)
    assert late.status is RunStatus.FAILED
    assert "the latest rate" in late.error.message
    assert late.error.hint


# Funding ---------------------------------------------------------------------------------------


def test_funding_is_paid_and_shown(lab):
    hours = []
    for n in range(24 * 20):
        price = 100 + n % 24 + n // 24
        rate = 0.001 if n % 8 == 0 else 0.0
        stamp = f"2024-03-{1 + n // 24:02d}T{n % 24:02d}:00:00Z"
        hours.append(f"{stamp},{price},{price + 1},{price - 1},{price},5,{rate}")
    text = "\n".join(["timestamp,open,high,low,close,volume,fundingRate", *hours, ""])
    lab.services.market.import_csv(text.encode(), name="p.csv", symbol="PERP", market="24/7")
    given = {"symbols": ("PERP",), "timeframe": "1h", **FREE}
    run = lab.submit(**given)
    without = lab.submit(**given, options={"funding": False})
    held = lab.services.backtests.positions(run.id)

    before = pl.Series([0.0, *(held["quantity"] * held["close"]).to_list()[:-1]])
    times = held["timestamp"].dt.hour() % 8 == 0
    assert run.metrics["funding"] == pytest.approx((before * times * 0.001).sum(), rel=1e-9)
    assert run.metrics["funding"] > 0
    assert without.metrics["funding"] == 0.0
    assert "without funding" in lab.services.backtests.policy(without)
    trades = lab.services.backtests.trades(run.id)
    assert run.metrics["net_profit"] == pytest.approx(
        trades["pnl"].sum() - run.metrics["funding"], rel=1e-9
    )
    assert lab.services.backtests.accrued(run.id) == pytest.approx(-run.metrics["funding"])
