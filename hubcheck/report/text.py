"""The report that people read in a terminal: findings first, then what was skipped and why, then the counts."""

from __future__ import annotations

import io
from collections.abc import Iterator

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from hubcheck.findings import LEVELS, Finding
from hubcheck.report.describe import FORMATS, counts, place, plural, skip_reasons
from hubcheck.results import ModuleReport, Report

LEVEL_STYLES = {"error": "bold red", "warning": "bold yellow", "note": "bold blue"}
_STYLES = {
    **LEVEL_STYLES,
    "conforms": "bold green",
    "violates": "bold red",
    "incomplete": "bold yellow",
}


def console(*, markup: bool = False) -> Console:
    """A console on standard output that guesses at nothing: what modules are called is printed as it is."""
    return Console(highlight=False, markup=markup, emoji=False)


def render(report: Report, *, width: int = 80) -> str:
    """The whole report as plain text."""
    out = io.StringIO()
    target = Console(file=out, width=width, highlight=False, markup=False, emoji=False, color_system=None)
    for module in report.modules:
        print_module(module, target)
    print_summary(report, target)
    return out.getvalue()


def print_module(module: ModuleReport, out: Console) -> None:
    """One module: its verdict, its findings, its skips, its counts."""
    head = Text(module.path, style="bold", overflow="fold")
    head.append(f"  {FORMATS[module.format]}  ", style="dim not bold")
    head.append(module.verdict, style=_STYLES[module.verdict])
    out.print(head)
    for finding in module.findings:
        _print_finding(finding, out)
    rows = list(_remarks(module))
    if rows:
        out.print(facts(rows))
    for outcome in module.outcomes:
        if outcome.status == "broken":
            out.print(Text(f"  internal error in rule {outcome.rule}; please report it:", style="bold red"))
            out.print(Padding(Text(outcome.reason or "", style="dim"), (0, 0, 0, 4), expand=False))
    out.print(Text(f"  {counts(module)} in {module.elapsed_s:.2f} s", style="dim"))
    out.print()


def print_summary(report: Report, out: Console) -> None:
    """The last lines: verdicts over all modules, and what keeps the whole from being complete."""
    if report.incomplete:
        out.print(Text(f"incomplete: {report.incomplete}", style=_STYLES["incomplete"]))
    if report.interrupted:
        out.print(Text("interrupted: the modules above are all that were finished", style=_STYLES["incomplete"]))
    if len(report.modules) < 2:
        return
    verdicts = [module.verdict for module in report.modules]
    line = Text(f"{plural(len(verdicts), 'module')}: ")
    words = {"conforms": "conform", "violates": "violate", "incomplete": "incomplete"}
    shown = [(verdict, verdicts.count(verdict)) for verdict in words if verdict in verdicts]
    for i, (verdict, count) in enumerate(shown):
        line.append(", " if i else "")
        line.append(f"{count} {verdict if count == 1 else words[verdict]}", style=_STYLES[verdict])
    levels = [(level, sum(f.level == level for f in report.findings)) for level in LEVELS]
    found = ", ".join(plural(count, level) for level, count in levels if count)
    line.append(f"; {found}" if found else "; no findings")
    out.print(line)


def _print_finding(finding: Finding, out: Console) -> None:
    head = Text("  ")
    head.append(finding.level, style=_STYLES[finding.level])
    head.append(f" {finding.rule}", style="bold")
    head.append(f"   {place(finding.where)}", style="dim")
    out.print(head)
    out.print(Padding(Text(finding.message), (0, 0, 0, 4), expand=False))
    rows = [
        (name, text)
        for name, text in (
            ("found", finding.found),
            ("wanted", finding.wanted),
            ("fix", finding.fix),
            ("spec", finding.source),
        )
        if text
    ]
    out.print(Padding(_grid(rows), (0, 0, 0, 4), expand=False))


def _remarks(module: ModuleReport) -> Iterator[tuple[str, str]]:
    for reason, rules in skip_reasons(module.outcomes).items():
        yield "skipped", f"{reason}: {', '.join(rules)}"
    for device in module.devices:
        if not device.ran and device.reason and not device.reason.startswith("not run"):
            yield device.name, f"not run: {device.reason}"
    if module.protections is not None:
        yield "sandbox", ", ".join(module.protections) or "none"


def facts(rows: list[tuple[str, str]]) -> Padding:
    """Names and texts in two columns, indented, the texts wrapped."""
    return Padding(_grid(rows), (0, 0, 0, 2), expand=False)


def _grid(rows: list[tuple[str, str]]) -> Table:
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(style="dim", no_wrap=True, min_width=6)
    grid.add_column(overflow="fold")
    for name, text in rows:
        grid.add_row(Text(name), Text(text))
    return grid
