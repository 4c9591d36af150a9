"""Look at every file of a strategies folder, one child process each, and remember what was seen.

A file that is broken, hangs, exits or crashes is listed with its reason and stops nothing. What was
seen is kept on disk under the hash of the file and of all it imports, so that looking again at
unchanged files reads them, starts no process and takes milliseconds.
"""

from __future__ import annotations

import ast
import hashlib
import json
import os
import sys
import tempfile
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from functools import lru_cache
from pathlib import Path
from typing import Any

import core
from core.domain import syntax
from core.domain.strategy import StrategyInfo
from core.errors import NotFound, StrategyFailed
from core.registry import sources
from core.registry.blame import with_place
from core.registry.entries import info_from_json, info_to_json
from core.registry.sources import LARGEST_BYTES, PACKAGE, VERSION_DIGITS, Sources

Probe = Callable[[dict[str, Any]], Mapping[str, Any]]
"""Asks `core.registry.probe` in a child; raises StrategyFailed when the child dies or hangs."""
Isolation = Callable[[], AbstractContextManager[Probe]]

AT_ONCE = 4


class Scanner:
    """Looks at files.

    Args:
        folder: Where strategies are.
        snapshots: Where the code that was looked at is kept.
        memory: File of what was seen; may vanish at any time.
        isolation: Opens a way to probe files in child processes; only used for unseen ones.
    """

    def __init__(self, folder: Path, snapshots: Path, memory: Path, isolation: Isolation) -> None:
        self._folder = folder
        self._snapshots = snapshots
        self._memory = memory
        self._isolation = isolation
        self._in_doubt: dict[str, StrategyInfo] = {}

    def scan(self, *, retry: bool = False) -> tuple[StrategyInfo, ...]:
        """Look at every file; with `retry` look again at those that failed."""
        remembered = self._recall() | self._in_doubt
        known: dict[str, StrategyInfo] = {}
        unseen: list[Sources] = []
        for path in sources.candidates(self._folder):
            try:
                found = sources.read(self._folder, path.stem)
            except (NotFound, OSError) as error:
                words = error.message if isinstance(error, NotFound) else str(error)
                known[path.stem] = self._broken(path.stem, "", words)
                continue
            seen = remembered.get(path.stem)
            if seen and seen.version == found.version and not (retry and seen.error):
                known[path.stem] = seen
            else:
                unseen.append(found)
        if unseen:
            known |= {info.id: info for info in self._look(unseen)}
        self._in_doubt = {name: self._in_doubt[name] for name in self._in_doubt if name in known}
        if unseen or known.keys() != remembered.keys():
            self._remember(known)
        return tuple(known[name] for name in sorted(known))

    def look(self, found: Sources) -> StrategyInfo:
        """Look at one file, whatever was seen before, and remember it."""
        (info,) = self._look([found])
        self._remember(self._recall() | {info.id: info})
        return info

    @property
    def memory_time(self) -> int:
        """When the memory was last written, as the file system tells it; 0 when it is not there."""
        try:
            return self._memory.stat().st_mtime_ns
        except OSError:
            return 0

    def fingerprint(self) -> tuple[tuple[str, int, int], ...]:
        """What the folder looks like from outside; differs once a file in it does."""
        marks = []
        for path in sorted(self._folder.rglob("*.py")):
            try:
                facts = path.stat()
            except OSError:
                continue
            marks.append((str(path), facts.st_mtime_ns, facts.st_size))
        return tuple(marks)

    def _look(self, unseen: list[Sources]) -> list[StrategyInfo]:
        parsed = {found.id: _objection(found) for found in unseen}
        if all(parsed.values()):
            return [self._broken(f.id, f.version, str(parsed[f.id]), _class_of(f)) for f in unseen]
        with self._isolation() as probe, ThreadPoolExecutor(AT_ONCE) as pool:
            return list(pool.map(lambda found: self._see(found, parsed[found.id], probe), unseen))

    def _see(self, found: Sources, objection: str | None, probe: Probe) -> StrategyInfo:
        guess = _class_of(found)
        if objection:
            return self._broken(found.id, found.version, objection, guess)
        folder = sources.publish(found, self._snapshots)
        try:
            told = probe({"folder": str(folder), "id": found.id})
        except StrategyFailed as error:
            # It died or hung, perhaps only because the machine was busy: the next process looks
            # again, this one when it is asked to.
            info = self._broken(found.id, found.version, error.sentence(), guess)
            self._in_doubt[found.id] = info
            return info
        self._in_doubt.pop(found.id, None)
        if told.get("error"):
            return self._broken(found.id, found.version, str(told["error"]), guess)
        return info_from_json(
            {
                "id": found.id,
                "module": f"{PACKAGE}.{found.id}",
                "path": self._path(found.id),
                "version": found.version,
                "error": None,
                **told,
            }
        )

    def _broken(self, name: str, version: str, error: str, class_name: str = "") -> StrategyInfo:
        return StrategyInfo(
            id=name,
            module=f"{PACKAGE}.{name}",
            class_name=class_name,
            title=name.replace("_", " ").capitalize(),
            summary="",
            path=self._path(name),
            version=version,
            error=error,
        )

    def _path(self, name: str) -> str:
        return str(self._folder / f"{name}.py")

    def _recall(self) -> dict[str, StrategyInfo]:
        try:
            kept = json.loads(self._memory.read_text())
            if kept["scanner"] != _scanner_hash():
                return {}
            return {
                entry["id"]: info_from_json({**entry, "path": self._path(entry["id"])})
                for entry in kept["strategies"]
            }
        except (OSError, ValueError, KeyError, TypeError):
            return {}  # none yet, or not ours: look again

    def _remember(self, known: Mapping[str, StrategyInfo]) -> None:
        kept = {
            "scanner": _scanner_hash(),
            "strategies": [
                info_to_json(known[name]) for name in sorted(known.keys() - self._in_doubt.keys())
            ],
        }
        self._memory.parent.mkdir(parents=True, exist_ok=True)
        descriptor, unfinished = tempfile.mkstemp(dir=self._memory.parent)
        with os.fdopen(descriptor, "w") as stream:
            json.dump(kept, stream)
        Path(unfinished).replace(self._memory)


def _objection(found: Sources) -> str | None:
    """Say what can be said against a file without importing it."""
    content = found.files[f"{found.id}.py"]
    if not found.id.isidentifier():
        return f"file name {found.id!r} is not a Python name. Use letters, digits and underscores."
    if len(content) > LARGEST_BYTES:
        return f"The file is larger than {LARGEST_BYTES >> 20} MB. Keep data out of strategy files."
    try:
        tree = syntax.parse(content)
    except SyntaxError as error:
        return with_place(f"SyntaxError: {error.msg}", (f"{found.id}.py", error.lineno or 0)) + "."
    except (ValueError, RecursionError, MemoryError) as error:
        return f"The file cannot be parsed: {error}."
    if not any(isinstance(node, ast.ClassDef) for node in ast.walk(tree)):
        return "The file defines no class. Begin the names of helper files with an underscore."
    return None


def _class_of(found: Sources) -> str:
    """Guess the class of a file that could not be imported."""
    try:
        tree = syntax.parse(found.files[f"{found.id}.py"])
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ""
    names = [node.name for node in tree.body if isinstance(node, ast.ClassDef)]
    return names[-1] if names else ""


@lru_cache(maxsize=1)
def _scanner_hash() -> str:
    """Hash of the code that looks and of the words it uses: what it says changes with them."""
    root = Path(core.__file__).parent
    digest = hashlib.sha256(sys.version.encode())
    for folder in ("domain", "registry"):
        for path in sorted((root / folder).glob("*.py")):
            digest.update(path.read_bytes())
    return digest.hexdigest()[: 2 * VERSION_DIGITS]
