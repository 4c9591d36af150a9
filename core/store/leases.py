"""The clock of leases: one that all who share a database agree on, and that nobody can set.

PostgreSQL answers with its own time. A SQLite file is used on one machine, whose seconds since it
started serve; they mean nothing after another start, so the clock has that start's name.
"""

from __future__ import annotations

import subprocess
import sys
import time
from functools import cache
from pathlib import Path
from typing import NamedTuple, Protocol

from sqlalchemy import Connection, func, select

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


class Instant(NamedTuple):
    """Seconds by the clock of that name; those of another clock cannot be compared with them."""

    clock: str
    seconds: float


class LeaseClock(Protocol):
    """Tells the time of leases."""

    def __call__(self, connection: Connection, /) -> Instant:
        """Tell it, by the database this connection leads to."""


def lease_clock(connection: Connection) -> Instant:
    """Tell the time of leases by the database, or by the machine a file is on."""
    if connection.dialect.name == "sqlite":
        return Instant(_start_of_the_machine(), _seconds_up())
    seconds = connection.execute(select(func.extract("epoch", func.clock_timestamp()))).scalar_one()
    return Instant("database", float(seconds))


def _seconds_up() -> float:
    # Unlike monotonic time on Linux this one goes on while the machine sleeps: a lease ends then.
    boot = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if boot is None else time.clock_gettime(boot)


@cache
def _start_of_the_machine() -> str:
    if _BOOT_ID.exists():
        return _BOOT_ID.read_text().strip()
    if sys.platform == "darwin":
        words = ["/usr/sbin/sysctl", "-n", "kern.bootsessionuuid"]
        return subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip()  # noqa: S603
    return "machine"
