"""A module's report as a line of JSON and back, with nothing lost: for processes that share work, and later runs."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import asdict, is_dataclass
from functools import cache
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from hubcheck.results import ModuleReport


def report_text(report: ModuleReport) -> bytes:
    """The report as one line of JSON, without the line's end; `report_from` is the inverse."""
    return json.dumps(asdict(report), separators=(",", ":"), default=_base64).encode()


def report_from(text: bytes) -> ModuleReport:
    """The report that report_text wrote.

    Raises:
        ValueError, TypeError, KeyError: it did not write this.
    """
    made = _made(ModuleReport, json.loads(text))
    if not isinstance(made, ModuleReport):
        raise TypeError("this is no report")
    return made


def _base64(data: object) -> str:
    if isinstance(data, bytes):
        return base64.b64encode(data).decode()
    raise TypeError(f"a report holds a {type(data).__name__}")


def _made(kind: Any, data: Any) -> Any:
    """The value of a type, from the plain data that it became."""
    if data is None:
        return None
    if get_origin(kind) in (Union, UnionType):
        (kind,) = (one for one in get_args(kind) if one is not type(None))
    if isinstance(kind, type) and is_dataclass(kind):
        hints = _hints(kind)
        return kind(**{name: _made(hints[name], value) for name, value in data.items()})
    if get_origin(kind) is tuple:
        inner = get_args(kind)[0]
        return tuple(_made(inner, item) for item in data)
    return base64.b64decode(data, validate=True) if kind is bytes else data


@cache
def _hints(kind: Any) -> Mapping[str, Any]:
    return get_type_hints(kind)
