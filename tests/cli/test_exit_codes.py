"""Exit codes, and what is printed when something cannot be used."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.command import BATCH_OF_1, GOOD, hubcheck
from tests.paths import DATA


def test_a_conforming_module_is_exit_0():
    done = hubcheck("validate", "--static", GOOD)
    assert (done.returncode, done.stderr) == (0, "")
    assert re.search(r"^✓ \S+a_good_feature_vector  \d+ passed, \d+ skipped  ", done.stdout)


def test_findings_are_exit_1():
    assert hubcheck("validate", "--static", BATCH_OF_1).returncode == 1


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["validate"], "PATH"),
        (["validate", "no/such/folder"], "no/such/folder: no such file or folder"),
        (["validate", "--select", "image-input/batchsize", GOOD], "image-input/batch-size"),
        (["validate", "--ignore", "nothing", GOOD], "nothing"),
        (["validate", "--rules", "no/such/rules", GOOD], "no/such/rules"),
        (["validate", "--format", "yaml", GOOD], "json"),
        (["validate", "--fail-on", "never", GOOD], "note"),
        (
            ["validate", "--save-evidence", "/dev/null/evidence", GOOD],
            "/dev/null/evidence: evidence cannot be saved here",
        ),
        (["explain", "image-input/nmae"], "image-input/name"),
        (["show", "no/such/folder"], "no/such/folder"),
        (["vaildate", GOOD], "No such command 'vaildate'. Did you mean 'validate'?"),
        (["validate", f"{GOOD}s"], f"no such file or folder; did you mean {GOOD}?"),
        (
            ["validate", "--timeout", "abc", GOOD],
            "Error: Invalid value for '--timeout': 'abc' is not a valid number of seconds",
        ),
    ],
    ids=lambda value: " ".join(map(str, value))[:40] if isinstance(value, list) else None,
)
def test_what_cannot_be_used_is_exit_2_in_one_sentence(arguments, says):
    done = hubcheck(*arguments)
    assert done.returncode == 2, done.stdout + done.stderr
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    assert done.stderr.startswith("Error: ") or "Invalid value" not in done.stderr


def test_a_keras_file_is_an_error_that_names_the_command(tmp_path):
    (tmp_path / "m.keras").touch()
    assert (
        f"a Keras model, not a module; make a module of it with `hubcheck adapt {tmp_path}"
        in hubcheck("validate", tmp_path / "m.keras").stderr
    )


def test_arguments_are_checked_before_anything_runs(tmp_path):
    """One path of two has no module: nothing is reported of the other either."""
    (tmp_path / "empty").mkdir()
    done = hubcheck("validate", "--static", GOOD, tmp_path / "empty")
    assert done.returncode == 2
    assert "no module here or below" in done.stderr
    assert done.stdout == ""


def test_warnings_fail_only_where_that_is_asked_for(tmp_path):
    module = tmp_path / "m"
    shutil.copytree(DATA / "b_good_classification", module)
    old, new = b"Arch/layer_1", b"Arch.layer_1"
    file = module / "saved_model.pb"
    file.write_bytes(file.read_bytes().replace(old, new))
    assert hubcheck("validate", "--static", module).returncode == 0
    done = hubcheck("validate", "--static", "--fail-on", "warning", module)
    assert done.returncode == 1
    assert "output/key-prefix" in done.stdout


def test_notes_fail_where_an_option_or_the_configuration_asks_for_it(tmp_path):
    shutil.copytree(DATA / "b_good_classification", tmp_path / "m")
    assert hubcheck("validate", "--static", "m", cwd=tmp_path).returncode == 0
    done = hubcheck("validate", "--static", "--fail-on", "note", "m", cwd=tmp_path)
    assert (done.returncode, "note classification/documentation" in done.stdout) == (1, True)
    (tmp_path / "hubcheck.toml").write_text('fail-on = "note"\n', encoding="utf-8")
    assert hubcheck("validate", "--static", "m", cwd=tmp_path).returncode == 1


def test_a_baseline_that_cannot_be_written_is_exit_2(tmp_path):
    done = hubcheck("validate", "--static", GOOD, "--baseline", tmp_path / "no" / "b.json", "--update-baseline")
    assert done.returncode == 2
    assert "cannot be written" in done.stderr
    assert "Traceback" not in done.stderr


def test_own_predicates_are_found_beside_their_rules_by_the_installed_command(tmp_path):
    house_rule(tmp_path, "yield Fault(Where(), 'this', 'that')")
    command = [Path(sys.executable).parent / "hubcheck", "validate", "--static", "--rules", "house", str(GOOD)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 1, done.stderr
    assert "house/fails" in done.stdout


@pytest.mark.parametrize("check", ["raise KeyError('images')", "return None", "yield context.modul.variants"])
def test_an_error_in_a_rule_of_ones_own_names_its_file_and_line_and_is_exit_2(tmp_path, check):
    rules = house_rule(tmp_path, check)
    done = hubcheck("validate", "--static", "--rules", rules, "--select", "house", DATA / "c_dropout_on_features_train")
    assert done.returncode == 2, done.stdout
    assert f"({rules / 'checks.py'}, line " in done.stdout.replace("\n", " ")
    assert "house.checks:fails raised" in done.stdout
    assert "please report it" not in done.stdout


def house_rule(folder: Path, check: str) -> Path:
    """A folder with one rule and its predicate."""
    rules = folder / "house"
    (rules / "house").mkdir(parents=True)
    (rules / "checks.py").write_text(f"from hubcheck import Fault, Where\n\n\ndef fails(context):\n    {check}\n")
    (rules / "house" / "fails.toml").write_text(
        'id = "house/fails"\ntitle = "T"\nlevel = "error"\ncheck = "house.checks:fails"\nmessage = "m {found}"\n'
        'why = "w"\nfix = "f"\nsource = { section = "s", requirement = "r" }\n'
    )
    return rules
