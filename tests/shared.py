"""Finds the folder of published results and real prices, which is not part of the repository."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest


def shared(relative: str) -> Path:
    """Path below the shared folder: `WORKBENCH_SHARED`, else `shared` beside the repository.

    Absent, the test is skipped; in continuous integration (`CI` is set) it fails.
    """
    beside = Path(__file__).resolve().parents[2] / "shared"
    path = Path(os.environ.get("WORKBENCH_SHARED") or beside) / relative
    if not path.exists():
        message = f"{path} is absent: set WORKBENCH_SHARED to the folder of published results"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    return path


def golden(name: str) -> dict[str, Any]:
    """A file of published results, its cases keyed by their id."""
    content = json.loads(shared(f"golden/{name}.json").read_text("utf-8"))
    return {case["id"]: case for case in content["cases"]}
