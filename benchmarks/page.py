"""A study started and watched on its page, beside the bare sweep of the same parameter sets."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from playwright.sync_api import Page, expect, sync_playwright

from benchmarks.study import PATIENCE, SYMBOL, Grid, beside, workbench
from benchmarks.timing import Row, row
from core.catalog import Catalog
from core.domain.timeframe import Timeframe
from tests.e2e import steps
from tests.e2e.conftest import ARGUMENTS, chromium


def measure(*, quick: bool) -> Iterator[Row]:
    """Time a grid from a click on the button until ranking and verdict are seen in a browser.

    Nothing is held back and there are no worlds without edge, as over REST; MLflow is off. Servers
    are processes as `make run` starts them, with every setting at its default.
    """
    grid = Grid.of(quick=quick)
    bare: list[float] = []
    ranked: list[float] = []
    judged: list[float] = []
    with (
        tempfile.TemporaryDirectory() as folder,
        workbench(Path(folder), "off", grid.bars, "ui") as address,
        sync_playwright() as driver,
    ):
        browser = driver.chromium.launch(args=ARGUMENTS, executable_path=chromium(driver.chromium))
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        bars = Catalog(Path(folder) / "lake").bars(SYMBOL, Timeframe.M1)
        for number in range(2 if quick else 5):
            bare.append(grid.swept(bars))
            _fill(page, address, grid, seed=number)
            first, whole = _study(page, len(grid.sets))
            ranked.append(first)
            judged.append(whole)
        browser.close()
    yield row("page: the bare sweep", grid.size, bare)
    yield row("page: click to ranking seen", grid.size, ranked, beside(bare, ranked))
    yield row("page: click to verdict seen", grid.size, judged, beside(bare, judged))


def _fill(page: Page, address: str, grid: Grid, *, seed: int) -> None:
    steps.visit(page, f"{address}/optimizations")
    steps.choose(page, steps.form(page), "Strategy", "EMA crossover")
    for name, each in grid.ranges.items():
        steps.vary(page, f"ema_crossover_{name}", each.min, each.max, each.step)
    for label, value in (("Held back (%)", 0), ("Seed", seed)):
        field = steps.number(page, label)
        field.fill(str(value))
        field.press("Enter")
        steps.settle(page)
    expect(page.get_by_test_id("study-count")).to_contain_text(f"{len(grid.sets):,} sets")


def _study(page: Page, trials: int) -> tuple[float, float]:
    """Seconds until the ranking is seen, and until the verdict is."""
    button = steps.form(page).get_by_role("button", name="Start study")
    began = time.perf_counter()
    button.click()
    verdict = page.get_by_test_id("verdict")
    # What is ranked of a part is called the best so far.
    whole = page.get_by_text("The best trials", exact=True)
    whole.or_(verdict).first.wait_for(timeout=PATIENCE * 1e3)
    ranked = time.perf_counter() - began
    verdict.wait_for(timeout=PATIENCE * 1e3)
    judged = time.perf_counter() - began
    expect(verdict).to_contain_text(f"{trials:,} trials")
    return ranked, judged
