"""The currency of an account, chosen in the form and shown on the page of a run."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from core.bootstrap import build
from core.domain.run import RunQuery
from core.services import Services
from tests.laboratory import settings_in, wave, weekdays, write_strategy
from tests.ui.conftest import CROSSING, words
from ui import state

ACCOUNT = state.option("account_currency")
FORM_FX = state.rates_of("EUR")


def prices(count: int, first: int, level: float) -> bytes:
    lines = ["date,open,high,low,close,volume"]
    for day, close in list(zip(weekdays(count), wave(count), strict=True))[first:]:
        price = close * level
        lines.append(f"{day},{price},{price * 1.01},{price * 0.99},{price},100")
    return "\n".join([*lines, ""]).encode()


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    settings = settings_in(tmp_path_factory.mktemp("currencies"), run_wait_seconds=60)
    write_strategy(settings.strategies_dir, "crossing", CROSSING)
    with build(settings, executor="inline") as built:
        for symbol, market, first, level in (
            ("ABROAD", "XEUR", 1, 1.0),
            ("HOME", "XNYS", 1, 2.0),
            ("EURUSD", "FX", 0, 0.011),
            ("ALPS", "24/7", 1, 1.0),
        ):
            built.market.import_csv(
                prices(400, first, level),
                name="p.csv",
                symbol=symbol,
                market=market,
                currency="CHF" if symbol == "ALPS" else None,
            )
        yield built


def page_of(open_page, *symbols):
    page = open_page()
    return page.multiselect(state.FORM_SYMBOLS).set_value(list(symbols)).run()


def captions(page):
    return " ".join(caption.value for caption in page.caption)


def newest(services):
    return services.backtests.list(RunQuery(page_size=1)).runs[0]


def test_symbols_of_one_currency_need_no_choice(open_page, services):
    page = page_of(open_page, "ABROAD")
    assert page.selectbox(ACCOUNT).options == ["EUR, as quoted", "CHF", "EUR", "USD"]

    page.button("form_run").click().run()

    run = newest(services)
    assert run.spec.options.account_currency == "EUR"
    assert "in EUR" in words(open_page("run", id=str(run.id)))


def test_an_account_in_another_currency_offers_its_rates(open_page, services):
    page = page_of(open_page, "ABROAD")
    page.selectbox(ACCOUNT).select("USD").run()
    assert page.selectbox(FORM_FX).value == "EURUSD"

    page.button("form_run").click().run()

    run = newest(services)
    assert run.spec.options.fx == {"EUR": "EURUSD"}
    shown = words(open_page("run", id=str(run.id), tab="Symbols"))
    assert "Converted to USD" in shown
    assert "EURUSD" in shown


def test_symbols_of_several_currencies_ask_for_one(open_page):
    page = page_of(open_page, "ABROAD", "HOME")
    assert "choose the currency of the account" in captions(page)

    page.selectbox(ACCOUNT).select("EUR").run()

    assert page.selectbox(state.rates_of("USD")).value == "EURUSD"
    assert "choose the currency" not in captions(page)


def test_other_symbols_bring_their_own_currency_as_quoted(open_page):
    page = page_of(open_page, "ABROAD")
    assert page.selectbox(ACCOUNT).value == ""

    # The browser sends what it showed for the first symbol.
    page.session_state[ACCOUNT] = "EUR, as quoted"
    page.multiselect(state.FORM_SYMBOLS).set_value(["HOME"]).run()

    assert page.selectbox(ACCOUNT).options[0] == "USD, as quoted"
    assert page.selectbox(ACCOUNT).value == ""
    assert not page.button("form_run").disabled


def test_rates_that_are_not_there_are_named(open_page):
    page = page_of(open_page, "ALPS")

    page.selectbox(ACCOUNT).select("USD").run()

    assert "import CHFUSD" in captions(page)
    assert "The catalog has no rates of CHF in USD" in words(page)
    assert page.button("form_run").disabled


def test_a_run_is_filled_into_the_form_with_its_rates(open_page, services):
    page = page_of(open_page, "ABROAD")
    page.selectbox(ACCOUNT).select("USD").run()
    page.button("form_run").click().run()
    asked = newest(services)

    page = open_page("run", id=str(asked.id))
    page.button("run_again").click().run()
    page.button("form_run").click().run()

    assert newest(services).spec == asked.spec
