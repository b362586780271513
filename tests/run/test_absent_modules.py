"""Modules that are gone or that change while they are checked: what is not there is not judged."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest

import hubcheck
from hubcheck.engine.module_report import ModuleReport
from hubcheck.run.options import Options
from hubcheck.run.resolved import resolve
from hubcheck.run.validate import modules_at, stream
from tests.cli.command import document
from tests.paths import DATA
from tests.remote.server import serving

GOOD, BAD = DATA / "a_good_feature_vector", DATA / "e_fixed_batch_1"
RULE = """
id = "house/writes"
title = "T"
level = "error"
check = "house.writes:check"
message = "m"
why = "w"
fix = "f"
[source]
section = "s"
requirement = "r"
"""
WRITES = """
import os
from hubcheck import Checked

def check(context):
    '''Counts the checks, and acts as somebody else who writes to the module meanwhile.'''
    with open({log!r}, "a") as log:
        log.write("checked\\n")
    times = len(open({log!r}).readlines())
    module = os.fspath(context.module.path)
    {action}
    yield Checked()
"""


def reason(report: ModuleReport) -> str:
    """The one reason for which no rule was checked."""
    assert report.verdict == "incomplete"
    assert report.findings == ()
    (only,) = {outcome.reason or "" for outcome in report.outcomes}
    return only


def house(folder: Path, action: str) -> Path:
    """A folder with a rule that runs `action`, where `times` is how often modules were checked."""
    (folder / "house" / "house").mkdir(parents=True)
    (folder / "house" / "writes.py").write_text(WRITES.format(log=str(folder / "log"), action=action))
    (folder / "house" / "house" / "writes.toml").write_text(RULE)
    return folder / "house"


@pytest.mark.parametrize("jobs", [1, 2])
@pytest.mark.parametrize("kind", ["folder", "archive"])
def test_a_module_that_vanished_after_the_search_is_not_checked(jobs: int, kind: str, tmp_path: Path) -> None:
    for name in ("m1", "m2", "m3"):
        shutil.copytree(GOOD, tmp_path / "hub" / name)
        if kind == "archive":
            shutil.make_archive(str(tmp_path / "hub" / name), "zip", tmp_path / "hub" / name)
            shutil.rmtree(tmp_path / "hub" / name)
    plan = resolve(Options(static=True, jobs=jobs))
    modules = modules_at([tmp_path / "hub"], plan)
    gone = modules[1]
    assert isinstance(gone, Path)
    shutil.rmtree(gone) if gone.is_dir() else gone.unlink()
    reports = list(stream(modules, plan))
    assert [report.verdict for report in reports] == ["conforms", "incomplete", "conforms"]
    assert reason(reports[1]).startswith("not checked: ")
    assert str(gone) in reason(reports[1])
    assert "missing beside" not in reason(reports[1])


def test_a_marker_without_a_saved_model_is_still_a_fault(tmp_path: Path) -> None:
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "tfhub_module.pb").write_bytes(b"\x08\x03")
    (report,) = hubcheck.validate(tmp_path / "m", static=True).modules
    assert [finding.message for finding in report.findings] == ["saved_model.pb is missing beside tfhub_module.pb"]
    with pytest.raises(hubcheck.NotAModule, match="no module here"):
        hubcheck.read(tmp_path)


REMOVED = "import shutil; shutil.rmtree(module)"
REWRITTEN = "open(module + '/saved_model.pb', 'ab').write(b'')\n    os.utime(module + '/saved_model.pb', ns=(0, times))"


@pytest.mark.parametrize(
    ("action", "times", "says"),
    [
        (REMOVED, 1, "there is no module now"),
        (REWRITTEN, 2, "not checked: saved_model.pb changed meanwhile"),
        ("open(module + '/variables/more', 'a').write('1')", 2, "not checked: variables/more changed meanwhile"),
        ("os.utime(module + '/saved_model.pb', ns=(0, 1))", 2, None),
        ("os.remove(module + '/saved_model.pb'); os.remove(module + '/tfhub_module.pb')", 1, "there is no module now"),
        ("open(module + '/events.out.tfevents', 'a').write('1')", 1, None),
        ("open(module + '/saved_model.pb').read(1) if False else None", 1, None),
    ],
    ids=["removed", "always rewritten", "always more weights", "rewritten once", "half removed", "a log", "nothing"],
)
def test_a_module_that_changes_is_checked_once_more(action: str, times: int, says: str | None, tmp_path: Path) -> None:
    module = Path(shutil.copytree(GOOD, tmp_path / "m"))
    rules = house(tmp_path, action)
    report = document("--static", "--no-cache", "--rules", rules, module)
    (checked,) = report["modules"]
    assert (tmp_path / "log").read_text().count("checked") == times
    if says is None:
        assert (checked["verdict"], report["exit_code"]) == ("conforms", 0)
    else:
        assert (checked["verdict"], report["exit_code"], checked["findings"]) == ("incomplete", 3, [])
        assert all(says in outcome["reason"] for outcome in checked["outcomes"])


def test_an_archive_that_is_replaced_is_checked_once_more(tmp_path: Path) -> None:
    for name, source in (("m", BAD), ("new", GOOD)):
        shutil.make_archive(str(tmp_path / name), "zip", source)
    rules = house(
        tmp_path, f"os.path.exists({str(tmp_path / 'new.zip')!r}) and os.replace({str(tmp_path / 'new.zip')!r}, module)"
    )
    report = document("--static", "--no-cache", "--rules", rules, tmp_path / "m.zip")
    assert (report["modules"][0]["verdict"], report["exit_code"]) == ("conforms", 0)


@pytest.fixture
def in_memory() -> Iterator[str]:
    """The URI of a folder of modules in the memory of this process."""
    storage = fsspec.filesystem("memory")
    for number in range(3):
        storage.put(str(GOOD), f"/absent/m{number}", recursive=True)
    yield "memory://absent"
    storage.store.clear()
    storage.pseudo_dirs[:] = [""]


def test_modules_in_memory_are_checked_by_the_process_that_has_them(in_memory: str) -> None:
    report = hubcheck.validate(in_memory, static=True, jobs=3, cache=False)
    assert [module.verdict for module in report.modules] == ["conforms"] * 3


@pytest.mark.slow
def test_modules_in_the_memory_of_another_process_are_not_checked(in_memory: str) -> None:
    pytest.importorskip("distributed")
    report = hubcheck.validate(f"{in_memory}/m0", static=True, jobs=1, cache=False, cluster="local")
    assert reason(report.modules[0]) == f"not checked: {in_memory}/m0: only the process that wrote it can read it"


@pytest.mark.parametrize("lists", [False, True])
@pytest.mark.parametrize("kind", ["folder", "archive"])
def test_a_module_that_a_server_has_no_longer_is_not_checked(lists: bool, kind: str, tmp_path: Path) -> None:
    shutil.copytree(GOOD, tmp_path / "hub" / "m")
    if kind == "archive":
        shutil.make_archive(str(tmp_path / "hub" / "m"), "zip", tmp_path / "hub" / "m")
        shutil.rmtree(tmp_path / "hub" / "m")
    with serving(tmp_path, lists=lists) as server:
        plan = resolve(Options(static=True))
        modules = modules_at([server.uri("hub/m.zip" if kind == "archive" else "hub/m")], plan)
        shutil.rmtree(tmp_path / "hub")
        (report,) = stream(modules, plan)
    assert reason(report) == f"not checked: {modules[0]}: there is no module now"


def test_a_file_that_a_server_lists_but_does_not_have_is_not_judged(tmp_path: Path) -> None:
    shutil.copytree(GOOD, tmp_path / "m")
    with serving(tmp_path, lists=True) as server:
        server.overrides["/m/saved_model.pb"] = lambda handler, content: handler.send_error(404)
        (report,) = hubcheck.validate(server.uri("m"), static=True, cache=False).modules
    assert "saved_model.pb cannot be fetched: the server answers 404" in reason(report)


@pytest.mark.slow
def test_weights_that_change_during_a_run_are_run_again(tmp_path: Path) -> None:
    module = Path(shutil.copytree(GOOD, tmp_path / "m"))
    data = next((module / "variables").glob("*.data-*"))
    rules = house(tmp_path, f"times == 1 and os.utime({os.fspath(data)!r}, ns=(0, 1))")
    (report,) = hubcheck.validate(module, rules=[rules]).modules
    assert (tmp_path / "log").read_text().count("checked") == 2
    assert (report.verdict, report.devices[0].ran) == ("conforms", True)
