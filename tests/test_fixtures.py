"""Every fixture script publishes a module with exactly the findings that it names, over all rules."""

from __future__ import annotations

import json
import traceback
from collections.abc import Mapping
from pathlib import Path

import pytest

import hubcheck
from hubcheck.rulebook.rules import load_rules
from hubcheck.util import resources
from tests.publishing import Script, alone, published, scripts

SCRIPTS = {script.id: script for script in scripts()}
BAD = [script for script in SCRIPTS.values() if not script.good]
RULES = sorted(load_rules())

Verdicts = Mapping[str, Mapping[str, list[str]]]


@pytest.fixture(scope="session")
def verdicts(request: pytest.FixtureRequest, common_tmp: Path) -> Verdicts:
    """Findings of every script that this run asks for: built and validated once, by one process, in one call."""
    asked = sorted({item.callspec.params["script"] for item in request.session.items if _builds(item)})
    folder = common_tmp / "fixtures"
    with alone(folder):
        known = folder / "verdicts.json"
        if not known.exists():
            told: dict[str, dict[str, list[str]]] = {}
            modules: dict[str, str] = {}
            for name in asked:
                try:
                    modules[name] = str(published(SCRIPTS[name], folder))
                except Exception:
                    told[name] = {"broken": [traceback.format_exc()]}
            reports = {module.path: module for module in hubcheck.validate(list(modules.values())).modules}
            told |= {name: _told(reports[path]) for name, path in modules.items()}
            known.write_text(json.dumps(told))
        return json.loads(known.read_text())


def _builds(item: pytest.Item) -> bool:
    return getattr(item, "originalname", "") == test_a_script_has_exactly_the_findings_that_it_names.__name__


def _told(module: hubcheck.ModuleReport) -> dict[str, list[str]]:
    return {
        "rules": sorted({finding.rule for finding in module.findings}),
        "findings": [f"{f.level} {f.rule}: {f.message} (found {f.found}, wanted {f.wanted})" for f in module.findings],
        "broken": [f"{o.rule}: {o.reason}" for o in module.outcomes if o.status == "broken"],
        "undecided": [f"{o.rule}: {o.reason}" for o in module.outcomes if not o.complete],
    }


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_script_has_exactly_the_findings_that_it_names(script: str, verdicts: Verdicts) -> None:
    needs = SCRIPTS[script].constants.get("NEEDS")
    if needs is not None:
        pytest.skip(f"needs a {needs}")
    said = verdicts[script]
    assert said["broken"] == []
    assert said["undecided"] == []
    assert said["rules"] == SCRIPTS[script].findings, "\n".join(said["findings"]) or "no finding"


@pytest.mark.parametrize("rule", RULES)
def test_every_rule_has_a_good_and_a_bad_script(rule: str) -> None:
    names = {path.name for path in (resources.folder("fixtures") / rule).glob("*.py")}
    assert {"good.py", "bad.py"} <= names


def test_every_folder_of_scripts_belongs_to_a_rule() -> None:
    assert {script.rule for script in SCRIPTS.values()} <= set(RULES)


@pytest.mark.parametrize("script", SCRIPTS.values(), ids=SCRIPTS)
def test_a_good_script_names_no_finding_and_a_bad_one_that_of_its_rule(script: Script) -> None:
    if script.good:
        assert "FINDINGS" not in script.constants
    else:
        assert script.rule in script.findings


@pytest.mark.parametrize("script", SCRIPTS.values(), ids=SCRIPTS)
def test_a_script_says_in_one_line_what_is_right_or_wrong(script: Script) -> None:
    assert script.docstring
    assert "\n" not in script.docstring


@pytest.mark.parametrize("script", BAD, ids=[script.id for script in BAD])
def test_a_bad_script_has_a_good_twin(script: Script) -> None:
    assert script.path.with_name(f"{script.twin}.py").exists()


def test_titles_differ() -> None:
    """Two scripts of a rule that say the same of themselves teach the same."""
    seen: dict[tuple[str, str], str] = {}
    for script in SCRIPTS.values():
        other = seen.setdefault((script.rule, script.docstring), script.id)
        assert other == script.id, f"{other} and {script.id} say the same"
