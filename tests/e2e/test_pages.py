"""What only a browser can show: polling, selection, addresses, downloads."""

from __future__ import annotations

import csv
import io
import os
import re
import signal
from pathlib import Path

import polars as pl
import pytest
from playwright.sync_api import Page, expect

from tests.e2e import steps
from tests.e2e.conftest import Workbench

pytestmark = pytest.mark.e2e


def submit(workbench: Workbench, **changes: object) -> int:
    body = {"strategy": "ema_crossover", "symbols": ["IBM"]} | changes
    return int(workbench.post(**body)["id"])


def test_nothing_typed_is_lost_over_many_polls_and_visits(page: Page, workbench: Workbench) -> None:
    steps.visit(page, workbench.ui)
    steps.choose(page, steps.form(page), "Strategy", "EMA crossover")
    fast = steps.number(page, "Fast (bars)")
    fast.click()
    fast.press("ControlOrMeta+a")
    page.keyboard.type("19")

    for slow in (61, 62, 63, 64, 65):  # each appears by a poll of its own
        newest = submit(workbench, parameters={"fast": 5, "slow": slow})
        expect(steps.row(page, newest)).to_be_visible()
        expect(fast).to_have_value("19")
        expect(fast).to_be_focused()

    fast.press("Enter")
    steps.add_symbol(page, "MSFT")
    page.locator(".wb-runs a").first.click()
    expect(page.locator(".wb-headline h1")).to_be_visible()
    steps.back(page)
    expect(fast).to_have_value("19")
    assert steps.run(page) > newest
    expect(page.locator(".wb-headline")).to_contain_text("AAPL, MSFT")
    expect(page.locator(".wb-headline h1")).to_contain_text("fast 19")


def test_a_selection_follows_the_run_and_not_the_row(page: Page, workbench: Workbench) -> None:
    chosen = submit(workbench, parameters={"fast": 6})
    steps.visit(page, workbench.ui)
    expect(steps.row(page, chosen)).to_be_visible()
    steps.tick(page, chosen)

    newest = submit(workbench, parameters={"fast": 7})

    expect(steps.row(page, newest)).to_be_visible()
    expect(page.get_by_label(f"Select run {chosen} for comparison")).to_be_checked()
    expect(page.get_by_label(f"Select run {newest} for comparison")).not_to_be_checked()
    expect(page.get_by_text("1 selected")).to_be_visible()
    expect(page.get_by_role("button", name="Compare")).to_be_disabled()


def test_a_selection_survives_a_visit_to_a_run(page: Page, workbench: Workbench) -> None:
    chosen = submit(workbench, parameters={"fast": 8})
    steps.visit(page, workbench.ui)
    steps.tick(page, chosen)
    steps.row(page, chosen).get_by_role("link").click()
    expect(page.locator(".wb-headline h1")).to_be_visible()

    steps.back(page)

    expect(page.get_by_label(f"Select run {chosen} for comparison")).to_be_checked()


def test_order_lives_in_the_address(page: Page, workbench: Workbench) -> None:
    for fast in (3, 9, 15):
        submit(workbench, parameters={"fast": fast})
    steps.visit(page, workbench.ui)

    page.get_by_role("button", name="Sharpe").click()
    expect(page.locator('th[data-column="sharpe"]')).to_have_attribute("aria-sort", "descending")
    expect(page).to_have_url(f"{workbench.ui}/?sort=sharpe&order=desc")
    best_first = steps.rows(page)
    page.reload()
    expect(page.locator('th[data-column="sharpe"]')).to_have_attribute("aria-sort", "descending")
    assert steps.rows(page) == best_first

    page.locator(".wb-runs a").first.click()
    expect(page.locator(".wb-headline h1")).to_be_visible()
    steps.back(page)
    expect(page.locator('th[data-column="sharpe"]')).to_have_attribute("aria-sort", "descending")


def test_pages_of_the_list_live_in_the_address(page: Page, workbench: Workbench) -> None:
    for slow in range(100, 127):
        submit(workbench, symbols=["GOOG"], parameters={"fast": 4, "slow": slow})
    steps.visit(page, f"{workbench.ui}/?symbol=GOOG&page=2")

    second = steps.rows(page)
    page.get_by_role("button", name="Page 1", exact=True).click()
    expect(steps.row(page, max(second))).to_have_count(0)

    assert 0 < len(second) <= 25
    assert min(steps.rows(page)) > max(second)


def test_a_row_opens_with_the_keyboard(page: Page, workbench: Workbench) -> None:
    number = submit(workbench)
    steps.visit(page, workbench.ui)

    steps.row(page, number).get_by_role("link").focus()
    page.keyboard.press("Enter")

    expect(page).to_have_url(f"{workbench.ui}/run?id={number}")
    expect(page.locator(".wb-headline")).to_contain_text(f"Run #{number}")


def test_the_browsers_back_button_returns_to_the_list(page: Page, workbench: Workbench) -> None:
    number = submit(workbench)
    steps.visit(page, workbench.ui)
    steps.row(page, number).get_by_role("link").click()
    expect(page.locator(".wb-headline h1")).to_be_visible()

    page.go_back()

    expect(page.get_by_role("heading", name="Backtests")).to_be_visible()
    expect(steps.row(page, number)).to_be_visible()


def test_impatient_clicks_do_not_empty_the_page(page: Page, workbench: Workbench) -> None:
    number = submit(workbench)
    steps.visit(page, workbench.ui)

    for _ in range(3):
        steps.row(page, number).get_by_role("cell").nth(3).dblclick()
        expect(page.locator(".wb-headline h1")).to_be_visible()
        expect(page.get_by_test_id("tiles")).to_be_visible()
        steps.back(page)
        steps.form(page).get_by_role("button", name="Run backtest").dblclick()
        expect(page.get_by_test_id("tiles")).to_be_visible()
        steps.back(page)
        page.keyboard.press("ControlOrMeta+Enter")
        page.keyboard.press("ControlOrMeta+Enter")
        expect(page.get_by_test_id("tiles")).to_be_visible()
        page.get_by_role("link", name="← Backtests").dblclick()
        expect(steps.row(page, number)).to_be_visible()


def test_leaving_while_the_list_polls_does_not_empty_the_page(
    page: Page, workbench: Workbench
) -> None:
    number = submit(workbench)
    steps.visit(page, workbench.ui)

    for pause in range(0, 1_200, 100):  # all phases of a poll of one second
        expect(steps.row(page, number)).to_be_visible()
        page.wait_for_timeout(pause)
        steps.row(page, number).get_by_role("link").click()
        expect(page.get_by_test_id("tiles")).to_be_visible()
        steps.back(page)


def test_leaving_while_the_server_is_busy_does_not_empty_the_page(
    page: Page, workbench: Workbench
) -> None:
    """A page is left in two runs; between them nothing runs, and the list is due."""
    number = submit(workbench)
    steps.visit(page, workbench.ui)
    between = """() => {
        document.querySelector(".stApp").dataset.testScriptState = "notRunning";
        const root = document.documentElement;
        window.beats = 0;
        const note = () => { if ("wbPolling" in root.dataset) window.beats += 1; };
        new MutationObserver(note).observe(root, { attributes: true });
    }"""
    for _ in range(3):
        expect(steps.row(page, number)).to_be_visible()
        os.kill(workbench.ui_process, signal.SIGSTOP)
        try:
            steps.row(page, number).get_by_role("link").click()
            page.wait_for_timeout(100)
            page.evaluate(between)
            page.wait_for_timeout(1_200)
            assert page.evaluate("window.beats") == 0
        finally:
            os.kill(workbench.ui_process, signal.SIGCONT)
        expect(page.get_by_test_id("tiles")).to_be_visible()
        steps.back(page)


def test_a_running_run_is_watched_until_it_is_done(page: Page, workbench: Workbench) -> None:
    steps.visit(page, workbench.ui)
    steps.choose(page, steps.form(page), "Strategy", "Slow")

    steps.run(page)

    expect(page.locator(".wb-chip.wb-running")).to_be_visible()
    expect(page.get_by_test_id("tiles")).to_be_visible()
    expect(page.locator(".wb-chip.wb-running")).to_have_count(0)


def test_a_run_can_be_run_again_with_changes(page: Page, workbench: Workbench) -> None:
    number = submit(
        workbench, symbols=["GOOG", "IBM"], parameters={"fast": 11, "slow": 77}, fill_rule="close"
    )
    steps.visit(page, f"{workbench.ui}/run?id={number}")
    expect(page.locator(".wb-headline .wb-badge")).to_have_text(
        ["Optimistic: Optimistic: filled at the close that decided it"]
    )

    page.get_by_role("button", name="Run again with changes").click()

    expect(steps.number(page, "Slow (bars)")).to_have_value("77")
    expect(steps.number(page, "Fast (bars)")).to_have_value("11")
    expect(steps.form(page)).to_contain_text("nobody can trade")


def test_reproduce_compares_every_bit(page: Page, workbench: Workbench) -> None:
    number = submit(workbench)
    steps.visit(page, f"{workbench.ui}/run?id={number}")

    page.get_by_role("button", name="Reproduce").click()

    expect(page.get_by_test_id("reproduction")).to_contain_text("Bit-equal")


def test_trades_are_exported_whole(page: Page, workbench: Workbench, tmp_path: Path) -> None:
    number = submit(workbench)
    steps.visit(page, f"{workbench.ui}/run?id={number}")
    count = int(page.get_by_test_id("trades-count").inner_text().split()[0].replace(",", ""))

    with page.expect_download() as text:
        page.get_by_role("button", name="CSV").click()
    with page.expect_download() as table:
        page.get_by_role("button", name="Parquet").click()

    assert text.value.suggested_filename == f"run_{number}_trades.csv"
    listed = list(csv.DictReader(io.StringIO(Path(text.value.path()).read_text("utf-8"))))
    parquet = tmp_path / "trades.parquet"
    table.value.save_as(parquet)
    stored = pl.read_parquet(parquet)
    assert len(listed) == stored.height == count
    assert [float(row["pnl"]) for row in listed] == stored["pnl"].to_list()


def test_the_logarithmic_scale_changes_the_axis(page: Page, workbench: Workbench) -> None:
    number = submit(workbench, symbols=["AAPL"])
    steps.visit(page, f"{workbench.ui}/run?id={number}")
    labels = page.locator(".st-key-equity_chart .ytick text")
    expect(labels.first).to_be_visible()
    linear = labels.all_text_contents()

    page.get_by_text("Log scale").first.click()

    expect(labels).not_to_have_text(linear)


def test_a_number_out_of_its_range_runs_nothing(page: Page, workbench: Workbench) -> None:
    steps.visit(page, workbench.ui)
    form = page.get_by_test_id("stSidebar")
    capital, run = (
        form.get_by_label("Capital").first,
        form.get_by_role("button", name="Run backtest"),
    )
    expect(run).to_have_css("pointer-events", "auto")

    capital.fill("-5")
    capital.press("Enter")

    expect(capital).to_have_attribute("aria-invalid", "true")
    expect(run).to_have_css("pointer-events", "none")
    expect(run).to_have_css("opacity", "0.45")
    said = "(node) => getComputedStyle(node, '::before').content"
    assert "Capital is out of its range" in page.locator(".st-key-form_run").evaluate(said)
    capital.fill("50000")
    capital.press("Enter")
    expect(run).to_have_css("pointer-events", "auto")


@pytest.mark.parametrize("keys", [("ControlOrMeta+Enter",), ("Enter", "ControlOrMeta+Enter")])
def test_no_keys_run_a_number_out_of_its_range_and_the_field_says_so(
    page: Page, workbench: Workbench, keys: tuple[str, ...]
) -> None:
    steps.visit(page, workbench.ui)
    count = page.get_by_test_id("run-count").inner_text()
    capital = steps.number(page, "Capital")
    capital.fill("-5")

    for key in keys:
        capital.press(key)

    said = steps.form(page).get_by_role("alert")
    expect(said).to_have_attribute("data-said", "Expected more than 0, at most 1,000,000,000,000.")
    box, field = said.bounding_box(), capital.bounding_box()
    assert box is not None
    assert field is not None
    assert box["height"] > 10
    assert box["y"] >= field["y"] + field["height"]
    expect(capital).to_be_focused()
    steps.settle(page)
    expect(page).to_have_url(re.compile(r"/$"))
    expect(page.get_by_test_id("run-count")).to_have_text(count)


def test_a_click_does_not_run_a_number_that_was_typed_and_not_left(
    page: Page, workbench: Workbench
) -> None:
    steps.visit(page, workbench.ui)
    steps.number(page, "Size").fill("0")

    steps.form(page).get_by_role("button", name="Run backtest").dispatch_event("click")

    expect(steps.number(page, "Size")).to_have_attribute("aria-invalid", "true")
    steps.settle(page)
    expect(page).to_have_url(re.compile(r"/$"))


def test_a_number_that_was_typed_and_not_left_is_what_the_keys_run(
    page: Page, workbench: Workbench
) -> None:
    steps.visit(page, workbench.ui)
    capital = steps.number(page, "Capital")
    capital.fill("77777")

    capital.press("ControlOrMeta+Enter")

    expect(page).to_have_url(re.compile(r"/run\?id=\d+"))
    page.goto(f"{page.url}&tab=Provenance")
    expect(page.get_by_text("77,777", exact=False).first).to_be_visible()


def test_the_keys_that_take_over_several_lines_start_no_study(
    page: Page, workbench: Workbench
) -> None:
    steps.visit(page, f"{workbench.ui}/optimizations")
    form = steps.form(page)
    form.get_by_text("Requirements", exact=True).click()
    lines = form.get_by_role("textbox", name="One a line")
    lines.fill("trades >= never")

    lines.press("ControlOrMeta+Enter")

    expect(form.locator(".st-key-form_answer .wb-problem")).to_be_visible()  # so it was taken over
    lines.fill("trades >= 31")
    lines.press("ControlOrMeta+Enter")
    expect(form.locator(".st-key-form_answer .wb-problem")).to_have_count(0)
    steps.settle(page)
    expect(page).to_have_url(re.compile(r"/optimizations$"))
    expect(lines).to_be_focused()


def test_no_keys_run_a_day_without_prices(page: Page, workbench: Workbench) -> None:
    steps.visit(page, workbench.ui)
    form, year = steps.form(page), page.get_by_role("spinbutton", name="year, From")
    run = form.get_by_role("button", name="Run backtest")
    year.click()
    page.keyboard.type("20300101")
    page.keyboard.press("Tab")
    expect(form.locator("[data-has-error]")).to_have_count(1)

    page.keyboard.press("ControlOrMeta+Enter")

    steps.settle(page)
    expect(page).to_have_url(re.compile(r"/$"))
    expect(run).to_have_css("pointer-events", "none")


def test_twelve_runs_beside_each_other_leave_the_page_as_wide_as_the_window(
    page: Page, workbench: Workbench
) -> None:
    names = ("IBM", "AAPL", "MSFT", "GOOG")
    ids = [
        submit(
            workbench,
            symbols=[names[number % 4]],
            parameters={"fast": 5 + number, "slow": 40 + number},
            costs={"name": f"costs_without_any_room_{number:02}", "bps": number},
        )
        for number in range(12)
    ]
    for each in ids:
        steps.visit(page, f"{workbench.ui}/run?id={each}")
        expect(page.get_by_test_id("tiles")).to_be_visible()
    page.set_viewport_size({"width": 1280, "height": 900})

    steps.visit(page, f"{workbench.ui}/compare?ids={','.join(map(str, ids))}")

    table = page.get_by_test_id("differences")
    expect(table).to_be_visible()
    wider = "(node) => node.scrollWidth - node.clientWidth"
    assert page.get_by_test_id("stMain").evaluate(wider) == 0
    assert page.locator("html").evaluate(wider) == 0
    frame = table.locator("xpath=..")
    assert frame.evaluate(wider) > 0
    label = table.locator("tbody th").first
    before = label.bounding_box()
    frame.evaluate("(node) => { node.scrollLeft = 200; }")
    assert label.bounding_box() == before  # the settings stay beside what they are of


def test_a_button_that_cannot_be_pressed_looks_like_it(page: Page, workbench: Workbench) -> None:
    steps.visit(page, workbench.ui)
    form = page.get_by_test_id("stSidebar")

    form.get_by_role("button", name="Clear").first.click()

    run = form.get_by_role("button", name="Run backtest")
    expect(run).to_be_disabled()
    expect(run).to_have_css("opacity", "0.45")


@pytest.mark.parametrize(("width", "height"), [(1280, 800), (1600, 1000)])
def test_tables_fit_into_a_window_of_usual_size(
    page: Page, workbench: Workbench, width: int, height: int
) -> None:
    cautious = {"preset": "nifty_scalper", "option": {"delta": 0.5}}
    one = workbench.post(
        strategy="ema10_scalper", symbols=["SYNTH-NIFTY"], timeframe="1m",
        start_date="2024-01-01", end_date="2024-02-01", costs="zero", engine_options=cautious,
    )["id"]  # fmt: skip
    other = workbench.post(strategy="momentum_strategy", symbols=["AAPL", "GOOG", "IBM", "MSFT"])
    page.set_viewport_size({"width": width, "height": height})

    for path in ("", f"/run?id={one}&tab=Assumptions", f"/compare?ids={one},{other['id']}"):
        steps.visit(page, workbench.ui + path)
        expect(page.locator(".wb-runs tbody tr, .wb-table").first).to_be_visible()
        steps.settle(page)
        too_wide = page.evaluate(
            """() => [...document.querySelectorAll(".wb-runs, .wb-scroll, .wb-months-frame, html")]
              .filter((node) => node.scrollWidth > node.clientWidth + 1)
              .map((node) => [node.className, node.scrollWidth, node.clientWidth])"""
        )
        assert too_wide == [], path


def test_a_narrow_window_keeps_the_numbers(page: Page, workbench: Workbench) -> None:
    submit(workbench)
    page.set_viewport_size({"width": 1024, "height": 768})

    steps.visit(page, workbench.ui)

    sharpe = page.locator('.wb-runs td[data-column="trades"]').first
    expect(sharpe).to_be_in_viewport(ratio=1)
