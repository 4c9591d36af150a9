"""The source of a strategy: its file and every strategy file it imports, as one hashed whole.

The closure is found by reading `import` statements anywhere in the files. What runs later is a
snapshot that holds these files and no others, so an import the reading missed fails loudly instead
of making two different codes share one hash.
"""

from __future__ import annotations

import ast
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path, PurePosixPath

from core.domain import syntax
from core.errors import NotFound

PACKAGE = "strategies"
LARGEST_BYTES = 1 << 20
VERSION_DIGITS = 12


@dataclass(frozen=True, slots=True)
class Sources:
    """Files by their path below the strategies folder.

    Attributes:
        id: Stem of the strategy's own file.
        files: Content of every file of the closure, in order of path.
        missing: Paths that are imported and do not exist.
    """

    id: str
    files: Mapping[str, bytes]
    missing: tuple[str, ...] = ()

    @property
    def code_hash(self) -> str:
        """SHA-256 over names and contents, 64 hex digits."""
        return hash_files(self.files)

    @property
    def version(self) -> str:
        """The hash as people quote it."""
        return self.code_hash[:VERSION_DIGITS]


def hash_files(files: Mapping[str, bytes]) -> str:
    """Hash files by name and content, in order of name."""
    digest = hashlib.sha256()
    for name, content in sorted(files.items()):
        digest.update(f"{name}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()


def candidates(folder: Path) -> list[Path]:
    """Files of the folder that may be strategies, in order of name."""
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.glob("*.py") if not path.name.startswith("_"))


def read(folder: Path, strategy_id: str) -> Sources:
    """Read a strategy's file and everything it imports from the same folder, now.

    Raises:
        NotFound: there is no such file.
    """
    own = f"{strategy_id}.py"
    files: dict[str, bytes] = {}
    missing: set[str] = set()
    waiting = [own, "__init__.py"]
    while waiting:
        path = waiting.pop()
        if path in files or path in missing:
            continue
        content = _content(folder / path)
        if content is None:
            missing.add(path)
            continue
        files[path] = content
        for module in imports(content, path):
            waiting.extend(_paths(folder, module))
    if own not in files:
        raise NotFound(f"strategy file {own} is gone or is not a regular file", field="strategy")
    return Sources(strategy_id, dict(sorted(files.items())), tuple(sorted(missing)))


def _content(path: Path) -> bytes | None:
    # A pipe or a device named like a strategy would be read for ever.
    if not path.is_file():
        return None
    with path.open("rb") as stream:
        return stream.read(LARGEST_BYTES + 1)


def _paths(folder: Path, module: tuple[str, ...]) -> Iterator[str]:
    """Files Python would run to import a module of the package, its parents included."""
    for depth in range(1, len(module) + 1):
        stem = str(PurePosixPath(*module[:depth]))
        if (folder / stem).is_dir():
            yield f"{stem}/__init__.py"
        else:
            yield f"{stem}.py"
            return


@lru_cache(maxsize=1_024)
def imports(content: bytes, path: str) -> tuple[tuple[str, ...], ...]:
    """List what a file imports from the strategies package, as parts of names below the package.

    `from strategies.lib import ema` may name `strategies/lib.py` or `strategies/lib/ema.py`, so
    both are given. A file that cannot be parsed imports nothing.
    """
    try:
        tree = syntax.parse(content)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ()
    here = (PACKAGE, *PurePosixPath(path).parent.parts)
    found: list[tuple[str, ...]] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found.extend(tuple(alias.name.split(".")) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = here[: len(here) - node.level + 1] if node.level else ()
            module = (*base, *(node.module.split(".") if node.module else ()))
            found.append(module)
            found.extend((*module, alias.name) for alias in node.names if alias.name != "*")
    inside = {module[1:] for module in found if module[:1] == (PACKAGE,) and len(module) > 1}
    return tuple(sorted(inside))


def publish(sources: Sources, root: Path) -> Path:
    """Write the files below `root` under their hash, once and for all; give the folder."""
    folder = root / sources.code_hash
    if folder.is_dir():
        return folder
    root.mkdir(parents=True, exist_ok=True)
    unfinished = Path(tempfile.mkdtemp(dir=root, prefix=".tmp-"))
    try:
        for name, content in sources.files.items():
            target = unfinished / name
            target.parent.mkdir(parents=True, exist_ok=True)
            with target.open("wb") as stream:
                stream.write(content)
                stream.flush()
                os.fsync(stream.fileno())
        unfinished.chmod(0o755)
        unfinished.rename(folder)
    except OSError:
        # Somebody else may have published the same files first; then theirs are as good.
        if not folder.is_dir():
            raise
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return folder


def stored_hash(folder: Path) -> str:
    """Hash of the files of a snapshot as they are now."""
    files = {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*.py")
        if path.is_file()
    }
    return hash_files(files)
