"""The frames of a worker as records, decoded strictly: hostile input becomes one of them or raises BadFrame."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from hubcheck.probe.wire.arrays import decode_array
from hubcheck.probe.wire.framing import BadFrame

MAX_TEXT = 20_000
"""Characters of an error message or a traceback that are looked at."""

MAX_KEY = 1_000
"""Characters of the key of an output."""

_MAX_NAMES, _MAX_NAME = 50, 200
_MAX_OUTPUTS = 10_000
_MAX_DIMS, _MAX_DIM = 254, 1 << 62
_MAX_SECONDS = 1e9
_DTYPE = re.compile(r"[\w ]{1,40}")


class RaisedError(NamedTuple):
    """An exception of TensorFlow, by the name of its type."""

    type: str
    message: str


class Described(NamedTuple):
    """The dtype and the shape of an output."""

    dtype: str
    shape: tuple[int, ...]


class SandboxFrame(NamedTuple):
    """What is enforced for the worker and what is not: the first frame, sent before the module is loaded."""

    enforced: tuple[str, ...]
    missing: tuple[str, ...]


class DeviceFrame(NamedTuple):
    """Why the worker's device cannot be used; sent before the module is loaded."""

    absent: str


class BeginFrame(NamedTuple):
    """A step begins."""

    step: int


class ArrayFrame(NamedTuple):
    """The values of an output that is to be kept."""

    step: int
    key: str
    values: Any


class LoadFrame(NamedTuple):
    """A load has ended."""

    step: int
    seconds: float
    error: RaisedError | None


class RunFrame(NamedTuple):
    """A call has ended."""

    step: int
    seconds: float
    error: RaisedError | None
    outputs: Mapping[str, Described]


class LeftOutFrame(NamedTuple):
    """An optional call is left out, because one takes so many seconds."""

    step: int
    seconds: float


class DoneFrame(NamedTuple):
    """The plan has been carried out."""


class CrashFrame(NamedTuple):
    """hubcheck's own code failed in the worker."""

    traceback: str


Frame = (
    SandboxFrame | DeviceFrame | BeginFrame | ArrayFrame | LoadFrame | RunFrame | LeftOutFrame | DoneFrame | CrashFrame
)


def decode_frame(message: Mapping[str, Any], data: bytes) -> Frame:
    """Return the frame that a JSON object and the bytes of its array are.

    Raises:
        BadFrame: they are none, or lack a field, or have another one.
    """
    kind = message.get("kind")
    made, fields = FIELDS_OF_KINDS.get(kind, (None, {})) if isinstance(kind, str) else (None, {})
    if made is None or message.keys() != {"kind", *fields}:
        raise BadFrame("an unknown kind of frame")
    values = {field: parse(message[field]) for field, parse in fields.items()}
    if made is ArrayFrame:
        values["values"] = decode_array(data)
    elif data:
        raise BadFrame("an array that does not belong to the frame")
    return made(**values)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise BadFrame("a text that is none")
    return value[:MAX_TEXT]


def _names(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or len(value) > _MAX_NAMES:
        raise BadFrame("a list of names that is none")
    return tuple(_text(name)[:_MAX_NAME] for name in value)


def _key(value: Any) -> str:
    if not isinstance(value, str) or len(value) > MAX_KEY:
        raise BadFrame("a key of an output that is none")
    return value


def _count(value: Any) -> int:
    if type(value) is not int or not 0 <= value < _MAX_DIM:  # True is an int, too
        raise BadFrame("a number that is out of bounds")
    return value


def _seconds(value: Any) -> float:
    if type(value) not in (int, float) or not 0 <= value < _MAX_SECONDS:
        raise BadFrame("a time that is out of bounds")
    return float(value)


def _error(value: Any) -> RaisedError | None:
    if value is None:
        return None
    if not isinstance(value, dict) or value.keys() != {"type", "message"}:
        raise BadFrame("an error that is none")
    return RaisedError(_text(value["type"])[:_MAX_NAME], _text(value["message"]))


def _outputs(value: Any) -> dict[str, Described]:
    if not isinstance(value, dict) or len(value) > _MAX_OUTPUTS:
        raise BadFrame("outputs that are none")
    return {_key(key): _described(output) for key, output in value.items()}


def _described(value: Any) -> Described:
    if not isinstance(value, dict) or value.keys() != {"dtype", "shape"}:
        raise BadFrame("an output without dtype or shape")
    dtype, shape = value["dtype"], value["shape"]
    if not isinstance(dtype, str) or not _DTYPE.fullmatch(dtype):
        raise BadFrame("an output of an impossible dtype")
    if not isinstance(shape, list) or len(shape) > _MAX_DIMS:
        raise BadFrame("an output of an impossible shape")
    return Described(dtype, tuple(map(_count, shape)))


FIELDS_OF_KINDS: dict[str, tuple[Callable[..., Frame], dict[str, Callable[[Any], Any]]]] = {
    "sandbox": (SandboxFrame, {"enforced": _names, "missing": _names}),
    "device": (DeviceFrame, {"absent": _text}),
    "begin": (BeginFrame, {"step": _count}),
    "array": (ArrayFrame, {"step": _count, "key": _key}),
    "load": (LoadFrame, {"step": _count, "seconds": _seconds, "error": _error}),
    "run": (RunFrame, {"step": _count, "seconds": _seconds, "error": _error, "outputs": _outputs}),
    "left out": (LeftOutFrame, {"step": _count, "seconds": _seconds}),
    "done": (DoneFrame, {}),
    "crash": (CrashFrame, {"traceback": _text}),
}
"""The fields of each kind of frame, and how they are parsed."""
