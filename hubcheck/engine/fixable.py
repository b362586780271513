"""Which findings `hubcheck fix` fixes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from hubcheck.checks.context import Context
from hubcheck.engine.findings import Finding, shell_command
from hubcheck.rulebook.convention import DEFAULT_CONVENTION

_UNLOADABLE = ("module/readable", "module/loads")


def forbids_runs(finding: Finding) -> bool:
    """Return whether a module with a finding must not be run, or cannot be loaded."""
    return finding.level == "error" and (finding.rule.startswith("safety/") or finding.rule in _UNLOADABLE)


def with_fixes(context: Context, findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """Return findings, with the command that fixes them where there is one.

    There is none for modules on servers, under another convention, and for modules that must not or cannot be run.
    """
    path = context.module.path
    is_ours = isinstance(path, Path) and context.convention == DEFAULT_CONVENTION
    if not findings or not is_ours or any(map(forbids_runs, findings)):
        return tuple(findings)
    # Most modules have no findings: their checks have no time for these imports.
    from hubcheck.checks.fixing.fixable import fixes, may_fix

    if not any(may_fix(finding.rule) for finding in findings):
        return tuple(findings)
    from hubcheck.checks.fixing.plan import fix_plan
    from hubcheck.checks.fixing.tasks import Obstacle

    try:
        plan = fix_plan(context)
    except Obstacle:
        return tuple(findings)
    name = str(path)
    command = shell_command(("hubcheck", "fix", f"./{name}" if name.startswith("-") else name))
    return tuple(
        replace(finding, fix_command=command) if fixes(context, plan, finding.rule, finding.where) else finding
        for finding in findings
    )
