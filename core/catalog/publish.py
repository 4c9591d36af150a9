"""Publishing rows so that a reader sees all of an import or nothing of it, whatever is killed.

1. One writer at a time holds `metadata/.lock`; it first finishes or sweeps what a dead one left.
2. New year files are written under `.staging/` and synced, then the report.
3. The new `instruments.json` names them with hash and staging place. Its rename is the publication.
4. Each year file is renamed into its place. Until it is there, readers find it where it was staged.

A kill before 3 leaves files nobody names, swept by the next writer. A kill after 3 leaves moves
undone, which the next writer does; readers need not wait for that.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import io
import os
import re
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from core.catalog.columns import Columns, to_frame
from core.catalog.head import HEAD, METADATA, FileEntry, Head, HeadReader, SeriesEntry, SymbolEntry
from core.catalog.names import canonical_symbol, series_folder, year_file
from core.catalog.reports import IMPORTS, report_json, report_path
from core.domain.dataset import ImportReport
from core.domain.market import find_market
from core.domain.timeframe import Timeframe
from core.errors import Unavailable

STAGING: Final = ".staging"
ROW_GROUP: Final = 43_200
"""Rows of a month of minutes around the clock: what one filter by time must decode at least."""

_LOCK: Final = ".lock"
_LOCK_WAIT: Final = 120.0
_LOCK_POLL: Final = 0.02
_REPORT: Final = re.compile(r"([0-9]{6,})_.*\.json")


@contextmanager
def writing(root: Path) -> Iterator[Head]:
    """Hold the lake for writing; gives the head as it is, with everything in its place.

    Raises:
        Unavailable: another import holds it for too long, or the folder cannot be written.
    """
    with _as_unavailable():
        (root / METADATA).mkdir(parents=True, exist_ok=True)
        lock = os.open(root / METADATA / _LOCK, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        _acquire(lock)
        with _as_unavailable():
            head = HeadReader(root).read()
            yield _settle(root, head)
    finally:
        os.close(lock)


def publish(
    root: Path,
    head: Head,
    *,
    symbol: str,
    timeframe: Timeframe,
    about: SymbolEntry,
    years: Mapping[int, Columns],
    report: ImportReport,
) -> None:
    """Publish whole years of one series; called inside `writing`.

    Args:
        root: Of the lake.
        head: As `writing` gave it.
        symbol: Canonical.
        timeframe: Length of the rows.
        about: The symbol as it is known, with the descriptions to keep from now on.
        years: Every row of each year that changes.
        report: To be kept with the publication.
    """
    staging = root / STAGING
    staging.mkdir(exist_ok=True)
    folder = Path(tempfile.mkdtemp(dir=staging))
    old = about.series.get(timeframe)
    files = dict(old.files) if old else {}
    for year, rows in sorted(years.items()):
        data = parquet_bytes(rows)
        staged = folder / year_file(folder, symbol, year).name
        write_synced(staged, data)
        files[year] = FileEntry(
            rows=len(rows.ts),
            bytes=len(data),
            sha256=hashlib.sha256(data).hexdigest(),
            staged=staged.relative_to(root).as_posix(),
        )
    sync_folder(folder)
    sync_folder(staging)
    revision = head.revision + 1
    name = f"{revision:06d}_{symbol}_{timeframe}.json"
    write_atomically(report_path(root, name), report_json(report))
    spans = [(int(rows.ts[0]), int(rows.ts[-1])) for rows in years.values()]
    spans += [(old.first, old.last)] if old else []
    series = SeriesEntry(
        first=min(first for first, _ in spans),
        last=max(last for _, last in spans),
        rows=sum(entry.rows for entry in files.values()),
        report=name,
        files=dict(sorted(files.items())),
    )
    all_series = dict(sorted((about.series | {timeframe: series}).items()))
    _commit(root, head, symbol, about.model_copy(update={"series": all_series}))


def declare(root: Path, symbol: str, market: str, *, synthetic: bool = False) -> None:
    """Say which market files follow that somebody else laid into the lake.

    Raises:
        InvalidInput: no such symbol or market can be.
    """
    name, code = canonical_symbol(symbol), find_market(market).code
    with writing(root) as head:
        known = head.symbols.get(name, SymbolEntry(market=code))
        entry = known.model_copy(update={"market": code, "synthetic": synthetic})
        _commit(root, head, name, entry)


def describe(root: Path, head: Head, symbol: str, about: SymbolEntry) -> None:
    """Publish what is known of a symbol, its rows being as they were; called inside `writing`."""
    _commit(root, head, symbol, about)


def parquet_bytes(rows: Columns) -> bytes:
    """Write rows as a Parquet file: equal rows give equal bytes."""
    buffer = io.BytesIO()
    to_frame(rows).write_parquet(
        buffer, compression="zstd", statistics=True, row_group_size=ROW_GROUP
    )
    return buffer.getvalue()


def write_atomically(path: Path, data: bytes) -> None:
    """Put a file into its place with one rename, on disk before and after."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    write_synced(partial, data)
    partial.replace(path)
    sync_folder(path.parent)


def write_synced(path: Path, data: bytes) -> None:
    """Write a file and wait until it is on disk."""
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def sync_folder(path: Path) -> None:
    """Wait until the names in a folder are on disk."""
    folder = os.open(path, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _commit(root: Path, head: Head, symbol: str, entry: SymbolEntry) -> None:
    new = Head(revision=head.revision + 1, symbols={**head.symbols, symbol: entry})
    write_atomically(root / METADATA / HEAD, new.to_json())
    _move_staged(root, symbol, entry)


def _move_staged(root: Path, symbol: str, entry: SymbolEntry) -> None:
    for timeframe, series in entry.series.items():
        home = series_folder(root, symbol, timeframe)
        for year, file in series.files.items():
            if file.staged is None or not (root / file.staged).exists():
                continue
            place = year_file(home, symbol, year)
            place.parent.mkdir(parents=True, exist_ok=True)
            (root / file.staged).replace(place)
            for folder in (place.parent, home):
                sync_folder(folder)


def _settle(root: Path, head: Head) -> Head:
    """Do what a killed writer left undone, and remove what it left behind."""
    for symbol, entry in head.symbols.items():
        _move_staged(root, symbol, entry)
    shutil.rmtree(root / STAGING, ignore_errors=True)
    for path in (root / METADATA / IMPORTS).glob("*"):
        match = _REPORT.fullmatch(path.name)
        if match is None or int(match[1]) > head.revision:
            path.unlink()
    return head.settled()


def _acquire(lock: int) -> None:
    deadline = time.monotonic() + _LOCK_WAIT
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise Unavailable(
                    f"another import has held the lake for {_LOCK_WAIT:.0f} seconds",
                    hint="wait for it to finish and import again",
                ) from None
            time.sleep(_LOCK_POLL)
        else:
            return


@contextmanager
def _as_unavailable() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        full = error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
        raise Unavailable(
            f"the lake cannot be written: {error.strerror}",
            expected="a writable local folder with free space",
            hint="free some space and import again; nothing was changed" if full else None,
        ) from error
