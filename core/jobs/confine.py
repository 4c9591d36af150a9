"""Confinement: a process that may write in a few folders only, open no connection, start nobody.

It stops accidents of code that is trusted not to be hostile: a result written over, a helper left
running, a price fetched from the web in the middle of a backtest. It does not stop malice.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_FORBIDDEN = {
    "socket.connect": "open a network connection",
    "socket.bind": "listen on the network",
    "socket.sendto": "send over the network",
    "subprocess.Popen": "start a process",
    "os.system": "start a process",
    "os.exec": "start a process",
    "os.posix_spawn": "start a process",
    "os.spawn": "start a process",
    "os.fork": "start a process",
    "os.forkpty": "start a process",
    "os.kill": "signal a process",
    "os.killpg": "signal a process",
}
_CHANGES = frozenset(
    {
        "os.remove",
        "os.rename",
        "os.rmdir",
        "os.mkdir",
        "os.truncate",
        "os.chmod",
        "os.chown",
        "os.link",
        "os.symlink",
        "os.utime",
        "shutil.rmtree",
        "shutil.move",
    }
)


def confine(writable: Sequence[Path]) -> None:
    """Confine this process for the rest of its life.

    What is refused raises PermissionError where it was tried.
    """
    roots = tuple(f"{os.path.realpath(folder)}{os.sep}" for folder in writable)

    def is_writable(path: Any) -> bool:
        if isinstance(path, int) or path == os.devnull:
            return True
        real = os.path.realpath(os.fsdecode(path))
        return f"{real}{os.sep}".startswith(roots)

    def judge(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open":
            path, _, flags = arguments
            if flags & _WRITES and not is_writable(path):
                raise PermissionError(f"a run may not write {path}")
        elif event in _FORBIDDEN:
            raise PermissionError(f"a run may not {_FORBIDDEN[event]}")
        elif event in _CHANGES:
            for path in arguments[:2]:
                if isinstance(path, str | bytes | os.PathLike) and not is_writable(path):
                    raise PermissionError(f"a run may not change {os.fsdecode(path)}")

    sys.addaudithook(judge)
