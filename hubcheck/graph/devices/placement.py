"""The device string of a NodeDef or of a saved variable: where it asks to be placed."""

from __future__ import annotations

import re
from typing import NamedTuple

_FIELD = re.compile(r"(?P<key>[a-z]+):(?P<value>[\w*]+)(:[\d*]+)?", re.IGNORECASE)
_HERE = {"job": {"localhost"}, "replica": {"0", "*"}, "task": {"0", "*"}}


class Placement(NamedTuple):
    """`kind` is the device type ("GPU"), None if it is left open; `elsewhere` says that it is on another machine."""

    kind: str | None = None
    elsewhere: bool = False


def read_placement(text: str) -> Placement:
    """Parse "/job:localhost/replica:0/task:0/device:GPU:0", and "/gpu:0" as TF1 wrote it."""
    kind, elsewhere = None, False
    for part in filter(None, text.split("/")):
        field = _FIELD.fullmatch(part)
        key = field["key"].lower() if field else part.lower()
        if field and key in _HERE:
            elsewhere = elsewhere or field["value"] not in _HERE[key]
        else:
            kind = (field["value"] if field and key == "device" else key).upper()
    return Placement(kind, elsewhere)
