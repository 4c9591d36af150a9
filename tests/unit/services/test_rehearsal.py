"""The rehearsal: done in the process that is forked, so it must leave no thread behind."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from core.jobs import nursery

# Runs in a process of its own, as the keeper does: another test may have woken polars here.
PROGRAM = """
import json, os
from core.services import worker
def threads():
    return len(os.listdir("/proc/self/task"))
before = threads()
worker.warm()
print(json.dumps([before, threads()]))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="threads are counted in /proc")
def test_rehearsing_starts_no_thread():
    environment = {**os.environ, **nursery._FIXED}
    told = subprocess.run(
        [sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True, check=True
    ).stdout

    before, after = json.loads(told)

    assert after == before
