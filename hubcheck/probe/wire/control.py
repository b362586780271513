"""Control packets between hubcheck and a probe server: one JSON object each, with file descriptors attached.

hubcheck sends {"command": "start" or "stop", ...}, the server {"event": "ready", "ended" or "fatal", ...}.
"""

from __future__ import annotations

import json
import socket
from typing import Any

EXIT_INTERNAL_ERROR = 70
"""Exit status of a worker in which hubcheck's own code failed."""

_MAX_PACKET = 1 << 16


def send(channel: socket.socket, message: dict[str, Any], *descriptors: int) -> None:
    """Send one packet."""
    socket.send_fds(channel, [json.dumps(message).encode()], list(descriptors))


def receive(channel: socket.socket) -> tuple[dict[str, Any], list[int]] | None:
    """Return the next packet and its descriptors, or None if the other side is gone."""
    try:
        data, descriptors, _, _ = socket.recv_fds(channel, _MAX_PACKET, 4)
    except ConnectionResetError:
        return None
    if not data:
        return None
    return json.loads(data), descriptors
