"""The registry: which strategies there are, what they are called, and the exact code of each."""

from __future__ import annotations

import difflib
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from core.domain.strategy import StrategyInfo
from core.errors import InvalidInput, NotFound, StrategyFailed
from core.registry import sources
from core.registry.scan import Isolation, Scanner

CLOSE_MATCHES = 3


@dataclass(frozen=True, slots=True)
class Pinned:
    """A strategy together with the code that will run, whatever happens to its file.

    Attributes:
        folder: Snapshot of the code, named after its hash.
    """

    info: StrategyInfo
    code_hash: str
    folder: Path


class Registry:
    """Strategies of one folder. Safe to use from many threads.

    Args:
        folder: Where strategies are, one file each.
        snapshots: Where code that was looked at or run is kept.
        memory: File in which scans are remembered.
        isolation: Opens a way to look at files in child processes.
    """

    def __init__(
        self, folder: Path, *, snapshots: Path, memory: Path, isolation: Isolation
    ) -> None:
        self._folder = folder
        self._snapshots = snapshots
        self._scanner = Scanner(folder, snapshots, memory, isolation)
        self._looking = threading.RLock()  # held for seconds; what was seen is read without it
        self._seen: _Seen | None = None

    def list(self) -> tuple[StrategyInfo, ...]:
        """Give what the last scan saw, broken files included; scan if there was none yet."""
        seen = self._seen
        if seen is None:
            with self._looking:
                seen = self._seen or self._scan(retry=False)
        elif self._has_moved_on(seen) and self._looking.acquire(blocking=False):
            try:
                seen = self._scan(retry=False)
            finally:
                self._looking.release()
        return seen.infos

    def rescan(self) -> tuple[StrategyInfo, ...]:
        """Look at new and changed files, and again at those that failed."""
        with self._looking:
            return self._scan(retry=True).infos

    def is_stale(self) -> bool:
        """Whether a file was added, edited or removed since the last scan; cheap."""
        seen = self._seen
        return seen is None or self._scanner.fingerprint() != seen.fingerprint

    def get(self, name: str) -> StrategyInfo:
        """Find a strategy, usable or not, by any of its names.

        They are its id, `module.Class`, `strategies.module.Class` and the class name, with capitals
        ignored where that leaves no doubt. `<id>_strategy` is understood too.

        Raises:
            NotFound: no strategy has that name; the hint lists close ones.
            InvalidInput: more than one has.
        """
        known = {info.id: info for info in self.list()}
        if name in known:
            return known[name]
        for fold in (False, True):
            wanted = name.casefold() if fold else name
            hits = sorted(
                {
                    info.id
                    for info in known.values()
                    for key in _names(info)
                    if (key.casefold() if fold else key) == wanted
                }
            )
            if len(hits) == 1:
                return known[hits[0]]
            if hits:
                raise InvalidInput(
                    f"{name!r} names {len(hits)} strategies",
                    expected=f"one of {', '.join(hits)}",
                    field="strategy",
                )
        raise NotFound(
            f"strategy {name[:200]!r} is not known",
            hint=_suggest(name, known.values()),
            field="strategy",
        )

    def pin(self, name: str) -> Pinned:
        """Fix a usable strategy's code as it is on disk at this moment.

        Raises:
            NotFound: no strategy has that name.
            StrategyFailed: it cannot be used; the message says why.
        """
        try:
            info = self.get(name)
        except NotFound:
            if not self.is_stale():
                raise
            self.rescan()
            info = self.get(name)
        found = sources.read(self._folder, info.id)
        if found.version != info.version:
            info = self._look(found)
        if info.error:
            raise StrategyFailed(
                f"strategy {info.id!r} cannot be used: {info.error.rstrip('.')}",
                hint="Repair its file and try again",
                field="strategy",
            )
        return Pinned(info, found.code_hash, sources.publish(found, self._snapshots))

    def _has_moved_on(self, seen: _Seen) -> bool:
        """Whether another server scanned since; its findings are on disk, for free."""
        return self._scanner.memory_time != seen.memory_time

    def _scan(self, *, retry: bool) -> _Seen:
        fingerprint = self._scanner.fingerprint()
        infos = self._scanner.scan(retry=retry)
        self._seen = _Seen(infos, self._scanner.memory_time, fingerprint)
        return self._seen

    def _look(self, found: sources.Sources) -> StrategyInfo:
        with self._looking:
            info = self._scanner.look(found)
            seen = self._seen or _Seen((), 0, ())
            others = [other for other in seen.infos if other.id != info.id]
            infos = tuple(sorted([*others, info], key=lambda one: one.id))
            self._seen = _Seen(infos, self._scanner.memory_time, seen.fingerprint)
            return info


@dataclass(frozen=True, slots=True)
class _Seen:
    infos: tuple[StrategyInfo, ...]
    memory_time: int
    fingerprint: tuple[tuple[str, int, int], ...]


def _names(info: StrategyInfo) -> list[str]:
    names = [info.id, f"{info.id}_strategy", info.module]
    if info.class_name:
        names += [
            info.class_name,
            f"{info.id}.{info.class_name}",
            f"{info.module}.{info.class_name}",
        ]
    return names


def _suggest(name: str, known: Iterable[StrategyInfo]) -> str:
    usable = sorted(info.id for info in known if info.usable)
    if not usable:
        return "There are no strategies yet"
    parts = [name.casefold(), *name.casefold().split(".")]
    close: list[str] = []
    for part in parts:
        close += difflib.get_close_matches(part, usable, n=CLOSE_MATCHES, cutoff=0.5)
    if close:
        return f"Did you mean {' or '.join(dict.fromkeys(close[:CLOSE_MATCHES]))}?"
    return f"Known: {', '.join(usable[:20])}"
