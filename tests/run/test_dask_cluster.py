"""A Dask cluster reports the same as one process, even when workers die, and leaves no process behind."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from hubcheck.engine.module_report import ModuleReport
from hubcheck.engine.reports import EXIT_CONFORMS, EXIT_FINDINGS, EXIT_INTERRUPTED
from hubcheck.run.options import Options
from hubcheck.run.resolved import resolve
from hubcheck.run.validate import stream
from hubcheck.util.errors import UserError
from tests.paths import DATA
from tests.run.conftest import STATIC, comparable, until

pytestmark = pytest.mark.slow

pytest.importorskip("distributed", reason="needs Dask, the extra `dask`")

LOCAL = replace(STATIC, jobs=2, cluster="local")


def check(modules: list[Path], options: Options) -> Iterator[ModuleReport]:
    return stream(modules, resolve(options))


def descendants(pid: int) -> dict[int, str]:
    """The command lines of all processes below one."""
    rows = subprocess.run(["ps", "-wweo", "pid=,ppid=,args="], capture_output=True, text=True, check=True).stdout
    children: dict[int, list[tuple[int, str]]] = {}
    for row in rows.splitlines():
        child, parent, command = row.split(None, 2)
        children.setdefault(int(parent), []).append((int(child), command))
    found, waiting = {}, [pid]
    while waiting:
        for child, command in children.get(waiting.pop(), ()):
            found[child] = command
            waiting.append(child)
    return found


def workers() -> list[int]:
    """The Dask workers below this process; their nannies, which start them again, are not among them."""
    return [pid for pid, command in descendants(os.getpid()).items() if "spawn_main" in command]


@pytest.fixture
def scheduler() -> Iterator[tuple[str, subprocess.Popen[bytes], subprocess.Popen[bytes]]]:
    """A scheduler of its own, with one worker: its address and the two processes."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{free.getsockname()[1]}"
    dask = [sys.executable, "-m", "dask"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "start_new_session": True}
    first = subprocess.Popen([*dask, "scheduler", "--host", address, "--no-dashboard"], **quiet)
    second = subprocess.Popen([*dask, "worker", address, "--nthreads", "2", "--no-dashboard"], **quiet)
    yield address, first, second
    for process in (second, first):
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def test_local_workers_report_the_same_as_one_process(hub: list[Path], alone: list[ModuleReport]) -> None:
    assert comparable(check(hub, LOCAL)) == alone
    assert workers() == []


def test_a_killed_worker_neither_loses_nor_repeats_reports(hub: list[Path], alone: list[ModuleReport]) -> None:
    killed = []

    def kill(count: int) -> None:
        if count == 10:
            killed.append(workers()[0])
            os.kill(killed[0], signal.SIGKILL)

    assert comparable(check(hub, LOCAL), kill) == alone
    assert killed


def test_a_module_that_kills_its_process_is_reported_and_the_others_are_checked(hub: list[Path], deadly: Path) -> None:
    reports = list(check(hub[:6], replace(LOCAL, rules=(deadly,))))
    assert [report.count("broken") for report in reports] == [0, 1, 0, 0, 0, 0]
    assert "died twice" in next(o.reason or "" for o in reports[1].outcomes if o.status == "broken")


def test_another_cluster_reports_the_same(
    hub: list[Path], alone: list[ModuleReport], scheduler: tuple[str, object, object]
) -> None:
    for _ in range(2):
        assert comparable(check(hub, replace(STATIC, cluster=scheduler[0]))) == alone


def test_a_module_that_a_worker_cannot_see_is_incomplete(
    hub: list[Path], scheduler: tuple[str, object, object]
) -> None:
    handle = os.open(hub[0].parent, os.O_RDONLY)
    hidden = Path(f"/proc/self/fd/{handle}/m001")
    try:
        reports = list(check([hub[0], hidden, hub[2]], replace(STATIC, cluster=scheduler[0])))
    finally:
        os.close(handle)
    assert [report.verdict == "incomplete" for report in reports] == [False, True, False]
    assert reports[1].findings == ()
    assert {outcome.status for outcome in reports[1].outcomes} == {"skipped"}
    assert "this machine does not see it" in (reports[1].outcomes[0].reason or "")


def test_after_the_scheduler_died_the_rest_is_incomplete(
    hub: list[Path], scheduler: tuple[str, subprocess.Popen[bytes], subprocess.Popen[bytes]]
) -> None:
    many = hub * 20

    def kill(count: int) -> None:
        if count == 3:
            os.killpg(scheduler[1].pid, signal.SIGKILL)

    reports = comparable(check(many, replace(STATIC, cluster=scheduler[0])), kill)
    assert [report.path for report in reports] == [str(path) for path in many]
    assert reports[-1].verdict == "incomplete"
    assert "is gone" in (reports[-1].outcomes[0].reason or "")


def test_a_missing_scheduler_is_an_error_of_one_sentence(hub: list[Path]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{taken.getsockname()[1]}"
        sentence = rf"^--cluster: no Dask scheduler answers at {re.escape(address)}: [^\n]+$"
        with pytest.raises(UserError, match=sentence):
            list(check(hub, replace(STATIC, cluster=address)))
    with pytest.raises(UserError, match=r"^--cluster: no Dask scheduler answers at nonsense: [^\n]+$"):
        list(check(hub, replace(STATIC, cluster="nonsense")))


def command(hub: list[Path], *more: str) -> list[str]:
    return [sys.executable, "-m", "hubcheck", "validate", "--static", "--cluster", "local", str(hub[0].parent), *more]


def test_the_command_has_the_usual_exit_codes(hub: list[Path]) -> None:
    done = subprocess.run([*command(hub, "--no-cache"), "--jobs", "1"], capture_output=True, text=True, check=False)
    assert done.returncode == EXIT_FINDINGS, done.stderr
    assert done.stderr == ""
    assert done.stdout.splitlines()[-1].startswith("40 modules: ")


@pytest.mark.parametrize("blow", [signal.SIGINT, signal.SIGKILL])
def test_an_ended_run_leaves_no_process_and_is_continued_from_the_cache(
    hub: list[Path], tmp_path: Path, blow: signal.Signals
) -> None:
    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path)}
    with subprocess.Popen(command(hub), stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        first = next(line for line in process.stdout if "passed" in line)
        below = descendants(process.pid)
        process.send_signal(blow)
        rest = process.stdout.read()
    assert below
    assert process.returncode in ((EXIT_INTERRUPTED, EXIT_FINDINGS) if blow == signal.SIGINT else (-blow,))
    until(lambda: not [pid for pid in below if Path(f"/proc/{pid}").exists()], f"still there: {below}")
    finished = (first + rest).count(" passed, ")
    again = subprocess.run(command(hub), capture_output=True, text=True, env=environment, check=False)
    known = int(re.search(r"\((\d+) cached\)", again.stdout.splitlines()[-1])[1])  # type: ignore[index]
    assert known >= finished > 0


def test_a_script_that_validates_is_not_run_again_by_the_workers(tmp_path: Path) -> None:
    script = tmp_path / "publish.py"
    script.write_text(
        "import hubcheck\n"
        "print('published')\n"
        f"report = hubcheck.validate({str(DATA / 'a_good_feature_vector')!r}, static=True, cluster='local', jobs=1)\n"
        "print(report.exit_code)\n"
    )
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["published", str(EXIT_CONFORMS)], done.stderr


def test_modules_are_run_by_the_workers(hub: list[Path]) -> None:
    options = Options(jobs=1, cluster="local", select=("behaviour", "module/loads"))
    good, fixed = check([DATA / "a_good_feature_vector", DATA / "e_fixed_batch_1"], options)
    assert good.verdict == "conforms"
    assert [(device.name, device.ran) for device in good.devices if device.name == "cpu"] == [("cpu", True)]
    assert (fixed.path, fixed.count("broken")) == (str(DATA / "e_fixed_batch_1"), 0)
