"""Make the README's pictures from a seeded demo: `python tools/screenshots.py [folder]`.

Starts `python -m ui` on a free port over a temporary data folder, runs the same backtests every
time and photographs the pages with Chromium, in light and dark. Needs the development dependencies.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import NamedTuple

from PIL import Image
from playwright.sync_api import Browser, FloatRect, Page, ViewportSize, sync_playwright

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from core.bootstrap import build  # noqa: E402
from core.bootstrap.worker import work  # noqa: E402
from core.domain.cost_presets import find_costs  # noqa: E402
from core.domain.options import EngineOptions  # noqa: E402
from core.domain.run import RunSpec  # noqa: E402
from core.domain.study import StudySpec  # noqa: E402
from core.domain.timeframe import Timeframe  # noqa: E402
from core.services import Services  # noqa: E402
from core.settings import PREFIX, Settings  # noqa: E402

DEFAULT_FOLDER = ROOT / "docs" / "images"
SIZE: ViewportSize = {"width": 1440, "height": 900}
TALL: ViewportSize = {"width": 1440, "height": 2400}
NAMES = ("chromium", "chromium-browser", "google-chrome")
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"]
COLORS = 256
AIR, AIR_ABOVE = 20, 8
READY_SECONDS = 240
TABS = '[data-testid="stTabs"]'

BOTH = ("AAPL", "MSFT")
ALL = ("AAPL", "GOOG", "IBM", "MSFT")
SPECS = (
    RunSpec(strategy="buy_and_hold", symbols=ALL),
    RunSpec(strategy="sma_crossover", symbols=("IBM",)),
    RunSpec(strategy="rsi_reversion", symbols=("IBM",)),
    RunSpec(
        strategy="ema_crossover",
        symbols=("GOOG",),
        options=EngineOptions(fill="close"),
        costs=find_costs("zero"),
    ),
    RunSpec(strategy="ema10_scalper", symbols=("SYNTH-NIFTY",), timeframe=Timeframe.M15),
    RunSpec(strategy="bollinger_reversion", symbols=("MSFT",)),
    RunSpec(strategy="momentum_strategy", symbols=("AAPL", "GOOG")),
    RunSpec(strategy="ema_crossover", symbols=("IBM",), start=date(2012, 6, 1)),
    RunSpec(strategy="donchian_breakout", symbols=ALL),
    RunSpec(strategy="sma_crossover", symbols=("IBM",)),
    RunSpec(strategy="momentum_rank", symbols=ALL, costs=find_costs("ibkr_tiered")),
    RunSpec(strategy="ema_crossover", symbols=BOTH, params={"fast": 20, "slow": 100}),
    RunSpec(strategy="ema_crossover", symbols=BOTH),
)
STUDIES = (
    {
        "run": {"strategy": "donchian_breakout", "symbols": ["MSFT"]},
        "space": {"entry_period": {"min": 10, "max": 120, "step": 5}},
        "requirements": ["trades >= 10"],
    },
    {
        "run": {"strategy": "rsi_reversion", "symbols": ["IBM"]},
        "space": {
            "period": {"type": "int", "low": 5, "high": 40},
            "oversold": {"type": "float", "low": 10, "high": 45},
            "overbought": {"type": "float", "low": 55, "high": 90},
        },
        "method": "random",
        "max_trials": 600,
    },
    {
        "run": {"strategy": "ema_crossover", "symbols": ["AAPL"]},
        "space": {
            "fast": {"min": 5, "max": 50, "step": 1},
            "slow": {"min": 20, "max": 200, "step": 5},
        },
        "requirements": ["trades >= 20"],
        "walk_forward": {"train": 24, "test": 6, "step": 6},
        "null_worlds": 19,
    },
)
NEWEST, PORTFOLIO = len(SPECS), len(SPECS) - 2


class Shot(NamedTuple):
    """A picture: where it is taken, what shows that all is drawn, which part of the page it is."""

    path: str
    sign: str
    part: str = ""


SHOTS = {
    "backtests": Shot("/", ".wb-runs tbody tr"),
    "run": Shot(f"/run?id={NEWEST}", ".st-key-price_chart .legendtext"),
    "funnel": Shot(f"/run?id={NEWEST}", ".wb-funnel", ".st-key-pair_pictures"),
    "portfolio": Shot(
        f"/run?id={PORTFOLIO}&tab=Portfolio", ".st-key-weights_chart .legendtext", TABS
    ),
    "costs": Shot(f"/run?id={PORTFOLIO}&tab=Costs", ".st-key-costs_chart .main-svg", TABS),
    "assumptions": Shot(f"/run?id={NEWEST}&tab=Assumptions", ".wb-table tbody tr", TABS),
    "optimizations": Shot("/optimizations", ".wb-studies tbody tr"),
    "study": Shot(f"/study?id={len(STUDIES)}", ".st-key-surface_chart .main-svg"),
    "compare": Shot(
        f"/compare?ids={NEWEST},{NEWEST - 1},9",
        ".st-key-overlay_chart .legendtext",
    ),
}


def main(folder: Path = DEFAULT_FOLDER) -> None:
    """Write one picture for each page and colour scheme."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as data:
        settings = Settings.load(data_dir=Path(data))
        with build(settings, executor="inline") as services:
            services.market.import_demo()
            for spec in SPECS:
                services.backtests.submit(spec, source="demo")
            search(services)
        with serving(data) as address, sync_playwright() as playwright:
            path = os.environ.get("CHROMIUM_PATH") or next(
                filter(None, map(shutil.which, NAMES)), None
            )
            browser = playwright.chromium.launch(args=ARGUMENTS, executable_path=path)
            for scheme in ("light", "dark"):
                photograph(browser, address, scheme, folder)
            browser.close()


def search(services: Services) -> None:
    """Have a worker make the studies."""
    stop = threading.Event()
    worker = threading.Thread(target=work, args=(stop,), kwargs={"settings": services.settings})
    worker.start()
    try:
        for each in STUDIES:
            study = services.studies.submit(StudySpec.model_validate(each), source="demo")
            while not services.jobs.get(study.job.id).state.is_final:
                time.sleep(0.2)
    finally:
        stop.set()
        worker.join()


@contextmanager
def serving(data: str) -> Iterator[str]:
    """Run the UI over a data folder."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    environment = os.environ | {f"{PREFIX}DATA_DIR": data, f"{PREFIX}UI_PORT": str(port)}
    server = subprocess.Popen([sys.executable, "-m", "ui"], cwd=ROOT, env=environment)
    try:
        deadline = time.monotonic() + READY_SECONDS
        while server.poll() is None and time.monotonic() < deadline:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.2)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait()


def photograph(browser: Browser, address: str, scheme: str, folder: Path) -> None:
    """Take every picture in one colour scheme."""
    context = browser.new_context(
        viewport=SIZE,
        color_scheme=scheme,
        timezone_id="UTC",
        locale="en-GB",  # type: ignore[arg-type]
    )
    page = context.new_page()
    for name, shot in SHOTS.items():
        page.goto(address + shot.path)
        page.locator(shot.sign).first.wait_for()
        page.wait_for_selector('[data-testid="stApp"][data-test-script-state="notRunning"]')
        save(page, shot.part, folder / f"{name}-{scheme}.png")
    context.close()


def _around(box: FloatRect) -> FloatRect:
    """Leave some air on every side, so little above that nothing of what is there shows."""
    return {
        "x": max(box["x"] - AIR, 0),
        "y": max(box["y"] - AIR_ABOVE, 0),
        "width": box["width"] + 2 * AIR,
        "height": box["height"] + AIR_ABOVE + AIR,
    }


def save(page: Page, part: str, path: Path) -> None:
    """Write a picture with a palette: less than half the size, and nobody sees it."""
    page.wait_for_timeout(500)
    if part:
        page.set_viewport_size(TALL)  # so that nothing floats over a part that is scrolled to
        page.wait_for_timeout(500)
        box = page.locator(part).first.bounding_box()
        if box is None:
            raise LookupError(f"{part} is not on the page")
        page.screenshot(path=path, animations="disabled", clip=_around(box))
        page.set_viewport_size(SIZE)
    else:
        page.screenshot(path=path, animations="disabled")
    with Image.open(path) as picture:
        small = picture.convert("RGB").quantize(COLORS, dither=Image.Dither.NONE)
    small.save(path, optimize=True)
    print(f"{path}: {path.stat().st_size / 1024:.0f} kB")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:2]))
