"""The end of the text: what was skipped, suppressed and enforced in a run, its counts, and what to do next."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator

import click

from hubcheck.engine.module_report import ModuleReport, Verdict
from hubcheck.engine.reports import Report, RuleCount, Summary
from hubcheck.report import describe
from hubcheck.report.changes import history_rows
from hubcheck.report.remarks import Remarks
from hubcheck.report.text_lines import LEVEL_COLOURS, TextStyle, labelled, plain, wrapped
from hubcheck.rulebook.levels import LEVELS
from hubcheck.util.text import plural, printable, printable_lines

_COLOURS: dict[Verdict, str] = {"conforms": "green", "violates": "red", "incomplete": "yellow"}
_MAX_REASONS = 5
_MIN_FOR_TABLES = 10
"""Number of modules from which there are tables of rules and modules."""


class TextReport:
    """The text of a run, module by module; what modules have in common is said at the end.

    Args:
        lines_of: yields the lines of one module.
        style: how much text there is.
    """

    def __init__(self, lines_of: Callable[[ModuleReport, TextStyle], Iterable[str]], style: TextStyle) -> None:
        self._lines_of, self._style = lines_of, style
        self._remarks = Remarks()
        self._fixes: dict[str, int] = {}
        self._left_out = False
        self._spaced = True

    def render(self, report: Report) -> Iterator[str]:
        """Yield the whole report as plain text."""
        for module in report.modules:
            yield from map(plain, self.module_lines(module))
        yield from map(plain, self.last_lines(report))

    def module_lines(self, module: ModuleReport) -> list[str]:
        """Return the lines of the next module, styled for a terminal."""
        lines = [] if self._style.statistics else list(self._lines_of(module, self._style))
        self._spaced = lines[-1] == "" if lines else self._spaced
        for finding in module.findings:
            if finding.is_fixable:
                self._fixes[finding.fix_command] = self._fixes.get(finding.fix_command, 0) + 1
        self._left_out |= self._style.folded and module.verdict == "conforms" and bool(module.findings)
        if not (self._style.verbose or self._style.quiet):
            self._remarks.add(module)
        return lines

    def last_lines(self, report: Report, written: Iterable[str] = ()) -> Iterator[str]:
        """Yield the last lines, styled for a terminal; `written` are the files with reports."""
        if self._style.quiet and not self._style.statistics:
            yield from self._warnings(describe.run_problems(report))
            return
        blocks = (
            [
                line
                for row in self._remarks.rows(
                    report.summary.modules, most=_MAX_REASONS, hint="; --verbose names the rules"
                )
                for line in self._row(*row)
            ],
            list(self._warnings(describe.run_notices(report))),
            *self._tables(report.summary),
            self._totals(report) if report.summary.modules > 1 else [],
        )
        for block in filter(None, blocks):
            yield from block if self._spaced else ["", *block]
            self._spaced = False
        facts = ", ".join(f"{name} {value}" for name, value in describe.run_facts(report))
        for row in (*self._rows(report, written), *([("run", facts)] if self._style.verbose else [])):
            yield from self._row(*row)

    def _row(self, label: str, text: str) -> Iterator[str]:
        return labelled(label.ljust(10), text, indent=0, width=self._style.width)

    def _warnings(self, notices: Iterable[str]) -> Iterator[str]:
        lines = (line for notice in notices for line in printable_lines(notice).split("\n"))
        yield from (click.style(part, fg="yellow", bold=True) for line in lines for part in self._wrapped(line))

    def _wrapped(self, text: str) -> list[str]:
        return wrapped(text, self._style.width) if self._style.wraps else [text]

    def _totals(self, report: Report) -> list[str]:
        """Return the counts of a run, with the verdicts in colour."""
        text = "\n".join(self._wrapped(describe.totals(report)))
        for verdict, colour in _COLOURS.items():
            words = f"{report.summary.verdicts[verdict]} {describe.display_name(verdict)}"
            text = re.sub(rf"(?<=[:,]\s){words}\b", click.style(words, fg=colour, bold=True), text)
        return text.split("\n")

    def _tables(self, summary: Summary) -> Iterator[list[str]]:
        """Yield the table of failed rules, and that of the worst modules."""
        many, statistics = summary.modules >= _MIN_FOR_TABLES, self._style.statistics
        if summary.rules and (many or statistics):
            by_level = sorted(summary.rules, key=lambda row: LEVELS.index(row.level))
            yield [click.style(f"{'modules':>9} {'findings':>9}  rule", bold=True), *map(_rule_row, by_level)]
        if summary.worst and many and not statistics:
            rows = [f"{module.errors:9} {module.others:9}  {printable(module.path)}" for module in summary.worst]
            more = summary.failing - len(rows)
            rest = [f"{'':21}and {more} more"] if more > 0 else []
            yield [click.style(f"{'errors':>9} {'others':>9}  worst modules", bold=True), *rows, *rest]

    def _rows(self, report: Report, written: Iterable[str]) -> Iterator[tuple[str, str]]:
        """Yield label and text: suppressed findings, the baseline, files, and the next command."""
        summary = report.summary
        kinds = [f"{count} {describe.SUPPRESSIONS[kind]}" for kind, count in summary.suppressed.items()]
        if kinds:
            yield "suppressed", f"{plural(summary.suppressed.total(), 'finding')}: {', '.join(kinds)}"
        if report.baseline is not None:
            new, known = plural(summary.levels.total(), "new finding"), summary.suppressed["baseline"]
            yield "baseline", f"{printable(report.baseline)}: {new}, {known} known"
        yield from history_rows(report)
        if names := list(map(printable, written)):
            yield "written", ", ".join(names)
        if self._fixes and not self._style.statistics:
            command, count = next(iter(self._fixes)), plural(sum(self._fixes.values()), "finding")
            more = f" (likewise for {plural(len(self._fixes) - 1, 'more module')})" if len(self._fixes) > 1 else ""
            yield "fixable", f"{count}: {command}{more}"
        if summary.verdicts["violates"]:
            worst = min(summary.rules, key=lambda row: LEVELS.index(row.level))
            yield "next", f"hubcheck explain {worst.rule}"
        elif self._left_out:
            yield "next", "--verbose shows the warnings and notes of modules that passed"


def _rule_row(row: RuleCount) -> str:
    return f"{row.modules:9} {row.findings:9}  {click.style(row.level, fg=LEVEL_COLOURS[row.level])} {row.rule}"
