"""Every format has the same facts, and these are the ones that the modules of the project are known for."""

from __future__ import annotations

import pytest

import hubcheck
from hubcheck.report.formats import FORMATS, render
from hubcheck.rulebook.rules import load_rules
from tests.report.facts import FAILED, FINDINGS, READERS, SUPPRESSED, from_json, unescaped
from tests.report.reports import MODULES


@pytest.mark.parametrize("name", READERS)
def test_every_format_has_the_known_findings_verdicts_and_suppressions(name: str, whole: hubcheck.Report) -> None:
    facts = READERS[name](whole)
    located = name != "concise"
    assert facts.findings == {(key, rule, where if located else "") for key, rule, where in FINDINGS}
    if facts.verdicts is not None:
        verdicts = {key: "violates" if key in FAILED else "conforms" for key in (f"modules/{m}" for m in MODULES)}
        assert facts.verdicts == verdicts
    if facts.suppressed is not None:
        assert facts.suppressed == SUPPRESSED


@pytest.mark.parametrize("name", [name for name in READERS if name not in ("gitlab", "concise", "json", "github")])
def test_every_format_has_the_counts_and_skipped_rules_of_the_json_report(name: str, whole: hubcheck.Report) -> None:
    facts, expected = READERS[name](whole), from_json(whole)
    assert facts.counts is not None and expected.counts is not None and expected.skipped is not None
    listed = set(facts.counts)
    assert listed == ({key for key, _, _ in FINDINGS} if name == "markdown" else set(expected.counts))
    assert facts.counts == {key: counts for key, counts in expected.counts.items() if key in listed}
    assert facts.skipped == {skip for skip in expected.skipped if skip[0] in listed}


@pytest.mark.parametrize("name", ["github", "markdown"])
def test_what_is_suppressed_in_modules_that_conform_is_said_once(name: str, whole: hubcheck.Report) -> None:
    text = unescaped(render(whole, name)).replace("%3A", ":").replace("%2C", ",")
    ((_, rule, _, reason),) = SUPPRESSED
    assert text.count(f"ignored: {rule} in 1 module: {reason}") == 1
    assert "modules/good" not in text


def test_what_needs_a_run_is_skipped_and_what_does_not_is_counted(whole: hubcheck.Report) -> None:
    rules, facts = load_rules().values(), from_json(whole)
    probes = {rule.id for rule in rules if rule.phase == "probe"}
    assert probes
    assert facts.counts is not None and facts.skipped is not None
    for key in (f"modules/{module}" for module in MODULES):
        assert sum(facts.counts[key].values()) == len(rules)
        assert probes <= {rule for module, rule, _ in facts.skipped if module == key}
        assert facts.counts[key]["skipped"] == sum(module == key for module, _, _ in facts.skipped)


def test_no_format_is_left_out() -> None:
    assert set(READERS) == set(FORMATS)


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_has_the_message_of_each_finding(name: str, whole: hubcheck.Report) -> None:
    flat = " ".join(unescaped(render(whole, name)).split())
    for finding in whole.findings:
        assert finding.message in flat


@pytest.mark.parametrize("name", [name for name in FORMATS if name != "gitlab"])
def test_every_format_has_the_notices_of_the_configuration(name: str, whole: hubcheck.Report) -> None:
    (notice,) = whole.notices
    assert "output/key-prefix" in notice and "modules/named" in notice
    assert notice in " ".join(unescaped(render(whole, name)).split())


def test_a_level_of_the_configuration_is_the_level_of_the_finding(whole: hubcheck.Report) -> None:
    assert {(f.rule, f.level) for f in whole.findings if f.rule.startswith("classification/")} == {
        ("classification/documentation", "warning")
    }
