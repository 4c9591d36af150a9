"""A class of the earlier systems, unchanged, gives the same bits through every door."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import streamlit as st
from starlette.testclient import TestClient
from streamlit.testing.v1 import AppTest

from api.app import create_app
from core.bootstrap import build
from core.domain.engine_words import read_engine
from core.domain.run import ARTIFACTS, RunSpec
from core.settings import Settings
from tests.shared import shared
from ui import state, wiring

ROOT = Path(__file__).parents[2]
CLASSES = ROOT / "tests" / "golden" / "nifty_seeds"
FILE = "nifty_2024_1min_22Dec_14Jan.csv"
ENGINE: dict[str, Any] = {"preset": "nifty_scalper", "daily_profit_target": 30}
# The earlier systems' result with float64 prices: 45 trades, as published.
FINAL, TRADES = 116_623.75, 45
Bits = tuple[str, dict[str, bytes]]


@pytest.fixture
def settings_for(tmp_path: Path) -> Callable[[str], Settings]:
    path = shared(f"market_data/raw/nifty_1m/{FILE}")

    def make(door: str) -> Settings:
        folder = tmp_path / door / "strategies"
        shutil.copytree(CLASSES, folder)
        data = tmp_path / door / "data"
        settings = Settings(data_dir=data, strategies_dir=folder, run_wait_seconds=120)
        with build(settings) as services:
            services.market.import_csv(path, name=FILE, symbol="NIFTY", market="XNSE")
        return settings

    return make


def bits(settings: Settings, run_key: str | None) -> Bits:
    assert run_key is not None
    folder = next(settings.data_dir.rglob(run_key))
    return run_key, {name: (folder / f"{name}.parquet").read_bytes() for name in ARTIFACTS}


def by_python(settings: Settings) -> Bits:
    engine = read_engine(ENGINE)
    assert engine.costs is not None
    spec = RunSpec.model_validate(
        {
            "strategy": "ema10_v1",
            "symbols": ("NIFTY",),
            "timeframe": "1m",
            "options": engine.options,
            "costs": engine.costs,
        }
    )
    with build(settings) as services:
        run = services.backtests.submit(spec)
        assert run.metrics is not None, run.error
        assert (round(run.metrics["final_equity"] or 0, 2), run.metrics["trades"]) == (
            FINAL,
            TRADES,
        )
        said = services.backtests.trades(run)["exit_reason"].unique().to_list()
        assert {"EMA exit", "Target"} <= set(said)
        return bits(settings, run.run_key)


def by_command(settings: Settings) -> Bits:
    words = "run --strategy strategies.ema10_v1.EMA10V1 --symbols NIFTY --timeframe 1m"
    words += " --engine preset=nifty_scalper --engine daily_profit_target=30 --json"
    answer = subprocess.run(
        [sys.executable, "-m", "core", *words.split()],
        cwd=ROOT,
        env={
            **os.environ,
            "WORKBENCH_DATA_DIR": str(settings.data_dir),
            "WORKBENCH_STRATEGIES_DIR": str(settings.strategies_dir),
        },
        capture_output=True,
        text=True,
        check=True,
    )
    with build(settings) as services:
        run = services.backtests.get(json.loads(answer.stdout)["run_id"])
    return bits(settings, run.run_key)


def by_rest(settings: Settings) -> Bits:
    body = {"strategy": "EMA10V1", "dataset": "NIFTY", "engine_options": ENGINE}
    with (
        build(settings, executor="child") as services,
        TestClient(create_app(services, settings), base_url="http://127.0.0.1:8000") as client,
    ):
        taken = client.post("/api/v1/backtests", json=body)
        assert taken.status_code == 200, taken.text
        listed = client.get("/api/v1/strategies/ema10_v1").json()
        assert listed["legacy"] is True
        assert listed["parameters_schema"]["trade_start_time"]["type"] == "text"
        run = services.backtests.get(taken.json()["job_id"])
    return bits(settings, run.run_key)


def by_page(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Bits:
    st.cache_resource.clear()
    with build(settings) as services:
        monkeypatch.setattr(wiring, "services", lambda: services)
        page = AppTest.from_file(ROOT / "ui" / "app.py", default_timeout=60).run()
        page.selectbox(state.FORM_STRATEGY).select("ema10_v1").run()
        assert any("earlier systems" in each.value for each in page.caption)
        page.button("form_run").click().run()
        run = services.backtests.list().runs[0]
    st.cache_resource.clear()
    assert run.source == "ui"
    assert run.spec.strategy == "ema10_v1"
    return bits(settings, run.run_key)


def test_every_door_runs_the_class_and_gives_the_same_bits(
    settings_for: Callable[[str], Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = by_python(settings_for("python"))

    assert by_command(settings_for("command")) == expected
    assert by_rest(settings_for("rest")) == expected
    _, by_form = by_page(settings_for("page"), monkeypatch)
    assert by_form["trades"] != expected[1]["trades"]  # the form asks for no preset: next open


def test_it_is_found_checked_and_reproduced(settings_for: Callable[[str], Settings]) -> None:
    settings = settings_for("checked")
    with build(settings, executor="child") as services:
        infos = {info.id: info for info in services.strategies.list()}
        assert [info.error for info in infos.values()] == [None] * 9
        assert all(info.legacy for info in infos.values())
        report = services.strategies.check("ema44")
        assert (report["valid"], report["legacy"]) == (True, True)
        assert report["trades"] > 0
        spec = RunSpec.model_validate(
            {
                "strategy": "first_candle",  # what it remembers of one run must not reach the next
                "symbols": ("NIFTY",),
                "timeframe": "1m",
                "options": read_engine({"preset": "nifty_scalper"}).options,
            }
        )
        run = services.backtests.submit(spec)
        assert run.metrics is not None, run.error
        assert services.backtests.reproduce(run).identical
        assumed = services.backtests.assumptions(run)
        (own,) = (each for each in assumed.each if each.is_own)
        assert own.metrics.values == run.metrics.values
        assert len({each.metrics["final_equity"] for each in assumed.each}) > 1
    assert re.fullmatch(r"[0-9a-f]{12}", infos["ema44"].version)
