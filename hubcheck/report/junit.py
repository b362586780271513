"""JUnit XML as pytest writes it: a suite for each module, a case for each rule, skips with their reasons."""

from __future__ import annotations

import re
from collections.abc import Iterator
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from hubcheck.engine.findings import Finding, Outcome
from hubcheck.engine.module_report import ModuleReport
from hubcheck.engine.reports import Report
from hubcheck.report.changes import history_rows
from hubcheck.report.describe import (
    annotated_file,
    counts,
    finding_rows,
    location,
    run_facts,
    run_notices,
    sandbox_lines,
    totals,
    unchecked_lines,
)
from hubcheck.util.text import printable_lines

_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def render(report: Report) -> Iterator[str]:
    """Yield the document. Findings below `fail_on` are in the system-out of their test case."""
    yield '<?xml version="1.0" encoding="utf-8"?>\n<testsuites name="hubcheck">\n'
    properties = Element("properties")
    notices = [("notice", notice) for notice in run_notices(report)]
    for name, value in (*run_facts(report), ("summary", totals(report)), *history_rows(report), *notices):
        SubElement(properties, "property", name=name, value=_xml(value))
    yield _written(properties)
    for module in report.modules:
        yield _written(_suite(module))
    yield "</testsuites>\n"


def _written(element: Element) -> str:
    indent(element, " ", level=1)
    return f" {tostring(element, encoding='unicode').rstrip()}\n"


def _suite(module: ModuleReport) -> Element:
    key = _xml(module.key)
    suite = Element(
        "testsuite",
        name=key,
        tests=str(len(module.outcomes)),
        failures=str(len({finding.rule for finding in module.failures})),
        errors=str(module.count("broken")),
        skipped=str(module.count("skipped") + module.count("ignored")),
        time=f"{module.elapsed_s:.3f}",
    )
    properties = SubElement(suite, "properties")
    values = {"verdict": module.verdict, "counts": counts(module), "file": annotated_file(module)}
    values |= dict(sandbox_lines(module))
    for name, value in [*values.items(), *(("unchecked", text) for _, text in unchecked_lines(module))]:
        SubElement(properties, "property", name=name, value=_xml(value))
    time = suite.attrib["time"]
    for outcome in module.outcomes:
        _case(SubElement(suite, "testcase", classname=key, name=outcome.rule, time=time), outcome, module)
        time = "0.000"
    return suite


def _case(case: Element, outcome: Outcome, module: ModuleReport) -> None:
    failures = [finding for finding in module.failures if finding.rule == outcome.rule]
    lesser = [f for f in module.findings if f.rule == outcome.rule and f not in failures]
    if failures:
        first = f"{len(failures)} findings: " if len(failures) > 1 else ""
        message = first + "; ".join(finding.message for finding in failures)
        child = SubElement(case, "failure", type=failures[0].level, message=_xml(message))
        child.text = _xml("\n\n".join(map(_text, failures)))
    elif outcome.status == "broken":
        child = SubElement(case, "error", type="internal", message=outcome.crash_title)
        child.text = _xml(outcome.reason or "")
    elif outcome.status in ("skipped", "ignored"):
        SubElement(case, "skipped", type=outcome.status, message=_xml(outcome.reason or ""))
    aside = [item for item in module.suppressed if item.finding.rule == outcome.rule]
    if lesser or aside:
        texts = [*map(_text, lesser), *(f"{item.kind}: {item.reason}\n{_text(item.finding)}" for item in aside)]
        SubElement(case, "system-out").text = _xml("\n\n".join(texts))


def _text(finding: Finding) -> str:
    rows = [f"{finding.level} {finding.rule}   {location(finding.where)}", f"  {finding.message}"]
    return "\n".join([*rows, *(f"  {label:8}{text}" for label, text in finding_rows(finding))])


def _xml(text: str) -> str:
    return _NOT_XML.sub("�", printable_lines(text))
