"""Where prices and records lie: the same place from wherever a command is called."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ASK = "from core.settings import Settings; print(Settings.load().data_dir)"


def data_dir(folder: Path, code: Path = ROOT, **environment: str) -> Path:
    """Ask a process that works in `folder` and whose code lies in `code`."""
    kept = {name: text for name, text in os.environ.items() if not name.startswith("WORKBENCH_")}
    answer = subprocess.run(
        [sys.executable, "-P", "-c", ASK],
        cwd=folder,
        env=kept | {"PYTHONPATH": str(code)} | environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return Path(answer.stdout.strip())


def test_a_checkout_has_its_own_wherever_it_is_called_from(tmp_path: Path) -> None:
    assert data_dir(tmp_path) == data_dir(ROOT) == ROOT / "data"


def test_without_a_checkout_it_is_the_users(tmp_path: Path) -> None:
    shutil.copytree(
        ROOT / "core", tmp_path / "site" / "core", ignore=shutil.ignore_patterns("__pycache__")
    )

    found = data_dir(tmp_path, tmp_path / "site", HOME=str(tmp_path / "home"))

    assert found == tmp_path / "home" / ".local" / "share" / "quant-workbench"


@pytest.mark.parametrize(
    ("said", "found"), [("here", "{folder}/here"), ("/data", "/data"), ("", f"{ROOT}/data")]
)
def test_what_is_said_wins_and_counts_from_the_working_directory(
    tmp_path: Path, said: str, found: str
) -> None:
    assert data_dir(tmp_path, WORKBENCH_DATA_DIR=said) == Path(found.format(folder=tmp_path))


def test_the_image_says_where_its_volume_is() -> None:
    image = (ROOT / "Dockerfile").read_text("utf-8")

    assert "WORKBENCH_DATA_DIR=/data" in image
    assert "VOLUME /data" in image


def test_a_home_that_is_not_there_is_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from core.cli import main

    monkeypatch.setenv("WORKBENCH_DATA_DIR", "~nobody-here/data")

    assert main(["list"]) == 2
    assert "WORKBENCH_DATA_DIR is '~nobody-here/data'. Expected a folder" in capsys.readouterr().err
