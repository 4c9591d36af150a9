"""What computes: the code of the engine and the libraries that decide its last bit."""

from __future__ import annotations

import hashlib
import importlib.metadata
import platform
from functools import cache
from pathlib import Path

import core

HASH_DIGITS = 12
# What else decides the last bit of a result or the bytes of its files.
_LIBRARIES = ("numpy", "numba", "llvmlite", "polars", "pyarrow")


@cache
def code_digest(*more: Path) -> str:
    """Hash the code of domain, engine and analytics, of `more` files of the core, and libraries."""
    root = Path(core.__file__).parent
    digest = hashlib.sha256()
    files = [
        path for room in ("domain", "engine", "analytics") for path in (root / room).rglob("*.py")
    ]
    for path in sorted([*files, *(path.resolve() for path in more)]):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(root)}\0{len(content)}\0".encode())
        digest.update(content)
    for name in _LIBRARIES:
        digest.update(f"{name}={importlib.metadata.version(name)};".encode())
    digest.update(f"{platform.python_version_tuple()[:2]};{platform.machine()}".encode())
    return digest.hexdigest()[:HASH_DIGITS]
