"""Where compiled kernels are kept, chosen before numba is imported anywhere.

Each state of the engine's code has a folder of its own, and a mark beside it. A process holds a
shared lock on the mark for as long as it lives, and the mark's time says when the folder was last
used; so what nobody has used for long can be told from what another version runs on now.
"""

from __future__ import annotations

import fcntl
import hashlib
import logging
import os
import re
import secrets
import shutil
import stat
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import core
from core.errors import Unavailable

VARIABLE = "NUMBA_CACHE_DIR"
HASH_DIGITS = 12
KEPT_DAYS = 30
IN_USE = ".in_use"

_NAME = re.compile(f"[0-9a-f]{{{HASH_DIGITS}}}")
_LEAVING = re.compile(f"{_NAME.pattern}-leaving-[0-9a-f]+")
_held: dict[Path, int] = {}

log = logging.getLogger("workbench")


def kernel_cache(cache_dir: Path) -> Path:
    """Give the private folder of compiled kernels, one per state of the engine's code.

    Loading a compiled kernel runs what is in its file, so a folder that others could have written
    to is emptied. It lies below the folder named by `NUMBA_CACHE_DIR` where there is one: numba
    looks at one file only to see whether a kernel is stale, so no folder may outlive the code.

    Raises:
        Unavailable: the folder cannot be made.
    """
    digest = hashlib.sha256()
    for path in sorted((Path(core.__file__).parent / "engine").rglob("*.py")):
        digest.update(path.read_bytes())
    name = digest.hexdigest()[:HASH_DIGITS]
    given = os.environ.get(VARIABLE)
    parent = Path(given) if given else cache_dir / "kernels"
    folder = parent if parent.name == name else parent / name
    try:
        _hold(folder)
        if folder.exists() and not _is_private(folder):
            log.warning("%s was open to others and is emptied", folder)
            shutil.rmtree(folder)
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise Unavailable(
            f"folder {folder} cannot be made: {error.strerror}",
            hint="Make the data folder writable, or set WORKBENCH_DATA_DIR",
        ) from error
    return folder


def remove_unused(mine: Path) -> Sequence[Path]:
    """Remove folders beside one's own that nobody has used for `KEPT_DAYS`, and give their names.

    One that a version before this left is stamped when it is first seen, and goes so much later.
    Whatever else lies there is left alone.

    Raises:
        OSError: a folder cannot be removed.
    """
    os.utime(_mark(mine))
    removed = []
    for folder in sorted(mine.parent.iterdir()):
        if folder == mine or folder.is_symlink() or not folder.is_dir():
            continue
        if _LEAVING.fullmatch(folder.name):  # of somebody who was killed while removing it
            shutil.rmtree(folder, ignore_errors=True)
        elif _NAME.fullmatch(folder.name) and (left := _left_by_all(folder)) is not None:
            shutil.rmtree(left)
            removed.append(folder)
    return removed


def _left_by_all(folder: Path) -> Path | None:
    """Move a folder out of everybody's way; None if it is in use, or was not long ago."""
    mark = _mark(folder)
    descriptor = os.open(mark, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        facts = os.fstat(descriptor)
        if time.time() - facts.st_mtime < KEPT_DAYS * 86_400 or not _is_at(facts, mark):
            return None
        # Who comes now waits for the lock, finds the mark gone, and makes both anew.
        left = folder.rename(folder.with_name(f"{folder.name}-leaving-{secrets.token_hex(4)}"))
        mark.unlink()
    except BlockingIOError:
        return None
    finally:
        os.close(descriptor)
    return left


def _hold(folder: Path) -> None:
    """Say that this process uses a folder, until it ends."""
    mark = _mark(folder)
    folder.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    held = _held.get(folder)
    while held is None or not _is_at(os.fstat(held), mark):
        if held is not None:
            os.close(held)
        held = _held[folder] = os.open(mark, os.O_RDWR | os.O_CREAT, 0o600)
        # Somebody may take the folder away between these two calls, and the mark with it.
        fcntl.flock(held, fcntl.LOCK_SH)
    os.utime(held)


def _mark(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}{IN_USE}")


def _is_at(facts: os.stat_result, path: Path) -> bool:
    """Whether a file that is open is still the one at a path."""
    with suppress(FileNotFoundError):
        return os.path.samestat(facts, path.stat())
    return False


def _is_private(folder: Path) -> bool:
    facts = folder.stat()
    return facts.st_uid == os.getuid() and not stat.S_IMODE(facts.st_mode) & 0o077
