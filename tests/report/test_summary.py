"""Counts over many modules are the same in text, JSON lines and HTML, and agree with the modules' reports."""

from __future__ import annotations

import json
import re
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from hubcheck.cli.group import cli
from hubcheck.rulebook.levels import LEVELS
from tests.paths import DATA
from tests.report.facts import unbroken

SOURCES = ("a_good_feature_vector", "e_fixed_batch_1", "c_dropout_on_features_train", "e_fixed_batch_1")


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("fleet")
    for number in range(14):
        shutil.copytree(DATA / SOURCES[number % 4], folder / f"m{number:02}")
    broken = folder / "m14"
    broken.mkdir()
    (broken / "saved_model.pb").write_bytes(b"no model")
    return folder


def run_validate(fleet: Path, *options: str) -> str:
    return CliRunner().invoke(cli, ["validate", "--static", "--no-cache", *options, str(fleet)]).output


@pytest.fixture(scope="module")
def modules(fleet: Path) -> list[dict[str, Any]]:
    return json.loads(run_validate(fleet, "--format", "json"))["modules"]


@pytest.fixture(scope="module")
def by_rule(modules: list[dict[str, Any]]) -> dict[str, tuple[int, int]]:
    """For each failed rule, how many modules and findings."""
    findings = Counter(finding["rule"] for module in modules for finding in module["findings"])
    broken = Counter(rule for module in modules for rule in {finding["rule"] for finding in module["findings"]})
    return {rule: (broken[rule], findings[rule]) for rule in findings}


def errors_of(module: dict[str, Any]) -> int:
    return sum(finding["level"] == "error" for finding in module["findings"])


def test_the_text_ends_with_the_rules_by_count_and_the_worst_modules(
    fleet: Path, modules: list[dict[str, Any]], by_rule: dict[str, tuple[int, int]]
) -> None:
    text = run_validate(fleet)
    rows = re.findall(r"^ +(\d+) +(\d+)  (error|warning|note) (\S+)$", text, re.MULTILINE)
    assert {rule: (int(count), int(found)) for count, found, _, rule in rows} == by_rule
    order = [(LEVELS.index(level), -int(count)) for count, _, level, _ in rows]
    assert order == sorted(order), "errors first, then what most modules fail"
    worst = re.findall(r"^ +(\d+) +\d+  (/\S+)$", text, re.MULTILINE)
    expected = sorted(modules, key=lambda module: -errors_of(module))
    assert [int(errors) for errors, _ in worst] == [errors_of(module) for module in expected[: len(worst)]]
    assert len(worst) == min(10, sum(module["verdict"] == "violates" for module in modules))
    assert re.search(r"^15 modules: 4 passed, ", text, re.MULTILINE)
    assert text.splitlines()[-1] == "next       hubcheck explain image-input/batch-size"


def test_few_modules_have_no_tables(fleet: Path) -> None:
    text = run_validate(fleet / "m00", str(fleet / "m01"))
    assert "worst modules" not in text
    assert "\n2 modules: 1 passed" in text


def test_the_last_line_of_jsonl_has_the_same_counts(
    fleet: Path, modules: list[dict[str, Any]], by_rule: dict[str, tuple[int, int]]
) -> None:
    summary = json.loads(run_validate(fleet, "--format", "jsonl").splitlines()[-1])["summary"]
    assert summary["modules"] == len(modules)
    verdicts = Counter(module["verdict"] for module in modules)
    assert [summary["conform"], summary["violate"], summary["incomplete"]] == [
        verdicts[verdict] for verdict in ("conforms", "violates", "incomplete")
    ]
    assert Counter(summary["levels"]) == Counter(f["level"] for module in modules for f in module["findings"])
    assert summary == json.loads(run_validate(fleet, "--format", "json"))["summary"]
    assert {row["rule"]: (row["modules"], row["findings"]) for row in summary["rules"]} == by_rule
    paths = {module["path"]: module for module in modules}
    assert all(errors_of(paths[row["path"]]) == row["errors"] for row in summary["worst"])


def test_the_page_has_the_same_counts_and_links_to_modules(
    fleet: Path, by_rule: dict[str, tuple[int, int]], modules: list[dict[str, Any]]
) -> None:
    page = unbroken(run_validate(fleet, "--format", "html"))
    row = r'href="#rule=([^"]+)">[^<]+</a>\s+<span>(\d+) modules?, (\d+) findings?</span>'
    assert {rule: (int(count), int(found)) for rule, count, found in re.findall(row, page)} == by_rule
    listed = re.findall(r'id="m(\d+)" data-errors="(\d+).*?data-rules="([^"]*)".*?<h3>([^<]+)</h3>', page, re.S)
    assert len(listed) == len(modules)
    for number, errors, rules, name in listed:
        module = modules[int(number)]
        assert module["path"].endswith(name) and int(errors) == errors_of(module)
        assert set(rules.split()) == {finding["rule"] for finding in module["findings"]}
    failing = [int(errors) for _, errors, _, _ in listed if int(errors)]
    assert failing == sorted(failing, reverse=True) and failing == [int(row[1]) for row in listed[: len(failing)]]


def test_modules_that_did_not_change_are_cached(fleet: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    runner = CliRunner()
    first, second = (runner.invoke(cli, ["validate", "--static", str(fleet)]).output for _ in range(2))
    assert "cached" not in first
    assert "15 modules (15 cached): " in second


def test_an_output_that_cannot_be_written_is_reported_in_one_sentence(fleet: Path) -> None:
    done = CliRunner().invoke(cli, ["validate", "--static", str(fleet / "m00"), "--output", "json=/dev/full"])
    assert "\nError: /dev/full: cannot be written: No space left on device\n" in done.output


def test_the_target_of_a_link_is_replaced_and_the_link_stays(fleet: Path, tmp_path: Path) -> None:
    (tmp_path / "report.json").write_text("old")
    target = tmp_path / "link.json"
    target.symlink_to("report.json")
    assert run_validate(fleet, "--output", str(target))
    assert target.is_symlink()
    assert json.loads((tmp_path / "report.json").read_text())["modules"]
    assert sorted(file.name for file in tmp_path.iterdir()) == ["link.json", "report.json"]
