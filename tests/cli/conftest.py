"""A lake with two symbols, and ways to call the command line."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from core.cli import main


class Answer(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str]) -> Callable[..., Answer]:
    """Run a command in this process."""

    def run(*words: object) -> Answer:
        capsys.readouterr()
        code = main([str(word) for word in words])
        captured = capsys.readouterr()
        return Answer(code, captured.out, captured.err)

    return run


def daily_csv(path: Path, *, seed: int, rows: int = 400) -> Path:
    """Write daily prices of a random walk over weekdays."""
    rng = np.random.default_rng(seed)
    days = np.busday_offset("2018-01-02", np.arange(rows), roll="forward")
    close = 100 * np.exp(np.cumsum(rng.normal(0, 0.015, rows)))
    opened = np.concatenate(([100.0], close[:-1]))
    lines = ["Date,Open,High,Low,Close,Volume"]
    for day, first, last in zip(days, opened, close, strict=True):
        high, low = max(first, last) * 1.004, min(first, last) * 0.996
        lines.append(f"{day},{first:.4f},{high:.4f},{low:.4f},{last:.4f},1000")
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return path


@pytest.fixture(scope="session")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with two symbols, imported once through the command itself."""
    folder = tmp_path_factory.mktemp("filled")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WORKBENCH_DATA_DIR", str(folder / "data"))
        for seed, symbol in enumerate(("ACME", "BOLT")):
            source = daily_csv(folder / f"{symbol}.csv", seed=seed)
            assert main(["import", str(source), "--symbol", symbol, "--json"]) == 0
        assert main(["strategies", "--json"]) == 0
    return folder / "data"


@pytest.fixture
def lake(filled: Path, tmp_path: Path) -> tuple[str, str]:
    """Two symbols in this test's own data folder."""
    shutil.copytree(filled, tmp_path / "data")
    return "ACME", "BOLT"
