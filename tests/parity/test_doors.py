"""The same wish through any door gives the same bits.

Each door gets a data folder of its own, so that nothing can be handed from one to the other: the
command line as a process, REST with its warm runner child, the page in AppTest, and a Python call.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import streamlit as st
from starlette.testclient import TestClient
from streamlit.testing.v1 import AppTest

from api.app import create_app
from core.bootstrap import build
from core.domain.run import ARTIFACTS, RunSpec
from core.settings import Settings
from tests.cli.conftest import daily_csv
from ui import state, wiring

ROOT = Path(__file__).parents[2]
SYMBOLS = ("ACME", "BOLT")
BENCHMARK = "CITY"
Bits = tuple[str, dict[str, bytes]]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("files")
    return {
        symbol: daily_csv(folder / f"{symbol}.csv", seed=seed, rows=900)
        for seed, symbol in enumerate((*SYMBOLS, BENCHMARK))
    }


@pytest.fixture
def settings_for(tmp_path: Path, files: dict[str, Path]) -> Callable[[str], Settings]:
    """Settings of a fresh data folder into which the files were imported."""

    def make(door: str) -> Settings:
        settings = Settings(data_dir=tmp_path / door, run_wait_seconds=120)
        with build(settings) as services:
            for symbol, path in files.items():
                services.market.import_csv(path, name=path.name, symbol=symbol, market="XNYS")
        return settings

    return make


def bits(settings: Settings, run_key: str) -> Bits:
    folder = next(settings.data_dir.rglob(run_key))
    return run_key, {name: (folder / f"{name}.parquet").read_bytes() for name in ARTIFACTS}


def by_python(settings: Settings, spec: RunSpec) -> Bits:
    with build(settings) as services:
        run = services.backtests.submit(spec)
    assert run.run_key is not None
    return bits(settings, run.run_key)


def by_command(settings: Settings, words: str) -> Bits:
    answer = subprocess.run(
        [sys.executable, "-m", "core", *words.split(), "--json"],
        cwd=ROOT,
        env={**os.environ, "WORKBENCH_DATA_DIR": str(settings.data_dir)},
        capture_output=True,
        text=True,
        check=True,
    )
    with build(settings) as services:
        run = services.backtests.get(json.loads(answer.stdout)["run_id"])
    assert run.run_key is not None
    return bits(settings, run.run_key)


def by_rest(settings: Settings, body: dict[str, object]) -> Bits:
    with (
        build(settings, executor="child") as services,
        TestClient(create_app(services, settings), base_url="http://127.0.0.1:8000") as client,
    ):
        taken = client.post("/api/backtests/run", json=body).json()
        run = services.backtests.get(taken["job_id"])
        assert run.run_key is not None, taken
        frames = {
            name: client.get(f"/api/backtests/{run.id}/artifacts/{name}").content
            for name in ARTIFACTS
        }
    assert bits(settings, run.run_key) == (run.run_key, frames)
    return run.run_key, frames


def by_page(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, choose: Callable[[AppTest], None]
) -> Bits:
    st.cache_resource.clear()
    with build(settings) as services:
        monkeypatch.setattr(wiring, "services", lambda: services)
        page = AppTest.from_file(ROOT / "ui" / "app.py", default_timeout=60).run()
        choose(page)
        page.button("form_run").click().run()
        run = services.backtests.list().runs[0]
    st.cache_resource.clear()
    assert run.source == "ui"
    assert run.run_key is not None
    return bits(settings, run.run_key)


def test_every_door_gives_the_same_bits(
    settings_for: Callable[[str], Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = RunSpec(
        strategy="ema_crossover",
        symbols=SYMBOLS,
        params={"fast": 10, "slow": 30},
        benchmark=BENCHMARK,
    )
    words = "run --strategy ema_crossover --symbols ACME,BOLT --timeframe 1d"
    words += f" --param fast=10 --param slow=30 --benchmark {BENCHMARK}"
    body = {
        "strategy": "strategies.ema_crossover.EMACrossoverStrategy",
        "symbols": list(SYMBOLS),
        "parameters": {"fast": 10, "slow": 30},
        "timeframe": "1d",
        "benchmark": BENCHMARK,
    }

    def choose(page: AppTest) -> None:
        page.selectbox(state.FORM_STRATEGY).select("ema_crossover").run()
        page.multiselect(state.FORM_SYMBOLS).set_value(list(SYMBOLS)).run()
        page.number_input(state.param("ema_crossover", "fast")).set_value(10).run()
        page.number_input(state.param("ema_crossover", "slow")).set_value(30).run()
        page.selectbox(state.FORM_BENCHMARK).select(BENCHMARK).run()

    expected = by_python(settings_for("python"), spec)

    assert by_command(settings_for("command"), words) == expected
    assert by_rest(settings_for("rest"), body) == expected
    assert by_page(settings_for("page"), monkeypatch, choose) == expected


def test_every_door_gives_the_same_portfolio(
    settings_for: Callable[[str], Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    three = (*SYMBOLS, BENCHMARK)
    params = {"window": 63, "skip": 5, "top": 2}
    spec = RunSpec(strategy="momentum_rank", symbols=three, params=params)
    words = f"run --strategy momentum_rank --symbols {','.join(three)} --account shared"
    words += " --param window=63 --param skip=5 --param top=2"
    body = {"strategy": "momentum_rank", "symbols": list(three), "parameters": params}

    def choose(page: AppTest) -> None:
        page.selectbox(state.FORM_STRATEGY).select("momentum_rank").run()
        page.multiselect(state.FORM_SYMBOLS).set_value(list(three)).run()
        for name, value in params.items():
            page.number_input(state.param("momentum_rank", name)).set_value(value).run()

    expected = by_python(settings_for("python"), spec)

    assert by_command(settings_for("command"), words) == expected
    shared = {**body, "engine_options": {"account": "shared"}}
    assert by_rest(settings_for("rest"), shared) == expected
    assert by_page(settings_for("page"), monkeypatch, choose) == expected
