"""Which rules are checked on which modules, and what becomes of each rule."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.cli.command import BATCH_OF_1, GOOD, document, hubcheck


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


@pytest.mark.parametrize("level", ["warning", "note"])
def test_a_rule_that_weighs_less_keeps_no_other_from_being_asked(tmp_path, level):
    module = Path(shutil.copytree(GOOD, tmp_path / "m"))
    (module / "saved_model.pb").rename(tmp_path / "elsewhere.pb")
    (module / "saved_model.pb").symlink_to(tmp_path / "elsewhere.pb")
    (tmp_path / "hubcheck.toml").write_text(f'[levels]\n"safety/paths" = "{level}"\n')

    def skipped(*options: object) -> dict[str, str]:
        report = json.loads(hubcheck("validate", tmp_path, "--format", "json", *options).stdout)
        return {o["rule"]: o["status"] for o in report["modules"][0]["outcomes"]}

    assert skipped("--config", tmp_path / "hubcheck.toml") == skipped("--no-config")


def test_folders_are_searched_and_a_module_is_not_searched_further(tmp_path):
    for name in ("one", "deep/er/two"):
        shutil.copytree(GOOD, tmp_path / name)
    shutil.copytree(GOOD, tmp_path / "one" / "inner")
    paths = [module["path"] for module in document("--static", tmp_path)["modules"]]
    assert paths == [str(tmp_path / "deep/er/two"), str(tmp_path / "one")]


def test_a_module_given_twice_is_checked_once():
    assert len(document("--static", GOOD, GOOD)["modules"]) == 1


def checked(done: subprocess.CompletedProcess[str], folder: Path) -> list[str]:
    return [Path(module["path"]).relative_to(folder).as_posix() for module in json.loads(done.stdout)["modules"]]


@pytest.mark.parametrize(
    ("globs", "left"),
    [
        (["hub/drafts"], ["hub/draft-3", "hub/m"]),
        (["drafts"], ["hub/draft-3", "hub/m"]),
        (["draft*"], ["hub/m"]),
        (["hub/*/one", "./hub/draft-3/"], ["hub/drafts/two", "hub/m"]),
        (["**/two"], ["hub/draft-3", "hub/drafts/one", "hub/m"]),
        (["{folder}/hub/drafts/**"], ["hub/draft-3", "hub/m"]),
        (["draft", "hub/two", "hub/draf"], ["hub/draft-3", "hub/drafts/one", "hub/drafts/two", "hub/m"]),
    ],
)
@pytest.mark.parametrize("configured", [False, True])
def test_excluded_modules_are_not_checked_but_counted(globs, left, configured, tmp_path):
    names = ["hub/draft-3", "hub/drafts/one", "hub/drafts/two", "hub/m"]
    for name in names:
        shutil.copytree(GOOD, tmp_path / name)
    globs = [glob.format(folder=tmp_path) for glob in globs]
    options = [part for glob in globs for part in ("--exclude", glob)]
    if configured:
        (tmp_path / "hubcheck.toml").write_text(f"exclude = {json.dumps(globs)}\n")
        options = []
    done = hubcheck("validate", "--static", "--format", "json", *options, tmp_path / "hub", cwd=tmp_path)
    assert checked(done, tmp_path) == left
    number = len(names) - len(left)
    notices = json.loads(done.stdout).get("notices", [])
    assert [notice.partition(",")[0] for notice in notices] == (
        [f"excluded: {number} module{'s' * (number > 1)}"] if number else []
    )


def test_modules_outside_of_the_folder_are_excluded_by_their_names_below_it(tmp_path):
    (tmp_path / "draft").mkdir()
    for name in ("hub/draft", "hub/m"):
        shutil.copytree(GOOD, tmp_path / name)
    command = ("validate", "--static", "--format", "json", "--exclude", "draft")
    assert checked(hubcheck(*command, tmp_path / "hub", cwd=tmp_path / "draft"), tmp_path) == ["hub/m"]
    done = hubcheck(*command, ".", cwd=Path(shutil.copytree(GOOD, tmp_path / "draft" / "m")))
    assert len(json.loads(done.stdout)["modules"]) == 1, "the name of a folder above the working folder"


def test_a_run_without_any_module_left_is_exit_2():
    done = hubcheck("validate", "--static", "--exclude", "drafts", "--exclude", "a_good*", GOOD)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "Error: nothing to check: 1 module found, all excluded by a_good*\n"


def test_changed_files_stand_for_the_modules_that_they_belong_to(tmp_path):
    for name, source in {"hub/good": GOOD, "hub/bad": BATCH_OF_1}.items():
        shutil.copytree(source, tmp_path / name)
    (tmp_path / "hub" / "bad" / "assets" / "saved_model.pb").mkdir(parents=True)
    shutil.make_archive(str(tmp_path / "packed"), "gztar", BATCH_OF_1)
    (tmp_path / "site.zip").write_bytes(b"PK")

    def modules(*files: str, code: int = 0) -> list[str]:
        done = hubcheck("validate", "--static", "--changed", "--format", "json", *files, cwd=tmp_path)
        assert done.returncode == code, done.stderr
        return [module["path"] for module in json.loads(done.stdout)["modules"]]

    parts = ("saved_model.pb", "variables/variables.index", "assets/labels.txt", "gone.txt", "assets/saved_model.pb/x")
    assert modules(*(f"hub/bad/{part}" for part in parts), code=1) == ["hub/bad"]
    assert modules("hub/good/MODULE.md", "packed.tar.gz", code=1) == ["hub/good", "packed.tar.gz"]
    assert modules("README.md", "hub/README.md", "hub", "gone/labels.txt") == []
    assert modules("hub/bad/saved_model.pb", "--exclude", "bad") == []
    done = hubcheck("validate", "--static", "--changed", "README.md", cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
