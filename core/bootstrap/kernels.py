"""Where compiled kernels are kept, chosen before numba is imported anywhere."""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
import stat
from pathlib import Path

import core
from core.errors import Unavailable

VARIABLE = "NUMBA_CACHE_DIR"
HASH_DIGITS = 12

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


def _is_private(folder: Path) -> bool:
    facts = folder.stat()
    return facts.st_uid == os.getuid() and not stat.S_IMODE(facts.st_mode) & 0o077
