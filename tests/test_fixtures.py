"""Every fixture script publishes a module with exactly the findings that the script lists."""

from __future__ import annotations

import json
import traceback
from collections.abc import Mapping
from pathlib import Path

import pytest

import hubcheck
from hubcheck.rulebook.convention import CONVENTIONS
from hubcheck.rulebook.rules import load_rules
from tests.publishing import exclusive, published_once, scripts

SCRIPTS = {script.id: script for script in scripts()}
RULES = list(load_rules())

Results = Mapping[str, Mapping[str, list[str]]]


@pytest.fixture(scope="session")
def results(request: pytest.FixtureRequest, common_tmp: Path) -> Results:
    """The findings of the selected scripts: built and validated once, in one call, by one of the test processes."""
    selected = sorted({item.callspec.params["script"] for item in request.session.items if _uses_results(item)})
    folder = common_tmp / "fixtures"
    with exclusive(folder.with_name("results")):
        file = folder.with_name("results") / "results.json"
        if not file.exists():
            results: dict[str, dict[str, list[str]]] = {}
            modules: dict[str, str] = {}
            for name in selected:
                try:
                    modules[name] = str(published_once(SCRIPTS[name], folder))
                except Exception:
                    results[name] = {"broken": [traceback.format_exc()]}
            for convention in CONVENTIONS:
                paths = {path: name for name, path in modules.items() if SCRIPTS[name].convention == convention}
                if paths:
                    report = hubcheck.validate(list(paths), convention=convention)
                    results |= {paths[module.path]: _result(module) for module in report.modules}
            file.write_text(json.dumps(results))
        return json.loads(file.read_text())


def _uses_results(item: pytest.Item) -> bool:
    return getattr(item, "originalname", "") == test_a_script_has_exactly_the_findings_that_it_lists.__name__


def _result(module: hubcheck.ModuleReport) -> dict[str, list[str]]:
    return {
        "rules": sorted({finding.rule for finding in module.findings}),
        "findings": [f"{f.level} {f.rule}: {f.message} (found {f.found}, wanted {f.wanted})" for f in module.findings],
        "broken": [f"{o.rule}: {o.reason}" for o in module.outcomes if o.status == "broken"],
        "undecided": [f"{o.rule}: {o.reason}" for o in module.outcomes if not o.complete],
    }


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_script_has_exactly_the_findings_that_it_lists(script: str, results: Results) -> None:
    needs = SCRIPTS[script].constants.get("NEEDS")
    if needs is not None:
        pytest.skip(f"needs a {needs}")
    result = results[script]
    assert result["broken"] == []
    assert result["undecided"] == []
    assert result["rules"] == SCRIPTS[script].findings, "\n".join(result["findings"]) or "no finding"


def test_every_rule_has_a_good_and_a_bad_script() -> None:
    assert [rule for rule in RULES if not {f"{rule}/good", f"{rule}/bad"} <= SCRIPTS.keys()] == []


def test_every_folder_of_scripts_belongs_to_a_rule() -> None:
    assert {script.rule for script in SCRIPTS.values()} <= set(RULES)


def test_good_scripts_name_no_findings_and_bad_ones_name_their_rule() -> None:
    good = [script.id for script in SCRIPTS.values() if script.good and "FINDINGS" in script.constants]
    bad = [script.id for script in SCRIPTS.values() if not script.good and script.rule not in script.findings]
    assert good + bad == []


def test_docstrings_are_one_line() -> None:
    assert [script.id for script in SCRIPTS.values() if len(script.docstring.splitlines()) != 1] == []


def test_every_bad_script_has_a_good_one_to_compare_with() -> None:
    bad = [script for script in SCRIPTS.values() if not script.good]
    assert [script.id for script in bad if not script.path.with_name(f"{script.twin}.py").exists()] == []


def test_docstrings_of_one_rule_differ() -> None:
    scripts_by_text: dict[tuple[str, str], list[str]] = {}
    for script in SCRIPTS.values():
        scripts_by_text.setdefault((script.rule, script.docstring), []).append(script.id)
    assert [names for names in scripts_by_text.values() if len(names) > 1] == []
