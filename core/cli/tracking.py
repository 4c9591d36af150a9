"""The command that shows MLflow."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from argparse import Namespace
from contextlib import suppress
from typing import TYPE_CHECKING

from core import bootstrap
from core.cli.output import SAID, Reply, line, to_json
from core.errors import InvalidInput, Unavailable

if TYPE_CHECKING:
    from rich.console import Console

TICK_SECONDS = 0.2
GRACE_SECONDS = 10.0


def mlflow(args: Namespace) -> Reply:
    """Show MLflow on this machine until Ctrl-C, or have mirrored what is not."""
    if args.catch_up:
        return _catch_up()
    from core.bootstrap.mlflow_server import HOST, server_of
    from core.launch.supervisor import is_taken

    server = server_of(args.port)
    if is_taken(HOST, server.port):
        raise InvalidInput(
            f"port {server.port} is taken by another program",
            expected="a free port",
            hint="`workbench mlflow --port N` chooses another",
            field="port",
        )
    stop = threading.Event()
    before = {
        number: signal.signal(number, lambda *_: stop.set())
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    process = subprocess.Popen(  # noqa: S603 - our own interpreter, a port read as a number
        server.words,
        env=server.environment,
        cwd=server.folder,
        stdout=sys.stderr,  # where people watch it; stdout is for the answer
        start_new_session=True,
    )
    try:
        while not server.answers():
            if process.poll() is not None or stop.wait(TICK_SECONDS):
                break
        else:
            said = {"mlflow": server.address}
            print(to_json(said) if args.json else f"MLflow is at {server.address}", flush=True)
        while process.poll() is None and not stop.wait(TICK_SECONDS):
            pass
        if not stop.is_set():
            raise Unavailable(
                f"MLflow ended with code {process.returncode}", hint="Its words stand above"
            )
    finally:
        _end(process)
        for number, handler in before.items():
            signal.signal(number, handler)
    return SAID


def _catch_up() -> Reply:
    with bootstrap.build(executor="inline") as services:
        count = services.experiments.mirror_missing()

    def show(out: Console) -> None:
        line(out, f"{count} runs and studies are to be mirrored; a worker does it.")

    return Reply({"asked_for": count}, show)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the server with the workers it started."""
    for blow in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, blow)
        with suppress(subprocess.TimeoutExpired):
            process.wait(GRACE_SECONDS)
