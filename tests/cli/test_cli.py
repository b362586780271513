"""The command line: exit codes, formats, selections, and what a terminal shows."""

from __future__ import annotations

import json
import os
import pty
import shutil
import subprocess
import sys
from pathlib import Path

import click
import jsonschema
import pytest

from tests.paths import DATA, ROOT

GOOD = DATA / "a_good_feature_vector"
BATCH_OF_1 = DATA / "e_fixed_batch_1"


def hubcheck(*arguments: object, cwd: Path | None = None, **env: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "hubcheck", *map(str, arguments)]
    environment = {**os.environ, **env}
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=cwd, env=environment)


def document(*arguments: object) -> dict:
    return json.loads(hubcheck("validate", "--format", "json", *arguments).stdout)


def test_a_conforming_module_is_exit_0():
    done = hubcheck("validate", "--static", GOOD)
    assert (done.returncode, done.stderr) == (0, "")
    assert "a_good_feature_vector  TF1 Hub format  passed" in done.stdout


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
        (["validate", "--fail-on", "note", GOOD], "warning"),
        (["explain", "image-input/nam"], "image-input/name"),
        (["show", "no/such/folder"], "no/such/folder"),
        (["vaildate", GOOD], "vaildate"),
    ],
    ids=lambda value: " ".join(map(str, value))[:40] if isinstance(value, list) else None,
)
def test_what_cannot_be_used_is_exit_2_in_one_sentence(arguments, says):
    done = hubcheck(*arguments)
    assert done.returncode == 2, done.stdout + done.stderr
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


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


def test_the_json_report_keeps_its_schema():
    schema = json.loads((ROOT / "rules" / "schema" / "report.schema.json").read_text(encoding="utf-8"))
    report = document("--static", GOOD, BATCH_OF_1)
    jsonschema.validate(report, schema)
    assert report["exit_code"] == 1
    assert [module["verdict"] for module in report["modules"]] == ["conforms", "violates"]
    finding = report["modules"][1]["findings"][0]
    assert finding["rule"] == "image-input/batch-size"
    assert finding["where"] == {
        "variant": "",
        "trace": None,
        "signature": "image_feature_vector",
        "side": "inputs",
        "key": "images",
        "node": None,
    }
    assert (finding["found"], finding["wanted"]) == ("float32 [1, 32, 24, 3]", "float32 [?, 32, 24, 3]")


def test_every_rule_has_exactly_one_outcome():
    outcomes = [outcome["rule"] for outcome in document("--static", GOOD)["modules"][0]["outcomes"]]
    listed = [rule["rule"] for rule in json.loads(hubcheck("rules", "--format", "json").stdout)]
    assert sorted(outcomes) == sorted(listed) == sorted(set(outcomes))


def test_what_static_leaves_out_is_skipped_and_never_passed():
    outcomes = {o["rule"]: o for o in document("--static", GOOD)["modules"][0]["outcomes"]}
    for rule in ("module/loads", "behaviour/runs"):
        assert outcomes[rule]["status"] == "skipped"
        assert "--static" in outcomes[rule]["reason"]
        assert outcomes[rule]["decided_by"] is None


def test_a_rule_whose_need_failed_is_skipped_and_names_it():
    outcomes = {o["rule"]: o for o in document("--static", BATCH_OF_1)["modules"][0]["outcomes"]}
    assert outcomes["output/batch-size"]["status"] == "skipped"
    assert outcomes["output/batch-size"]["reason"] == "needs image-input/batch-size"


def test_select_and_ignore_take_rules_and_groups():
    module = document("--static", "--select", "image-input", "--ignore", "image-input/batch-size", BATCH_OF_1)[
        "modules"
    ][0]
    assert module["verdict"] == "conforms"
    counted = {o["rule"] for o in module["outcomes"] if o["status"] != "ignored"}
    assert counted
    assert all(rule.startswith("image-input/") for rule in counted)
    assert "image-input/batch-size" not in counted


def test_an_ignored_rule_still_keeps_others_from_meaning_nothing():
    module = document("--static", "--ignore", "image-input/batch-size", BATCH_OF_1)["modules"][0]
    outcomes = {o["rule"]: o["status"] for o in module["outcomes"]}
    assert outcomes["image-input/batch-size"] == "ignored"
    assert outcomes["output/batch-size"] == "skipped"


def test_folders_are_searched_and_a_module_is_not_searched_further(tmp_path):
    for name in ("one", "deep/er/two"):
        shutil.copytree(GOOD, tmp_path / name)
    shutil.copytree(GOOD, tmp_path / "one" / "inner")
    paths = [module["path"] for module in document("--static", tmp_path)["modules"]]
    assert paths == [str(tmp_path / "deep/er/two"), str(tmp_path / "one")]


def test_a_module_given_twice_is_checked_once():
    assert len(document("--static", GOOD, GOOD)["modules"]) == 1


def test_the_text_fits_80_columns_without_colour():
    done = hubcheck("validate", "--static", "e_fixed_batch_1", "a_good_feature_vector", cwd=DATA)
    assert "\x1b" not in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80
    assert "needs image-input/batch-size" in done.stdout
    assert "2 modules: 1 passed, 1 failed; 1 error" in done.stdout


def test_what_modules_are_called_is_never_taken_for_markup(tmp_path):
    module = tmp_path / "[red]{found} :smile:"
    shutil.copytree(BATCH_OF_1, module)
    done = hubcheck("validate", "--static", module.name, cwd=tmp_path)
    assert done.returncode == 1
    assert "[red]{found} :smile:" in done.stdout


def test_several_modules_show_progress_in_a_terminal():
    screen = in_a_terminal("validate", "--static", str(GOOD), str(BATCH_OF_1))
    assert "checking" in screen
    assert "2/2" in screen
    assert "\x1b[" in screen


def in_a_terminal(*arguments: str) -> str:
    leader, follower = pty.openpty()
    command = [sys.executable, "-m", "hubcheck", *arguments]
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "80", "LINES": "30"}
    process = subprocess.Popen(command, stdin=follower, stdout=follower, stderr=follower, env=environment)
    os.close(follower)
    shown = bytearray()
    while True:
        try:
            chunk = os.read(leader, 4096)
        except OSError:
            break
        if not chunk:
            break
        shown += chunk
    process.wait(timeout=60)
    os.close(leader)
    return shown.decode("utf-8", "replace")


def test_show_needs_no_tensorflow_and_tells_the_signatures():
    done = hubcheck("show", DATA / "b_good_classification")
    assert done.returncode == 0
    for text in ("TF1 Hub format", "32 x 24 pixels", "image_classification", "float32 [?, 10]", "Arch/layer_1"):
        assert text in done.stdout


def test_the_graph_of_a_signature_is_outlined_with_what_was_found_on_it():
    done = hubcheck("show", "--graph", "image_feature_vector", DATA / "c_dropout_on_features_train")
    assert done.returncode == 0
    inference, train = done.stdout.split("variant {train}")
    for text in ("conv1/Conv2D", "[?, 16, 12, 8]", '-> "default"'):
        assert text in inference
    assert "! output/no-dropout" in train
    assert "!" not in inference
    missing = hubcheck("show", "--graph", "nothing", DATA / "c_dropout_on_features_train")
    assert missing.returncode == 2
    assert "its signatures are default, image_feature_vector" in missing.stderr


@pytest.mark.parametrize("command", ["validate", "show", "explain", "rules", "diff", "replay", "adapt", "new"])
def test_every_command_has_help_with_an_example(command):
    done = hubcheck(command, "--help")
    assert done.returncode == 0
    assert "Usage" in done.stdout
    assert done.stdout.count(f"hubcheck {command}") >= 2, "besides the usage, an example"


def test_help_names_every_command():
    from hubcheck.cli.group import cli

    shown = hubcheck("--help").stdout
    for command in cli.list_commands(click.Context(cli)):
        assert f" {command} " in shown, command
    assert " command " not in shown


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


@pytest.mark.parametrize("style", ["text", "json", "jsonl", "sarif", "junit", "github", "gitlab", "markdown", "html"])
def test_paths_that_are_no_text_are_reported_in_every_format(tmp_path, style):
    module = os.fsencode(tmp_path) + b"/m\xff"
    shutil.copytree(os.fsencode(DATA / "e_fixed_batch_1"), module)
    command = [sys.executable, "-m", "hubcheck", "validate", "--static", module, "--format", style]
    command += ["--output", f"{style}={tmp_path / 'report'}", "--baseline", tmp_path / "b.json", "--update-baseline"]
    done = subprocess.run(command, capture_output=True, check=False)
    assert done.returncode in (0, 1), done.stderr
    assert (tmp_path / "report").exists()
    again = hubcheck("validate", "--static", os.fsdecode(module), "--baseline", tmp_path / "b.json")
    assert again.returncode == 0, again.stdout


@pytest.mark.parametrize("level", ["warning", "note"])
def test_a_rule_that_weighs_less_keeps_no_other_from_being_asked(tmp_path, level):
    module = Path(shutil.copytree(GOOD, tmp_path / "m"))
    (module / "saved_model.pb").rename(tmp_path / "elsewhere.pb")
    (module / "saved_model.pb").symlink_to(tmp_path / "elsewhere.pb")
    (tmp_path / "hubcheck.toml").write_text(f'[levels]\n"safety/paths" = "{level}"\n')

    def skipped(*options: object) -> dict[str, str]:
        report = json.loads(hubcheck("validate", module, "--format", "json", *options).stdout)
        return {o["rule"]: o["status"] for o in report["modules"][0]["outcomes"]}

    assert skipped("--config", tmp_path / "hubcheck.toml") == skipped("--no-config")


def test_a_baseline_that_cannot_be_written_is_exit_2(tmp_path):
    done = hubcheck("validate", "--static", GOOD, "--baseline", tmp_path / "no" / "b.json", "--update-baseline")
    assert done.returncode == 2
    assert "cannot be written" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_reader_that_closes_the_pipe_early_is_no_error():
    command = f"{sys.executable} -m hubcheck rules | head -1"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr
    assert "Exception" not in done.stderr


def test_a_reader_that_has_gone_changes_neither_verdict_nor_files(tmp_path):
    for number in range(60):
        shutil.copytree(GOOD, tmp_path / "hub" / f"m{number:02}")
    command = (
        f"{sys.executable} -m hubcheck validate --static --no-cache --jobs 1 {tmp_path}/hub --output {tmp_path}/r.json"
    )
    script = f"{command} | head -c 10; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert len(json.loads((tmp_path / "r.json").read_text())["modules"]) == 60


def test_signatures_of_the_configuration_are_known_to_every_command(tmp_path):
    rules = tmp_path / "house" / "house"
    rules.mkdir(parents=True)
    (rules / "ten.toml").write_text(
        'id = "house/ten"\ntitle = "Ten of them"\nlevel = "note"\ncheck = "tensors:dimension"\nmessage = "m"\n'
        'params = { side = "outputs", key = "default", axis = 1 }\n'
        'why = "w"\nfix = "f"\nsource = { section = "s", requirement = "r" }\n'
    )
    (tmp_path / "hubcheck.toml").write_text('rules = ["house"]\n')
    for arguments in (["explain", "house/ten"], ["rules"]):
        done = hubcheck(*arguments, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        assert "Ten of them" in done.stdout
    assert hubcheck("rules", "--rules", tmp_path / "nowhere").returncode == 2


def test_validate_works_from_an_unguarded_script(tmp_path):
    """A script without `if __name__ == "__main__"` runs once, not once more in every worker."""
    script = tmp_path / "publish.py"
    script.write_text(
        f"import hubcheck\nprint('running')\nreport = hubcheck.validate({str(GOOD)!r})\nprint(report.exit_code)\n",
        encoding="utf-8",
    )
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["running", "0"], done.stderr


def test_raise_for_findings_shows_what_validate_prints():
    import hubcheck as package

    report = package.validate(BATCH_OF_1, static=True)
    with pytest.raises(package.FindingsError, match="dimension 0 is 1") as caught:
        report.raise_for_findings()
    assert [finding.rule for finding in caught.value.findings] == ["image-input/batch-size"]
    package.validate(GOOD, static=True).raise_for_findings()
