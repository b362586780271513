"""no_new_privs: a program that the process starts gains no privileges, whatever the bits of its file say.

Source: https://docs.kernel.org/userspace-api/no_new_privs.html
"""

from __future__ import annotations

from collections.abc import Iterator

from hubcheck.sandbox.policy import Layer, SandboxPolicy
from hubcheck.sandbox.processes import PR_SET_NO_NEW_PRIVS, prctl


def _apply(policy: SandboxPolicy) -> Iterator[str]:
    prctl(PR_SET_NO_NEW_PRIVS, 1)
    yield "new privileges"


LAYER = Layer("no_new_privs", ("new privileges",), lambda: None, _apply)
