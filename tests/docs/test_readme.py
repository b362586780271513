"""What README.md shows works: its configuration, its CI files, its tests."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from hubcheck.config.file import read_config
from hubcheck.report.formats import FORMATS
from hubcheck.rulebook.rules import load_rules, select
from tests.paths import DATA, ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")


def block(language: str, having: str) -> str:
    """The one fenced block of that language with these words in it."""
    blocks = re.findall(rf"^```{language}\n(.*?)^```", README, re.M | re.S)
    (found,) = [text for text in blocks if having in text]
    return found


def test_the_configuration_is_one(tmp_path):
    (tmp_path / "hubcheck.toml").write_text(block("toml", "[[ignore]]"), encoding="utf-8")
    config = read_config(tmp_path / "hubcheck.toml")
    rules = load_rules()
    for entry in (*config.select, *config.ignore, *config.xfail):
        assert select(entry.rules, rules)
    assert select(config.levels, rules)


@pytest.mark.parametrize(
    ("having", "schema"), [("runs-on", "vendor.github-workflows"), ("artifacts", "vendor.gitlab-ci")]
)
def test_the_ci_files_keep_the_schemas_of_their_services(having, schema, tmp_path):
    (tmp_path / "ci.yml").write_text(block("yaml", having), encoding="utf-8")
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, str(tmp_path / "ci.yml")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_the_workflow_gives_inputs_that_the_action_has():
    action = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
    steps = yaml.safe_load(block("yaml", "runs-on"))["jobs"]["hubcheck"]["steps"]
    (ours,) = [step for step in steps if "hubcheck" in step["uses"]]
    assert set(ours["with"]) <= set(action["inputs"])


def test_the_pre_commit_configuration_names_the_hook():
    hooks = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8"))
    (repo,) = yaml.safe_load(block("yaml", "repos:"))["repos"]
    assert [hook["id"] for hook in repo["hooks"]] == [hook["id"] for hook in hooks]


def test_the_gitlab_job_writes_the_reports_that_it_keeps(tmp_path):
    job = yaml.safe_load(block("yaml", "artifacts"))["hubcheck"]
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
    (tmp_path / "house" / "house" / "ten-classes.toml").write_text(block("toml", "ten_classes"), encoding="utf-8")
    check = block("python", "def ten_classes").replace("!= 10", f"!= {classes}")
    (tmp_path / "house" / "checks.py").write_text(check, encoding="utf-8")
    command = [sys.executable, "-m", "hubcheck", "validate", "--static", "--rules", "house", "--select", "house"]
    command += ["--format", "json", str(DATA / "b_good_classification"), str(DATA / "a_good_feature_vector")]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stderr
    outcomes = [outcome for module in json.loads(done.stdout)["modules"] for outcome in module["outcomes"]]
    ours = [outcome["status"] for outcome in outcomes if outcome["rule"] == "house/ten-classes"]
    assert ours == [status, "skipped"]


def test_every_format_is_in_the_table():
    table = README.split("| format | suffix | for |")[1].split("\n\n")[0]
    for name, suffixes in FORMATS.items():
        assert f"`{name}`" in table
        assert not suffixes or f"`{suffixes[0]}`" in table


def test_the_tests_of_modules_that_tests_make_pass(tmp_path):
    text = block("python", "@pytest.mark.hubcheck")
    export = (
        "import shutil\n"
        f"def export(path, format='tf2'):\n    shutil.copytree({str(DATA / 'a_good_feature_vector')!r}, path)\n"
    )
    (tmp_path / "test_own.py").write_text(export + text, encoding="utf-8")
    (tmp_path / "hubcheck.toml").write_text("static = true\n", encoding="utf-8")
    assert pytested(tmp_path).returncode == 0


def test_the_property_holds_for_a_good_module_and_finds_a_bad_one(tmp_path, fixture_module: Callable[[str], Path]):
    (tmp_path / "test_own.py").write_text(block("python", "image_batches"), encoding="utf-8")
    for name, code in (("good", 0), ("bad", 1)):
        shutil.copytree(fixture_module(f"behaviour/batch-size/{name}"), tmp_path / "exports" / "m", dirs_exist_ok=True)
        done = pytested(tmp_path)
        assert done.returncode == code, done.stdout
    assert "images=" in done.stdout


def pytested(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest", "-q", "--rootdir", str(folder), "test_own.py"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
