"""`metadata/instruments.json`: what the lake holds, and the one file whose rename publishes it.

Readers believe this file first, and year files only as far as it names them with their hash. Where
a year file was committed but may not have moved into its place yet, `staged` says where it is.
A symbol whose `series` are empty was declared by hand: its files are found by looking.
"""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from core.domain.timeframe import Timeframe
from core.errors import DataProblem

METADATA: Final = "metadata"
HEAD: Final = "instruments.json"
FORMAT: Final = 1


class _Entry(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class FileEntry(_Entry):
    """One year file."""

    rows: int
    bytes: int
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    staged: str | None = None


class SeriesEntry(_Entry):
    """One series: opening times of its first and last bar in microseconds UTC, files by year."""

    first: int
    last: int
    rows: int
    report: str
    files: dict[int, FileEntry]


class SymbolEntry(_Entry):
    """One instrument; `currency` only where it is not that of its market or its name."""

    market: str
    synthetic: bool = False
    currency: str | None = None
    description: str = ""
    source: str = ""
    series: dict[Timeframe, SeriesEntry] = Field(default_factory=dict)

    def settled(self) -> SymbolEntry:
        """Forget staging places."""
        if not any(file.staged for each in self.series.values() for file in each.files.values()):
            return self
        series = {
            timeframe: each.model_copy(
                update={
                    "files": {
                        year: file.model_copy(update={"staged": None})
                        for year, file in each.files.items()
                    }
                }
            )
            for timeframe, each in self.series.items()
        }
        return self.model_copy(update={"series": series})


class Head(_Entry):
    """The whole file. `revision` counts publications."""

    format: int = FORMAT
    revision: int = 0
    symbols: dict[str, SymbolEntry] = Field(default_factory=dict)

    def settled(self) -> Head:
        """Forget staging places: every file is where it belongs."""
        return Head(
            revision=self.revision,
            symbols={name: entry.settled() for name, entry in self.symbols.items()},
        )

    def to_json(self) -> bytes:
        """Write the file: the same content always gives the same bytes."""
        ordered = self.model_copy(update={"symbols": dict(sorted(self.symbols.items()))})
        return ordered.model_dump_json(indent=1, exclude_none=True).encode() + b"\n"


class HeadReader:
    """Reads the head again only when its file has been replaced. Safe for threads."""

    def __init__(self, root: Path) -> None:
        self._path = root / METADATA / HEAD
        self._lock = threading.Lock()
        self._stamp: tuple[int, int, int] | None = None
        self._head = Head()

    def read(self) -> Head:
        """Give the head as it is now; an empty one when nothing has been published.

        Raises:
            DataProblem: the file is damaged or of another format.
        """
        try:
            stat = self._path.stat()
        except FileNotFoundError:
            return Head()
        stamp = (stat.st_ino, stat.st_mtime_ns, stat.st_size)
        with self._lock:
            if stamp != self._stamp:
                self._head = _parse(self._path)
                self._stamp = stamp
            return self._head


def _parse(path: Path) -> Head:
    try:
        head = Head.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise DataProblem(
            f"{METADATA}/{HEAD} of the lake cannot be read: {error.error_count()} problems",
            hint="restore it from a backup, or move the lake away and import again",
        ) from error
    if head.format != FORMAT:
        raise DataProblem(
            f"{METADATA}/{HEAD} has format {head.format}", expected=f"format {FORMAT}"
        )
    return head
