"""The rooms of the house, and who may open which door."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CONTRACTS = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"][
    "contracts"
]


def test_every_import_contract_is_kept() -> None:
    # In a process of its own: the linter turns off every logger, and later tests read logs.
    lint = subprocess.run(
        [Path(sys.executable).parent / "lint-imports", "--no-cache"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert lint.returncode == 0, lint.stdout + lint.stderr
    assert f"Contracts: {len(CONTRACTS)} kept, 0 broken." in lint.stdout


def test_every_room_of_the_core_stands_in_the_layers() -> None:
    rooms = next(contract for contract in CONTRACTS if contract["id"] == "rooms")
    named = {name.strip(" ()") for layer in rooms["layers"] for name in layer.split("|")}

    there = {
        entry.stem
        for entry in (ROOT / "core").iterdir()
        if entry.name not in {"__pycache__", "__init__.py"}
    }

    assert there == named


def test_no_module_is_a_drawer_for_what_fits_nowhere() -> None:
    names = {"utils.py", "util.py", "helpers.py", "common.py", "misc.py"}

    drawers = [
        path
        for room in ("ui", "api", "core")
        for path in (ROOT / room).rglob("*.py")
        if path.name in names
    ]

    assert drawers == []


def test_no_module_of_the_ui_hides_a_package_of_the_project() -> None:
    taken = {"ui", "api", "core", "strategies", "data", "tests", "docs"}

    assert {path.stem for path in (ROOT / "ui").iterdir()} & taken == set()
