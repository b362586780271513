"""The convention is one option: of the command line, the configuration, Python and pytest, in reports and the cache."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest

import hubcheck
from hubcheck.report.formats import FORMATS
from hubcheck.rulebook.convention import CONVENTIONS, DEFAULT_CONVENTION
from hubcheck.rulebook.rules import load_rules, under
from hubcheck.util import resources
from hubcheck.util.errors import UserError
from tests.paths import DATA

MODULE = DATA / "a_good_feature_vector"
LATER = "saved-model-api"


def command(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"XDG_CACHE_HOME": str(folder / "cache"), "COLUMNS": "200"}
    run = [sys.executable, "-m", *arguments]
    return subprocess.run(run, cwd=folder, capture_output=True, text=True, check=False, env=environment)


def failed(report: str) -> set[str]:
    return {finding["rule"] for module in json.loads(report)["modules"] for finding in module["findings"]}


def test_a_tf1_module_has_no_callable_to_judge() -> None:
    report = hubcheck.validate(MODULE, static=True, convention=LATER)
    (finding,) = report.findings
    assert (finding.rule, finding.level) == ("module/callable", "error")
    assert "TF1 Hub format" in finding.message
    rests = {outcome.rule for outcome in report.modules[0].outcomes if "module/callable" in outcome.rests_on}
    assert {"image-input/dtype", "output/rank", "output/no-dropout", "device/pinned", "behaviour/runs"} <= rests


@pytest.mark.parametrize("selected", ["image-input", "device", "output", "behaviour/deterministic"])
def test_what_rests_on_the_callable_is_incomplete_where_that_is_not_selected(selected: str) -> None:
    assert hubcheck.validate(MODULE, static=True, convention=LATER, select=[selected]).exit_code == 3


def test_another_name_is_an_error() -> None:
    with pytest.raises(UserError, match="common-signatures and saved-model-api"):
        hubcheck.validate(MODULE, static=True, convention="tf2")  # type: ignore[arg-type]


def test_the_json_report_states_it_and_is_valid(tmp_path: Path) -> None:
    schema = json.loads((resources.folder("rules") / "schema" / "report.schema.json").read_text(encoding="utf-8"))
    for convention in CONVENTIONS:
        options = ("--static", "--format", "json", "--convention", convention)
        done = command("hubcheck", "validate", *options, str(MODULE), folder=tmp_path)
        document = json.loads(done.stdout)
        jsonschema.validate(document, schema)
        assert document["convention"] == convention


@pytest.mark.parametrize("style", sorted(set(FORMATS) - {"gitlab"}))
def test_every_format_that_describes_the_run_states_it(style: str, tmp_path: Path) -> None:
    options = ("--static", "--format", style, "--convention", LATER)
    done = command("hubcheck", "validate", *options, str(MODULE), folder=tmp_path)
    assert LATER in done.stdout.replace("\\", "").replace("<wbr>", "")  # Markdown escapes hyphens


def test_the_command_line_takes_precedence_over_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "hubcheck.toml").write_text(f'convention = "{LATER}"\n', encoding="utf-8")
    options = ("--static", "--format", "json", str(MODULE))
    assert failed(command("hubcheck", "validate", *options, folder=tmp_path).stdout) == {"module/callable"}
    given = ("--convention", DEFAULT_CONVENTION)
    assert failed(command("hubcheck", "validate", *given, *options, folder=tmp_path).stdout) == set()


@pytest.mark.slow
def test_several_processes_and_the_cache_keep_conventions_apart(tmp_path: Path) -> None:
    options = ("--static", "--jobs", "2", "--format", "json", str(MODULE), str(DATA / "b_good_classification"))
    for _ in range(2):
        for convention, found in ((DEFAULT_CONVENTION, set()), (LATER, {"module/callable"})):
            done = command("hubcheck", "validate", "--convention", convention, *options, folder=tmp_path)
            assert {rule for rule in failed(done.stdout) if rule != "classification/documentation"} == found


@pytest.mark.slow
@pytest.mark.parametrize(
    ("ini", "options", "code"),
    [("", (), 0), (LATER, (), 1), ("", ("--hubcheck-convention", LATER), 1), ("nothing", (), 2)],
)
def test_pytest_takes_it_as_an_option_and_from_the_ini_file(
    ini: str, options: tuple[str, ...], code: int, tmp_path: Path
) -> None:
    (tmp_path / "pytest.ini").write_text(f"[pytest]\nhubcheck_convention = {ini}\n", encoding="utf-8")
    shutil.copytree(MODULE, tmp_path / "m")
    select = ("-k", "callable", "--hubcheck-static", "--hubcheck", "m")
    done = command("pytest", "-p", "no:cacheprovider", *select, *options, folder=tmp_path)
    assert done.returncode == code, done.stdout


def test_a_rule_has_its_usual_level_under_the_usual_convention() -> None:
    rules = load_rules()
    assert {
        rule.id for rule in rules.values() if rule.levels.get(DEFAULT_CONVENTION, rule.level) != rule.level
    } == set()
    assert under(LATER, rules)["module/callable"].level == "error"
    assert [rule.id for rule in rules.values() if not rule.applies(LATER)] == [
        "image-input/image-size",
        "module/default-signature",
        "module/task-signature",
    ]
