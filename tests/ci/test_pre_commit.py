"""The pre-commit hook: its manifest, and the hook itself, installed by pre-commit from a copy of this checkout."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.paths import DATA, ROOT

MANIFEST = ROOT / ".pre-commit-hooks.yaml"


def run(*command: object, cwd: Path, **env: str) -> subprocess.CompletedProcess[str]:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    identity = {f"GIT_{who}_{what}": "x" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    return subprocess.run(
        list(map(str, command)),
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
        env={**environment, **identity, **env},
    )


def test_the_manifest_is_one():
    done = run(sys.executable, "-m", "pre_commit", "validate-manifest", MANIFEST, cwd=ROOT)
    assert done.returncode == 0, done.stdout


def test_the_hook_needs_no_tensorflow_and_stops_a_bad_module(tmp_path):
    tracked = run("git", "ls-files", "-z", cwd=ROOT)
    if tracked.returncode:
        pytest.skip("this is no git checkout, from which pre-commit could install")
    copy, project = tmp_path / "hubcheck", tmp_path / "project"
    for name in filter(None, tracked.stdout.split("\0")):
        if (ROOT / name).is_file() and not name.startswith("tests/"):
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, copy / name)
    shutil.copytree(DATA / "a_good_feature_vector", project / "exports" / "good")
    (project / ".gitignore").touch()
    for folder in (copy, project):
        run("git", "init", "--quiet", cwd=folder)
        run("git", "add", "--all", cwd=folder)
        assert run("git", "commit", "--quiet", "-m", "all", cwd=folder).returncode == 0

    revision = run("git", "rev-parse", "HEAD", cwd=copy).stdout.strip()
    hooks = f"repos:\n- repo: {copy}\n  rev: {revision}\n  hooks:\n  - id: hubcheck\n"
    (project / ".pre-commit-config.yaml").write_text(hooks, encoding="utf-8")
    run("git", "add", "--all", cwd=project)

    def hook(*files: str) -> subprocess.CompletedProcess[str]:
        command = (sys.executable, "-m", "pre_commit", "run", "hubcheck", "--verbose", "--files", *files)
        return run(*command, cwd=project, PRE_COMMIT_HOME=str(tmp_path / "home"))

    done = hook("exports/good/saved_model.pb")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "passed" in done.stdout
    assert not list((tmp_path / "home").glob("**/site-packages/tensorflow"))
    shutil.copytree(DATA / "e_fixed_batch_1", project / "exports" / "bad")
    run("git", "add", "--all", cwd=project)
    done = hook("exports/bad/variables/variables.index")
    assert done.returncode == 1
    assert "image-input/batch-size" in done.stdout
    done = hook(".gitignore", "exports/good/variables/variables.index")
    assert (done.returncode, "bad" in done.stdout) == (0, False), done.stdout
