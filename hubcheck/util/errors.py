"""Errors that users or servers cause, as opposed to errors in hubcheck."""

from __future__ import annotations

import errno

from hubcheck.util.text import without_credentials

_NAMES = ("ENOSPC", "EDQUOT", "EFBIG", "EROFS", "EMFILE", "ENFILE", "ENOMEM", "EIO", "ESTALE")
_OF_MACHINE = {getattr(errno, name) for name in _NAMES if hasattr(errno, name)}


class UserError(ValueError):
    """The user can correct this: the message names the thing and the remedy in one sentence. The exit code is 2."""


class ModuleUnavailable(RuntimeError):
    """A module could not be checked, for a reason outside the module and hubcheck; the message names it."""


def is_of_machine(error: OSError) -> bool:
    """Return whether an error says that this machine lacks space, memory or working disks, whatever a file holds."""
    return error.errno in _OF_MACHINE


def unwritable(error: OSError, variable: str) -> ModuleUnavailable:
    """Return the error for files of a module that cannot be written for its check; `variable` names their folder."""
    reason = error.strerror or str(error)
    return ModuleUnavailable(
        f"not checked: its files cannot be written for the check: {reason}; set {variable} to a folder with more space"
    )


def without_tensorflow(what: str) -> str:
    """Return the message for what is requested where TensorFlow is not installed."""
    return f"{what} needs TensorFlow, which is not installed: pip install tensorflow"


class Unreachable(UserError):
    """A server does not deliver what was requested; this is not a fault of the module.

    Args:
        uri: what was requested.
        cause: why it failed.
        retryable: whether a later request may succeed.
        wait: seconds that the server asks clients to wait.
        retries_exhausted: whether the request was repeated often enough already.
    """

    def __init__(
        self, uri: str, cause: str, *, retryable: bool = False, wait: float = 0, retries_exhausted: bool = False
    ) -> None:
        super().__init__(without_credentials(f"{uri} cannot be fetched: {cause}"))
        self.retryable, self.wait, self.retries_exhausted = retryable, wait, retries_exhausted
