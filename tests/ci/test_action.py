"""The GitHub action, as far as it can be tried without GitHub: its schema, and its steps run by bash."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

import hubcheck
from tests.paths import DATA, ROOT

ACTION = ROOT / "action.yml"


@pytest.fixture
def steps() -> dict[str, dict]:
    return {step["name"]: step for step in yaml.safe_load(ACTION.read_text(encoding="utf-8"))["runs"]["steps"]}


@pytest.fixture
def job(tmp_path: Path) -> Path:
    """The folder of a job: a checkout with two modules, and hubcheck where the first step installs it."""
    for name, source in {"good": "a_good_feature_vector", "bad one": "e_fixed_batch_1"}.items():
        shutil.copytree(DATA / source, tmp_path / "checkout" / "exports" / name)
    (tmp_path / "checkout" / ".git").mkdir()
    (tmp_path / "temp" / "hubcheck" / "bin").mkdir(parents=True)
    program = tmp_path / "temp" / "hubcheck" / "bin" / "hubcheck"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m hubcheck "$@"\n', encoding="utf-8")
    program.chmod(0o755)
    return tmp_path


def step(given: dict, job: Path, **env: str) -> subprocess.CompletedProcess[str]:
    """A step, as the runner runs bash."""
    assert given["shell"] == "bash"
    runner = {
        "RUNNER_TEMP": str(job / "temp"),
        "GITHUB_OUTPUT": str(job / "output"),
        "GITHUB_STEP_SUMMARY": str(job / "summary.md"),
        "GITHUB_ACTION_PATH": str(ROOT),
    }
    return subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", given["run"]],
        cwd=job / "checkout",
        env={**os.environ, **runner, **env},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_action_keeps_github_s_schema():
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.github-actions", str(ACTION)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_inputs_reach_the_shell_as_variables_only(steps):
    """An expression inside a script would let an input write the script."""
    for given in steps.values():
        assert "${{" not in given.get("run", "")


def test_every_input_that_is_used_is_declared():
    text = ACTION.read_text(encoding="utf-8")
    declared = yaml.safe_load(text)["inputs"]
    assert set(re.findall(r"inputs\.([\w-]+)", text)) == set(declared)


def test_validating_annotates_summarises_and_keeps_the_exit_code(steps, job):
    done = step(steps["Validate"], job, PATHS="exports", ARGUMENTS="--static --fail-on warning")
    assert done.returncode == 0, done.stderr
    assert "::error file=exports/bad one/saved_model.pb,line=1,title=hubcheck image-input/batch-size::" in done.stdout
    outputs = dict(line.split("=", 1) for line in (job / "output").read_text().splitlines())
    assert outputs["exit-code"] == "1"
    uris = [
        result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
        for result in json.loads(Path(outputs["sarif"]).read_text(encoding="utf-8"))["runs"][0]["results"]
    ]
    assert uris == ["exports/bad%20one/saved_model.pb"]
    assert "❌ failed" in (job / "summary.md").read_text(encoding="utf-8")
    assert step(steps["Tell the verdict"], job, CODE="1").returncode == 1
    assert step(steps["Tell the verdict"], job, CODE="0").returncode == 0


def test_what_cannot_be_checked_uploads_nothing(steps, job):
    step(steps["Validate"], job, PATHS="nowhere", ARGUMENTS="--static")
    assert (job / "output").read_text().split() == ["exit-code=2"]


def test_the_action_installs_itself(steps, job):
    shutil.rmtree(job / "temp" / "hubcheck")
    done = step(steps["Install hubcheck"], job, PYTHON=sys.executable, TENSORFLOW="false")
    assert done.returncode == 0, done.stderr
    assert step(steps["Validate"], job, PATHS="exports/good", ARGUMENTS="--static").returncode == 0
    assert "exit-code=0" in (job / "output").read_text()


def test_the_examples_name_this_version():
    """An example that follows a branch breaks the builds of others when a rule is new."""
    for file in ("README.md", "docs/guides/ci.md"):
        text = (ROOT / file).read_text(encoding="utf-8")
        pins = re.findall(r"OWNER/hubcheck(?:\.git)?(?:@(\S+?)\"?\n|\n +rev: (\S+))", text)
        assert {"".join(pin) for pin in pins} == {f"v{hubcheck.__version__}"}, file
        assert len(pins) == len(re.findall(r"(?:uses|repo|install).*OWNER/hubcheck", text)), file
