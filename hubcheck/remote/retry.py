"""Repeat requests that may succeed later: connections that broke, servers that are busy."""

from __future__ import annotations

import random
from collections.abc import Callable
from time import sleep
from typing import TypeVar

from hubcheck.util.errors import Unreachable

Result = TypeVar("Result")

_TRIES = 4
_FIRST_WAIT_S, _MAX_WAIT_S = 0.5, 30.0

BUSY = frozenset({408, 425, 429, 500, 502, 503, 504})
"""The HTTP statuses of requests that may succeed later."""


def retry_transient(request: Callable[[], Result], first_error: Unreachable | None = None) -> Result:
    """Return the result of `request`, which is tried up to four times.

    Waits half a second before the second try and twice as long before each further one, or as long as the server asks.

    Args:
        request: what to do.
        first_error: the result of the first try, if it was made already.

    Raises:
        Unreachable: it failed for good, or every time.
    """
    for number in range(_TRIES):
        try:
            if number == 0 and first_error is not None:
                raise first_error
            return request()
        except Unreachable as error:
            if not error.retryable or error.retries_exhausted or number == _TRIES - 1:
                raise
            backoff = _FIRST_WAIT_S * 2**number * random.uniform(0.8, 1.2)
            sleep(min(max(error.wait, backoff), _MAX_WAIT_S))
    raise AssertionError("the last try returns or raises")
