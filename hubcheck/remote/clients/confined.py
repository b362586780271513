"""What all clients share: limits on what they write, and the form of their answer."""

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
    """Resolve the handle that the command line names, and print the result.

    Args:
        resolve: returns the folder of a handle's module.
    """
    handle, max_bytes, *folders = sys.argv[1:]
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(max_bytes), int(max_bytes)))
    ctypes.CDLL(None).prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    with contextlib.suppress(OSError):  # kernels without Landlock
        list(landlock.restrict(read=["/"], write=[*folders, "/dev/null"], network=True))
    try:
        folder = resolve(handle)
    except Exception as error:
        sys.exit(" ".join(f"{type(error).__name__}: {error}".split()))
    print(f"\n{json.dumps({'folder': str(folder)})}")
