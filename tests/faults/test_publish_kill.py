"""Whoever is killed while publishing leaves a whole result, or none."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from core.store import ArtifactStore
from tests.contract.samples import key, some_frames

ROOT = Path(__file__).parent.parent.parent
KILLS = 80
TORN_BY_THE_TEST = b"torn by the test"
WHOLE = {"equity.parquet", "fills.parquet", "manifest.json", "positions.parquet", "trades.parquet"}


def storm(root: Path, kills: int, seed: int) -> dict[str, int]:
    done = subprocess.run(
        [
            sys.executable,
            str(Path(__file__).with_name("publish_storm.py")),
            *map(str, (root, kills, seed)),
        ],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=180,
        check=True,
    )
    return json.loads(done.stdout)


def test_no_kill_leaves_a_torn_file_or_a_half_result(tmp_path):
    died = storm(tmp_path, KILLS, seed=20260401)

    artifacts = ArtifactStore(tmp_path)
    folders = list(tmp_path.glob("[0-9a-f][0-9a-f]/*"))
    assert died == {"deaths": KILLS}
    assert len(folders) >= KILLS // 2
    for folder in folders:
        assert {path.name for path in folder.iterdir()} == WHOLE
        if not TORN_BY_THE_TEST.startswith((folder / "trades.parquet").read_bytes()):
            artifacts.verify(folder.name)

    for number in range(12):
        frames = some_frames(number, rows=60)
        hashes = artifacts.publish(key(number), frames)
        assert artifacts.verify(key(number)) == hashes
        assert artifacts.read(key(number), "trades").equals(frames["trades"])


def test_leftovers_of_the_killed_are_swept_and_results_stay(tmp_path):
    storm(tmp_path, 20, seed=7)
    artifacts = ArtifactStore(tmp_path)
    before = sorted(tmp_path.glob("[0-9a-f][0-9a-f]/*/*"))
    leftovers = len(list((tmp_path / ".partial").iterdir()))

    soon = artifacts.sweep(now=datetime.now(UTC))
    later = artifacts.sweep(now=datetime.now(UTC) + timedelta(hours=1, minutes=5))

    assert (soon, later) == (0, leftovers)
    assert list((tmp_path / ".partial").iterdir()) == []
    assert sorted(tmp_path.glob("[0-9a-f][0-9a-f]/*/*")) == before
