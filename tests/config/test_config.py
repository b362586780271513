"""The configuration and the baseline: what they do, their errors, and which entries are reported as unused."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import hubcheck
from hubcheck.config.file import Config, PolicyEntry, find_config, read_config
from hubcheck.util.data_files import DataFileError
from tests.cli.command import hubcheck as hubcheck_command
from tests.paths import DATA, ROOT


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A checkout with one module that is well and two that are not."""
    (tmp_path / ".git").mkdir()
    sources = {"good": "a_good_feature_vector", "batch": "e_fixed_batch_1", "named": "g_input_named_inputs"}
    for name, source in sources.items():
        shutil.copytree(DATA / source, tmp_path / "exports" / name)
    return tmp_path


def configured(folder: Path, text: str) -> Config:
    (folder / "hubcheck.toml").write_text(text, encoding="utf-8")
    return read_config(folder / "hubcheck.toml")


def validate(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return hubcheck_command("validate", "--static", *arguments, cwd=folder)


def ignore(rule: str, path: str = "", reason: str = "because") -> str:
    where = f'path = "{path}"\n' if path else ""
    return f'[[ignore]]\nrules = ["{rule}"]\n{where}reason = "{reason}"\n'


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("fail_on = 'error'", "fail_on: no such key; did you mean 'fail-on'?"),
        ("[[ignores]]\nrules = ['output']", "ignores: no such key; did you mean 'ignore'?"),
        ("[[ignore]]\nrules = ['output']", "ignore.1: the key 'reason' is missing"),
        ("[[ignore]]\nrules = ['output']\nreason = ' '", "ignore.1.reason: must not be empty"),
        ("[[ignore]]\nrules = ['output']\nreason = 'x'\nwhere = 'y'", "ignore.1.where: no such key"),
        ("[[ignore]]\nrule = ['output']\nreason = 'x'", "ignore.1.rule: no such key; did you mean 'rules'?"),
        ("ignore = ['output']", "ignore.1: must be a table, not 'output'"),
        ("exclude = 'old'", "exclude: must be a list, not 'old'"),
        ("fail-on = 'never'", "fail-on: 'never' is not one of error, warning, note"),
        ("jobs = 0", "jobs"),
        ("limits = 3", "limits"),
        ("[limits]\ntimout = 3", "limits.timout: no such key; did you mean 'timeout'?"),
        ("rules = ['no/such/folder']", "no such folder"),
        ("static = yes", "hubcheck.toml: "),
    ],
)
def test_an_error_names_its_key(text, says, tmp_path):
    with pytest.raises(DataFileError, match=re.escape(says)):
        configured(tmp_path, text)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (ignore("output/no-such-rule"), "ignore.1.rules: no rule or group"),
        ("[levels]\n'image-inputs' = 'note'", "levels.image-inputs: no rule or group"),
        ("baseline = 'known.json'", "known.json: no such file; --update-baseline writes one"),
    ],
)
def test_a_mistake_in_a_configuration_is_exit_2(text, says, project):
    (project / "hubcheck.toml").write_text(text, encoding="utf-8")
    done = validate(project, "exports")
    assert done.returncode == 2, done.stdout
    assert says in done.stderr
    assert done.stdout == ""


def test_the_table_of_pyproject_is_read_and_other_projects_pyproject_is_not(tmp_path):
    (tmp_path / "pyproject.toml").write_text("[tool.hubcheck]\nfail-on = 'warning'\n", encoding="utf-8")
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    (tmp_path / "a" / "pyproject.toml").write_text("[project]\ndependencies = ['hubcheck']\n", encoding="utf-8")
    found = find_config(inner)
    assert found is not None
    assert (found.fail_on, found.folder) == ("warning", tmp_path)


@pytest.mark.parametrize("text", ["[tool]\nhubcheck = 3\n", "tool = 'hubcheck'\n"])
def test_a_tool_hubcheck_that_is_not_a_table_is_a_user_error_at_most(text, tmp_path):
    (tmp_path / "pyproject.toml").write_text(text, encoding="utf-8")
    try:
        assert find_config(tmp_path) is None
    except DataFileError as error:
        assert "pyproject.toml" in str(error)


def test_the_search_ends_at_the_checkout(tmp_path):
    (tmp_path / "hubcheck.toml").write_text("static = true\n", encoding="utf-8")
    inner = tmp_path / "checkout" / "src"
    inner.mkdir(parents=True)
    (tmp_path / "checkout" / ".git").mkdir()
    assert find_config(inner) is None


def test_arguments_take_precedence_over_the_configuration(project):
    (project / "hubcheck.toml").write_text("static = true\nfail-on = 'warning'\n[levels]\nimage-input = 'warning'\n")
    assert validate(project, "exports/batch").returncode == 1
    assert validate(project, "exports/batch", "--fail-on", "error").returncode == 0
    assert validate(project, "exports/batch", "--no-config").returncode == 1


def test_run_limits_of_the_configuration_apply_unless_an_argument_says_otherwise(tmp_path):
    from hubcheck.probe.options import ProbeOptions
    from hubcheck.run.options import Options
    from hubcheck.run.resolved import resolve

    config = configured(tmp_path, "device = 'cpu'\n[limits]\ntimeout = 7\nmemory-mb = 512\n")
    options = resolve(Options(config=config)).options
    assert options.probe is not None
    assert (options.device, options.probe.timeout, options.probe.memory) == ("cpu", 7, 512 << 20)
    given = resolve(Options(device="all", probe=ProbeOptions(timeout=3), config=config)).options
    assert given.probe is not None
    assert (given.device, given.probe.timeout, given.probe.memory) == ("all", 3, 512 << 20)


@pytest.mark.parametrize(
    ("path", "module", "covered"),
    [
        ("**", "exports/m", True),
        (".", "exports/m", True),
        ("exports", "exports/m", True),
        ("exports/", "exports/a/b", True),
        ("exports/m", "exports/m", True),
        ("exports/m", "exports/m2", False),
        ("exports/*", "exports/m", True),
        ("*", "exports/m", True),
        ("*/v1", "exports/m/v1", False),
        ("**/v1", "exports/m/v1", True),
        ("exports/m?", "exports/m2", True),
        ("exports/[m]", "exports/m", False),
    ],
)
def test_a_path_is_a_module_a_folder_or_a_glob(path, module, covered):
    assert PolicyEntry((), "", path).covers(module) is covered


@pytest.mark.parametrize(
    ("path", "key", "covered"),
    [
        ("../hub/m", "../hub/m", True),
        ("../hub", "../hub/m", True),
        ("../hub/*", "../hub/m", True),
        ("hub/../../hub/m", "../hub/m", True),
        ("../../..", "m", True),
        ("hub/*", "../hub/m", False),
        ("*", "../hub/m", False),
        ("**/m", "../hub/m", True),
        ("/src/hub/m", "../hub/m", True),
        ("/src/hub/../hub/", "../hub/m", True),
        ("/src/*/m", "m", True),
        ("/data/hub", "/data/hub/m", True),
        ("../../../data/hub", "/data/hub/m", True),
        ("data/hub", "/data/hub/m", False),
        ("https://h/**", "https://h/m", True),
    ],
)
def test_a_path_may_lead_out_of_the_folder_of_the_configuration(path, key, covered):
    assert PolicyEntry((), "", path, "/src/a[1]*").covers(key) is covered


@pytest.mark.parametrize("form", ["../hub/named", "{tmp}/hub/named", "../hu?/*", "**/named"])
def test_entries_for_modules_outside_of_the_folder_count_and_are_not_called_unused(form, tmp_path):
    (tmp_path / "project").mkdir()
    shutil.copytree(DATA / "g_input_named_inputs", tmp_path / "hub" / "named")
    path = form.format(tmp=tmp_path)
    config = tmp_path / "project" / "hubcheck.toml"
    config.write_text(ignore("image-input/name", path) + f'[scripts]\n"{tmp_path}/hub/named" = "publish.py"\n')
    report = hubcheck.validate(tmp_path / "hub", static=True, config=config)
    assert (report.exit_code, report.notices) == (0, ())
    assert (report.modules[0].key, report.modules[0].script) == ("../hub/named", "publish.py")
    # The same without the module in the run: the entries may be needed.
    shutil.copytree(DATA / "a_good_feature_vector", tmp_path / "good")
    assert hubcheck.validate(tmp_path / "good", static=True, config=config).notices == ()
    # Without the module at all, they are not.
    shutil.rmtree(tmp_path / "hub")
    kinds = ["ignore", "script"] if "**" not in path else ["script"]
    notices = hubcheck.validate(tmp_path / "good", static=True, config=config).notices
    assert [re.search("unused (.*): no module at '.*'; remove this entry", text)[1] for text in notices] == kinds


def test_an_ignore_suppresses_findings_with_its_reason_at_its_path_only(project):
    (project / "hubcheck.toml").write_text(ignore("image-input", "exports/batch", "old consumers"), encoding="utf-8")
    report = hubcheck.validate(project / "exports", static=True, config=project / "hubcheck.toml")
    batch, good, named = report.modules
    assert (batch.verdict, good.verdict, named.verdict) == ("conforms", "conforms", "violates")
    (suppressed,) = batch.suppressed
    assert (suppressed.finding.rule, suppressed.kind, suppressed.reason) == (
        "image-input/batch-size",
        "ignore",
        "old consumers",
    )
    outcome = next(outcome for outcome in batch.outcomes if outcome.rule == "image-input/batch-size")
    assert (outcome.status, outcome.reason) == ("ignored", "ignored: old consumers")


def test_what_needs_an_ignored_rule_is_skipped_as_before(project):
    (project / "hubcheck.toml").write_text(ignore("image-input/batch-size"), encoding="utf-8")
    report = hubcheck.validate(project / "exports" / "batch", static=True, config=project / "hubcheck.toml")
    assert not report.findings
    assert any(o.rule == "output/batch-size" and o.status == "skipped" for o in report.modules[0].outcomes)


@pytest.mark.parametrize(
    ("text", "notice"),
    [
        (
            ignore("image-input/name", "exports/good"),
            "unused ignore: image-input/name passes for 'exports/good'; remove",
        ),
        (ignore("image-input/name").replace("ignore", "xfail"), None),
        (ignore("output/rank"), "unused ignore: output/rank passes for all modules; remove this entry"),
        (ignore("output/rank", "exports/gone"), "no module at 'exports/gone'"),
        (ignore("output/rank", "/exports/gone"), "no module at '/exports/gone'"),
        (ignore("output/rank", "exports/a**b"), "no module at 'exports/a**b'"),
        (ignore("output/rank", "exports/gone*"), "no module at 'exports/gone*'"),
        (ignore("output/rank", "../gone"), "no module at '../gone'"),
        (ignore("output/rank", "exports/batch/variables"), "no module at 'exports/batch/variables'"),
        (
            ignore("image-input") + ignore("image-input/name", "exports/named").replace("ignore", "xfail"),
            "unused xfail: an earlier entry suppresses the findings of image-input/name for 'exports/named'; remove",
        ),
        (ignore("module/loads"), None),
        (ignore("image-input/name", "exports/named"), None),
    ],
)
def test_an_unused_entry_is_reported_unless_its_rules_were_not_decided(text, notice, project):
    (project / "hubcheck.toml").write_text(text, encoding="utf-8")
    report = hubcheck.validate(project / "exports", static=True, config=project / "hubcheck.toml")
    assert len(report.notices) == (notice is not None), report.notices
    assert notice is None or notice in report.notices[0]


def test_an_entry_for_modules_that_were_not_checked_is_not_reported(project):
    (project / "hubcheck.toml").write_text(ignore("output/rank", "exports/batch"), encoding="utf-8")
    assert not hubcheck.validate(project / "exports" / "good", static=True, config=project / "hubcheck.toml").notices


def test_a_selection_for_a_path_ignores_other_rules_with_its_reason(project):
    text = ignore("module", "exports/batch", "speaks text").replace("ignore", "select")
    (project / "hubcheck.toml").write_text(text, encoding="utf-8")
    (batch,) = hubcheck.validate(project / "exports" / "batch", static=True, config=project / "hubcheck.toml").modules
    assert not batch.findings
    left_out = {outcome.rule.partition("/")[0] for outcome in batch.outcomes if outcome.status == "ignored"}
    assert "image-input" in left_out
    assert "module" not in left_out
    assert {outcome.reason for outcome in batch.outcomes if outcome.status == "ignored"} == {
        "not selected: speaks text"
    }


def test_levels_raise_and_lower(project):
    (project / "hubcheck.toml").write_text("[levels]\nimage-input = 'note'\n'image-input/name' = 'warning'\n")
    report = hubcheck.validate(project / "exports", static=True, config=project / "hubcheck.toml")
    assert {(f.rule, f.level) for f in report.findings} == {
        ("image-input/name", "warning"),
        ("image-input/batch-size", "note"),
    }
    assert report.exit_code == 0


def test_known_findings_do_not_fail_and_new_ones_do(project):
    done = validate(project, "exports/batch", "--baseline", "known.json", "--update-baseline")
    assert done.returncode == 0, done.stdout + done.stderr
    known = json.loads((project / "known.json").read_text())
    assert [(row["module"], row["rule"]) for row in known["findings"]] == [("exports/batch", "image-input/batch-size")]
    assert validate(project, "exports/batch", "--baseline", "known.json").returncode == 0
    done = validate(project, "exports", "--baseline", "known.json")
    assert done.returncode == 1
    assert "image-input/name" in done.stdout
    assert "known in known.json" in done.stdout


def test_a_baseline_keeps_modules_outside_of_its_folder_and_an_update_says_what_it_wrote(project):
    (project / "known").mkdir()
    shutil.copytree(project / "exports" / "batch", project / "other" / "batch")
    update = ("--baseline", "known/known.json", "--update-baseline")
    assert "wrote known.json: 2 findings, 2 added, 0 removed" in validate(project, "exports", *update).stdout
    done = validate(project, "other", *update, "--format", "json")
    assert json.loads(done.stdout)["notices"] == ["wrote known.json: 3 findings, 1 added, 0 removed"]
    rows = json.loads((project / "known" / "known.json").read_text())["findings"]
    assert [row["module"] for row in rows] == ["../exports/batch", "../exports/named", "../other/batch"]
    assert validate(project, "exports", "other", "--baseline", "known/known.json").returncode == 0


def test_the_baseline_holds_wherever_it_is_used_from(project):
    validate(project, "exports", "--baseline", "known.json", "--update-baseline")
    assert validate(project / "exports", ".", "--baseline", "../known.json").returncode == 0
    shutil.move(project / "exports", project / "elsewhere")
    (project / "known.json").rename(project / "elsewhere" / "known.json")
    assert validate(project / "elsewhere", ".", "--baseline", "known.json").returncode == 1


@pytest.mark.parametrize(
    ("source", "rule"),
    [("e_fixed_batch_1", "image-input/batch-size"), ("c_dropout_on_features_train", "output/no-dropout")],
)
def test_fixed_findings_are_reported_and_removed_by_an_update(source, rule, project):
    """Also those of a rule that has a part for a run, if a check of the files has found them."""
    shutil.rmtree(project / "exports" / "batch")
    shutil.copytree(DATA / source, project / "exports" / "batch")
    validate(project, "exports", "--baseline", "known.json", "--update-baseline")
    shutil.rmtree(project / "exports" / "batch")
    shutil.copytree(project / "exports" / "good", project / "exports" / "batch")
    done = validate(project, "exports", "--baseline", "known.json")
    assert done.returncode == 0
    assert f"known.json: {rule} is fixed in exports/batch; remove it with --update-baseline" in done.stdout
    validate(project, "exports", "--baseline", "known.json", "--update-baseline")
    assert [row["module"] for row in json.loads((project / "known.json").read_text())["findings"]] == ["exports/named"]


def test_an_update_keeps_what_was_not_checked_and_drops_what_is_gone(project):
    validate(project, "exports", "--baseline", "known.json", "--update-baseline")
    before = (project / "known.json").read_text()
    validate(project, "exports/good", "--baseline", "known.json", "--update-baseline")
    validate(project, "exports/batch", "--baseline", "known.json", "--update-baseline", "--select", "output")
    assert (project / "known.json").read_text() == before
    shutil.rmtree(project / "exports" / "batch")
    validate(project, "exports/good", "--baseline", "known.json", "--update-baseline")
    assert [row["module"] for row in json.loads((project / "known.json").read_text())["findings"]] == ["exports/named"]


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"hubcheck-baseline": 2, "findings": []}', '{"hubcheck-baseline": 1}']
)
def test_a_file_that_is_no_baseline_is_exit_2(text, project):
    (project / "known.json").write_text(text)
    done = validate(project, "exports", "--baseline", "known.json")
    assert done.returncode == 2
    assert "known.json" in done.stderr


def test_an_update_needs_a_baseline_to_write(project):
    assert "--update-baseline needs --baseline" in validate(project, "exports", "--update-baseline").stderr


def test_the_schema_of_the_configuration_is_one():
    import jsonschema

    schema = json.loads((ROOT / "rules" / "schema" / "config.schema.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)


def test_without_a_configuration_nothing_of_it_is_imported(project):
    code = (
        "import sys; sys.argv = ['hubcheck', 'validate', '--static', 'exports/good']\n"
        "from hubcheck.cli.main import main\n"
        "try:\n    main()\nexcept SystemExit: pass\n"
        "print(sorted(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=project, capture_output=True, text=True, check=True)
    for name in ("hubcheck.config.policy", "hubcheck.config.baseline", "jsonschema", "hubcheck.report.sarif"):
        assert f"'{name}'" not in done.stdout, name
