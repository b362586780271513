"""Errors that a user can cause."""

from __future__ import annotations


class UsersError(ValueError):
    """The message is one clear sentence that names the thing and the remedy; the command line exits with 2."""

    users_fault = True


class Unchecked(RuntimeError):
    """A module could not be checked, through no fault of its own or of hubcheck's; the message says why."""
