"""The server's side of the keeper: start it, have children forked, learn how they ended."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from contextlib import suppress
from dataclasses import asdict, dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Literal, Self

import core
from core.errors import Unavailable
from core.jobs.limits import Limits
from core.jobs.wire import Handler, Message, receive, send

Cause = Literal["time", "cpu", "memory", "signal", "killed", "no_result", "stopped"]

START_SECONDS = 120.0
DEATH_SECONDS = 10.0

_PASSED_ON = ("PATH", "HOME", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "VIRTUAL_ENV", "SYSTEMROOT")
_FIXED = {
    "TZ": "UTC",
    "PYTHONHASHSEED": "0",  # the order of a set of names is part of a result's bits
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "NUMBA_NUM_THREADS": "1",
    "POLARS_MAX_THREADS": "1",
}
_FRAME = re.compile(r'File "([^"]+)", line (\d+)')
# How Rust, C++ and Python say it when they die of it.
_NO_MEMORY = ("memory allocation of", "bad_alloc", "MemoryError")
_SIGNALS: dict[int, str] = {
    signal.SIGSEGV: "segmentation fault",
    signal.SIGABRT: "aborted",
    signal.SIGFPE: "arithmetic fault",
    signal.SIGBUS: "bus error",
    signal.SIGILL: "illegal instruction",
    signal.SIGKILL: "killed, perhaps because the machine ran out of memory",
}


@dataclass(frozen=True, slots=True)
class Death:
    """How a child ended without an answer.

    Attributes:
        cause: What ended it.
        message: In words, without a full stop.
        output: The end of what it printed.
    """

    cause: Cause
    message: str
    output: str = ""

    def place(self, folder: Path) -> tuple[str, int] | None:
        """Find the innermost line under `folder` at which it was last seen: file name and line."""
        inside = f"{folder}{os.sep}"
        for path, line in _FRAME.findall(self.output):
            if path.startswith(inside):
                return Path(path).name, int(line)
        return None


class Died(Exception):
    """A child ended instead of answering."""

    def __init__(self, death: Death) -> None:
        super().__init__(death.message)
        self.death = death


class Nursery:
    """One keeper and the children it forked. Safe to use from many threads.

    Args:
        preload: Modules the keeper imports before it forks; every child begins with them.
        warm: `module:function` entries it then calls, none of which may start threads.
        later: Entries called beside the work, once, in a process of their own.
        environment: Variables of the children besides the few that are passed on.
        folder: Working directory of the children.
    """

    def __init__(
        self,
        *,
        preload: Sequence[str] = (),
        warm: Sequence[str] = (),
        later: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
        folder: Path,
    ) -> None:
        self._arguments = tuple(json.dumps(list(names)) for names in (preload, warm, later))
        self._environment = dict(environment or {})
        self._folder = folder
        self._lock = threading.RLock()
        self._speaking = threading.Lock()
        self._keeper: _Keeper | None = None
        self._closed = False

    def __enter__(self) -> Self:
        """Start loading, without waiting for it."""
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End the keeper and every child."""
        self.close()

    def start(self) -> _Keeper:
        """Start a keeper unless there is a living one, without waiting until it has loaded.

        Raises:
            Unavailable: the nursery is closed.
        """
        with self._lock:
            if self._closed:
                raise Unavailable("the runner is stopped")
            if self._keeper is None or self._keeper.is_gone:
                if self._keeper is not None:
                    self._keeper.close()
                self._folder.mkdir(parents=True, exist_ok=True)
                self._keeper = _Keeper(self._arguments, self._environment, self._folder)
            return self._keeper

    def ready(self, timeout: float) -> float | None:
        """Wait until everything is loaded; give the seconds that took, None if it is not yet.

        Raises:
            Unavailable: the keeper has ended.
        """
        keeper = self._keeper
        if keeper is None:
            return None
        if keeper.is_gone:
            raise Unavailable("the runner has ended", hint="See the server's log")
        try:
            return float(keeper.ready.result(timeout)["ready"])
        except FutureTimeout:
            return None

    def spawn(self, entry: str, config: Mapping[str, Any], limits: Limits) -> Child:
        """Fork a child that answers through the handler `entry` gives for `config`.

        Raises:
            Unavailable: no keeper could be started.
        """
        keeper = self.start()
        try:
            child = self._fork(keeper, entry, limits)
        except Unavailable:
            if not keeper.was_ready:
                raise
            keeper.is_gone = True  # killed a moment ago, and nobody had noticed yet
            child = self._fork(self.start(), entry, limits)
        child.tell(config)
        return child

    def _fork(self, keeper: _Keeper, entry: str, limits: Limits) -> Child:
        keeper.ready.result(START_SECONDS)
        order = {"fork": {"entry": entry, "limits": asdict(limits)}}
        ours, theirs = socket.socketpair()
        with ours, theirs, self._speaking:
            pid = keeper.fork(order, theirs.fileno())
            return Child(keeper, pid, Connection(ours.detach()), limits)

    def close(self) -> None:
        """End the keeper and every child; wait until they are gone."""
        with self._lock:
            self._closed = True
            if self._keeper is not None:
                self._keeper.close()


class Child:
    """A forked process as its server sees it. Used by one thread at a time.

    Attributes:
        is_spent: Whether foreign code may have run in it, or it died: nothing more for it to do.
    """

    def __init__(self, keeper: _Keeper, pid: int, connection: Connection, limits: Limits) -> None:
        self.pid = pid
        self._keeper = keeper
        self._connection = connection
        self._limits = limits
        self.is_spent = False

    def is_gone(self) -> bool:
        """Whether it has ended while nobody asked anything of it, or will: with its keeper."""
        return self._keeper.is_gone or self._connection.poll(0)

    def tell(self, message: Mapping[str, Any]) -> None:
        """Send a message; a child that is gone shows when it is listened to."""
        with suppress(BrokenPipeError, ConnectionResetError):
            send(self._connection, message)

    def listen(self, seconds: float) -> Message:
        """Wait for a message.

        Raises:
            Died: it ended, or said nothing for `seconds` and was ended.
        """
        try:
            if self._connection.poll(seconds):
                return receive(self._connection)
        except (EOFError, OSError):
            raise Died(self._post_mortem()) from None
        self._keeper.kill(self.pid, last_words=True)
        output = self._keeper.exit_of(self.pid).get("tail", "")
        raise Died(Death("time", f"took longer than {seconds:g} s and was stopped", output))

    def take(self, request: Mapping[str, Any]) -> None:
        """Give it a request to begin with; `answer` waits for what comes of it."""
        self.is_spent = True
        self.tell(request)

    def answer(self, reply: Handler | None, seconds: float) -> Message:
        """Wait for the answer to the request it took, replying to what it asks meanwhile.

        Raises:
            Died: it ended instead, or took longer than `seconds`.
        """
        deadline = time.monotonic() + seconds
        while True:
            try:
                message = self.listen(max(0.0, deadline - time.monotonic()))
            except Died as died:
                if died.death.cause != "time":
                    raise
                words = f"took longer than {seconds:g} s and was stopped"
                raise Died(Death("time", words, died.death.output)) from None
            if "answer" in message:
                answer: Message = message["answer"]
                self.is_spent = not answer.get("pristine", False)
                return answer
            if "ask" in message:
                self.tell(reply(message["ask"], lambda _: {}) if reply else {})

    def end(self) -> None:
        """End it, whatever it is doing; any thread may, and whoever waits for it learns so."""
        self._keeper.kill(self.pid, last_words=False)

    def close(self) -> None:
        """End it, whatever it is doing, and forget it."""
        self._connection.close()
        self._keeper.kill(self.pid, last_words=False)
        self._keeper.forget(self.pid)

    def _post_mortem(self) -> Death:
        report = self._keeper.exit_of(self.pid)
        output = str(report.get("tail", ""))
        cause, words = _diagnose(report, output, self._limits)
        return Death(cause, words, output)


def _diagnose(report: Message, output: str, limits: Limits) -> tuple[Cause, str]:
    code = report.get("code")
    if code is None:
        return "stopped", "ended together with the runner"
    if report["ended_by"] == "memory" or any(words in output for words in _NO_MEMORY):
        return "memory", f"needed more than {limits.memory_mb} MB of memory"
    if code == -signal.SIGXCPU or (code < 0 and report["cpu"] >= limits.cpu_seconds):
        return "cpu", f"used more than {limits.cpu_seconds} s of processor time and was stopped"
    if report["ended_by"]:
        return "stopped", "was stopped"
    if code < 0:
        name = _SIGNALS.get(-code) or signal.Signals(-code).name
        cause: Cause = "killed" if code == -signal.SIGKILL else "signal"
        return cause, f"crashed: {name} (signal {-code})"
    return "no_result", f"ended its process without a result (exit code {code})"


class _Keeper:
    """One keeper process: its socket, a thread that reads it, and what it reported."""

    def __init__(
        self, arguments: tuple[str, ...], environment: Mapping[str, str], folder: Path
    ) -> None:
        self.ready: Future[Message] = Future()
        self.is_gone = False
        self._forked: Future[Message] | None = None
        self._exits: dict[int, Future[Message]] = {}
        ours, theirs = socket.socketpair()
        root = str(Path(core.__file__).resolve().parent.parent)
        passed_on = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
        with theirs:
            self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
                [
                    sys.executable,
                    "-P",
                    "-m",
                    "core.jobs.keeper",
                    str(theirs.fileno()),
                    *arguments,
                ],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                env={**passed_on, **_FIXED, "PYTHONPATH": root, **environment},
                cwd=folder,
                start_new_session=True,
            )
        self._socket = ours
        self._reader = threading.Thread(target=self._read, name="keeper-reports", daemon=True)
        self._reader.start()

    @property
    def was_ready(self) -> bool:
        """Whether it has ever loaded everything."""
        return self.ready.done() and self.ready.exception() is None

    def fork(self, order: Message, descriptor: int) -> int:
        """Have a child forked with this descriptor as its connection; one caller at a time."""
        self._forked = Future()
        if self.is_gone:
            raise Unavailable("the runner has ended")
        try:
            socket.send_fds(self._socket, [json.dumps(order).encode() + b"\n"], [descriptor])
        except OSError:
            raise Unavailable("the runner has ended") from None
        return int(self._forked.result(START_SECONDS)["forked"])

    def kill(self, pid: int, *, last_words: bool) -> None:
        """End a child that may have ended already; first let it say where it is, or not."""
        order = {"kill": pid, "last_words": last_words}
        with suppress(OSError):
            self._socket.sendall(json.dumps(order).encode() + b"\n")

    def forget(self, pid: int) -> None:
        """Nobody will ask how this child ended."""
        self._exits.pop(pid, None)

    def exit_of(self, pid: int) -> Message:
        """Wait for the report on a child's end; empty when none came."""
        report = self._exits.get(pid)
        try:
            return report.result(DEATH_SECONDS) if report else {}
        except FutureTimeout:
            return {}

    def close(self) -> None:
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        try:
            self._process.wait(DEATH_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reader.join(DEATH_SECONDS)
        self._socket.close()

    def _read(self) -> None:
        unread = b""
        while True:
            try:
                data = self._socket.recv(1 << 16)
            except OSError:
                data = b""
            if not data:
                break
            *lines, unread = (unread + data).split(b"\n")
            for line in lines:
                self._note(json.loads(line))
        self._note_end()

    def _note(self, message: Message) -> None:
        if "ready" in message:
            self.ready.set_result(message)
        elif "forked" in message:
            # Known before the caller is: the report on its end may be the very next line.
            self._exits[message["forked"]] = Future()
            if self._forked is not None:
                self._forked.set_result(message)
        elif report := self._exits.get(message["exited"]):
            report.set_result(message)

    def _note_end(self) -> None:
        self.is_gone = True
        self._process.poll()
        for report in list(self._exits.values()):
            if not report.done():
                report.set_result({})
        for answer in (self.ready, self._forked):
            if answer is not None and not answer.done():
                answer.set_exception(
                    Unavailable("the runner could not be started", hint="See the server's log")
                )
