"""A server in a process of its own, to be killed: builds, submits one run, then waits for ever."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from core.bootstrap import build
from core.domain.run import RunSpec
from tests.laboratory import settings_in


def main(folder: str, strategy: str) -> None:
    """Print the run's id and its state, one JSON document."""
    settings = settings_in(Path(folder), run_wait_seconds=0)
    with build(settings, executor="child") as services:
        run = services.backtests.submit(RunSpec(strategy=strategy, symbols=("AAA",)))
        while services.backtests.get(run.id).status == "pending":
            time.sleep(0.02)
        sys.stdout.write(json.dumps({"run": run.id}) + "\n")
        sys.stdout.flush()
        time.sleep(600)


if __name__ == "__main__":
    main(*sys.argv[1:])
