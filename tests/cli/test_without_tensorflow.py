"""The commands where TensorFlow is not installed: each names what to install, or what does without it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

from tests.cli.command import BATCH_OF_1, GOOD

_WITHOUT = """
import sys
sys.modules.update(dict.fromkeys(("tensorflow", "keras", "tf_keras")))
"""


def without_tensorflow(*arguments: object) -> subprocess.CompletedProcess[str]:
    code = f"{_WITHOUT}from hubcheck.cli.main import main\nmain()\n"
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_validate_says_it_once_for_a_module_with_both_remedies():
    done = without_tensorflow("validate", "--no-cache", GOOD)
    said = " ".join(done.stdout.split())
    assert done.returncode == 3
    assert said.count("TensorFlow is not installed") == 1, done.stdout
    assert "TensorFlow is not installed (pip install tensorflow, or pass --static)" in said
    assert "decided by the files alone" not in said


def test_of_a_module_that_fails_it_is_one_line_of_the_run():
    done = without_tensorflow("validate", "--no-cache", "--output", "json=/dev/stderr", BATCH_OF_1)
    said = " ".join(done.stdout.split())
    undecided = [one for one in json.loads(done.stderr)["modules"][0]["outcomes"] if "TensorFlow" in str(one["reason"])]
    assert done.returncode == 1
    assert said.count("TensorFlow is not installed") == 1, done.stdout
    assert re.search(r"undecided (\d+) rules: TensorFlow", said)[1] == str(len(undecided))


def test_commands_that_write_a_module_are_usage_errors(tmp_path: Path):
    (tmp_path / "model.keras").write_bytes(b"")
    for name, *arguments in (("fix", BATCH_OF_1), ("adapt", tmp_path / "model.keras", tmp_path / "m", "--pixels=0,1")):
        done = without_tensorflow(name, *arguments)
        wanted = f"Error: hubcheck {name} needs TensorFlow, which is not installed: pip install tensorflow\n"
        assert (done.returncode, done.stdout, done.stderr) == (2, "", wanted)


def test_hub_module_names_the_remedy():
    code = f"{_WITHOUT}from hubcheck import hub\nhub.Module({str(GOOD)!r})\n"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr.splitlines()[-1] == (
        "ModuleNotFoundError: hub.Module needs TensorFlow, which is not installed: pip install tensorflow"
    )
