"""Publish in a loop and be killed: `publish_storm.py ROOT KILLS SEED` prints what happened.

Two children at a time. Each publishes under keys of its own, so that nobody mends what its death
tore, and under keys they share and damage. Each is ended by SIGKILL after a moment drawn from the
seed. Polars is imported before the fork and used only after it: its threads do not survive one.
"""

import itertools
import json
import os
import random
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path

from core.errors import DataProblem
from core.store import ArtifactStore
from tests.contract.samples import key, some_frames

SHARED = 12


def publish_for_ever(root: Path, child: int, seed: int, ready: int) -> None:
    draw = random.Random(seed)  # noqa: S311 - a seed, no secret
    artifacts = ArtifactStore(root)
    scratch = root / "scratch" / str(child)
    shared = draw.randrange(SHARED)
    frames, own_frames = some_frames(shared, rows=60), some_frames(100 + child, rows=60)
    os.write(ready, b".")
    for number in itertools.count():
        artifacts.publish(key((child, number)), own_frames)
        if number % 3 == 0:
            artifacts.write_scratch(scratch, frames)
            # The neighbour may tear or mend the shared result between any two of these steps; that
            # is seen and said, and no reason to end before being killed.
            with suppress(DataProblem, FileNotFoundError):
                artifacts.adopt(key(shared), scratch)
                artifacts.path(key(shared), "trades").write_bytes(b"torn by the test")


def main(root: Path, kills: int, seed: int) -> None:
    draw = random.Random(seed)  # noqa: S311 - a seed, no secret
    running: list[int] = []
    deaths = 0
    for number in range(kills):
        is_ready, ready = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                publish_for_ever(root, number, seed + number, ready)
            finally:
                os._exit(1)
        os.close(ready)
        os.read(is_ready, 1)
        os.close(is_ready)
        running.append(child)
        time.sleep(draw.uniform(0.005, 0.07))
        if len(running) == 2:
            deaths += end(running.pop(0))
    deaths += sum(end(child) for child in running)
    print(json.dumps({"deaths": deaths}))  # noqa: T201


def end(child: int) -> bool:
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
