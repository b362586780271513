"""The functions that rules name: found, and held against the rule's params."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator

from hubcheck.checks.faults import Corroboration, Fault, Skip
from hubcheck.rulebook.rules import Rule
from hubcheck.util.data_files import DataFileError
from hubcheck.util.errors import UserError

Predicate = Callable[..., Iterator[Fault | Skip | Corroboration]]


class UnknownPredicate(UserError):
    """A rule names a predicate that cannot be imported."""


def predicate(name: str) -> Predicate:
    """The function "module:function", in hubcheck.checks or, with a dotted module, anywhere.

    Raises:
        UnknownPredicate: there is none.
    """
    module, _, function = name.partition(":")
    path = module if "." in module else f"hubcheck.checks.{module}"
    try:
        found = getattr(importlib.import_module(path), function)
    except (ImportError, AttributeError, ValueError) as error:
        raise UnknownPredicate(f"no predicate is called {name!r}: {error}") from None
    return found  # type: ignore[no-any-return]


def check_predicates(rule: Rule) -> None:
    """Whether the predicates of a rule are there and take its params: worth asking of rules that users write.

    Raises:
        DataFileError: they are not, or do not.
    """
    import inspect

    for key, name in (("check", rule.check), ("probe", rule.probe)):
        if name is None:
            continue
        try:
            inspect.signature(predicate(name)).bind(None, **rule.params)
        except UnknownPredicate as error:
            raise DataFileError(rule.file, key, str(error)) from None
        except TypeError as error:
            raise DataFileError(rule.file, "params", f"{name}: {error}") from None
