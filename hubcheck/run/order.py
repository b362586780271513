"""What is done at the same time, told one after the other."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from typing import TypeVar

_T = TypeVar("_T")


def in_order(started: Iterable[_T], *, ahead: int) -> Iterator[_T]:
    """The same again; but taking one starts it, and up to `ahead` are started before the first is handed on."""
    waiting: deque[_T] = deque()
    for one in started:
        waiting.append(one)
        if len(waiting) > ahead:
            yield waiting.popleft()
    while waiting:
        yield waiting.popleft()
