"""What a forked child does: give up its rights, open its handler, answer until nobody asks.

It never returns into the keeper's code.
"""

from __future__ import annotations

import ctypes
import faulthandler
import gc
import importlib
import os
import signal
import sys
import threading
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING

from core.jobs.wire import Message, receive, send

if TYPE_CHECKING:
    from core.jobs.limits import Limits
    from core.jobs.wire import Handler

STDOUT, STDERR = 1, 2
_PR_SET_PDEATHSIG = 1


def live(entry: str, limits: Limits, *, connection: int, output: int, lifeline: int) -> None:
    """Serve one connection, then end the process.

    Args:
        entry: `module:function`; the function takes the first message and gives a handler.
        limits: What this process may use.
        connection: Descriptor of the socket to the server.
        output: Descriptor that takes standard output and error.
        lifeline: Descriptor that reads end-of-file once the keeper is gone.
    """
    code = 1
    try:
        _settle(limits, output, lifeline)
        _serve(entry, Connection(connection))
        code = 0
    except (EOFError, BrokenPipeError):
        code = 0
    except BaseException:  # noqa: BLE001 - whatever it is must not unwind into the keeper's loop
        sys.excepthook(*sys.exc_info())
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _settle(limits: Limits, output: int, lifeline: int) -> None:
    os.setsid()
    os.dup2(output, STDOUT)
    os.dup2(output, STDERR)
    os.close(output)
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGCHLD, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    # These write where the code is, also when it sits in a loop that never returns to Python.
    faulthandler.enable(file=STDERR, all_threads=False)
    faulthandler.register(signal.SIGUSR1, file=STDERR, all_threads=False)
    faulthandler.register(signal.SIGXCPU, file=STDERR, all_threads=False, chain=True)
    die_with_the_keeper(lifeline)
    sys.dont_write_bytecode = True
    limits.apply()
    os.nice(10)
    gc.enable()


def _rehearse(handler: Handler, connection: Connection) -> None:
    """Let the handler prepare itself until the first request comes."""
    steps = getattr(handler, "rehearse", None)
    if steps is not None:
        for _ in steps():
            if connection.poll(0):
                return


def die_with_the_keeper(lifeline: int) -> None:
    """End this process and its group when the keeper ends, however that happens."""
    if sys.platform == "linux":
        # The thread below cannot act while a kernel holds the interpreter; this can.
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)

    def wait() -> None:
        os.read(lifeline, 1)
        os.killpg(os.getpgrp(), signal.SIGKILL)

    threading.Thread(target=wait, name="lifeline", daemon=True).start()


def _serve(entry: str, connection: Connection) -> None:
    module, _, function = entry.partition(":")
    handler: Handler = getattr(importlib.import_module(module), function)(receive(connection))

    def ask(question: Message) -> Message:
        send(connection, {"ask": question})
        return receive(connection)

    send(connection, {"open": True})
    _rehearse(handler, connection)
    while True:
        send(connection, {"answer": handler(receive(connection), ask)})
