"""The pytest plugin, used as publishers use it: pytest in a process of its own, on modules that are files."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.cli.command import forked, start_server
from tests.paths import DATA


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A publisher's project with three modules: one well, one with a fault, one with a note."""
    (tmp_path / ".git").mkdir()
    (tmp_path / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    sources = {"good": "a_good_feature_vector", "batch": "e_fixed_batch_1", "classes": "b_good_classification"}
    for name, source in sources.items():
        shutil.copytree(DATA / source, tmp_path / "exports" / name)
    return tmp_path


def run(folder: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Pytest without the settings of the run that this test is in: in a fork, with a PYTHONPATH in a new process."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTEST")}
    environment |= {"COLUMNS": "200", **variables}
    if "PYTHONPATH" in variables:
        command = [sys.executable, "-m", "pytest", *arguments]
        return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, env=environment)

    def run_pytest() -> None:
        sys.path.insert(0, str(folder))
        sys.exit(pytest.main(list(arguments)))

    done = forked(run_pytest, folder, environment)
    return subprocess.CompletedProcess([], done.returncode, done.stdout.decode(), done.stderr.decode())


def counts(done: subprocess.CompletedProcess[str]) -> dict[str, int]:
    last = done.stdout.strip().splitlines()[-1]
    return {word: int(number) for number, word in re.findall(r"(\d+) (\w+)", last.partition(" in ")[0])}


STATIC = ("--hubcheck", "exports", "--hubcheck-static")


def test_each_rule_of_each_module_is_a_test(project):
    done = run(project, *STATIC, "--collect-only", "-q")
    ids = [line for line in done.stdout.splitlines() if "::" in line]
    assert "exports/good/saved_model.pb::image-input/dtype" in ids
    assert len(ids) == len(set(ids))
    assert len({line.partition("::")[0] for line in ids}) == 3


def test_excluded_modules_are_not_collected(project):
    (project / "hubcheck.toml").write_text('exclude = ["batch"]\n', encoding="utf-8")
    done = run(project, *STATIC, "--collect-only", "-q")
    assert {line.partition("::")[0].split("/")[1] for line in done.stdout.splitlines() if "::" in line} == {
        "classes",
        "good",
    }


def test_a_failure_is_the_finding_and_no_traceback(project):
    done = run(project, *STATIC)
    assert done.returncode == 1
    assert counts(done)["failed"] == 1
    assert "dimension 0 is 1, so only batches of 1 are accepted" in done.stdout
    assert "wanted   float32 [?, 32, 24, 3]" in done.stdout
    assert "FAILED exports/batch/saved_model.pb::image-input/batch-size" in done.stdout
    assert "Traceback" not in done.stdout
    assert "hubcheck/testing" not in done.stdout


def test_skips_are_reported_with_their_reasons_at_the_module(project):
    done = run(project, *STATIC, "-rs")
    assert "exports/batch/saved_model.pb:0: needs image-input/batch-size" in done.stdout
    assert re.search(r"exports/good/saved_model.pb:0: not run: --static", done.stdout)


def test_a_single_rule_is_selected_by_its_id_without_any_option(project):
    done = run(project, "exports/batch/saved_model.pb::image-input/batch-size")
    assert (done.returncode, counts(done)) == (1, {"failed": 1})
    assert counts(run(project, "exports/batch::image-input/name")) == {"passed": 1}


def test_k_selects_and_what_is_left_out_is_not_run(project):
    """All rules of images are decided from files, so no process imports TensorFlow: the one on the path is poisoned."""
    poison = project / "poison" / "tensorflow" / "__init__.py"
    poison.parent.mkdir(parents=True)
    poison.write_text(f"open({str(project / 'imported')!r}, 'w').close()\nraise SystemExit\n", encoding="utf-8")
    path = os.pathsep.join([str(project / "poison"), *filter(None, [os.environ.get("PYTHONPATH")])])
    done = run(project, "--hubcheck", "exports", "-k", "image-input and not batch", PYTHONPATH=path)
    assert done.returncode == 0, done.stdout
    assert counts(done)["passed"] >= 10
    assert not (project / "imported").exists()
    run(project, "exports/good/saved_model.pb::module/loads", PYTHONPATH=path)
    assert (project / "imported").exists(), "a rule that is decided by a run imports it, so this test can fail"


def test_last_failed_runs_the_failed_rule_alone(project):
    run(project, *STATIC)
    done = run(project, *STATIC, "--lf")
    assert counts(done)["failed"] == 1
    assert "passed" not in counts(done)


@pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=" ".join)
def test_paths_outside_the_folder_are_checked_and_empty_ones_are_errors(project, workers):
    """Two processes each: a path with ".." and one without any module in it."""
    elsewhere = project / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "pytest.ini").touch()
    done = run(elsewhere, "--hubcheck", "../exports", "--hubcheck-static", *workers)
    assert (done.returncode, counts(done)["failed"]) == (1, 1), done.stdout
    (project / "empty").mkdir()
    given = ("--hubcheck", "../empty", "--hubcheck", "../exports/good")
    done = run(elsewhere, *given, "--hubcheck-static", *workers)
    assert done.returncode == pytest.ExitCode.USAGE_ERROR, done.stdout
    assert done.stdout.count("ERROR: --hubcheck ../empty: no module here or below") == 1
    assert "--hubcheck ../exports" not in done.stdout


def test_without_its_options_modules_are_no_tests(project):
    assert run(project).returncode == pytest.ExitCode.NO_TESTS_COLLECTED


def test_the_plugin_can_be_left_out(project):
    done = run(project, "-p", "no:hubcheck", "--hubcheck", "exports")
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert "unrecognized arguments: --hubcheck" in done.stderr


def test_paths_of_the_ini_file_are_checked_unless_others_are_given(project):
    (project / "pytest.ini").write_text("[pytest]\nhubcheck_paths = exports/good\n", encoding="utf-8")
    (project / "test_own.py").write_text("def test_own(): pass\n", encoding="utf-8")
    both = run(project, "--hubcheck-static")
    assert both.returncode == 0, both.stdout
    assert "exports/good" in run(project, "--hubcheck-static", "-v").stdout
    assert counts(run(project, "test_own.py")) == {"passed": 1}


def test_warnings_do_not_fail_unless_asked_to(project):
    (project / "hubcheck.toml").write_text("[levels]\nclassification = 'warning'\n", encoding="utf-8")
    arguments = ("--hubcheck", "exports/classes", "--hubcheck-static")
    done = run(project, *arguments)
    assert done.returncode == 0
    assert counts(done)["warning"] == 1
    assert "HubcheckWarning" in done.stdout
    assert "classification/documentation" in done.stdout
    assert run(project, *arguments, "--hubcheck-fail-on", "warning").returncode == 1


def test_expected_failures_are_strict_and_ignored_ones_are_skipped(project):
    (project / "hubcheck.toml").write_text(
        '[[xfail]]\nrules = ["image-input/batch-size"]\nreason = "to be exported again"\n'
        '[[ignore]]\nrules = ["classification"]\npath = "exports/classes"\nreason = "documented elsewhere"\n',
        encoding="utf-8",
    )
    done = run(project, *STATIC, "-rfxs")
    assert "XFAIL exports/batch/saved_model.pb::image-input/batch-size - to be exported again" in done.stdout
    assert "ignored: documented elsewhere" in done.stdout
    assert "FAILED exports/good/saved_model.pb::image-input/batch-size" in done.stdout
    assert "[XPASS(strict)] to be exported again" in done.stdout
    assert counts(done)["failed"] == 2


def test_junit_xml_has_a_case_for_each_rule(project):
    run(project, *STATIC, "--junitxml", "report.xml")
    cases = list(ElementTree.parse(project / "report.xml").iter("testcase"))
    named = {(case.get("classname"), case.get("name")): case for case in cases}
    assert len(named) == len(cases) > 100
    failed = [key for key, case in named.items() if case.find("failure") is not None]
    assert failed == [("exports.batch.saved_model.pb", "image-input/batch-size")]


@pytest.mark.parametrize("distribution", ["load", "loadfile"])
def test_workers_of_xdist_share_what_was_seen(project, distribution):
    """Reading is counted by a rule of the project's own, which leaves a line each time that it is asked.

    Its module has a name of its own: runs are forks of this process, which may have imported another `house`.
    """
    rules = project / "rules" / "house"
    rules.mkdir(parents=True)
    (rules / "counted.toml").write_text(
        'id = "house/counted"\ntitle = "Asked once"\nlevel = "note"\ncheck = "counts.counting:counted"\nmessage = "m"\n'
        'why = "w"\nfix = "f"\nsource = { section = "s", requirement = "r" }\n',
        encoding="utf-8",
    )
    (project / "counts").mkdir()
    (project / "counts" / "__init__.py").touch()
    (project / "counts" / "counting.py").write_text(
        "def counted(context):\n"
        f"    with open({str(project / 'asked')!r}, 'a') as file:\n"
        "        file.write(f'{context.module.path.name}\\n')\n"
        "    return iter(())\n",
        encoding="utf-8",
    )
    (project / "hubcheck.toml").write_text('rules = ["rules"]\n', encoding="utf-8")
    (project / "conftest.py").write_text("import sys; sys.path.insert(0, '.')\n", encoding="utf-8")
    alone = run(project, *STATIC)
    assert sorted((project / "asked").read_text().split()) == ["batch", "classes", "good"]
    (project / "asked").unlink()
    shared = run(project, *STATIC, "-n", "2", "--dist", distribution)
    assert sorted((project / "asked").read_text().split()) == ["batch", "classes", "good"]
    assert counts(shared) == counts(alone)
    assert "dimension 0 is 1, so only batches of 1 are accepted" in shared.stdout


@pytest.fixture
def packed(project: Path) -> Path:
    """The same modules in archives, beside an archive that is none of a module."""
    for name, kind in (("good", "gztar"), ("batch", "zip")):
        shutil.make_archive(str(project / "exports" / name), kind, project / "exports" / name)
    shutil.make_archive(str(project / "exports" / "pictures"), "zip", Path(__file__).parent.parent, "report")
    for name in ("good", "batch", "classes"):
        shutil.rmtree(project / "exports" / name)
    return project


def test_archives_of_modules_are_test_files(packed):
    done = run(packed, *STATIC, "-v")
    assert "exports/good.tar.gz::image-input/dtype PASSED" in done.stdout
    assert "exports/good.tar.gz::package/layout PASSED" in done.stdout
    assert "FAILED exports/batch.zip::image-input/batch-size" in done.stdout
    assert counts(done)["failed"] == 1
    assert "pictures.zip" not in done.stdout


def test_an_archive_is_an_argument_like_any_file(packed):
    done = run(packed, "exports/batch.zip::image-input/batch-size", "exports/good.tar.gz", "--hubcheck-static")
    assert counts(done)["failed"] == 1
    assert counts(done)["passed"] > 20
    assert "batch.zip::image-input/dtype" not in run(packed, "exports/batch.zip::image-input/batch-size", "-v").stdout
    assert run(packed, "exports/pictures.zip").returncode == pytest.ExitCode.USAGE_ERROR  # as for any other file


def test_a_damaged_archive_is_a_finding(packed):
    (packed / "exports" / "good.tar.gz").write_bytes(b"not at all")
    assert "FAILED exports/good.tar.gz::module/readable" in run(packed, *STATIC).stdout


STALE = """
[[ignore]]
rules = ["image-input/name"]
path = "exports/good"
reason = "called pixels until 2.0"

[[ignore]]
rules = ["image-input/batch-size"]
path = "exports/batch"
reason = "one at a time"

[[xfail]]
rules = ["image-input"]
path = "exports/moved"
reason = "to be exported again"
"""
UNUSED = "hubcheck.toml: unused ignore: image-input/name passes for 'exports/good'; remove this entry"
GONE = "hubcheck.toml: unused xfail: no module at 'exports/moved'; remove this entry"


@pytest.mark.parametrize("workers", [(), ("-n", "2", "--dist", "load")])
def test_unused_entries_are_reported_at_the_end(project, workers):
    (project / "hubcheck.toml").write_text(STALE, encoding="utf-8")
    done = run(project, *STATIC, *workers)
    assert done.stdout.count(UNUSED) == done.stdout.count(GONE) == 1, done.stdout
    assert "image-input/batch-size passes" not in done.stdout


@pytest.mark.parametrize(
    "narrow",
    [("-k", "dtype"), ("-x",), ("-n", "2", "-k", "image-input"), ("--deselect", "exports/good"), ("--lf",)],
    ids=" ".join,
)
def test_a_partial_run_does_not_report_entries_that_the_rest_may_need(project, narrow):
    (project / "hubcheck.toml").write_text(STALE.replace("one at a time", "x").replace("exports/batch", "exports/none"))
    if "--lf" in narrow:
        run(project, *STATIC)
    done = run(project, *STATIC, *narrow)
    assert UNUSED not in done.stdout
    assert GONE in done.stdout


def test_nothing_is_reported_without_a_module(project):
    (project / "hubcheck.toml").write_text(STALE, encoding="utf-8")
    (project / "test_own.py").write_text("def test_own(): pass\n", encoding="utf-8")
    assert "hubcheck.toml" not in run(project, "test_own.py").stdout


def test_fixed_findings_of_the_baseline_are_reported(project):
    (project / "hubcheck.toml").write_text('baseline = "known.json"\n', encoding="utf-8")
    rows = [("exports/batch", "image-input/batch-size"), ("exports/batch", "image-input/dtype")]
    known = [{"module": m, "rule": r, "fingerprint": "0", "message": "m"} for m, r in rows]
    (project / "known.json").write_text(json.dumps({"hubcheck-baseline": 1, "findings": known}), encoding="utf-8")
    for workers in ((), ("-n", "2")):
        done = run(project, *STATIC, *workers)
        assert (
            "known.json: image-input/dtype is fixed in exports/batch; remove it with --update-baseline" in done.stdout
        )


TESTS = """
import shutil
import pytest

def test_fixture(hubcheck_report, tmp_path):
    shutil.copytree({good!r}, tmp_path / "m")
    hubcheck_report(tmp_path / "m", static=True).raise_for_findings()

def test_fixture_finds(hubcheck_report, tmp_path):
    shutil.copytree({bad!r}, tmp_path / "m")
    (finding,) = hubcheck_report(tmp_path / "m", static=True).findings
    assert finding.rule == "image-input/batch-size"

@pytest.mark.hubcheck(static=True)
def test_marked(tmp_path):
    shutil.copytree({good!r}, tmp_path / "m")

@pytest.mark.hubcheck("inner/m", static=True)
def test_marked_and_bad(tmp_path):
    shutil.copytree({bad!r}, tmp_path / "inner" / "m")

@pytest.mark.hubcheck(static=True, ignore=["image-input/batch-size"])
def test_marked_with_options(tmp_path):
    shutil.copytree({bad!r}, tmp_path / "m")

@pytest.mark.hubcheck(static=True)
def test_marked_but_there_is_no_module(tmp_path):
    pass
"""


def test_modules_that_tests_make_are_checked(project):
    text = TESTS.format(good=str(DATA / "a_good_feature_vector"), bad=str(DATA / "e_fixed_batch_1"))
    (project / "test_export.py").write_text(text, encoding="utf-8")
    done = run(project, "test_export.py")
    assert counts(done) == {"passed": 4, "failed": 2}, done.stdout
    assert "dimension 0 is 1, so only batches of 1 are accepted" in done.stdout
    assert "no module here or below" in done.stdout


def test_modules_are_run_once_too(project):
    """With everything: TensorFlow is started once, and runs each module for all of its tests."""
    start_server()
    done = run(project, "--hubcheck", "exports", "-k", "good or (batch and image-input)")
    assert counts(done)["failed"] == 1, done.stdout
    assert "behaviour/runs" not in done.stdout
    verbose = run(
        project, "exports/good/saved_model.pb::behaviour/runs", "exports/good/saved_model.pb::module/loads", "-v"
    )
    assert counts(verbose) == {"passed": 2}, verbose.stdout


def test_the_plugin_imports_nothing_heavy():
    code = (
        "import sys, pytest\nbefore = set(sys.modules)\nimport hubcheck.testing.plugin\n"
        "import json; print(json.dumps(sorted(set(sys.modules) - before)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    new = json.loads(done.stdout)
    assert not [name for name in new if name.split(".")[0] in ("tensorflow", "google", "click", "numpy", "tomllib")]
    packages = {"hubcheck", "hubcheck._version", "hubcheck.module", "hubcheck.testing", "hubcheck.util"}
    files = {
        "hubcheck.module.file_names",
        "hubcheck.util.text",
        *(f"hubcheck.testing.{name}" for name in ("plugin", "items", "state")),
    }
    assert {name for name in new if name.startswith("hubcheck")} == packages | files


def test_control_characters_in_a_module_s_name_are_escaped_in_ids(project):
    shutil.copytree(DATA / "e_fixed_batch_1", project / "exports" / "a\x1b[31m\nb")
    done = run(project, *STATIC, "-rf", "-k", "batch-size")
    assert done.returncode == 1
    assert r"FAILED exports/a\x1b[31m\nb/saved_model.pb::image-input/batch-size" in done.stdout
    assert "\x1b" not in done.stdout
    assert counts(done)["failed"] == 2


def test_rules_of_ones_own_are_tests_too(project):
    (project / "house" / "house").mkdir(parents=True)
    (project / "house" / "house" / "ten-classes.toml").write_text(
        'id = "house/ten-classes"\ntitle = "x"\nlevel = "note"\ncheck = "house.checks:ten_classes"\n'
        'message = "{found}"\nwhy = "x"\nfix = "x"\nsource = { section = "x", requirement = "x" }\n',
        encoding="utf-8",
    )
    (project / "house" / "checks.py").write_text(
        "from hubcheck import Fault, Where\n\n\ndef ten_classes(context):\n    yield Fault(Where(), 'no classes')\n",
        encoding="utf-8",
    )
    done = run(
        project, *STATIC, "--hubcheck-rules", "house", "--hubcheck-fail-on", "note", "-k", "ten-classes", "-n", "2"
    )
    assert counts(done)["failed"] == 3, done.stdout
    assert "no classes" in done.stdout
    assert "no/such: no such folder" in run(project, *STATIC, "--hubcheck-rules", "no/such").stderr
