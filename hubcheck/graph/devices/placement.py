"""Where a node asks to be placed: the device string of a NodeDef or of a saved variable."""

from __future__ import annotations

import re
from dataclasses import dataclass

_FIELD = re.compile(r"(?P<key>[a-z]+):(?P<value>[\w*]+)(:[\d*]+)?", re.IGNORECASE)
_HERE = {"job": {"localhost"}, "replica": {"0", "*"}, "task": {"0", "*"}}


@dataclass(frozen=True, slots=True)
class Placement:
    """`kind` is the device type ("GPU"), None if it is left open; `elsewhere` says that another machine is meant."""

    kind: str | None = None
    elsewhere: bool = False


def read_placement(text: str) -> Placement:
    """Read "/job:localhost/replica:0/task:0/device:GPU:0", and "/gpu:0" as TF1 wrote it."""
    kind, elsewhere = None, False
    for part in filter(None, text.split("/")):
        field = _FIELD.fullmatch(part)
        key = field["key"].lower() if field else part.lower()
        if field and key in _HERE:
            elsewhere = elsewhere or field["value"] not in _HERE[key]
        else:
            kind = (field["value"] if field and key == "device" else key).upper()
    return Placement(kind, elsewhere)
