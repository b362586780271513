"""Control packets between hubcheck and a probe server: one JSON object each, with file descriptors attached.

hubcheck sends {"command": "start", "stop" or "rest", ...}, the server {"event": "ready", "ended" or "fatal", ...}.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
from typing import Any, NamedTuple

from hubcheck.probe.wire.strict_json import parse_object

EXIT_INTERNAL_ERROR = 70
"""Exit status of a worker in which hubcheck's own code failed, before the module was loaded."""

EXIT_NOT_CONFINED = 71
"""Exit status of a worker that lacks a required sandbox, before the module was loaded; the reason is its last line."""

_MAX_PACKET = 1 << 16
_MAX_TEXT = 16_000


class BadPacket(ValueError):
    """The server sent what a server does not send."""


class Ready(NamedTuple):
    """The server has imported TensorFlow."""


class Fatal(NamedTuple):
    """The server cannot start, for a reason."""

    reason: str


class Ended(NamedTuple):
    """A worker has ended: how, with which exit status or minus which signal, and the end of what it printed."""

    id: int
    cause: str
    code: int
    log: str


Event = Ready | Fatal | Ended


def send(channel: socket.socket, message: dict[str, Any], *descriptors: int) -> None:
    """Send one packet. The longest text in it is cut, at its beginning, if it does not fit."""
    data = json.dumps(message).encode()
    while len(data) > _MAX_PACKET:
        longest = max((key for key, value in message.items() if isinstance(value, str)), key=lambda k: len(message[k]))
        message = {**message, longest: message[longest][-(len(message[longest]) // 2) :]}
        data = json.dumps(message).encode()
    socket.send_fds(channel, [data], list(descriptors))


def receive(channel: socket.socket) -> tuple[dict[str, Any], list[int]] | None:
    """Return the next packet and its descriptors, or None if the other side is gone.

    Raises:
        BadPacket: it is not a JSON object.
    """
    try:
        data, descriptors, _, _ = socket.recv_fds(channel, _MAX_PACKET, 4)
    except ConnectionResetError:
        return None
    if not data:
        return None
    try:
        return parse_object(data), descriptors
    except ValueError as error:
        _close(descriptors)
        raise BadPacket(str(error)) from None


def receive_event(channel: socket.socket) -> Event | None:
    """Return the next event of a server, or None if it is gone.

    Raises:
        BadPacket: it is not an event.
    """
    packet = receive(channel)
    if packet is None:
        return None
    message, descriptors = packet
    _close(descriptors)
    match message:
        case {"event": "ready", **rest} if not rest:
            return Ready()
        case {"event": "fatal", "reason": str(reason), **rest} if not rest:
            return Fatal(reason[:_MAX_TEXT])
        case {"event": "ended", "id": int(number), "cause": str(cause), "code": int(code), "log": str(log), **rest}:
            if not rest:
                return Ended(number, cause[:100], code, log[-_MAX_TEXT:])
    raise BadPacket("an unknown event")


def _close(descriptors: list[int]) -> None:
    for descriptor in descriptors:
        with contextlib.suppress(OSError):
            os.close(descriptor)
