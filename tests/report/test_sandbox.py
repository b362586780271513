"""Every format tells what confined a module when it was run, and what did not, with the reason."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

import hubcheck
from hubcheck.report.formats import FORMATS, render
from tests.paths import DATA
from tests.report.facts import unescaped

ENFORCED = ("deadline", "files (Landlock)")
MISSING = ("files (namespaces): bubblewrap is not installed",)


@pytest.fixture(scope="module")
def report() -> hubcheck.Report:
    """A report as a run in such a sandbox makes it."""
    found = hubcheck.validate(DATA / "a_good_feature_vector", static=True, config=None)
    return replace(found, modules=[replace(found.modules[0], protections=ENFORCED, missing_protections=MISSING)])


@pytest.mark.parametrize("name", [name for name in FORMATS if name not in ("json", "jsonl")])
def test_a_format_for_people_names_what_is_enforced_and_what_is_missing(name: str, report: hubcheck.Report) -> None:
    flat = " ".join(unescaped(render(report, name)).split())
    assert "deadline; Landlock: files" in flat
    assert MISSING[0] in flat
    assert "sandbox" not in render(replace(report, modules=[replace(report.modules[0], protections=None)]), "text")


@pytest.mark.parametrize("name", ["json", "jsonl"])
def test_the_document_lists_them(name: str, report: hubcheck.Report) -> None:
    text = render(report, name)
    row = json.loads(text)["modules"][0] if name == "json" else json.loads(text.splitlines()[0])
    assert row["sandbox"] == {"enforced": list(ENFORCED), "missing": list(MISSING)}
    static = hubcheck.validate(DATA / "a_good_feature_vector", static=True).modules[0]
    assert static.protections is None
