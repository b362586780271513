"""Every format says when and with what a run was made, and the same counts of all modules."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import jsonschema
import pytest

import hubcheck
from hubcheck.report.formats import FORMATS, render
from hubcheck.report.text import render as render_text
from hubcheck.report.text_lines import TextStyle
from tests.paths import ROOT
from tests.report.facts import unescaped

TOTALS = "6 modules: 3 passed, 3 failed; 3 errors, 1 warning; 1 finding suppressed"


@pytest.mark.parametrize("name", ["text", "concise", "junit", "github", "markdown", "html"])
def test_a_format_for_people_has_the_counts_of_all_modules(name: str, whole: hubcheck.Report) -> None:
    text = unescaped(render(whole, name)).replace("%3A", ":").replace("%2C", ",")
    assert TOTALS in text


@pytest.mark.parametrize("name", [name for name in FORMATS if name not in ("text", "concise", "gitlab")])
def test_a_report_has_its_date_versions_and_baseline(name: str, whole: hubcheck.Report) -> None:
    report = replace(whole, tensorflow="2.99.1", created="2026-11-26T12:00:00Z", baseline="old/known.json")
    text = unescaped(render(report, name)).replace("%3A", ":")
    for value in ("2026-11-26T12:00:00Z", "2.99.1", hubcheck.__version__, "common-signatures", "old/known.json"):
        assert value in text
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", whole.created)


def test_the_verbose_text_has_them_in_its_last_line(whole: hubcheck.Report) -> None:
    last = "".join(render_text(whole, TextStyle(width=200, verbose=True))).splitlines()[-1]
    assert last.split() == f"run created {whole.created}, hubcheck 0.1.0, convention common-signatures".split()


def test_the_summary_of_the_json_report_counts_its_modules_and_keeps_the_schema(whole: hubcheck.Report) -> None:
    document = json.loads(render(replace(whole, baseline="known.json"), "json"))
    jsonschema.validate(document, json.loads((ROOT / "rules/schema/report.schema.json").read_text(encoding="utf-8")))
    summary, modules = document["summary"], document["modules"]
    verdicts = [module["verdict"] for module in modules]
    assert [summary["modules"], summary["conform"], summary["violate"]] == [
        len(modules),
        verdicts.count("conforms"),
        verdicts.count("violates"),
    ]
    assert summary["suppressed"] == sum(len(module.get("suppressed", ())) for module in modules) == 1
    assert summary == json.loads(render(whole, "jsonl").splitlines()[-1])["summary"]
    assert summary == json.loads(render(whole, "sarif"))["runs"][0]["properties"]["summary"]
