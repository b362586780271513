"""Every format counts and names the rules that a fault kept from being checked although it does not count."""

from __future__ import annotations

import json
import shutil

import jsonschema
import pytest

import hubcheck
from hubcheck.report.formats import FORMATS, render
from tests.paths import DATA, ROOT
from tests.report.facts import unescaped

CONFIG = """
[[ignore]]
rules = ["image-input/batch-size", "module/readable"]
reason = "an exporter that we cannot change"

[[xfail]]
rules = ["safety"]
reason = "we know"
"""
SENTENCES = (
    "rules not checked: they need image-input/batch-size, which is ignored (",
    "rules not checked: they need module/readable, which is ignored, so the verdict is incomplete (",
)


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> hubcheck.Report:
    """The first module rests on a fault that was accepted, the second on one that was not."""
    folder = tmp_path_factory.mktemp("project")
    (folder / "hubcheck.toml").write_text(CONFIG, encoding="utf-8")
    shutil.copytree(DATA / "e_fixed_batch_1", folder / "a_batch")
    shutil.copytree(DATA / "cases" / "unsafe_behind_unreadable", folder / "b_unreadable")
    return hubcheck.validate(folder, static=True, config=folder / "hubcheck.toml")


def test_one_verdict_stands_and_the_other_is_incomplete(report: hubcheck.Report) -> None:
    assert [module.verdict for module in report.modules] == ["conforms", "incomplete"]
    assert [[(row.need, row.accepted) for row in module.unchecked] for module in report.modules] == [
        [("image-input/batch-size", True)],
        [("module/readable", False)],
    ]


@pytest.mark.parametrize("name", [name for name in FORMATS if name not in ("json", "jsonl")])
def test_a_format_for_people_counts_and_names_them(name: str, report: hubcheck.Report) -> None:
    flat = " ".join(unescaped(render(report, name)).split())
    for words, module in zip(SENTENCES, report.modules, strict=True):
        sentence = f"{len(module.unchecked[0].rules)} {words}"
        assert sentence in flat
        named = flat[flat.index(sentence) + len(sentence) :].partition(")")[0]
        assert named.split(", ") == list(module.unchecked[0].rules)
        assert flat.count(sentence) == 1, "it is said once"


@pytest.mark.parametrize("name", ["json", "jsonl"])
def test_a_format_for_programs_has_them_as_data(name: str, report: hubcheck.Report) -> None:
    text = render(report, name)
    rows = json.loads(text)["modules"] if name == "json" else list(map(json.loads, text.splitlines()))
    for row, module in zip(rows, report.modules, strict=False):
        (unchecked,) = module.unchecked
        assert row["unchecked"] == [
            {"need": unchecked.need, "why": "ignore", "accepted": unchecked.accepted, "rules": list(unchecked.rules)}
        ]
        resting = {outcome["rule"] for outcome in row["outcomes"] if outcome.get("rests_on") == [unchecked.need]}
        assert resting == set(unchecked.rules)
    if name == "jsonl":
        assert rows[-1]["summary"]["unchecked"] == sum(len(module.unchecked[0].rules) for module in report.modules)


def test_the_json_report_keeps_its_schema(report: hubcheck.Report) -> None:
    schema = json.loads((ROOT / "rules" / "schema" / "report.schema.json").read_text(encoding="utf-8"))
    jsonschema.validate(json.loads(render(report, "json")), schema)


def test_the_line_with_the_verdicts_counts_them(report: hubcheck.Report) -> None:
    number = sum(len(module.unchecked[0].rules) for module in report.modules)
    assert f"; {number} rules not checked\n" in render(report, "text")


def test_a_fault_that_counts_adds_nothing() -> None:
    report = hubcheck.validate(DATA / "e_fixed_batch_1", static=True)
    assert all("not checked" not in render(report, name) for name in FORMATS)
