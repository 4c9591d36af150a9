"""What a person does on the pages, and what a person waits for."""

from __future__ import annotations

import re

from playwright.sync_api import Locator, Page, expect

SETTLED = '[data-testid="stApp"][data-test-script-state="notRunning"]'
PATIENCE = 30_000

expect.set_options(timeout=PATIENCE)


def settle(page: Page) -> None:
    page.wait_for_selector(SETTLED, timeout=PATIENCE)


def visit(page: Page, address: str) -> None:
    page.goto(address)
    expect(page.get_by_test_id("stHtml").first).to_be_visible()  # before that it is idle, too
    settle(page)


def form(page: Page) -> Locator:
    return page.get_by_test_id("stSidebar")


def number(page: Page, label: str) -> Locator:
    return form(page).get_by_role("spinbutton", name=label, exact=True)


def choose(page: Page, where: Locator, label: str, option: str) -> None:
    where.get_by_role("combobox", name=label, exact=True).click()
    page.get_by_role("option", name=option, exact=True).click()
    settle(page)


def add_symbol(page: Page, symbol: str) -> None:
    choose(page, form(page), "Symbols", symbol)
    page.keyboard.press("Escape")


def run(page: Page) -> int:
    """Press the button; give the number of the run whose page opens."""
    form(page).get_by_role("button", name="Run backtest").click()
    page.wait_for_url(re.compile(r"/run\?id=\d+"), timeout=PATIENCE)
    expect(page.locator(".wb-headline h1")).to_be_visible()
    return int(page.url.rsplit("=", 1)[1])


def back(page: Page) -> None:
    page.get_by_role("link", name="← Backtests").click()
    expect(page.get_by_role("heading", name="Backtests")).to_be_visible()
    settle(page)


def row(page: Page, number: int) -> Locator:
    return page.locator(f'.wb-runs tr[data-run="{number}"]')


def rows(page: Page) -> list[int]:
    expect(page.locator(".wb-runs tbody tr").first).to_be_visible()
    return [
        int(str(one.get_attribute("data-run"))) for one in page.locator(".wb-runs tbody tr").all()
    ]


def tick(page: Page, number: int) -> None:
    page.get_by_label(f"Select run {number} for comparison").check()
    settle(page)


def vary(page: Page, parameter: str, low: int, high: int, step: int) -> None:
    """Give a parameter, named as in `ema_crossover_fast`, a range."""
    for part, value in (("low", low), ("high", high), ("step", step)):
        field = page.locator(f".st-key-study_{part}_{parameter} input")
        field.fill(str(value))
        field.press("Enter")
        settle(page)


def start_study(page: Page) -> int:
    """Press the button; give the number of the study whose page opens."""
    form(page).get_by_role("button", name="Start study").click()
    page.wait_for_url(re.compile(r"/study\?id=\d+"), timeout=PATIENCE)
    expect(page.locator(".wb-headline h1")).to_be_visible()
    return int(page.url.rsplit("=", 1)[1])
