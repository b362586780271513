"""GitLab's code quality report: the findings that count, with fingerprints that are the same in later runs."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

from hubcheck.engine.identity import fingerprints
from hubcheck.engine.module_report import ModuleReport
from hubcheck.engine.reports import Report
from hubcheck.report.describe import annotated_file, location, sandbox_lines, unchecked_lines
from hubcheck.report.json import array

_SEVERITIES = {"error": "major", "warning": "minor", "note": "info"}


def render(report: Report) -> Iterator[str]:
    """Yield the array for a job's artifact `reports: codequality`.

    It has no place for a verdict. What was not checked because of a fault that does not count is an entry of its own,
    and so is what the sandbox lacked when the module was run.
    """
    yield from array(row for module in report.modules for row in _rows(module))
    yield "\n"


def _rows(module: ModuleReport) -> Iterator[dict[str, Any]]:
    def row(text: str, rule: str, fingerprint: str, severity: str) -> dict[str, Any]:
        place = {"path": annotated_file(module), "lines": {"begin": 1}}
        named = {"description": f"{module.key}: {text}".strip(), "check_name": rule, "fingerprint": fingerprint}
        return {**named, "severity": severity, "location": place}

    prints = fingerprints(module, module.key)
    for finding in module.findings:
        command = f" Or run: {finding.command}" if finding.command else ""
        text = f"{location(finding.where)}: {finding.message}. {finding.fix}{command}"
        yield row(text, finding.rule, prints[finding], _SEVERITIES[finding.level])
    for unchecked, (_, text) in zip(module.unchecked, unchecked_lines(module), strict=True):
        identity = f"{module.key}\nunchecked\n{unchecked.need}".encode("utf-8", "surrogateescape")
        severity = "info" if unchecked.accepted else "minor"
        yield row(text, unchecked.need, hashlib.sha256(identity).hexdigest()[:32], severity)
    if module.missing_protections:  # an entry for what is enforced would make every module look faulty
        identity = f"{module.key}\nsandbox".encode("utf-8", "surrogateescape")
        text = "; ".join(f"{word}: {text}" for word, text in sandbox_lines(module))
        yield row(text, "sandbox", hashlib.sha256(identity).hexdigest()[:32], "info")
