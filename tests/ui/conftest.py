"""Real services on a small lake, and the app as AppTest runs it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest
from streamlit.util import calc_hash

from core.bootstrap import build
from core.domain.run import Run, RunSpec
from core.services import Services
from tests.laboratory import failing, lay_prices, settings_in, wave, write_strategy
from ui import wiring

APP = Path(__file__).parents[2] / "ui" / "app.py"
DAYS = 600

CROSSING = """
    from core.domain.strategy import MarketView, Param, Signals, Strategy


    class Crossing(Strategy):
        '''Long while the fast average is above the slow one, short while below.'''

        fast: int = Param(5, ge=2, le=60, unit="bars", help="Length of the fast average")
        slow: int = Param(20, ge=3, le=240, unit="bars")
        constraints = ("fast < slow",)

        def generate_signals(self, view: MarketView) -> Signals:
            fast, slow = view.ind.sma(self.fast), view.ind.sma(self.slow)
            return Signals.side(long=fast > slow, short=fast < slow)
"""

EVERY_KIND = """
    from typing import Literal

    from core.domain.strategy import MarketView, Param, Signals, Strategy


    class EveryKind(Strategy):
        '''Has a parameter of every kind.'''

        engine = {"allow_short": False, "delay": 2}

        length: int = Param(14, ge=2, le=50, step=2)
        band: float = Param(1.5, ge=0.5, le=5.0, step=0.25, unit="sd")
        patient: bool = Param(True, help="Wait for confirmation")
        mode: str = Param("wilder", choices=["wilder", "cutler"])

        def generate_signals(self, view: MarketView) -> Signals:
            return Signals.side(long=view.close > view.ind.sma(self.length))
"""


WISHFUL = """
    from core.domain.strategy import MarketView, Signals, Strategy


    class Wishful(Strategy):
        '''Sets limits for itself, which a request may take away.'''

        engine = {
            "intraday": True, "square_off": "15:15", "daily_target": 500.0, "daily_loss": 100.0,
            "max_trades_per_day": 1, "max_participation": 0.5,
        }

        def generate_signals(self, view: MarketView) -> Signals:
            return Signals.side(long=view.close > view.open, exit=view.close < view.open)
"""


HOPELESS = """
    from core.domain.strategy import MarketView, Param, Signals, Strategy


    class Hopeless(Strategy):
        '''Fails with every parameter.'''

        depth: int = Param(1, ge=1, le=9)

        def generate_signals(self, view: MarketView) -> Signals:
            raise ValueError(f"no idea at depth {self.depth}")
"""


@pytest.fixture(scope="session")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    folder = tmp_path_factory.mktemp("workbench")
    settings = settings_in(folder, run_wait_seconds=60)
    lay_prices(settings.lake_dir, "AAPL", wave(DAYS))
    lay_prices(settings.lake_dir, "MSFT", wave(DAYS, period=63, drift=0.0002))
    lay_prices(settings.lake_dir, "YOUNG", wave(100), first=date(2022, 1, 3))
    write_strategy(settings.strategies_dir, "crossing", CROSSING)
    write_strategy(settings.strategies_dir, "every_kind", EVERY_KIND)
    write_strategy(settings.strategies_dir, "wishful", WISHFUL)
    write_strategy(settings.strategies_dir, "faulty", failing("[][1]"))
    write_strategy(settings.strategies_dir, "hopeless", HOPELESS)
    write_strategy(settings.strategies_dir, "unreadable", "def broken(:\n")
    with build(settings, executor="inline") as built:
        yield built


@pytest.fixture
def submit(services: Services) -> Callable[..., Run]:
    def run(
        strategy: str = "crossing", symbols: tuple[str, ...] = ("AAPL",), **rest: object
    ) -> Run:
        spec = RunSpec.model_validate({"strategy": strategy, "symbols": symbols, **rest})
        return services.backtests.submit(spec, source="ui")

    return run


@pytest.fixture
def open_page(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., AppTest]]:
    """Open a page of the whole app by its path, as a deep link does."""

    def open_(path: str = "", **query: str) -> AppTest:
        return go(AppTest.from_file(APP, default_timeout=60), path, **query)

    st.cache_resource.clear()
    monkeypatch.setattr(wiring, "services", lambda: services)
    yield open_
    st.cache_resource.clear()


def go(test: AppTest, path: str = "", **query: str) -> AppTest:
    """Go to another page within the session; AppTest itself knows pages of files only."""
    test.query_params.clear()
    for name, value in query.items():
        test.query_params[name] = value
    test._page_hash = calc_hash(path)
    test.run()
    test._page_hash = ""
    return test


def words(test: AppTest) -> str:
    """Everything written as HTML on the page."""
    return "\n".join(str(block.body) for block in test.get("html"))
