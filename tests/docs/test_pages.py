"""What pages show and no example runs: CI files that services accept, complete tables, tests that can fail."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

import hubcheck
import hubcheck.author
import hubcheck.hub
from hubcheck.config.file import read_config
from hubcheck.report.formats import FORMATS
from hubcheck.rulebook.rules import load_rules, select
from tests.docs.examples import blocks
from tests.paths import DATA, ROOT

GUIDES = ROOT / "docs" / "guides"
README = ROOT / "README.md"
CI = GUIDES / "ci.md"
HOUSE = GUIDES / "house-rules.md"


def block(page: Path, name: str) -> str:
    """The example of a page that is the file `name`."""
    (found,) = [b for b in blocks(page.read_text(encoding="utf-8")) if b.directives.get("file") == name]
    return found.text


def test_the_readme_is_a_front_page():
    assert len(README.read_text(encoding="utf-8").splitlines()) <= 150


def test_the_configuration_is_one(tmp_path):
    (tmp_path / "hubcheck.toml").write_text(block(GUIDES / "configuration.md", "hubcheck.toml"), encoding="utf-8")
    config = read_config(tmp_path / "hubcheck.toml")
    rules = load_rules()
    for entry in (*config.select, *config.ignore, *config.xfail):
        assert select(entry.rules, rules)
    assert select(config.levels, rules)


def test_the_table_of_limits_has_them_all():
    schema = json.loads((ROOT / "rules" / "schema" / "config.schema.json").read_text(encoding="utf-8"))
    page = (GUIDES / "configuration.md").read_text(encoding="utf-8")
    for key, value in schema["properties"]["limits"]["properties"].items():
        assert f"`{key}`" in page
        assert "default" not in value or f"| {value['default']} |" in page


@pytest.mark.parametrize("module", [hubcheck, hubcheck.author, hubcheck.hub], ids=lambda module: module.__name__)
def test_every_public_name_is_in_the_reference(module):
    page = (ROOT / "docs" / "reference" / "python.md").read_text(encoding="utf-8")
    assert [name for name in module.__all__ if f":: {module.__name__}.{name}\n" not in page] == []


WORKFLOWS = [(page, ".github/workflows/modules.yml") for page in (README, CI)]


@pytest.mark.parametrize(
    ("page", "name", "schema"),
    [*((*each, "vendor.github-workflows") for each in WORKFLOWS), (CI, ".gitlab-ci.yml", "vendor.gitlab-ci")],
)
def test_the_ci_files_keep_the_schemas_of_their_services(page, name, schema, tmp_path):
    (tmp_path / "ci.yml").write_text(block(page, name), encoding="utf-8")
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, str(tmp_path / "ci.yml")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(("page", "name"), WORKFLOWS)
def test_the_workflow_gives_inputs_that_the_action_has(page, name):
    action = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
    steps = yaml.safe_load(block(page, name))["jobs"]["hubcheck"]["steps"]
    (ours,) = [step for step in steps if "hubcheck" in step["uses"]]
    assert set(ours["with"]) <= set(action["inputs"])


def test_the_pre_commit_configuration_names_the_hook():
    hooks = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8"))
    (repo,) = yaml.safe_load(block(CI, ".pre-commit-config.yaml"))["repos"]
    assert [hook["id"] for hook in repo["hooks"]] == [hook["id"] for hook in hooks]


def test_the_gitlab_job_writes_the_reports_that_it_keeps(tmp_path):
    job = yaml.safe_load(block(CI, ".gitlab-ci.yml"))["hubcheck"]
    shutil.copytree(DATA / "e_fixed_batch_1", tmp_path / "exports" / "m")
    script = [line for line in job["script"] if line.startswith("hubcheck")]
    command = ["bash", "-ec", f'hubcheck() {{ "{sys.executable}" -m hubcheck "$@"; }}; {script[0]}']
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    for name in job["artifacts"]["reports"].values():
        assert "image-input/batch-size" in (tmp_path / name).read_text(encoding="utf-8")


@pytest.mark.parametrize(("classes", "code", "status"), [(10, 0, "passed"), (11, 1, "failed")])
def test_the_rule_of_ones_own_is_checked(classes, code, status, tmp_path):
    (tmp_path / "house" / "house").mkdir(parents=True)
    (tmp_path / "house" / "house" / "ten-classes.toml").write_text(
        block(HOUSE, "house/house/ten-classes.toml"), encoding="utf-8"
    )
    check = block(HOUSE, "house/checks.py").replace("!= 10", f"!= {classes}")
    (tmp_path / "house" / "checks.py").write_text(check, encoding="utf-8")
    command = [sys.executable, "-m", "hubcheck", "validate", "--static", "--rules", "house", "--select", "house"]
    command += ["--format", "json", str(DATA / "b_good_classification"), str(DATA / "a_good_feature_vector")]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stderr
    outcomes = [outcome for module in json.loads(done.stdout)["modules"] for outcome in module["outcomes"]]
    ours = [outcome["status"] for outcome in outcomes if outcome["rule"] == "house/ten-classes"]
    assert ours == [status, "skipped"]


def test_every_format_is_in_the_table():
    table = CI.read_text(encoding="utf-8").split("| format | suffix | for |")[1].split("\n\n")[0]
    for name, suffixes in FORMATS.items():
        assert f"`{name}`" in table
        assert not suffixes or f"`{suffixes[0]}`" in table


def test_the_property_holds_for_a_good_module_and_finds_a_bad_one(tmp_path, fixture_module: Callable[[str], Path]):
    (tmp_path / "test_own.py").write_text(block(GUIDES / "pytest.md", "test_property.py"), encoding="utf-8")
    for name, code in (("good", 0), ("bad", 1)):
        shutil.copytree(fixture_module(f"behaviour/batch-size/{name}"), tmp_path / "exports" / "m", dirs_exist_ok=True)
        done = pytested(tmp_path)
        assert done.returncode == code, done.stdout
    assert "images=" in done.stdout


def pytested(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest", "-q", "--rootdir", str(folder), "test_own.py"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
