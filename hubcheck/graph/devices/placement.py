"""The device string of a NodeDef or of a saved variable: where it asks to be placed."""

from __future__ import annotations

import re

from hubcheck.graph.dataflow.body import Body
from hubcheck.graph.dataflow.frame import CallFrame
from hubcheck.util.record import record

_FIELD = r"(?i)(?P<key>[a-z]+):(?P<value>[\w*]+)(:[\d*]+)?"
_MUST_COMPILE = "_XlaMustCompile"
_NO_CHECK = b"platform"
_HERE = {"job": {"localhost"}, "replica": {"0", "*"}, "task": {"0", "*"}}


@record
class Placement:
    """`kind` is the device type ("GPU"), None if it is left open; `elsewhere` says that it is on another machine."""

    kind: str | None = None
    elsewhere: bool = False


def read_placement(text: str) -> Placement:
    """Parse "/job:localhost/replica:0/task:0/device:GPU:0", and "/gpu:0" as TF1 wrote it."""
    kind, elsewhere = None, False
    for part in filter(None, text.split("/")):
        field = re.fullmatch(_FIELD, part)
        key = field["key"].lower() if field else part.lower()
        if field and key in _HERE:
            elsewhere = elsewhere or field["value"] not in _HERE[key]
        else:
            kind = (field["value"] if field and key == "device" else key).upper()
    return Placement(kind, elsewhere)


def platforms(body: Body, index: int) -> tuple[str, ...] | None:
    """Return the platforms on which an XlaCallModule runs, such as "CPU" and "CUDA"; None if it runs on any.

    Old versions of the op state none, and the check can be disabled.
    """
    if body.ops[index] != "XlaCallModule":
        return None
    stated, disabled = body.attribute(index, "platforms"), body.attribute(index, "disabled_checks")
    names = [name.decode("utf-8", "replace").upper() for name in stated.list.s] if stated is not None else []
    if not names or (disabled is not None and _NO_CHECK in disabled.list.s):
        return None
    return tuple(names)


def is_compiled(body: Body) -> bool:
    """Return whether a function must be compiled by XLA, which has kernels of its own."""
    return body.function is not None and _MUST_COMPILE in body.proto.attr and body.proto.attr[_MUST_COMPILE].b


def must_compile(frame: CallFrame) -> bool:
    """Return whether a call runs only if XLA compiles it, by its function or by the node that calls it."""
    marked = frame.caller.body.attribute(frame.site, _MUST_COMPILE) if frame.caller is not None else None
    return is_compiled(frame.body) or (marked is not None and bool(marked.b))
