"""Errors that a user can cause."""

from __future__ import annotations


class UserError(ValueError):
    """The message is one clear sentence that names the thing and the remedy; the command line exits with 2."""

    users_fault = True


class ModuleUnavailable(RuntimeError):
    """A module could not be checked, through no fault of its own or of hubcheck's; the message says why."""


class Unreachable(UserError):
    """A server does not give what it was asked for; no fault of the module.

    `again` tells that it may do so later, after `wait` seconds, `tried` that it was tried often enough already.
    """

    def __init__(self, uri: str, cause: str, *, again: bool = False, wait: float = 0, tried: bool = False) -> None:
        super().__init__(f"{uri} cannot be fetched: {cause}")
        self.again, self.wait, self.tried = again, wait, tried
