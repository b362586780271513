"""Many modules at a time: the same reports in the same order, whatever happens to the processes that make them."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from hubcheck.fleet import processes
from hubcheck.options import Options
from hubcheck.plan import plan
from hubcheck.results import ModuleReport
from hubcheck.run import stream
from tests.paths import DATA

STATIC = Options(static=True, jobs=1)


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("hub")
    sources = sorted(DATA.glob("?_*"))
    return [Path(shutil.copytree(sources[i % len(sources)], folder / f"m{i:03}")) for i in range(40)]


def told(reports: Iterator[ModuleReport]) -> list[ModuleReport]:
    """Reports without what differs from run to run."""
    return [replace(report, elapsed_s=0) for report in reports]


@pytest.fixture(scope="module")
def alone(hub: list[Path]) -> list[ModuleReport]:
    return told(stream(hub, STATIC, plan(STATIC)))


def children() -> list[int]:
    found = subprocess.run(["pgrep", "-P", str(os.getpid()), "-f", "hubcheck.fleet"], capture_output=True, check=False)
    return [int(pid) for pid in found.stdout.split()]


def test_several_processes_tell_what_one_does(hub: list[Path], alone: list[ModuleReport]) -> None:
    options = replace(STATIC, jobs=2)
    assert told(stream(hub, options, plan(options))) == alone
    assert children() == []


def test_killed_processes_lose_nothing_and_tell_nothing_twice(hub: list[Path], alone: list[ModuleReport]) -> None:
    options = replace(STATIC, jobs=2)
    reports, killed = [], 0
    for report in stream(hub, options, plan(options)):
        reports.append(replace(report, elapsed_s=0))
        if len(reports) in (3, 15):
            for pid in children()[:1]:
                os.kill(pid, signal.SIGKILL)
                killed += 1
    assert killed == 2
    assert reports == alone


def test_a_module_on_which_processes_die_is_told_and_the_others_go_on(
    hub: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A rule of one's own that kills its process stands for whatever may."""
    (tmp_path / "deadly.py").write_text(
        "import os\n\ndef check(context):\n    '''Dies.'''\n"
        "    if context.module.path.name == 'm001': os._exit(9)\n    return iter(())\n"
    )
    (tmp_path / "rules" / "house").mkdir(parents=True)
    (tmp_path / "rules" / "house" / "deadly.toml").write_text(
        'id = "house/deadly"\ntitle = "T"\nlevel = "error"\ncheck = "deadly_rules.deadly:check"\nmessage = "m"\n'
        'why = "w"\nfix = "f"\n[source]\nsection = "s"\nrequirement = "r"\n'
    )
    (tmp_path / "deadly_rules").mkdir()
    (tmp_path / "deadly.py").rename(tmp_path / "deadly_rules" / "deadly.py")
    monkeypatch.syspath_prepend(str(tmp_path))
    options = replace(STATIC, jobs=2, rules=(tmp_path / "rules",))
    reports = list(stream(hub[:5], options, plan(options)))
    assert [report.path for report in reports] == [str(path) for path in hub[:5]]
    assert [report.count("broken") for report in reports] == [0, 1, 0, 0, 0]
    assert "died twice" in next(o.reason or "" for o in reports[1].outcomes if o.status == "broken")


def test_leaving_early_leaves_no_process(hub: list[Path]) -> None:
    options = replace(STATIC, jobs=2)
    running = stream(hub, options, plan(options))
    next(running)
    assert children()
    running.close()  # type: ignore[attr-defined]
    assert children() == []


def test_ctrl_c_keeps_what_was_done(hub: list[Path]) -> None:
    command = [
        sys.executable,
        "-m",
        "hubcheck",
        "validate",
        "--static",
        "--no-cache",
        "--jobs",
        "2",
        str(hub[0].parent),
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        first = process.stdout.readline()
        time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        rest = process.stdout.read()
    assert "m000" in first
    assert process.returncode in (130, 1)
    assert "interrupted" in rest or process.returncode == 1


def test_a_few_modules_are_checked_here() -> None:
    assert processes(Options(static=True), 3) == 1
    assert processes(Options(static=True, jobs=4), 3) == 3
    assert processes(Options(), 1000) == 1
