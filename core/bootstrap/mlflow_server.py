"""How MLflow's own server is started on this machine."""

from __future__ import annotations

import os
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

from core.errors import Conflict, InvalidInput
from core.settings import Settings
from core.tracking.connection import SERVER_ENVIRONMENT, shown

HOST = "127.0.0.1"
PORT = 5_000
LAST_PORT = 65_535
PROBE_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Server:
    """A server to start.

    Attributes:
        words: The command.
        environment: All of its environment.
        folder: Where it is started.
        port: Where it listens, on this machine only.
    """

    words: Sequence[str]
    environment: Mapping[str, str]
    folder: Path
    port: int

    @property
    def address(self) -> str:
        """Where people see it."""
        return f"http://{HOST}:{self.port}"

    def answers(self) -> bool:
        """Whether it can be used."""
        try:
            with urllib.request.urlopen(f"{self.address}/health", timeout=PROBE_SECONDS) as answer:  # noqa: S310
                return bool(answer.status == HTTPStatus.OK)
        except (urllib.error.URLError, OSError):
            return False


def server_of(port: int | None = None, settings: Settings | None = None) -> Server:
    """Say how to start the server that shows what is mirrored here.

    Args:
        port: Where it listens; None for 5000.
        settings: Those of the environment by default.

    Raises:
        InvalidInput: a setting or the port cannot be used.
        Conflict: tracking is off, or a server has it already.
    """
    settings = settings or Settings.load()
    uri = settings.tracking_uri
    if uri is None:
        raise Conflict(
            "tracking is switched off",
            hint="Set WORKBENCH_MLFLOW_TRACKING_URI to another value than off",
        )
    if uri.startswith("http"):
        raise Conflict(f"a server shows MLflow already, at {shown(uri)}", hint="Open it there")
    number = PORT if port is None else port
    if not 1 <= number <= LAST_PORT:
        raise InvalidInput(f"--port is {number}", expected=f"1 to {LAST_PORT}", field="port")
    files = settings.tracking_dir
    files.mkdir(parents=True, exist_ok=True)
    words = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", uri]
    words += ["--registry-store-uri", uri, "--default-artifact-root", files.as_uri()]
    # One process that answers is enough; four of them take a gigabyte more.
    words += ["--host", HOST, "--port", str(number), "--workers", "1"]
    words += ["--allowed-hosts", f"{HOST}:{number},localhost:{number}"]
    return Server(words, {**os.environ, **SERVER_ENVIRONMENT}, files, number)
