"""Privileges: give up root's capabilities and its user id, and gain none by starting a program.

Sources: https://docs.kernel.org/userspace-api/no_new_privs.html, capabilities(7), PR_SET_PDEATHSIG(2const)
"""

from __future__ import annotations

import contextlib
import ctypes
import os
from collections.abc import Iterator
from pathlib import Path

from hubcheck.sandbox.policy import Layer, SandboxPolicy
from hubcheck.sandbox.processes import PR_SET_NO_NEW_PRIVS, PR_SET_PDEATHSIG, prctl

_PR_GET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_CAPBSET_DROP, _PR_CAP_AMBIENT = 2, 4, 24, 47
_CLEAR_ALL = 4
_CAPABILITIES = 64
_CAPABILITY_VERSION = 0x20080522

NOBODY = 65534
_closed: list[str] = []
"""Why this process, which confined itself, is still root."""


def _apply(policy: SandboxPolicy) -> Iterator[str]:
    prctl(PR_SET_NO_NEW_PRIVS, 1)
    yield "new privileges"
    with contextlib.suppress(OSError):  # without root's capabilities the set cannot be reduced, and means nothing
        for number in range(_CAPABILITIES):
            prctl(_PR_CAPBSET_DROP, number)
    if os.geteuid() == 0 and not policy.keep_user:
        _become_nobody(policy)
    with contextlib.suppress(OSError):
        prctl(_PR_CAP_AMBIENT, _CLEAR_ALL)
    _drop_capabilities()
    yield "capabilities"
    if os.geteuid() != 0:
        yield "root user"


def _become_nobody(policy: SandboxPolicy) -> None:
    """Change to the user nobody, unless that user cannot read the files that the policy allows."""
    signal = ctypes.c_int()
    ctypes.CDLL(None).prctl(_PR_GET_PDEATHSIG, ctypes.byref(signal), 0, 0, 0)
    if (closed := _closed_to_nobody(policy)) is not None:
        _closed.append(closed)
    else:
        for path in policy.write:
            if Path(path).is_dir():
                os.chown(path, NOBODY, NOBODY)
        os.setgroups([])
        os.setresgid(NOBODY, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, NOBODY)
    # Another user id clears the signal, even for a moment, and closes /proc/self.
    prctl(PR_SET_PDEATHSIG, signal.value)
    prctl(_PR_SET_DUMPABLE, 1)


def _drop_capabilities() -> None:
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION, 0)
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.capset(ctypes.byref(header), ctypes.byref((ctypes.c_uint32 * 6)())) != 0:
        raise OSError(ctypes.get_errno(), f"capset: {os.strerror(ctypes.get_errno())}")


def _closed_to_nobody(policy: SandboxPolicy) -> str | None:
    """Return what nobody cannot read or enter of the policy's paths, and of what is up to two levels below its data."""
    paths = [*policy.read, *(path for folder in policy.data for path in _below(folder, levels=2))]
    needed = [(path, os.R_OK | os.X_OK * Path(path).is_dir()) for path in paths if Path(path).exists()]
    os.setegid(NOBODY)
    os.seteuid(NOBODY)
    try:
        for path, mode in needed:
            if not os.access(path, mode, effective_ids=True):
                way = reversed(Path(path).resolve().parents)
                return next((str(part) for part in way if not os.access(part, os.X_OK, effective_ids=True)), path)
        return None
    finally:
        os.seteuid(0)
        os.setegid(0)


def _below(folder: str, *, levels: int) -> Iterator[str]:
    yield folder
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if levels > 1 and entry.is_dir():
                yield from _below(entry.path, levels=levels - 1)
            else:
                yield entry.path


def _limitation(policy: SandboxPolicy) -> str:
    return f"it remains root, because another user cannot read {', '.join(_closed) or 'the files that it needs'}"


LAYER = Layer(
    "privileges", ("new privileges", "capabilities", "root user"), lambda: None, _apply, limitation=_limitation
)
