"""An environment of its own for every peer, made once from pinned versions."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
FOLDER = HERE.parent.parent / ".venv-peers"
PATIENCE = 600


class CannotInstall(Exception):
    """A peer's environment could not be made; says why."""


def python_of(peer: str) -> Path:
    """Give the interpreter of a peer's environment, installing it if its pins are new.

    Raises:
        CannotInstall: with the last line the installer wrote.
    """
    pins = HERE / f"requirements-{peer}.txt"
    home = FOLDER / peer
    python, stamp = home / "bin" / "python", home / "pins"
    digest = hashlib.sha256(pins.read_bytes() + sys.version.encode()).hexdigest()
    if stamp.exists() and stamp.read_text(encoding="ascii") == digest:
        return python
    print(f"installing {peer} into {home.relative_to(FOLDER.parent)}", flush=True)
    uv = [sys.executable, "-m", "uv"]
    _do([*uv, "venv", "--clear", "--python", sys.executable, str(home)])
    _do([*uv, "pip", "install", "--python", str(python), "-r", str(pins)])
    stamp.write_text(digest, encoding="ascii")
    return python


def _do(command: list[str]) -> None:
    # UV_SYSTEM_CERTS: as in tools/setup.sh
    settings = os.environ | {"UV_NO_PROGRESS": "1", "UV_SYSTEM_CERTS": "1"}
    try:
        done = subprocess.run(
            command, env=settings, capture_output=True, text=True, check=False, timeout=PATIENCE
        )
    except subprocess.TimeoutExpired:
        raise CannotInstall(f"not installed within {PATIENCE} s") from None
    if done.returncode:
        lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
        raise CannotInstall(lines[-1] if lines else f"installer ended with {done.returncode}")
