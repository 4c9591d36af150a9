"""What one child process may use."""

from __future__ import annotations

import resource
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

MEGABYTE = 1 << 20

# Between the soft limit, whose signal tells where the code was, and the hard one.
CPU_GRACE_SECONDS = 2


@dataclass(frozen=True, slots=True)
class Limits:
    """Ceilings of one child.

    There is none on the number of processes: the kernel counts the threads of the whole user there.

    Attributes:
        memory_mb: Private memory on top of what every child begins with.
        cpu_seconds: Processor time.
        output_mb: Size of any one file it writes.
        open_files: Descriptors it may hold.
    """

    memory_mb: int = 2_048
    cpu_seconds: int = 300
    output_mb: int = 1_024
    open_files: int = 512

    def apply(self) -> None:
        """Limit this process; there is no way back."""
        _limit(resource.RLIMIT_CORE, 0)
        _limit(resource.RLIMIT_CPU, self.cpu_seconds, self.cpu_seconds + CPU_GRACE_SECONDS)
        _limit(resource.RLIMIT_FSIZE, self.output_mb * MEGABYTE)
        _limit(resource.RLIMIT_NOFILE, self.open_files)
        if sys.platform == "linux":
            # RLIMIT_DATA and not AS: numba, polars and duckdb reserve far more than they touch.
            begins_with = status_kilobytes("self", "VmData") * 1024
            _limit(resource.RLIMIT_DATA, begins_with + self.memory_mb * MEGABYTE)


def _limit(kind: int, soft: int, hard: int | None = None) -> None:
    ceiling = resource.getrlimit(kind)[1]
    wanted = [soft, soft if hard is None else hard]
    if ceiling != resource.RLIM_INFINITY:
        wanted = [min(value, ceiling) for value in wanted]
    # Some systems refuse single limits; the others still hold, and the wall clock always does.
    with suppress(ValueError, OSError):
        resource.setrlimit(kind, (wanted[0], wanted[1]))


def status_kilobytes(pid: int | str, field: str) -> int:
    """Read one field of `/proc/<pid>/status`; 0 where there is no such thing."""
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith(f"{field}:"):
                return int(line.split()[1])
    return 0
