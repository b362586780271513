"""The check functions that rules name: import them, match them with a rule's parameters, report errors in them."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

from hubcheck.checks.faults import Checked, Corroboration, Fault, Skip
from hubcheck.engine.findings import FIELD
from hubcheck.rulebook.rules import Rule
from hubcheck.util.data_files import DataFileError
from hubcheck.util.errors import UserError

Predicate = Callable[..., Iterator[Checked | Corroboration | Fault | Skip]]


class UnknownPredicate(UserError):
    """A rule names a predicate that cannot be imported."""


@cache
def predicate(name: str) -> Predicate:
    """Return the function "module:function", from hubcheck.checks or, with a dotted module name, from any module.

    Raise UnknownPredicate if it cannot be imported.
    """
    module, _, function = name.partition(":")
    path = module if "." in module else f"hubcheck.checks.{module}"
    try:
        found = getattr(importlib.import_module(path), function)
    except (ImportError, AttributeError, ValueError) as error:
        raise UnknownPredicate(f"no predicate is called {name!r}: {error}") from None
    return found  # type: ignore[no-any-return]


def author_error(name: str, error: Exception) -> str | None:
    """Return a message with file and line for the author of a predicate that raised; None for hubcheck's own."""
    if "." not in name.partition(":")[0]:
        return None
    message = f"{name} raised {type(error).__name__}: {error}"
    try:
        code = predicate(name).__code__
    except (UnknownPredicate, AttributeError):
        return message
    import traceback  # slow to import

    # The innermost line of the author's file, not of a library that it calls.
    frames = traceback.walk_tb(error.__traceback__)
    lines = [line for frame, line in frames if frame.f_code.co_filename == code.co_filename]
    return f"{message} ({code.co_filename}, line {(lines or [code.co_firstlineno])[-1]})"


def check_predicates(rule: Rule) -> None:
    """Raise DataFileError unless a user's rule names predicates that exist and take its parameters, and fields that
    their faults may have: a name that is nearly `found` or `wanted` is one only if it occurs in the predicate's file.
    """
    import difflib
    import inspect

    for key, name in (("check", rule.check), ("probe", rule.probe)):
        if name is None:
            continue
        try:
            # A static predicate takes a Context, a probe predicate a Context and Observations.
            arguments = (None,) if key == "check" else (None, None)
            inspect.signature(predicate(name)).bind(*arguments, **rule.params)
        except UnknownPredicate as error:
            raise DataFileError(rule.file, key, str(error)) from None
        except TypeError as error:
            raise DataFileError(rule.file, "params", f"{name}: {error}") from None
        for field in set(FIELD.findall(rule.message)) - {"found", "wanted"}:
            near = difflib.get_close_matches(field, ("found", "wanted"), n=1)
            if near and field not in _source(predicate(name)):
                raise DataFileError(
                    rule.file, "message", f"no field is called {{{field}}}; did you mean {{{near[0]}}}?"
                )


def _source(function: Predicate) -> str:
    """Return the text of the file with a function; "" if there is none."""
    import inspect

    try:
        return Path(inspect.getsourcefile(function) or "").read_text(encoding="utf-8")
    except (OSError, TypeError, UnicodeDecodeError):
        return ""
