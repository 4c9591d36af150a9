"""Messages between a server and its children: JSON, never pickle, so reading one runs no code."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from multiprocessing.connection import Connection
from typing import Any

Message = dict[str, Any]
Ask = Callable[[Message], Message]
"""Puts a question to the other side in the middle of the work and gives its reply."""
Handler = Callable[[Message, Ask], Message]
"""Does one piece of work: request and a way to ask back in, answer out."""

LARGEST = 64 << 20


def send(connection: Connection, message: Mapping[str, Any]) -> None:
    """Send one message."""
    connection.send_bytes(json.dumps(message, allow_nan=False).encode())


def receive(connection: Connection) -> Message:
    """Wait for one message.

    Raises:
        EOFError: the other side is gone.
    """
    try:
        message: Message = json.loads(connection.recv_bytes(LARGEST))
    except OSError as error:  # reset by a dying peer, or longer than LARGEST: no way to go on
        raise EOFError from error
    return message
