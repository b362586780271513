"""What fails now and may go well soon: connections that break, servers that are busy."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import TypeVar

from hubcheck.util.errors import Unreachable

Result = TypeVar("Result")

TRIES = 4
_FIRST_WAIT, _LONGEST_WAIT = 0.5, 30.0

BUSY = frozenset({408, 425, 429, 500, 502, 503, 504})
"""HTTP's statuses of what is over when one waits."""


def retry_transient(do: Callable[[], Result], failed: Unreachable | None = None) -> Result:
    """What `do` gives, at the latest in its fourth try; `failed` is what came of the first one, if it was made already.

    Between tries it is waited half a second, and twice as long each time, or as long as the server asks for.

    Raises:
        Unreachable: it failed for good, or every time.
    """
    for number in range(TRIES):
        try:
            if number == 0 and failed is not None:
                raise failed
            return do()
        except Unreachable as error:
            if not error.retryable or error.retries_exhausted or number == TRIES - 1:
                raise
            pause(min(max(error.wait, _FIRST_WAIT * 2**number * random.uniform(0.8, 1.2)), _LONGEST_WAIT))
    raise AssertionError("a last try raises or returns")


def pause(seconds: float) -> None:
    """Wait."""
    time.sleep(seconds)
