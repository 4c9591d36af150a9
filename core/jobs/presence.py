"""Presence: how one server knows that another one is still alive.

Each process that owns runs holds a lock on a file of its own for as long as it lives. The kernel
lets go of it at any kind of death, so a pid used again, a container that never comes back or a
clock that jumps cannot make the dead look alive.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import socket
import threading
import time
from contextlib import suppress
from pathlib import Path


class Presence:
    """This process's sign of life in `folder`, made when somebody first asks for the name."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._descriptor: int | None = None
        self._lock = threading.Lock()
        self._is_over = False
        self._name = f"{_host()}:{os.getpid()}:{secrets.token_hex(4)}"

    @property
    def name(self) -> str:
        """`host:pid:token`, recorded as the owner of what this process runs."""
        with self._lock:
            if self._descriptor is None and not self._is_over:
                self._descriptor = _hold(self._path(self._name))
        return self._name

    @property
    def label(self) -> str:
        """The name as a file may be called; asking for it leaves no sign."""
        return _label(self._name)

    def is_alive(self, name: str) -> bool:
        """Whether the process of that name lives. On another host without a file here: perhaps."""
        if name == self._name:
            return True
        path = self._path(name)
        try:
            descriptor = os.open(path, os.O_RDWR)
        except FileNotFoundError:
            return name.partition(":")[0] != _host()
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.unlink(missing_ok=True)
        except BlockingIOError:
            return True
        finally:
            os.close(descriptor)
        return False

    def beat(self) -> None:
        """Show that the process not only lives but works; costs a few microseconds.

        Where the folder takes no sign it stays silent: that is no reason to stop working.
        """
        with self._lock, suppress(OSError):
            if self._descriptor is not None:
                os.utime(self._descriptor)

    def silence(self) -> dict[str, float]:
        """Say of the living processes of this host for how many seconds none of them beat.

        Signs that the dead left are removed.
        """
        found = {}
        for path in sorted(self._folder.glob(f"{_host()},*.lock")):
            name = path.stem.replace(",", ":")
            with suppress(FileNotFoundError):
                beaten_at = path.stat().st_mtime
                if self.is_alive(name):
                    found[name] = max(0.0, time.time() - beaten_at)
        return found

    def close(self) -> None:
        """Take the sign down."""
        with self._lock:
            self._is_over = True
            if self._descriptor is not None:
                self._path(self._name).unlink(missing_ok=True)
                os.close(self._descriptor)
                self._descriptor = None

    def _path(self, name: str) -> Path:
        return self._folder / f"{_label(name)}.lock"


def _hold(path: Path) -> int:
    path.parent.mkdir(parents=True, exist_ok=True)
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        # Somebody looking for the dead may have taken and removed it between the two calls.
        with suppress(FileNotFoundError):
            if os.fstat(descriptor).st_ino == path.stat().st_ino:
                return descriptor
        os.close(descriptor)


def _label(name: str) -> str:
    return name.replace(":", ",").replace(os.sep, "_")


def _host() -> str:
    return socket.gethostname().replace(":", "_").replace(",", "_") or "localhost"
