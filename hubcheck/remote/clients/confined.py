"""What all clients share: limits on what they write, and the form of their answer."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable

from hubcheck.sandbox.enforce import enforce
from hubcheck.sandbox.policy import SandboxPolicy


def confined(resolve: Callable[[str], object]) -> None:
    """Resolve the handle that the command line names, and print the result.

    Args:
        resolve: returns the folder of a handle's module.
    """
    handle, max_bytes, *folders = sys.argv[1:]
    policy = SandboxPolicy(
        read=["/"],
        write=[*folders, "/dev/null"],
        network=True,
        omit={"seccomp": "clients open sockets"},
        file_bytes=int(max_bytes),
    )
    enforce(policy)
    try:
        folder = resolve(handle)
    except Exception as error:
        sys.exit(" ".join(f"{type(error).__name__}: {error}".split()))
    print(f"\n{json.dumps({'folder': str(folder)})}")
