"""Formats for continuous integration, read by the tools that read them there."""

from __future__ import annotations

import json

import jsonschema
import pytest

import hubcheck
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
