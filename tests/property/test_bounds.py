"""No compiled kernel reads or writes beyond its arrays, in cases that strain them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def checked(what: str, environment: dict[str, str]) -> dict[str, int]:
    """Run `checked_bounds` where numba checks every index; its answer."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.property.checked_bounds", what],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    answer: dict[str, int] = json.loads(done.stdout)
    return answer


@pytest.fixture(scope="module")
def environment() -> dict[str, str]:
    """Kernels with checks are other kernels: numba must not find them where it looks for ours."""
    kernels = os.environ["NUMBA_CACHE_DIR"] + "-bounds"
    return {**os.environ, "NUMBA_BOUNDSCHECK": "1", "NUMBA_CACHE_DIR": kernels}


@pytest.mark.slow
def test_straining_cases_stay_within_their_arrays_and_equal_the_references(environment):
    done = checked("cases", environment)

    assert min(done.values()) >= 100
    assert done["fills"] > 2_000


@pytest.mark.slow
def test_an_index_beyond_an_array_would_be_noticed(environment):
    """The same kernels, given arrays cut short: without the check this is silent or a crash."""
    noticed = checked("overruns", environment)

    assert len(noticed) >= 10
    assert [name for name, was in noticed.items() if not was] == []
