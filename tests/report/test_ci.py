"""Formats for continuous integration, read by the tools that read them there."""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import replace

import jsonschema
import pytest

import hubcheck
from hubcheck.engine.reports import summarize
from hubcheck.report.formats import render
from tests.paths import ROOT
from tests.report.reports import project, report


def test_junitparser_reads_a_case_for_each_rule(whole):
    junitparser = pytest.importorskip("junitparser")
    xml = junitparser.JUnitXml.fromstring(render(whole, "junit").encode())
    for suite, module in zip(xml, whole.modules, strict=True):
        cases = {case.name: case for case in suite}
        assert set(cases) == {outcome.rule for outcome in module.outcomes}
        assert {name for name, case in cases.items() if case.is_failure} == {f.rule for f in module.failures}
        assert suite.failures == len({f.rule for f in module.failures})
        skipped = {o.rule for o in module.outcomes if o.status in ("skipped", "ignored")}
        assert {name for name, case in cases.items() if case.is_skipped} == skipped


def test_gitlab_fingerprints_are_unique_and_stay_when_the_checkout_moves(whole, tmp_path):
    def prints(one: hubcheck.Report) -> dict[str, str]:
        rows = json.loads(render(one, "gitlab"))
        return {row["fingerprint"]: row["check_name"] + row["location"]["path"] for row in rows}

    first = prints(whole)
    moved = report(project(tmp_path / "another" / "folder"))
    assert prints(moved) == first
    assert len(first) == len(whole.findings)


def test_the_json_document_is_valid_against_its_schema(whole):
    schema = json.loads((ROOT / "rules" / "schema" / "report.schema.json").read_text(encoding="utf-8"))
    jsonschema.validate(json.loads(render(whole, "json")), schema)


def test_services_get_no_more_than_they_show(whole):
    """A hub of 3,000 modules, half of which conform: GitHub shows ten annotations of a kind, and a summary of 1 MiB."""
    modules = []
    for number in range(500):
        modules += [
            replace(m, key=f"{m.key}{number:0100}", path=f"{m.path}{number}", script=None) for m in whole.modules
        ]
    hub = replace(whole, modules=modules, summary=summarize(modules))
    lines = render(hub, "github").splitlines()
    kinds = Counter(match[1] for line in lines if (match := re.match("::(error|warning|notice) ", line)))
    assert kinds == {"error": 10, "warning": 10, "notice": 1}
    errors = [line for line in lines if line.startswith("::error")]
    assert len({file[1] for line in errors if (file := re.search("file=(.*?),line", line))}) == 9, "a module each"
    begin, end = (
        lines.index("::group::hubcheck: everything beyond the limit of ten annotations"),
        lines.index("::endgroup::"),
    )
    assert end - begin - 1 == len(hub.findings) + len(hub.notices) - 9 - 9
    assert "::error title=hubcheck::1491 more, listed in the log and in the other reports" in lines
    summary = render(hub, "markdown")
    assert 500_000 < len(summary.encode()) < 1 << 20
    verdicts = re.findall(r"^### \S+ (\w+): `(.+)`, ", summary, re.M)
    assert {verdict for verdict, _ in verdicts} == {"failed"}
    listed, rest = (
        len(re.findall(r"^- \S+ \*\*error", summary, re.M)),
        re.search(r"^(\d+) more findings, listed", summary, re.M),
    )
    assert rest is not None and listed + int(rest[1]) == len(hub.findings)
    assert re.search(r"^\d+ more modules, listed in the other reports$", summary, re.M)
    assert "modules/good" not in summary
