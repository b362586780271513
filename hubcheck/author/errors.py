"""Errors and warnings that publishers see, and parts of their messages."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from pathlib import Path

import click

from hubcheck.engine.findings import Finding
from hubcheck.report.text_lines import finding_lines
from hubcheck.util.errors import UserError


class AuthorError(UserError):
    """The description of a module is not usable.

    Args:
        message: what is wrong and what to do, naming the argument, layer or tensor.
        rule: the id of the rule that the module would fail, e.g. "output/width".
    """

    def __init__(self, message: str, rule: str | None = None) -> None:
        super().__init__(f"{message} [{rule}]" if rule else message)
        self.rule = rule


class ConformanceError(AuthorError):
    """The written module does not conform and was removed; `findings` are the ones that `validate` prints."""

    def __init__(self, path: Path, findings: Sequence[Finding]) -> None:
        lines = [click.unstyle(line) for finding in findings for line in finding_lines(finding)]
        super().__init__("\n".join([f"{path} was not written: the module does not conform", *lines]))
        self.findings = tuple(findings)
        self.rule = findings[0].rule if findings else None


class AuthorWarning(UserWarning):
    """The module was changed or a rule failed below level error, e.g. a softmax was removed."""


def missing_tensorflow(error: ImportError) -> AuthorError:
    """Return the error to raise where TensorFlow cannot be imported."""
    return AuthorError(f"writing a module requires TensorFlow, but {error}: pip install tensorflow")


def suggestion(name: str, names: Iterable[str]) -> str:
    """Return the end of a message about an unknown name: similar names, or all names if there are few."""
    known = list(names)
    close = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    if close:
        return f"; did you mean {' or '.join(map(repr, close))}?"
    if len(known) <= 8:
        return f"; known are {', '.join(map(repr, known))}" if known else "; there are none"
    return f"; the last ones are {', '.join(map(repr, known[-3:]))}"
