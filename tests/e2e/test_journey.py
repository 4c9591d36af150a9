"""One sitting at the workbench as shipped: the first run, an agent's run, the comparison."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.e2e import steps
from tests.e2e.conftest import RESULTS, Workbench

pytestmark = pytest.mark.e2e
POLL_MS = 10_000
SLACK_MS = 5_000


def test_from_the_first_run_to_a_comparison(page: Page, workbench_as_shipped: Workbench) -> None:
    ui, api = workbench_as_shipped.ui, workbench_as_shipped

    # A person runs EMA crossover on two symbols and sees what came out.
    steps.visit(page, ui)
    steps.choose(page, steps.form(page), "Strategy", "EMA crossover")
    steps.add_symbol(page, "MSFT")
    first = steps.run(page)
    expect(page.locator(".wb-headline h1")).to_have_text("EMA crossover fast 12 · slow 48")
    expect(page.locator(".wb-headline")).to_contain_text("AAPL, MSFT")
    expect(page.locator(".wb-verdict")).to_contain_text("buy and hold")
    expect(page.locator(".wb-policy")).to_contain_text("fills at the next open")
    expect(page.get_by_test_id("tiles")).to_contain_text("Sharpe")
    expect(page.locator(".st-key-equity_chart .legendtext")).to_have_text(
        ["Buy and hold", "EMA crossover"]
    )
    expect(page.locator(".wb-months")).to_be_visible()
    expect(page.get_by_test_id("trades-count")).to_contain_text("trades")

    # Back in the list they begin to type, and meanwhile an agent submits a run over REST.
    steps.back(page)
    fast = steps.number(page, "Fast (bars)")
    fast.click()
    fast.press("ControlOrMeta+a")
    page.keyboard.type("17")
    second = api.post(
        strategy="ema_crossover", symbols=["AAPL", "MSFT"], parameters={"fast": 20, "slow": 90}
    )["id"]
    expect(steps.row(page, second)).to_be_visible(timeout=POLL_MS + SLACK_MS)
    expect(fast).to_have_value("17")
    expect(fast).to_be_focused()

    # They set both side by side.
    steps.tick(page, first)
    steps.tick(page, second)
    page.get_by_role("button", name="Compare 2 runs").click()
    expect(page.get_by_role("heading", name="Compare 2 runs")).to_be_visible()
    expect(page).to_have_url(f"{ui}/compare?ids={first}%2C{second}")
    expect(page.get_by_test_id("differences")).to_contain_text("Fast")
    expect(page.get_by_test_id("compare-metrics")).to_contain_text("Difference")
    expect(page.locator(".st-key-overlay_chart .legendtext")).to_have_text(
        [f"#{first} EMA crossover", f"#{second} EMA crossover"]
    )

    # They filter; the address keeps the filter over a reload.
    steps.back(page)
    api.post(strategy="buy_and_hold", symbols=["GOOG"])
    steps.choose(page, page.get_by_test_id("stMain"), "Symbol", "MSFT")
    expect(page).to_have_url(f"{ui}/?symbol=MSFT")
    expect(page.get_by_test_id("run-count")).to_have_text("2 runs")
    page.reload()
    steps.settle(page)
    expect(page.get_by_test_id("run-count")).to_have_text("2 runs")
    assert steps.rows(page) == [second, first]
    expect(page.get_by_test_id("stMain").get_by_role("combobox", name="Symbol")).to_have_value(
        "MSFT"
    )


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_in_light_and_dark(
    browser: Browser, workbench: Workbench, scheme: str, browser_context_args: dict[str, object]
) -> None:
    one = workbench.post(strategy="ema_crossover", symbols=["AAPL", "MSFT"])["id"]
    other = workbench.post(strategy="donchian_breakout", symbols=["GOOG", "IBM"])["id"]
    RESULTS.mkdir(exist_ok=True)
    context = browser.new_context(**browser_context_args, color_scheme=scheme)  # type: ignore[arg-type]
    page = context.new_page()

    pages = {
        "backtests": ("", ".wb-runs tbody tr"),
        "run": (f"/run?id={one}", ".st-key-price_chart .legendtext"),
        "compare": (f"/compare?ids={one},{other}", ".st-key-overlay_chart .legendtext"),
        "not_found": ("/run?id=0", ".wb-box"),
    }
    for name, (path, sign) in pages.items():
        steps.visit(page, workbench.ui + path)
        expect(page.locator(sign).first).to_be_visible()
        expect(page.locator(".stApp")).to_have_css("color-scheme", scheme)
        steps.settle(page)
        page.screenshot(path=RESULTS / f"{name}-{scheme}.png", animations="disabled")
        assert contrast_of_text(page) >= 4.5, name
    context.close()


def contrast_of_text(page: Page) -> float:
    """Least contrast of our own text and of the charts' labels against the page, as computed."""
    least: float = page.evaluate(
        """() => {
          const parse = (text) => (text.match(/[\\d.]+/g) ?? []).map(Number);
          const linear = (c) => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
          const light = ([r, g, b]) => 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
          const app = getComputedStyle(document.querySelector(".stApp"));
          const page = light(parse(app.backgroundColor));
          const chosen = ".wb-headline *, .wb-tile *, .wb-section, .wb-runs th, .wb-runs time,"
            + ".wb-runs td > span, .wb-box *, .wb-table *, .legendtext, .xtick text, .ytick text";
          let least = 21;
          for (const node of document.querySelectorAll(chosen)) {
            if (!node.textContent.trim() || node.closest(".wb-chip, .wb-sr")) continue;
            const style = getComputedStyle(node);
            const color = parse(node instanceof SVGElement ? style.fill : style.color);
            if (color.length < 3) continue;
            const [high, low] = [light(color), page].sort((a, b) => b - a);
            least = Math.min(least, (high + 0.05) / (low + 0.05));
          }
          return least;
        }"""
    )
    return least
