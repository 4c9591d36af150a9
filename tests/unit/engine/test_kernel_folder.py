"""Tests run the kernels of this very code, whatever folder the environment names."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

SAY = "import tests.conftest, os; print(os.environ['NUMBA_CACHE_DIR'])"


def folder_of(given: str) -> Path:
    told = subprocess.run(
        [sys.executable, "-c", SAY],
        env={**os.environ, "NUMBA_CACHE_DIR": given},
        capture_output=True,
        text=True,
        check=True,
    )
    return Path(told.stdout.strip())


def test_a_folder_that_is_named_gets_one_for_each_state_of_the_code(tmp_path: Path) -> None:
    found = folder_of(str(tmp_path))

    assert found.parent == tmp_path
    assert re.fullmatch("[0-9a-f]{12}", found.name)
    # Workers inherit what their parent has chosen.
    assert folder_of(str(found)) == found
