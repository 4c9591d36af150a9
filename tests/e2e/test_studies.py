"""A sitting at the search for parameters: start, watch, judge, promote, cancel."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from core.bootstrap import build
from core.domain.run import RunSpec
from core.domain.study import StudySpec
from tests.e2e import steps
from tests.e2e.conftest import RESULTS, Workbench
from tests.e2e.test_journey import contrast_of_text
from tests.laboratory import settings_in

pytestmark = pytest.mark.e2e
SEARCHED_MS = 120_000  # the first search of a session may compile kernels
ENDED_MS = 30_000
TABS = ("Trials", "Parameters", "Overfitting", "Walk-forward", "Request")
LONG = {
    "strategy_path": "ema_crossover",
    "dataset_id": "GOOG",
    "param_ranges": {
        "fast": {"min": 5, "max": 60, "step": 1},
        "slow": {"min": 61, "max": 230, "step": 1},
    },
    "null_worlds": 500,
}
SHORT = {
    "run": {"strategy": "sma_crossover", "symbols": ["IBM"]},
    "space": {
        "fast": {"min": 5, "max": 50, "step": 5},
        "slow": {"min": 60, "max": 200, "step": 20},
    },
    "requirements": ["trades >= 5"],
    "walk_forward": {"train": 24, "test": 6, "step": 6},
    "null_worlds": 2,
}


def submit(folder: Path, spec: dict[str, object]) -> int:
    """Ask for a study as a program does."""
    with build(settings_in(folder), executor="inline") as services:
        return services.studies.submit(StudySpec.model_validate(spec), source="python").id


@pytest.mark.usefixtures("worker")
def test_from_a_space_to_a_verdict_and_a_backtest(page: Page, workbench: Workbench) -> None:
    # Somebody lays out a space and sees how many sets it has before they ask for it.
    steps.visit(page, f"{workbench.ui}/optimizations")
    steps.choose(page, steps.form(page), "Strategy", "EMA crossover")
    steps.vary(page, "ema_crossover_fast", 5, 30, 5)
    steps.vary(page, "ema_crossover_slow", 20, 100, 10)
    expect(page.get_by_test_id("study-count")).to_contain_text("50 sets")
    first = steps.start_study(page)

    # They watch, and read what the result is worth before they read the result.
    expect(page.get_by_test_id("verdict")).to_be_visible(timeout=SEARCHED_MS)
    expect(page.get_by_test_id("verdict")).to_contain_text("50 trials")
    expect(page.get_by_test_id("gates").locator("tbody tr")).to_have_count(6)
    expect(page.get_by_test_id("study-tiles")).to_contain_text("Deflated Sharpe")
    expect(page.locator(".st-key-surface_chart .main-svg").first).to_be_visible()
    expect(page.locator(".st-key-luck_chart .main-svg").first).to_be_visible()

    # They run the trial to take as a backtest.
    chosen = page.get_by_test_id("chosen").locator("dd b").all_inner_texts()
    page.get_by_role("button", name="Backtest trial").click()
    expect(page.locator(".wb-headline h1")).to_have_text(
        f"EMA crossover fast {chosen[0]} · slow {chosen[1]}"
    )
    expect(page.get_by_test_id("tiles")).to_be_visible()

    # Back in the list they type, and meanwhile a program asks for a study that takes long.
    page.get_by_role("link", name="Optimizations").click()
    expect(page.get_by_role("heading", name="Optimizations")).to_be_visible()
    steps.settle(page)
    expect(steps.row(page, first).locator(".wb-light")).to_be_visible()
    low = page.locator(".st-key-study_low_ema_crossover_fast input")
    low.click()
    low.press("ControlOrMeta+a")
    page.keyboard.type("17")
    other = workbench.search(**LONG)
    expect(steps.row(page, other)).to_be_visible()
    expect(low).to_have_value("17")
    expect(low).to_be_focused()

    # They think better of it: the button asks once more, and the study ends.
    line = steps.row(page, other)
    expect(line.locator(".wb-running")).to_be_visible()
    line.get_by_role("button", name=f"Cancel study {other}").click()
    line.get_by_role("button", name="Keep").click()
    expect(line.get_by_role("button", name=f"Cancel study {other}")).to_be_visible()
    line.get_by_role("button", name=f"Cancel study {other}").click()
    line.get_by_role("button", name=f"End study {other}").click()
    expect(line.locator(".wb-cancelled")).to_be_visible(timeout=ENDED_MS)
    expect(line.get_by_role("button")).to_have_count(0)

    # They filter; the address keeps the filter over a reload.
    steps.choose(page, page.get_by_test_id("stMain"), "Status", "Cancelled")
    expect(page.get_by_test_id("study-total")).to_have_text("1 study")
    expect(page).to_have_url(f"{workbench.ui}/optimizations?status=Cancelled")
    page.reload()
    steps.settle(page)
    expect(page.get_by_test_id("study-total")).to_have_text("1 study")


@pytest.mark.usefixtures("worker")
def test_several_symbols_are_searched_by_the_form(page: Page, workbench: Workbench) -> None:
    steps.visit(page, f"{workbench.ui}/optimizations")
    steps.choose(page, steps.form(page), "Strategy", "SMA crossover")
    steps.add_symbol(page, "IBM")
    steps.vary(page, "sma_crossover_fast", 5, 20, 5)
    steps.vary(page, "sma_crossover_slow", 40, 100, 30)
    expect(page.get_by_test_id("study-count")).to_contain_text("12 sets")
    # They press the button right out of a field: what stands there is what is searched.
    step = page.locator(".st-key-study_step_sma_crossover_slow input")
    step.click()
    step.press("ControlOrMeta+a")
    page.keyboard.type("20")
    steps.start_study(page)

    expect(page.get_by_test_id("verdict")).to_contain_text("16 trials", timeout=SEARCHED_MS)
    expect(page.locator(".wb-headline")).to_contain_text("AAPL, IBM")
    page.get_by_role("button", name="Backtest trial").click()
    expect(page.get_by_test_id("tiles")).to_be_visible()
    expect(page.locator(".wb-headline")).to_contain_text("AAPL, IBM")


def test_what_is_in_the_way_stands_by_the_button_wherever_one_looks(
    page: Page, workbench: Workbench
) -> None:
    steps.visit(page, f"{workbench.ui}/optimizations")
    steps.choose(page, steps.form(page), "Strategy", "EMA crossover")
    steps.add_symbol(page, "SYNTH-NIFTY")
    page.get_by_label("Remove AAPL").click()
    steps.settle(page)

    reason = page.locator(".st-key-form_answer")
    button = steps.form(page).get_by_role("button", name="Start study")
    for place in (400, 99_999, 0):
        page.get_by_test_id("stSidebarContent").evaluate("(it, at) => it.scrollTo(0, at)", place)
        expect(reason).to_contain_text("The part to search in has 175 sessions")
        expect(reason).to_be_in_viewport(ratio=1)
        expect(button).to_be_in_viewport(ratio=1)
        expect(button).to_be_disabled()

    steps.choose(page, steps.form(page), "Bars", "15m")
    expect(page.get_by_test_id("study-count")).to_be_in_viewport(ratio=1)
    expect(button).to_be_enabled()
    expect(reason).to_have_count(0)

    # The same at the form of a backtest.
    steps.visit(page, workbench.ui)
    steps.choose(page, steps.form(page), "Strategy", "EMA crossover")
    fast = steps.number(page, "Fast (bars)")
    fast.fill("90")
    fast.press("Enter")
    page.get_by_test_id("stSidebarContent").evaluate("it => it.scrollTo(0, 99999)")
    expect(reason).to_contain_text("break a constraint")
    expect(reason).to_be_in_viewport(ratio=1)


@pytest.mark.usefixtures("worker")
def test_a_study_of_a_program_is_watched_and_ended_on_its_page(
    page: Page, workbench: Workbench, folder: Path
) -> None:
    submit(folder, SHORT)
    # The list is open, sorted by verdict, when a program asks; what is unknown comes last.
    steps.visit(page, f"{workbench.ui}/optimizations")
    page.get_by_role("button", name="Verdict").click()
    steps.settle(page)
    number = workbench.search(**LONG, seed=9)
    row = steps.row(page, number)
    expect(row).to_be_visible()
    expect(page).to_have_url(f"{workbench.ui}/optimizations?study_sort=light&study_order=asc")

    # Somebody opens it and sees it move.
    row.get_by_role("link", name=f"#{number}").click()
    watched = page.get_by_test_id("stProgress")
    expect(watched).to_contain_text("trials, worlds among them", timeout=SEARCHED_MS)
    before = watched.inner_text()
    expect(watched).not_to_have_text(before)
    expect(page.get_by_test_id("verdict")).to_have_count(0)

    # They end it: the button asks once more, over news that keep coming.
    page.get_by_role("button", name="Cancel").click()
    sure = page.get_by_role("button", name="End this study")
    expect(sure).to_have_css("background-color", "rgb(42, 102, 200)")  # white is readable on it
    moved = watched.inner_text()
    expect(watched).not_to_have_text(moved)
    sure.click()
    expect(page.get_by_test_id("cancelled")).to_be_visible(timeout=ENDED_MS)
    expect(page.get_by_role("button", name="Cancel")).to_have_count(0)
    expect(page.get_by_role("button", name="Search again with changes")).to_be_visible()


@pytest.mark.usefixtures("worker")
def test_a_backtest_in_the_queue_is_ended_on_its_page(
    page: Page, workbench: Workbench, folder: Path
) -> None:
    with build(settings_in(folder), executor="inline") as services:
        spec = RunSpec(strategy="slow", symbols=("IBM",))
        run = services.backtests.submit(spec, queue=True)
    steps.visit(page, f"{workbench.ui}/run?id={run.id}")

    page.get_by_role("button", name="Cancel").click()
    page.get_by_role("button", name="End this run").click()

    expect(page.get_by_test_id("cancelled")).to_be_visible(timeout=ENDED_MS)
    expect(page.locator(".wb-headline .wb-cancelled")).to_be_visible()
    expect(page.get_by_role("button", name="Cancel")).to_have_count(0)


@pytest.mark.usefixtures("worker")
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_pages_of_studies_in_light_and_dark(
    browser: Browser,
    workbench: Workbench,
    folder: Path,
    scheme: str,
    browser_context_args: dict[str, object],
) -> None:
    number = submit(folder, SHORT)
    RESULTS.mkdir(exist_ok=True)
    context = browser.new_context(**browser_context_args, color_scheme=scheme)  # type: ignore[arg-type]
    page = context.new_page()
    steps.visit(page, f"{workbench.ui}/study?id={number}")
    expect(page.get_by_test_id("verdict")).to_be_visible(timeout=SEARCHED_MS)

    steps.visit(page, f"{workbench.ui}/optimizations")
    expect(steps.row(page, number)).to_be_visible()
    page.screenshot(path=RESULTS / f"optimizations-{scheme}.png", animations="disabled")
    assert contrast_of_text(page) >= 4.5
    for tab in TABS:
        steps.visit(page, f"{workbench.ui}/study?id={number}&tab={tab}")
        expect(page.get_by_role("tab", name=tab)).to_have_attribute("aria-selected", "true")
        expect(page.locator(".st-key-surface_chart .main-svg").first).to_be_visible()
        steps.settle(page)
        path = RESULTS / f"study-{tab.lower()}-{scheme}.png"
        page.screenshot(path=path, animations="disabled", full_page=True)
        assert contrast_of_text(page) >= 4.5, tab
    context.close()
