"""What a publisher did that cannot become a module, in one sentence that says what to do about it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from pathlib import Path

from hubcheck.engine.findings import Finding
from hubcheck.util.errors import UserError


class AuthorError(UserError):
    """A mistake in how a module is described; `rule` is the rule that the module would break, if it is one's.

    Args:
        message: what is wrong, naming the thing, and the remedy.
        rule: the id of the rule, e.g. "output/width".
    """

    def __init__(self, message: str, rule: str | None = None) -> None:
        super().__init__(f"{message} [{rule}]" if rule else message)
        self.rule = rule


def without_tensorflow(error: ImportError) -> AuthorError:
    """What is said where a module is to be written, or read for that, and TensorFlow is not installed."""
    return AuthorError(f"writing a module needs TensorFlow, which is not there ({error}): install hubcheck[tensorflow]")


class ConformanceError(AuthorError):
    """What was written does not conform, so it was removed again; `findings` are those that `validate` prints."""

    def __init__(self, path: Path, findings: Sequence[Finding]) -> None:
        lines = [f"{path} was not written: the module does not conform"]
        for finding in findings:
            lines.append(f"  {finding.level} {finding.rule}{_place(finding)}: {finding.message}")
            lines += [f"    {name}  {text}" for name, text in _facts(finding) if text]
        super().__init__("\n".join(lines))
        self.findings = tuple(findings)
        self.rule = findings[0].rule if findings else None


class AuthorWarning(UserWarning):
    """Something was done or left that a publisher should know of: a softmax removed, a warning of the rules."""


def nearest(name: str, names: Iterable[str], *, many: int = 8) -> str:
    """The end of a sentence about an unknown name: the nearest ones, or all if they are few."""
    known = list(names)
    close = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    if close:
        return f"; nearest: {', '.join(map(repr, close))}"
    if len(known) <= many:
        return f"; there are: {', '.join(map(repr, known))}" if known else "; there are none"
    return f"; the last ones are {', '.join(map(repr, known[-3:]))}"


def _place(finding: Finding) -> str:
    where = finding.where
    key = f'{where.side}["{where.key}"]' if where.side and where.key else ""
    parts = [part for part in (where.variant, where.trace, where.signature, key) if part]
    return f" ({' · '.join(parts)})" if parts else ""


def _facts(finding: Finding) -> Iterable[tuple[str, str]]:
    return ("found ", finding.found), ("wanted", finding.wanted), ("fix   ", finding.fix)
