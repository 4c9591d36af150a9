"""Killed at any moment, raced by another process, damaged on disk: what a reader then sees."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from core.catalog import Catalog, publish
from core.catalog.head import HEAD, METADATA, HeadReader
from core.catalog.importer import import_csv
from core.catalog.publish import STAGING
from core.domain.timeframe import Timeframe
from core.errors import DataProblem, Unavailable
from tests.unit.catalog import importing
from tests.unit.catalog.importing import SYMBOL, YEARS, import_for_ever, import_part, import_some

KILLS = 40


@pytest.fixture(scope="module")
def processes() -> Iterator[Any]:
    """Children that have imported everything beforehand, so that kills hit imports."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.unit.catalog.importing"])
    with pytest.MonkeyPatch.context() as patch:
        # A page tested before leaves itself behind as the main script, which children would run.
        patch.setitem(sys.modules, "__main__", ModuleType("__main__"))
        yield context


def start(processes: Any, target: Any, *arguments: Any) -> tuple[Any, Connection]:
    ours, theirs = processes.Pipe(duplex=False)
    child = processes.Process(target=target, args=(*arguments, theirs), daemon=True)
    child.start()
    theirs.close()
    return child, ours


def parts_seen(root: Path) -> set[int]:
    """Read the whole lake as a newcomer; every part must be there whole or not at all."""
    catalog = Catalog(root)
    if catalog.symbols() == []:
        return set()
    assert catalog.symbols() == [SYMBOL]
    bars = catalog.bars(SYMBOL, Timeframe.M1)
    counts = Counter(int(volume) for volume in bars.volume)
    assert set(counts.values()) == {2 * len(YEARS)}, "half an import is visible"
    (series,) = catalog.series(SYMBOL)
    assert series.rows == len(bars)
    report = catalog.last_import(SYMBOL)
    assert report is not None
    assert report.rows_new == 2 * len(YEARS)
    return set(counts)


def test_kills_at_random_moments_leave_all_of_an_import_or_nothing(
    processes: Any, tmp_path: Path
) -> None:
    rng = random.Random(20_240_615)  # noqa: S311 - repeatable
    acknowledged, seen = -1, set[int]()
    states = Counter[str]()
    for _ in range(KILLS):
        child, done = start(processes, import_for_ever, str(tmp_path), len(seen))
        for _ in range(1 + rng.randrange(3)):
            assert done.poll(60)
            acknowledged = max(acknowledged, done.recv())
        time.sleep(rng.uniform(0.0, 0.08))
        os.kill(child.pid, signal.SIGKILL)
        child.join()
        while done.poll():
            try:
                acknowledged = max(acknowledged, done.recv())
            except EOFError:
                break
        states["staged" if list((tmp_path / STAGING).glob("*/*")) else "settled"] += 1

        seen = parts_seen(tmp_path)

        assert seen == set(range(len(seen))), "an import is missing before a later one"
        assert len(seen) > acknowledged, "an import that had returned is gone"

    catalog = Catalog(tmp_path)
    assert import_part(catalog, len(seen)) == "appended"
    assert import_part(catalog, 0) == "unchanged"
    assert parts_seen(tmp_path) == set(range(len(seen) + 1))
    assert not list((tmp_path / STAGING).glob("*/*"))
    assert len(list((tmp_path / METADATA / "imports").iterdir())) == len(seen) + 1
    assert states["staged"], "no kill hit a publication"


def stop_at(monkeypatch: pytest.MonkeyPatch, name: str, call: int) -> None:
    """Make the n-th call of a step of publishing die, as a kill at that point would."""
    original, calls = getattr(publish, name), iter(range(1_000))

    def dying(*arguments: Any) -> Any:
        if next(calls) == call:
            raise KeyboardInterrupt
        return original(*arguments)

    monkeypatch.setattr(publish, name, dying)


STEPS = [
    *(("write_synced", call) for call in range(5)),
    *(("sync_folder", call) for call in range(10)),
    *(("write_atomically", call) for call in range(2)),
    ("_move_staged", 1),
]


@pytest.mark.parametrize(("name", "call"), STEPS, ids=str)
def test_dying_at_each_step_of_publishing_is_all_or_nothing_and_is_made_good(
    name: str, call: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalog = Catalog(tmp_path)
    import_part(catalog, 0)

    with monkeypatch.context() as patch:
        stop_at(patch, name, call)
        with pytest.raises(KeyboardInterrupt):
            import_part(catalog, 1)

    seen = parts_seen(tmp_path)
    assert seen in ({0}, {0, 1})
    assert import_part(catalog, 1) == ("unchanged" if 1 in seen else "appended")
    assert parts_seen(tmp_path) == {0, 1}
    assert not (tmp_path / STAGING).exists() or not list((tmp_path / STAGING).glob("*/*"))


def test_two_processes_importing_at_once_lose_nothing(processes: Any, tmp_path: Path) -> None:
    numbers = list(range(12))
    first, done_first = start(processes, import_some, str(tmp_path), numbers[:8])
    second, done_second = start(processes, import_some, str(tmp_path), numbers[4:])

    outcomes = [done_first.recv(), done_second.recv()]
    first.join()
    second.join()

    assert parts_seen(tmp_path) == set(numbers)
    together = Counter(outcomes[0] + outcomes[1])
    assert together == {"imported": 1, "appended": 11, "unchanged": 4}


def test_readers_beside_an_import_see_whole_parts_only(tmp_path: Path) -> None:
    writer, reader = Catalog(tmp_path), Catalog(tmp_path)
    import_part(writer, 0)
    stop, trouble, reads = threading.Event(), [], []

    def read() -> None:
        while not stop.is_set():
            try:
                bars = reader.bars(SYMBOL, Timeframe.M1)
                if set(Counter(bars.volume.tolist()).values()) != {2 * len(YEARS)}:
                    trouble.append("half an import")
            except (AssertionError, DataProblem, Unavailable) as error:
                trouble.append(repr(error))
            reads.append(1)

    thread = threading.Thread(target=read)
    thread.start()
    for number in range(1, 25):
        import_part(writer, number)
    stop.set()
    thread.join()

    assert trouble == []
    assert len(reads) > 5


def test_files_that_were_not_moved_yet_are_read_where_they_were_staged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalog = Catalog(tmp_path)

    with monkeypatch.context() as patch:
        stop_at(patch, "_move_staged", 0)
        with pytest.raises(KeyboardInterrupt):
            import_part(catalog, 0)

    assert not (tmp_path / "ohlcv").exists()
    assert parts_seen(tmp_path) == {0}
    assert import_part(catalog, 0) == "unchanged"
    assert len(list((tmp_path / "ohlcv").rglob("*.parquet"))) == len(YEARS)
    assert parts_seen(tmp_path) == {0}


def test_a_flipped_bit_in_a_year_file_is_found_before_its_prices_are_believed(
    tmp_path: Path,
) -> None:
    catalog = Catalog(tmp_path)
    import_part(catalog, 0)
    (path,) = (tmp_path / "ohlcv").rglob("PARTS_2002.parquet")
    good = path.read_bytes()

    for at in range(0, len(good), 97):
        path.write_bytes(good[:at] + bytes([good[at] ^ 4]) + good[at + 1 :])
        with pytest.raises(DataProblem, match=r"PARTS_2002\.parquet is damaged"):
            Catalog(tmp_path).bars(SYMBOL, Timeframe.M1)
    path.write_bytes(good)

    assert parts_seen(tmp_path) == {0}


def test_a_missing_year_file_is_a_problem_and_not_a_gap(tmp_path: Path) -> None:
    catalog = Catalog(tmp_path)
    import_part(catalog, 0)
    (path,) = (tmp_path / "ohlcv").rglob("PARTS_2002.parquet")
    path.unlink()

    with pytest.raises(DataProblem, match="cannot be opened"):
        catalog.bars(SYMBOL, Timeframe.M1)


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b'{"format": 99}', b'{"format": 1, "more": 2}', b"\xff\x00"]
)
def test_a_damaged_head_is_said_to_be_and_never_an_empty_lake(
    content: bytes, tmp_path: Path
) -> None:
    import_part(Catalog(tmp_path), 0)
    (tmp_path / METADATA / HEAD).write_bytes(content)

    with pytest.raises(DataProblem, match=HEAD):
        Catalog(tmp_path).symbols()
    with pytest.raises(DataProblem, match=HEAD):
        import_part(Catalog(tmp_path), 1)


def test_an_import_waits_for_the_one_before_it_and_not_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publish, "_LOCK_WAIT", 0.1)

    with publish.writing(tmp_path), pytest.raises(Unavailable, match="another import"):
        import_part(Catalog(tmp_path), 0)

    assert import_part(Catalog(tmp_path), 0) == "imported"


def import_other(catalog: Catalog) -> None:
    import_csv(
        catalog,
        importing.part(0),
        name="x.csv",
        symbol="OTHER",
        market="24/7",
        timeframe=Timeframe.M1,
    )


def test_the_report_of_an_import_that_died_is_swept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalog = Catalog(tmp_path)
    with monkeypatch.context() as patch:
        stop_at(patch, "write_atomically", 1)
        with pytest.raises(KeyboardInterrupt):
            import_part(catalog, 0)

    import_other(catalog)

    assert catalog.symbols() == ["OTHER"]
    reports = (tmp_path / METADATA / "imports").iterdir()
    assert [path.name for path in reports] == ["000001_OTHER_1m.json"]


def test_the_head_forgets_staging_places_with_the_next_import(tmp_path: Path) -> None:
    catalog = Catalog(tmp_path)
    import_part(catalog, 0)

    import_other(catalog)

    head = HeadReader(tmp_path).read()
    staged = [file.staged for file in head.symbols[SYMBOL].series[Timeframe.M1].files.values()]
    assert staged == [None] * len(YEARS)
