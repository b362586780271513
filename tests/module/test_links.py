"""Links in modules: which of them are followed, and that nothing is read through the others."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

import hubcheck
from hubcheck.engine.module_report import ModuleReport
from hubcheck.module.limits import LIMITS, ReadLimits
from hubcheck.module.links import LinkPolicy
from hubcheck.module.open_module import open_module
from tests.cli.command import hubcheck as hubcheck_command
from tests.paths import DATA

INDEX = "variables/variables.index"
SHARD = "variables/variables.data-00000-of-00001"


@pytest.fixture
def hub(tmp_path: Path) -> Path:
    """A folder that holds the module `m`."""
    shutil.copytree(DATA / "x12_assets_and_table", tmp_path / "hub" / "m")
    return tmp_path / "hub"


def moved(hub: Path, name: str, target: Path) -> None:
    """Move a file of the module, and put a link to it in its place."""
    target.parent.mkdir(parents=True, exist_ok=True)
    (hub / "m" / name).rename(target)
    (hub / "m" / name).symlink_to(target)


def checked(path: Path, **options: object) -> ModuleReport:
    (report,) = hubcheck.validate(path, static=True, **options).modules  # type: ignore[arg-type]
    return report


def found(report: ModuleReport) -> list[tuple[str, str]]:
    return [(finding.level, finding.rule) for finding in report.findings]


def command(*arguments: object) -> subprocess.CompletedProcess[str]:
    return hubcheck_command(*arguments)


PLACES = ["saved_model.pb", "tfhub_module.pb", INDEX, SHARD, "assets/labels.txt"]


@pytest.mark.parametrize("name", PLACES)
def test_a_link_to_a_file_below_the_named_folder_is_a_warning(name: str, hub: Path) -> None:
    moved(hub, name, hub / "store" / "file")
    assert found(checked(hub)) == [("warning", "safety/paths")]
    assert found(checked(hub / "m")) == [("error", "safety/paths")]
    assert found(checked(hub / "m", links_below=[hub / "store"])) == [("warning", "safety/paths")]
    assert found(checked(hub / "m", links_below=[hub / "m" / "assets"])) == [("error", "safety/paths")]


@pytest.mark.parametrize("name", PLACES)
def test_a_link_out_of_the_named_folder_is_one_error_that_names_the_option(name: str, hub: Path) -> None:
    moved(hub, name, hub.parent / "outside")
    report = checked(hub)
    assert found(report) == [("error", "safety/paths")]
    assert "--links-below" in report.findings[0].fix
    assert report.verdict == "violates"


def test_a_link_to_a_file_that_never_ends_costs_nothing(hub: Path) -> None:
    (hub / "m" / "assets" / "log").symlink_to("/proc/kmsg")  # a regular file, says its type
    done = command("validate", "--static", hub)
    assert "safety/paths" in done.stdout
    assert done.returncode == 1


def test_the_command_line_names_folders_too(hub: Path) -> None:
    moved(hub, "saved_model.pb", hub.parent / "store" / "file")
    assert command("validate", "--static", hub).returncode == 1
    assert command("validate", "--static", "--links-below", hub.parent / "store", hub).returncode == 0
    done = command("validate", "--static", "--links-below", hub / "gone", hub)
    assert done.returncode == 2
    assert "--links-below" in done.stderr


def test_a_configuration_names_folders_too(hub: Path) -> None:
    moved(hub, "saved_model.pb", hub.parent / "store" / "file")
    config = hub.parent / "config" / "hubcheck.toml"
    config.parent.mkdir()
    config.write_text('links-below = ["../store"]\n')
    assert found(checked(hub, config=config)) == [("warning", "safety/paths")]


def test_the_named_folder_may_be_a_link_itself(hub: Path) -> None:
    (hub.parent / "latest").symlink_to(hub / "m")
    moved(hub, "saved_model.pb", hub / "m" / "graph.bin")
    assert found(checked(hub.parent / "latest")) == []
    assert found(checked(hub.parent / "latest", links_below=[hub.parent / "latest"])) == []


LINKS: dict[str, tuple[Callable[[Path], str | Path], str]] = {
    "a folder": (lambda hub: "../../shared", "leads to a folder"),
    "a folder outside": (lambda hub: "/etc", "leads out of the module"),
    "a device": (lambda hub: "/dev/zero", "leads out of the module"),
    "a pipe": (lambda hub: hub / "pipe", "leads to something other than a file"),
    "nothing": (lambda hub: hub / "gone", "leads to nothing"),
    "nothing outside": (lambda hub: "/no/such/file", "leads to nothing"),
    "a process's files": (lambda hub: "/proc/self/environ", "leads out of the module"),
    "a process's folder": (lambda hub: "/proc/self/root/etc/hostname", "leads out of the module"),
    "a chain": (lambda hub: hub / "chain", "leads out of the module"),
    "a way around": (lambda hub: "../../../hub-of-others/file", "leads out of the module"),
    "a chain of folders": (lambda hub: "../../shared/up/outside", "leads out of the module"),
}


@pytest.mark.parametrize("name", LINKS)
def test_no_other_link_is_followed(name: str, hub: Path) -> None:
    (hub / "shared").mkdir()
    os.mkfifo(hub / "pipe")
    (hub.parent / "outside").write_text("text")
    (hub.parent / "hub-of-others").mkdir()
    (hub.parent / "hub-of-others" / "file").write_text("text")
    (hub / "chain").symlink_to("../outside")
    (hub / "shared" / "up").symlink_to("../..")
    target, message = LINKS[name]
    (hub / "m" / "deep" / "folder").mkdir(parents=True)
    for place in ("m/assets/link", "m/deep/folder/link", "m/link"):
        (hub / place).unlink(missing_ok=True)
        goal = target(hub)
        if isinstance(goal, str) and goal.startswith("../../"):
            goal = os.path.relpath(hub / "m" / "assets" / goal, (hub / place).parent)
        (hub / place).symlink_to(goal)
        report = checked(hub)
        assert found(report) == [("error", "safety/paths")]
        assert message in report.findings[0].message
        (hub / place).unlink()


@pytest.mark.parametrize("target", ["link", "saved_model.pb", "assets", ".", "gone", "../m/saved_model.pb", "loop"])
def test_links_inside_the_module_are_no_fault(target: str, hub: Path) -> None:
    (hub / "m" / "loop").symlink_to("link")
    (hub / "m" / "link").symlink_to(target)
    assert found(checked(hub)) == []
    with open_module(hub / "m", to_run=True) as module:
        assert module.problems == ()


def test_a_link_to_itself_does_not_hide_the_files_beside_it(hub: Path) -> None:
    (hub / "m" / "assets" / "a").symlink_to("a")
    (hub / "m" / "assets" / "b").symlink_to("/etc/hostname")
    assert found(checked(hub)) == [("error", "safety/paths")]


def test_documents_behind_links_are_not_read(hub: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("the secret")
    for name in ("m/README.md", "MODULE.md", "m.md"):
        (hub / name).symlink_to(tmp_path / "secret")
    for to_run in (False, True):
        with open_module(hub / "m", LIMITS, LinkPolicy(named=(hub,)), to_run=to_run) as module:
            assert module.documents == {}
        with open_module(hub / "m", LIMITS, LinkPolicy(below=(tmp_path,)), to_run=to_run) as module:
            assert set(module.documents) == {"README.md", "../MODULE.md", "../m.md"}


def test_an_asset_behind_a_link_out_is_not_read(hub: Path, tmp_path: Path) -> None:
    moved(hub, "assets/labels.txt", tmp_path / "outside")
    for to_run in (False, True):
        with open_module(hub / "m", to_run=to_run) as module:
            assert {asset.lines for variant in module.variants for asset in variant.assets} == {None}


def test_a_private_copy_holds_what_the_module_has(hub: Path) -> None:
    (hub / "m" / "assets.extra" / "deep").mkdir(parents=True)
    (hub / "m" / "assets.extra" / "deep" / "large").write_bytes(bytes(3 << 20))
    (hub / "m" / "current").symlink_to("assets.extra/deep")
    with open_module(hub / "m", to_run=True) as module:
        folder = module.folder
        assert folder != hub / "m"
        assert folder.name == "m"
        assert (folder / "current" / "large").stat().st_size == 3 << 20
        assert (folder / "saved_model.pb").read_bytes() == (hub / "m" / "saved_model.pb").read_bytes()
        assert not (folder / "saved_model.pb").is_symlink()
        assert module.path == hub / "m"
        assert "assets.extra/deep/large" in module.files
    assert not folder.exists()


@pytest.mark.parametrize("depth", [90, 700, 3000])
def test_folders_of_any_depth_are_no_crash(depth: int, hub: Path) -> None:
    folder = os.open(hub / "m", os.O_RDONLY)
    for _ in range(depth):
        os.mkdir("d", dir_fd=folder)
        inner = os.open("d", os.O_RDONLY, dir_fd=folder)
        os.close(folder)
        folder = inner
    os.close(folder)
    for to_run in (False, True):
        with open_module(hub / "m", to_run=to_run) as module:
            too_deep = [problem for problem in module.problems if "nested" in problem.message]
            assert len(module.problems) == len(too_deep) == (depth > 100)
    report = checked(hub)
    assert report.verdict == ("violates" if depth > 100 else "conforms")
    assert "the limit files" in str(report.findings) or depth <= 100
    if depth == 700:
        limits = ReadLimits(files=1_000_000)
        assert checked(hub, limits=limits).verdict == "conforms"
    from hubcheck.util.folders import remove_folder

    remove_folder(hub)
    assert not hub.exists()
