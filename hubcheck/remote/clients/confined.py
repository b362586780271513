"""What is the same for all clients: bounds on what they write, and how they answer."""

from __future__ import annotations

import contextlib
import ctypes
import json
import resource
import sys
from collections.abc import Callable

from hubcheck.sandbox import landlock

_PR_SET_NO_NEW_PRIVS = 38


def confined(resolve: Callable[[str], object]) -> None:
    """Resolve the handle among the arguments, and tell what came of it.

    Args:
        resolve: gives the folder of a handle's module.
    """
    handle, largest, *folders = sys.argv[1:]
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(largest), int(largest)))
    ctypes.CDLL(None).prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    with contextlib.suppress(OSError):  # kernels without it
        list(landlock.restrict(read=["/"], write=[*folders, "/dev/null"], network=True))
    try:
        folder = resolve(handle)
    except Exception as error:
        sys.exit(" ".join(f"{type(error).__name__}: {error}".split()))
    print(f"\n{json.dumps({'folder': str(folder)})}")
