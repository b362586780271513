"""What hubcheck and its server say to each other: one JSON object a packet, with at most a few file descriptors."""

from __future__ import annotations

import json
import socket
from typing import Any

MAX_PACKET = 1 << 16


def send(channel: socket.socket, message: dict[str, Any], *descriptors: int) -> None:
    """Send one packet."""
    socket.send_fds(channel, [json.dumps(message).encode()], list(descriptors))


def receive(channel: socket.socket) -> tuple[dict[str, Any], list[int]] | None:
    """The next packet and the descriptors in it; None when the other side is gone."""
    try:
        data, descriptors, _, _ = socket.recv_fds(channel, MAX_PACKET, 4)
    except ConnectionResetError:
        return None
    if not data:
        return None
    return json.loads(data), descriptors
