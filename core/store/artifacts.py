"""Artifacts of results: immutable files under the address of what they were computed from.

    root/ab/abcdef…/equity.parquet positions.parquet trades.parquet fills.parquet manifest.json
    root/.partial/…                 being written; left behind only by a kill, swept after an hour

A folder appears by one rename, complete and on disk, or not at all. Every file is checked against
its SHA-256 before its numbers are believed.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import shutil
import stat
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

import polars as pl

from core.errors import DataProblem, InvalidInput, Unavailable
from core.store.frames import RUN, Shelf

MANIFEST: Final = "manifest.json"
RECOMPUTE: Final = "recompute with `workbench reproduce`"
STALE: Final = timedelta(hours=1)
RESERVE: Final = 1_000_000_000

Stamp = tuple[int, int, int]
"""Inode, modification time and size: what tells one state of a file from another."""

_FORMAT: Final = 1
_REMEMBERED: Final = 50_000
_PARTIAL: Final = ".partial"
_SHA256: Final = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class FileEntry:
    """A file as its manifest describes it."""

    sha256: str
    bytes: int


class ArtifactStore:
    """Files of results, one folder per run key. Safe for many processes at once.

    Args:
        root: Folder on a local disk; made when first needed.
        shelf: Which files a result has.
    """

    def __init__(self, root: Path, shelf: Shelf = RUN) -> None:
        self.root = root.expanduser().absolute()
        self._shelf = shelf
        self._verified: dict[Path, tuple[Stamp, str]] = {}
        self._guard = threading.Lock()

    def publish(self, run_key: str, frames: Mapping[str, pl.DataFrame]) -> dict[str, str]:
        """Keep the frames of a run and return file name → SHA-256.

        What is already there and undamaged stays and is returned; damage is replaced.

        Raises:
            DataProblem: the frames are not those of a run.
            Unavailable: the folder cannot be written.
        """
        self._folder(run_key)
        return self._publish(run_key, self._shelf.encode_all(frames))

    def adopt(self, run_key: str, scratch: Path) -> dict[str, str]:
        """Publish what another process left in its scratch folder by `write_scratch`.

        Raises:
            DataProblem: the folder is incomplete, or its files differ from its manifest.
            Unavailable: a folder cannot be read or written.
        """
        self._folder(run_key)
        with _explained(scratch):
            manifest = self._read_manifest(scratch, run_key=None)
            contents = {name: _read_regular(scratch / name)[0] for name in manifest}
        for name, content in contents.items():
            _check(scratch / name, content, manifest[name])
            self._shelf.check_file(name, content)
        return self._publish(run_key, contents)

    def write_scratch(self, folder: Path, frames: Mapping[str, pl.DataFrame]) -> dict[str, str]:
        """Write frames and their manifest, last, into a private folder; nothing is published.

        Raises:
            DataProblem: the frames are not those of a run.
            Unavailable: the folder cannot be written.
        """
        contents = self._shelf.encode_all(frames)
        with _explained(folder):
            folder.mkdir(parents=True, exist_ok=True)
            for name, content in contents.items():
                (folder / name).write_bytes(content)
            partial = folder / f"{MANIFEST}.partial"
            partial.write_bytes(_manifest(contents, run_key=None))
            partial.replace(folder / MANIFEST)
        return _hashes(contents)

    def read(
        self,
        run_key: str,
        name: str,
        columns: Sequence[str] | None = None,
        *,
        sha256: str | None = None,
    ) -> pl.DataFrame:
        """Read an artifact (`equity` or `equity.parquet`), all columns or some.

        Args:
            run_key: Address of the result.
            name: Artifact or file.
            columns: Columns wanted, all by default.
            sha256: What the records say the file is, when the caller knows; it must agree too.

        Raises:
            DataProblem: the file is missing or damaged.
            Unavailable: the folder cannot be read.
        """
        path = self.path(run_key, name)
        with _explained(path):
            content, stamp = _read_regular(path)
        found = self._verify(path, content, stamp, run_key)
        if sha256 not in {None, found}:
            raise DataProblem(
                f"artifact {path} is another file than recorded",
                expected=f"SHA-256 {sha256}",
                hint=RECOMPUTE,
            )
        return self._shelf.decode(path.name, content, columns)

    def path(self, run_key: str, name: str) -> Path:
        """Where an artifact is, or would be."""
        return self._folder(run_key) / self._shelf.file_name(name)

    def manifest(self, run_key: str) -> dict[str, FileEntry]:
        """What is published under a key, by file name; files are not read.

        Raises:
            DataProblem: nothing is, or the manifest is damaged.
            Unavailable: the folder cannot be read.
        """
        folder = self._folder(run_key)
        with _explained(folder):
            return self._read_manifest(folder, run_key=run_key)

    def verify(self, run_key: str) -> dict[str, str]:
        """Read every file of a result again and return file name → SHA-256.

        Raises:
            DataProblem: a file is missing or damaged.
            Unavailable: the folder cannot be read.
        """
        folder = self._folder(run_key)
        with _explained(folder):
            manifest = self._read_manifest(folder, run_key=run_key)
            for name, entry in manifest.items():
                _check(folder / name, _read_regular(folder / name)[0], entry)
        return {name: entry.sha256 for name, entry in manifest.items()}

    def remove(self, run_key: str) -> None:
        """Remove the files of a result, all at once; nothing where there are none.

        Raises:
            Unavailable: the folder cannot be written.
        """
        folder = self._folder(run_key)
        with _explained(folder):
            if folder.is_dir():
                self._set_aside(folder)
                _sync(folder.parent)

    def sweep(self, *, now: datetime) -> int:
        """Remove what killed writers left behind more than an hour ago; return how many."""
        partial = self.root / _PARTIAL
        removed = 0
        with _explained(partial):
            leftovers = list(partial.iterdir()) if partial.is_dir() else []
        for leftover in leftovers:
            try:
                age = now.timestamp() - leftover.stat().st_mtime
            except FileNotFoundError:
                continue  # its writer has just finished
            if age > STALE.total_seconds():
                shutil.rmtree(leftover, ignore_errors=True)
                removed += 1
        return removed

    def refuse_when_full(self) -> None:
        """Keep a reserve (1 GB, or 5% of a small disk) so that what runs can still finish.

        Raises:
            Unavailable: less than the reserve is free.
        """
        folder = next(path for path in (self.root, *self.root.parents) if path.exists())
        disk = shutil.disk_usage(folder)
        reserve = min(RESERVE, disk.total // 20)
        if disk.free < reserve:
            raise Unavailable(
                f"only {disk.free / 1e6:,.0f} MB are free on the disk of {self.root}",
                expected=f"at least {reserve / 1e6:,.0f} MB before anything new is started",
                hint="free some space",
            )

    def _folder(self, run_key: str) -> Path:
        if not _SHA256.fullmatch(run_key):
            raise InvalidInput(f"run key {run_key!r} is malformed", expected="64 hex digits")
        return self.root / run_key[:2] / run_key

    def _publish(self, run_key: str, contents: Mapping[str, bytes]) -> dict[str, str]:
        folder = self._folder(run_key)
        with _explained(folder):
            if folder.is_dir():
                try:
                    return self.verify(run_key)
                except DataProblem:
                    self._set_aside(folder)
            partial = self._new_partial(run_key[:16])
            try:
                _fill(partial, {**contents, MANIFEST: _manifest(contents, run_key=run_key)})
                _make_folder(folder.parent)
                partial.rename(folder)
            except OSError:
                shutil.rmtree(partial, ignore_errors=True)
                if not folder.is_dir():
                    raise
                return self.verify(run_key)  # another process published the same result first
            _sync(folder.parent)
        return _hashes(contents)

    def _read_manifest(self, folder: Path, *, run_key: str | None) -> dict[str, FileEntry]:
        """Read a manifest strictly: one changed byte anywhere is damage."""
        path = folder / MANIFEST
        try:
            text, _ = _read_regular(path)
        except DataProblem:
            raise DataProblem(
                f"artifacts {folder} are missing or incomplete", hint=RECOMPUTE
            ) from None
        try:
            document = json.loads(text)
            document.pop("seal")
            files = {
                name: FileEntry(sha256=entry["sha256"], bytes=entry["bytes"])
                for name, entry in document["files"].items()
            }
            whole = (
                _sealed(document) == text
                and document["format"] == _FORMAT
                and document["run_key"] == run_key
                and self._shelf.is_complete(files)
                and all(_SHA256.fullmatch(entry.sha256) for entry in files.values())
            )
        except (ValueError, KeyError, TypeError, AttributeError):
            whole, files = False, {}
        if not whole:
            raise DataProblem(f"manifest {path} is damaged", hint=RECOMPUTE)
        return files

    def _new_partial(self, prefix: str) -> Path:
        workshop = self.root / _PARTIAL
        _make_folder(workshop)
        partial = Path(tempfile.mkdtemp(prefix=f"{prefix}-", dir=workshop))
        partial.chmod(0o755)
        return partial

    def _set_aside(self, folder: Path) -> None:
        aside = self._new_partial("aside")
        with suppress(FileNotFoundError):  # another process has just done it
            folder.rename(aside / folder.name)
        shutil.rmtree(aside, ignore_errors=True)

    def _verify(self, path: Path, content: bytes, stamp: Stamp, run_key: str) -> str:
        """Hash a file once per process, and again when its size or time changed."""
        with self._guard:
            known = self._verified.get(path)
        if known is not None and known[0] == stamp:
            return known[1]
        entry = self.manifest(run_key)[path.name]
        _check(path, content, entry)
        with self._guard:
            if len(self._verified) >= _REMEMBERED:
                self._verified.clear()
            self._verified[path] = (stamp, entry.sha256)
        return entry.sha256


def _hashes(contents: Mapping[str, bytes]) -> dict[str, str]:
    return {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}


def _manifest(contents: Mapping[str, bytes], *, run_key: str | None) -> bytes:
    files = {
        name: {"bytes": len(contents[name]), "sha256": digest}
        for name, digest in _hashes(contents).items()
    }
    return _sealed({"files": files, "format": _FORMAT, "run_key": run_key})


def _sealed(document: dict[str, Any]) -> bytes:
    """The document with a hash of itself: a wrong digit in it is damage too."""
    seal = hashlib.sha256(_canonical(document)).hexdigest()
    return _canonical({**document, "seal": seal})


def _canonical(document: dict[str, Any]) -> bytes:
    return (json.dumps(document, sort_keys=True) + "\n").encode()


def _read_regular(path: Path) -> tuple[bytes, Stamp]:
    """Read a file that is really a file: a link could lead out of the folder."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        if error.errno not in {errno.ENOENT, errno.ENOTDIR, errno.ELOOP}:
            raise
        raise DataProblem(f"artifact {path} is missing", hint=RECOMPUTE) from None
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise DataProblem(f"artifact {path} is not a file", hint=RECOMPUTE)
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            return file.read(), (found.st_ino, found.st_mtime_ns, found.st_size)
    finally:
        os.close(descriptor)


def _check(path: Path, content: bytes, entry: FileEntry) -> None:
    found = hashlib.sha256(content).hexdigest()
    if found != entry.sha256 or len(content) != entry.bytes:
        raise DataProblem(
            f"artifact {path} is damaged: SHA-256 is {found}",
            expected=entry.sha256,
            hint=RECOMPUTE,
        )


def _fill(folder: Path, contents: Mapping[str, bytes]) -> None:
    """Write files and wait until they are on the disk, in the order given."""
    for name, content in contents.items():
        with (folder / name).open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    _sync(folder)


def _make_folder(folder: Path) -> None:
    """Make a folder that survives a power cut, parents first."""
    if folder.is_dir():
        return
    _make_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    _sync(folder.parent)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise Unavailable(
            f"{error.filename or path}: {(error.strerror or str(error)).lower()}",
            hint="make the artifacts folder exist, writable and with free space",
        ) from error
