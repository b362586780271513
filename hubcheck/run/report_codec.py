"""A module's report as a line of JSON and back, with nothing lost: for processes that share work, and later runs."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import is_dataclass, replace
from functools import cache
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from hubcheck.engine.module_report import ModuleReport


def report_text(report: ModuleReport) -> bytes:
    """The report as one line of JSON, without the line's end; `report_from` is the inverse."""
    return json.dumps(report, separators=(",", ":"), default=_plain).encode()


def report_from(text: bytes) -> ModuleReport:
    """The report that report_text wrote.

    Raises:
        ValueError, TypeError, KeyError: it did not write this.
    """
    data = json.loads(text)
    if not isinstance(data, dict):
        raise TypeError("this is no report")
    shown = data.pop("details")
    made: ModuleReport = _record_maker(ModuleReport)(data)
    if shown is None:
        return made
    from hubcheck.engine.details import ModuleDetails

    return replace(made, details=_record_maker(ModuleDetails)(shown))


def _plain(value: Any) -> Any:
    """What JSON has no word for: records, and bytes."""
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if is_dataclass(value):
        return {name: getattr(value, name) for name in value.__dataclass_fields__}
    raise TypeError(f"a report holds a {type(value).__name__}")


@cache
def _maker(kind: Any) -> Callable[[Any], Any] | None:
    """What makes a value of a type from the plain data that it became; None if it is that already."""
    if kind is bytes:
        return base64.b64decode
    if get_origin(kind) in (Union, UnionType):
        (kind,) = (one for one in get_args(kind) if one is not type(None))
        present = _maker(kind)
        return present and (lambda data: None if data is None else present(data))
    if get_origin(kind) is tuple:
        inner = _maker(get_args(kind)[0])
        return tuple if inner is None else lambda data: tuple(map(inner, data))
    return _record_maker(kind) if isinstance(kind, type) and is_dataclass(kind) else None


@cache
def _record_maker(kind: Any) -> Callable[[dict[str, Any]], Any]:
    # The types of details are resolved only for reports that have them.
    hints = get_type_hints(kind, localns={"ModuleDetails": Any})
    parts = {name: maker for name, hint in hints.items() if (maker := _maker(hint)) is not None}

    def make(data: dict[str, Any]) -> Any:
        made = {name: parts[name](value) if name in parts else value for name, value in data.items()}
        return kind(**made)

    return make
