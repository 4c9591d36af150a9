"""What children do in tests: each request names one deed."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

MODULES_AT_FORK: list[str] = []


def open_deeds(config):
    return lambda request, ask: {**DEEDS[request["deed"]](request, ask), "config": config}


def open_reusable(_config):
    calls = iter(range(100))
    return lambda *_: {"calls": next(calls), "pid": os.getpid(), "pristine": True}


def open_broken(_config):
    raise RuntimeError("this handler never opens")


def echo(request, _ask):
    return {"said": request.get("words"), "pid": os.getpid(), "group": os.getpgrp()}


def question(request, ask):
    return {"told": [ask({"number": number})["double"] for number in request["numbers"]]}


def die(request, _ask):
    os.kill(os.getpid(), request["signal"])
    return {}


def segfault(_request, _ask):
    return {"never": ctypes.string_at(0)}


def leave(request, _ask):
    os._exit(request["code"])


def loop(_request, _ask):
    while True:
        pass


def sleep(_request, _ask):
    time.sleep(600)
    return {}


def ignore_signals(_request, _ask):
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGXCPU):
        signal.signal(number, signal.SIG_IGN)
    while True:
        pass


def take_memory(request, _ask):
    kept = []
    while True:
        kept.append(bytearray(request["megabytes"] << 20))


def shared_memory(_request, _ask):
    import mmap

    room = mmap.mmap(-1, 4 << 30)
    for page in range(0, len(room), 4_096):
        room[page] = 1
    return {}


def print_much(request, _ask):
    line = "x" * 1_023 + "\n"
    for _ in range(request["megabytes"] << 10):
        sys.stdout.write(line)
    sys.stdout.write("the end")
    sys.stdout.flush()
    os._exit(3)


def open_files(_request, _ask):
    kept = []
    try:
        while True:
            kept.append(Path(os.devnull).open())  # noqa: SIM115 - a leak is the point
    except OSError as error:
        return {"errno": error.errno, "opened": len(kept)}


def write_big(request, _ask):
    with Path(request["path"]).open("wb") as stream:
        try:
            while True:
                stream.write(b"x" * (1 << 20))
                stream.flush()
        except OSError as error:
            return {"errno": error.errno, "size": stream.tell()}


def leave_a_helper(_request, _ask):
    helper = subprocess.Popen(["sleep", "600"])
    return {"helper": helper.pid}


def environment(_request, _ask):
    return {
        "variables": dict(os.environ),
        "main": sys.modules["__main__"].__name__,
        "main_file": getattr(sys.modules["__main__"], "__file__", None),
        "threads": threading.active_count(),
        "folder": str(Path.cwd()),
    }


def confined(request, _ask):
    from core.jobs.confine import confine

    confine([Path(folder) for folder in request["writable"]])
    try:
        exec(request["code"], {})  # noqa: S102 - the test's own line
    except OSError as error:  # libraries wrap it in errors of their own
        return {"refused": str(error)}
    return {"refused": None}


def change_everything(_request, _ask):
    import locale
    import random

    import numpy as np

    random.seed(1)
    np.seterr(all="raise")
    os.environ["TZ"] = "Asia/Tokyo"
    time.tzset()
    os.chdir("/")
    os.umask(0)
    locale.setlocale(locale.LC_ALL, "C")
    sys.setrecursionlimit(50_000)
    sys.path.insert(0, "/nowhere")
    return {}


def state(_request, _ask):
    import numpy as np

    return {
        "numpy": np.geterr(),
        "zone": time.tzname,
        "folder": str(Path.cwd()),
        "recursion": sys.getrecursionlimit(),
        "path": sys.path,
    }


DEEDS = {
    name: value
    for name, value in list(globals().items())
    if callable(value) and getattr(value, "__module__", "") == __name__
}
