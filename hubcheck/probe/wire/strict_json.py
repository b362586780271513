"""JSON objects from processes that are not trusted: no duplicate keys, no infinite numbers, no huge integers."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any, NoReturn

_MAX_DIGITS = 20
"""Digits of an integer, sign included: a length or an index has no more."""


def parse_object(text: bytes) -> dict[str, Any]:
    """Return the JSON object in UTF-8 text.

    Raises:
        ValueError: it is not a JSON object, or one that hubcheck does not write.
    """
    try:
        value = json.loads(
            text.decode("utf-8"),
            parse_int=_integer,
            parse_float=_finite,
            parse_constant=_refused,
            object_pairs_hook=_without_duplicates,
        )
    except RecursionError:
        raise ValueError("the JSON is nested too deeply") from None
    if not isinstance(value, dict):
        raise ValueError("not a JSON object")
    return value


def _integer(digits: str) -> int:
    if len(digits) > _MAX_DIGITS:
        raise ValueError("an integer of too many digits")
    return int(digits)


def _finite(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        raise ValueError("a number that is not finite")
    return value


def _refused(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _without_duplicates(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise ValueError("a duplicate key")
    return value
