"""Judge a rebuilt module by the findings that it was made for."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import Path

import click

from hubcheck.author.errors import AuthorError
from hubcheck.engine.findings import Finding
from hubcheck.report.text_lines import finding_lines
from hubcheck.run.validate import validate


class NotFixed(AuthorError):
    """The rebuilt module has findings that it must not have, and was removed; `findings` are these."""

    def __init__(self, findings: Iterable[Finding]) -> None:
        self.findings = tuple(findings)
        lines = [click.unstyle(line) for finding in self.findings for line in finding_lines(finding)]
        super().__init__("\n".join(["nothing was written: the fixed module would have these findings", *lines]))


def judge(source: Path, folder: Path, known: Collection[Finding], fixed: Collection[str]) -> tuple[Finding, ...]:
    """Run the rebuilt module, and return its findings.

    Args:
        source: the module that was fixed.
        folder: the rebuilt one.
        known: the findings of the source, by its files.
        fixed: the rules whose findings the rebuilt module must not have.

    Raises:
        NotFixed: it has such a finding, or an error that the source does not have.
        AuthorError: it could not be checked.
    """
    (report,) = validate(folder).modules
    for outcome in report.outcomes:
        if outcome.status == "broken" or (outcome.rule in fixed and not outcome.complete):
            reason = (outcome.reason or "").strip().splitlines()
            raise AuthorError(
                f"nothing was written: {outcome.rule} could not be checked: {reason[-1] if reason else outcome.status}"
            )
    if unfixed := [finding for finding in report.findings if finding.rule in fixed]:
        raise NotFixed(unfixed)
    rules = {finding.rule for finding in known}
    new = [finding for finding in report.failures if finding.rule not in rules]
    if new:
        rules = {finding.rule for finding in validate(source).findings}
        if new := [finding for finding in new if finding.rule not in rules]:
            raise NotFixed(new)
    return report.findings
