"""One HTML file for people: verdict, findings, rules with a filter, signatures and what was seen. It loads nothing.

A content security policy forbids every request and every script but the one of this page, so that nothing that a
module brings along can do anything here.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Iterator, Sequence
from html import escape
from pathlib import Path

from hubcheck._version import __version__
from hubcheck.engine.details import ModuleDetails
from hubcheck.engine.findings import Finding, Outcome
from hubcheck.engine.module_report import ModuleReport
from hubcheck.engine.reports import Report
from hubcheck.report import diagram, svg
from hubcheck.report.describe import FORMATS, SUPPRESSIONS, counts, finding_rows, location, plural, run_notices

_CLASSES = {
    "error": "bad",
    "warning": "warn",
    "note": "info",
    "violates": "bad",
    "conforms": "good",
    "incomplete": "warn",
    "failed": "bad",
    "passed": "good",
    "skipped": "warn",
    "ignored": "dim",
    "broken": "bad",
}


def render(report: Report) -> Iterator[str]:
    """The page."""
    style, script = (Path(__file__).with_name(f"html.{kind}").read_text(encoding="utf-8") for kind in ("css", "js"))
    policy = f"default-src 'none'; img-src data:; style-src {_hash(style)}; script-src {_hash(script)}"
    verdicts = ", ".join(plural(count, verdict) for verdict, count in report.summary.verdicts.items())
    yield '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
    yield f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">'
    yield f"<title>hubcheck: {escape(verdicts or 'no modules')}</title><style>{style}</style></head><body><main>"
    yield from _body(report)
    yield f"</main><script>{script}</script></body></html>\n"


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _body(report: Report) -> Iterator[str]:
    yield f"<h1>hubcheck <span class='dim'>{__version__}</span></h1>"
    for remark in run_notices(report):
        yield f'<p class="warn" role="note">{escape(remark)}</p>'
    if report.summary.modules > 1:
        yield from _summary(report)
    rows = (
        (_link(number, module.key), _badge(module.verdict), counts(module))
        for number, module in enumerate(report.modules)
    )
    yield from _table("Modules", ("module", "verdict", "rules"), rows)
    yield _filter()
    for number, module in enumerate(report.modules):
        yield from _module(module, report, number)


def _summary(report: Report) -> Iterator[str]:
    """What all modules add up to."""
    summary = report.summary
    known = f", {summary.cached} as in an earlier run" if summary.cached else ""
    yield f"<p>{plural(summary.modules, 'module')}{known}: "
    yield ", ".join(f"{count} {_badge(verdict)}" for verdict, count in summary.verdicts.items())
    yield "</p>"
    if summary.rules:
        broken = (
            (_badge(row.level), f"<code>{escape(row.rule)}</code>", str(row.modules), str(row.findings))
            for row in summary.rules
        )
        yield from _table("Rules that were broken", ("level", "rule", "modules", "findings"), broken)
    if summary.worst:
        worst = ((_link(-module.order, module.key), str(module.errors), str(module.others)) for module in summary.worst)
        yield from _table("Worst modules", ("module", "errors", "other findings"), worst)


def _table(name: str, heads: Iterable[str], rows: Iterable[Iterable[str]]) -> Iterator[str]:
    yield f'<h2>{name}</h2><div class="scroll" role="region" aria-label="{name}" tabindex="0"><table>'
    cells = "".join(f'<th scope="col">{head}</th>' for head in heads)
    yield f"<thead><tr>{cells}</tr></thead><tbody>"
    for row in rows:
        yield f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>"
    yield "</tbody></table></div>"


def _link(number: int, key: str) -> str:
    return f'<a href="#m{number}"><code>{escape(key)}</code></a>'


def _badge(word: str) -> str:
    return f'<span class="badge {_CLASSES[word]}">{word}</span>'


def _filter() -> str:
    boxes = "".join(
        f'<label><input type="checkbox" value="{status}" checked> {status}</label>'
        for status in ("failed", "passed", "skipped", "ignored", "broken")
    )
    return (
        '<form id="filter" hidden><fieldset><legend>Show rules</legend>'
        f'{boxes}<label>with the words <input type="search"></label><output id="shown" aria-live="polite"></output>'
        "</fieldset></form>"
    )


def _module(module: ModuleReport, report: Report, number: int) -> Iterator[str]:
    key = escape(module.key)
    yield f'<section class="card" id="m{number}" aria-labelledby="h{number}">'
    yield f'<h2 id="h{number}"><code>{key}</code> {_badge(module.verdict)}</h2>'
    yield f'<p class="dim">{FORMATS[module.format]} · {counts(module)} · {module.elapsed_s:.2f} s</p>'
    ran = [f"{device.name}: {'run' if device.ran else device.reason or 'not run'}" for device in module.devices]
    if module.protections is not None:
        ran.append(f"sandbox: {', '.join(module.protections) or 'none'}")
    yield f'<p class="dim">{escape(" · ".join(ran))}</p>'
    yield f"<h3>{plural(len(module.findings), 'finding') if module.findings else 'No findings'}</h3>"
    for finding in module.findings:
        yield _finding(finding)
    yield "<h3>Rules</h3>"
    yield from _rules(module, report)
    if module.details is not None:
        yield from _details(module.details, module.findings, number)
    yield "</section>"


def _finding(finding: Finding, why: str = "") -> str:
    rows = ""
    for label, text in finding_rows(finding):
        value = f"<code>{escape(text)}</code>" if label in ("found", "wanted", "again") else escape(text)
        rows += f"<dt>{label}</dt><dd>{value}</dd>"
    return (
        f'<article class="finding {_CLASSES[finding.level]}" data-status="{"ignored" if why else "failed"}">'
        f"<p>{_badge(finding.level)} <strong>{escape(finding.rule)}</strong>"
        f' <span class="dim">{escape(location(finding.where))}</span></p>'
        f"<p>{escape(finding.message)}</p><dl>{rows}</dl>{f'<p>{escape(why)}</p>' if why else ''}</article>"
    )


def _rules(module: ModuleReport, report: Report) -> Iterator[str]:
    groups: dict[str, list[Outcome]] = {}
    for outcome in module.outcomes:
        groups.setdefault(outcome.rule.partition("/")[0], []).append(outcome)
    for group, outcomes in groups.items():
        statuses = [outcome.status for outcome in outcomes]
        told = ", ".join(f"{statuses.count(status)} {status}" for status in dict.fromkeys(statuses))
        head = f'<strong>{escape(group)}</strong> <span class="dim">{told}</span>'
        yield f'<details class="group"><summary>{head}</summary><ul class="rules">'
        for outcome in outcomes:
            yield from _outcome(outcome, module, report)
        yield "</ul></details>"


def _outcome(outcome: Outcome, module: ModuleReport, report: Report) -> Iterator[str]:
    rule = report.rules.get(outcome.rule)
    title = f" <span>{escape(rule.title)}</span>" if rule is not None else ""
    reason = f' <span class="dim">{escape(outcome.reason)}</span>' if outcome.reason else ""
    yield f'<li data-status="{outcome.status}" data-rule="{escape(outcome.rule)}">{_badge(outcome.status)} '
    yield f"<code>{escape(outcome.rule)}</code>{title}{reason}"
    for item in module.suppressed:
        if item.finding.rule == outcome.rule:
            yield _finding(item.finding, f"{SUPPRESSIONS[item.kind]}: {item.reason}")
    yield "</li>"


def _details(details: ModuleDetails, findings: Sequence[Finding], number: int) -> Iterator[str]:
    yield "<h3>Signatures</h3>"
    for position, signature in enumerate(details.signatures):
        variant = f" of variant {signature.variant}" if signature.variant not in ("", "serve") else ""
        told = [finding for finding in findings if finding.where.variant in (None, signature.variant)]
        label = escape(signature.label)
        is_open = " open" if any(step.notes for step in signature.steps) else ""
        yield f"<details{is_open}><summary><code>{label}</code>{escape(variant)}</summary>"
        yield f'<div class="scroll" role="group" aria-label="Path of {label}{escape(variant)}" tabindex="0">'
        yield diagram.diagram(signature, told, name=f"m{number}p{position}")
        yield "</div></details>"
    if details.histograms:
        yield "<h3>Values</h3>"
    for data in details.histograms:
        dead = f"on {escape(data.device)}; {100 * data.constant_share:.0f} % of the entries are the same for all images"
        caption = f"<figcaption><code>{escape(data.signature)}</code> {dead}</figcaption>"
        yield f"<figure>{svg.histogram(data)}{caption}</figure>"
    if details.images:
        yield '<h3>Pictures that were fed</h3><div class="pictures">'
        for picture in details.images:
            source = f"data:image/png;base64,{base64.b64encode(picture.png).decode()}"
            yield f'<figure><img alt="" src="{source}"><figcaption>{escape(picture.name)}</figcaption></figure>'
        yield "</div>"
