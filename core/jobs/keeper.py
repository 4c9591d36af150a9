"""The keeper: a process that loads everything once, then forks a fresh child whenever asked.

It never runs foreign code, so it can always act: it ends every child, with all its descendants, as
soon as the server that started it is gone, however that happened. The standard library has a fork
server too; ours exists because that one runs the server's main script again in every child (under
Streamlit that is a page), and because its children guard themselves by a thread, which cannot act
while a kernel holds the interpreter.

Control is one socket with a JSON document per line. In: `{"fork": ...}` with a descriptor,
`{"kill": pid, "last_words": true}`. Out: `{"ready": seconds}`, `{"forked": pid}`,
`{"exited": pid, ...}`.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import selectors
import signal
import socket
import sys
import time
import warnings
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from core.jobs import child
from core.jobs.limits import MEGABYTE, Limits, status_kilobytes

TAIL_BYTES = 16 << 10
LOOK_SECONDS = 0.25
LAST_WORDS_SECONDS = 0.1


@dataclass(slots=True)
class _Charge:
    """One living child."""

    output: int
    memory_kb: int
    tail: bytes = b""
    ended_by: str = ""


class Keeper:
    """The loop: commands in, children out, reports back."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._unread = b""
        self._charges: dict[int, _Charge] = {}
        self._helper = 0
        self._selector = selectors.DefaultSelector()
        self._lifeline, self._held = os.pipe()
        self._woken, wake = os.pipe()
        os.set_blocking(self._woken, False)
        os.set_blocking(wake, False)
        self._wake = wake
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        self._selector.register(control, selectors.EVENT_READ)
        self._selector.register(self._woken, selectors.EVENT_READ)

    def run(self) -> None:
        """Serve until the server is gone."""
        try:
            while True:
                for key, _ in self._selector.select(LOOK_SECONDS if self._charges else None):
                    if key.fileobj is self._control:
                        self._obey()
                    elif key.fileobj == self._woken:
                        with suppress(BlockingIOError):
                            os.read(self._woken, 4_096)
                    else:
                        self._drain(self._charges[key.data])
                self._watch_memory()
                self._reap()
        except (EOFError, BrokenPipeError, ConnectionResetError):
            for pid in (*self._charges, *([self._helper] if self._helper else [])):
                _kill_group(pid)

    def say(self, **message: Any) -> None:
        """Tell the server something."""
        self._control.sendall(json.dumps(message).encode() + b"\n")

    def do_beside(self, entries: list[str]) -> None:
        """Call `module:function` entries in a process of their own that yields to all others."""
        pid = os.fork()
        if pid == 0:
            try:
                os.setsid()
                os.nice(19)
                os.close(self._held)
                child.die_with_the_keeper(self._lifeline)
                for entry in entries:
                    _call(entry)
            finally:
                os._exit(0)
        self._helper = pid

    def _obey(self) -> None:
        data, descriptors, _, _ = socket.recv_fds(self._control, 65_536, 4)
        if not data:
            raise EOFError
        *lines, self._unread = (self._unread + data).split(b"\n")
        for line in lines:
            command = json.loads(line)
            if "fork" in command:
                self._fork(command["fork"], descriptors.pop(0))
            elif command["kill"] in self._charges:
                self._end(command["kill"], "asked", last_words=command["last_words"])

    def _fork(self, wanted: dict[str, Any], connection: int) -> None:
        limits = Limits(**wanted["limits"])
        output, writes = os.pipe()
        os.set_blocking(output, False)
        pid = os.fork()
        if pid == 0:
            try:
                self._forget(output)
                child.live(
                    wanted["entry"],
                    limits,
                    connection=connection,
                    output=writes,
                    lifeline=self._lifeline,
                )
            finally:
                os._exit(1)
        os.close(connection)
        os.close(writes)
        ceiling = (limits.memory_mb * MEGABYTE >> 10) + status_kilobytes("self", "VmRSS")
        self._charges[pid] = _Charge(output, ceiling)
        self._selector.register(output, selectors.EVENT_READ, pid)
        self.say(forked=pid)

    def _forget(self, output: int) -> None:
        """Close in the child what belongs to the keeper, or the child would keep it alive."""
        self._control.close()
        self._selector.close()
        others = [charge.output for charge in self._charges.values()]
        for descriptor in (output, self._held, self._woken, self._wake, *others):
            os.close(descriptor)

    def _drain(self, charge: _Charge) -> None:
        """Read what the child printed, so that it never blocks, and keep only the end of it."""
        with suppress(BlockingIOError, KeyError):
            data = os.read(charge.output, 1 << 20)
            charge.tail = (charge.tail + data)[-TAIL_BYTES:]
            if not data:
                self._selector.unregister(charge.output)

    def _watch_memory(self) -> None:
        for pid, charge in self._charges.items():
            if not charge.ended_by and status_kilobytes(pid, "VmRSS") > charge.memory_kb:
                self._end(pid, "memory", last_words=True)

    def _end(self, pid: int, reason: str, *, last_words: bool) -> None:
        charge = self._charges[pid]
        charge.ended_by = reason
        if last_words:
            os.kill(pid, signal.SIGUSR1)  # not reaped yet, so the number is still its own
            time.sleep(LAST_WORDS_SECONDS)
            self._drain(charge)
        _kill_group(pid)

    def _reap(self) -> None:
        if self._helper and os.waitpid(self._helper, os.WNOHANG)[0]:
            self._helper = 0
        for pid, charge in list(self._charges.items()):
            reaped, status, usage = os.wait4(pid, os.WNOHANG)
            if not reaped:
                continue
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(pid, signal.SIGKILL)  # what it left behind
            self._drain(charge)
            del self._charges[pid]
            with suppress(KeyError):
                self._selector.unregister(charge.output)
            os.close(charge.output)
            code = os.waitstatus_to_exitcode(status)
            self.say(
                exited=pid,
                code=code,
                cpu=usage.ru_utime + usage.ru_stime,
                ended_by=charge.ended_by,
                tail=charge.tail.decode(errors="replace"),
            )


def _kill_group(pid: int) -> None:
    # Its own group exists once it has called setsid, a moment after the fork.
    for kill in (os.killpg, os.kill):
        with suppress(ProcessLookupError, PermissionError):
            kill(pid, signal.SIGKILL)


def _call(entry: str) -> None:
    module, _, function = entry.partition(":")
    getattr(importlib.import_module(module), function)()


def main(descriptor: int, preload: list[str], warm: list[str], later: list[str]) -> None:
    """Load `preload`, call each `module:function` of `warm`, then keep children.

    What is to be called `later` is called beside that.
    """
    control = socket.socket(fileno=descriptor)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Forking with threads around is what this process is for; it starts none of its own, and those
    # of polars do nothing before its first query.
    warnings.filterwarnings("ignore", message=".*fork.*", category=DeprecationWarning)
    began = time.monotonic()
    for name in preload:
        importlib.import_module(name)
    for entry in warm:
        _call(entry)
    gc.collect()
    gc.disable()
    gc.freeze()  # the collector would touch, and so copy, every page a child shares with us
    keeper = Keeper(control)
    with suppress(BrokenPipeError):
        keeper.say(ready=time.monotonic() - began)
        if later:
            keeper.do_beside(later)
        keeper.run()


if __name__ == "__main__":
    main(int(sys.argv[1]), *(json.loads(names) for names in sys.argv[2:5]))
