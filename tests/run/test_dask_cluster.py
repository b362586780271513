"""A Dask cluster reports the same as one process, even when workers die, and leaves no process behind."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path

import pytest

from hubcheck.engine.module_report import ModuleReport
from hubcheck.engine.reports import EXIT_FINDINGS, EXIT_INCOMPLETE, EXIT_INTERRUPTED
from hubcheck.run.code_digests import code_digests
from hubcheck.run.options import Options
from hubcheck.run.resolved import resolve
from hubcheck.run.validate import stream
from hubcheck.util.errors import UserError
from tests.paths import DATA, ROOT
from tests.run.conftest import RULE, STATIC, comparable, until

pytestmark = pytest.mark.slow

distributed = pytest.importorskip("distributed", reason="needs Dask, the extra `dask`")

from hubcheck.run.cluster import cluster  # noqa: E402 - it needs Dask
from hubcheck.run.cluster.connect import connected  # noqa: E402

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


DASK = [sys.executable, "-P", "-m", "dask"]


@pytest.fixture
def processes() -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Starts a process, which is ended with all in its group after the test."""
    with ExitStack() as ending:

        def start(command: list[str], **variables: str) -> subprocess.Popen[bytes]:
            quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "start_new_session": True}
            process = subprocess.Popen(command, env={**os.environ, **variables}, **quiet)
            ending.callback(process.wait)
            ending.callback(kill_group, process)
            return process

        yield start


def kill_group(process: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


@pytest.fixture
def address(processes: Callable[..., subprocess.Popen[bytes]]) -> str:
    """The address of a scheduler without workers."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{free.getsockname()[1]}"
    processes([*DASK, "scheduler", "--host", address, "--no-dashboard"])
    return address


def joined(address: str) -> int:
    with distributed.Client(address, set_as_default=False) as client:
        return len(client.nthreads())


def worker(address: str, threads: int = 2) -> list[str]:
    return [*DASK, "worker", address, "--nthreads", str(threads), "--no-dashboard"]


@pytest.fixture
def scheduler(
    processes: Callable[..., subprocess.Popen[bytes]],
) -> tuple[str, subprocess.Popen[bytes], subprocess.Popen[bytes]]:
    """A scheduler of its own, with one worker: its address and the two processes."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{free.getsockname()[1]}"
    first = processes([*DASK, "scheduler", "--host", address, "--no-dashboard"])
    return address, first, processes(worker(address))


def test_local_workers_report_the_same_as_one_process_and_a_killed_one_neither_loses_nor_repeats_reports(
    hub: list[Path], alone: list[ModuleReport]
) -> None:
    killed = []

    def kill(count: int) -> None:
        if count == 10:
            killed.append(workers()[0])
            os.kill(killed[0], signal.SIGKILL)

    assert comparable(check(hub, LOCAL), kill) == alone
    assert killed
    assert workers() == []


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


@pytest.fixture
def other_code(tmp_path: Path) -> Path:
    """A copy of hubcheck of the same version with other code, which finds every module good."""
    for name in ("hubcheck", "rules"):
        shutil.copytree(ROOT / name, tmp_path / "other" / name, ignore=shutil.ignore_patterns("__pycache__"))
    evaluation = tmp_path / "other" / "hubcheck" / "engine" / "module_report.py"
    evaluation.write_text(evaluation.read_text() + "\nModuleReport.verdict = property(lambda report: 'conforms')\n")
    return tmp_path / "other"


def test_workers_with_other_code_get_no_module(
    hub: list[Path],
    alone: list[ModuleReport],
    address: str,
    other_code: Path,
    processes: Callable[..., subprocess.Popen[bytes]],
    caplog: pytest.LogCaptureFixture,
) -> None:
    processes(worker(address), PYTHONPATH=str(other_code))
    with pytest.raises(UserError, match=r"has other code of hubcheck .* than this machine; install the same on all"):
        list(check(hub, replace(STATIC, cluster=address)))
    processes(worker(address))

    def join(count: int) -> None:
        if count == 3:
            processes(worker(address), PYTHONPATH=str(other_code))

    until(lambda: joined(address) == 2, "the second worker does not join")
    caplog.clear()
    assert comparable(check(hub * 10, replace(STATIC, cluster=address)), join) == alone * 10
    assert "has other code" in caplog.text


def test_workers_with_other_rules_get_no_module(
    hub: list[Path], deadly: Path, scheduler: tuple[str, object, object]
) -> None:
    plan = resolve(replace(STATIC, cluster=scheduler[0], rules=(deadly,)))
    (deadly / "house" / "deadly.toml").write_text(RULE.replace('"error"', '"warning"'))
    with connected(plan) as cluster:  # both see the changed file
        assert cluster.environment is not None
    before = code_digests([deadly])
    (deadly / "house" / "deadly.toml").write_text(RULE)
    assert code_digests([deadly])["rules of --rules"] != before["rules of --rules"]


def test_a_worker_that_does_not_see_the_modules_is_left_out(
    hub: list[Path], alone: list[ModuleReport], address: str, processes: Callable[..., subprocess.Popen[bytes]]
) -> None:
    namespaces = ["unshare", "--user", "--map-root-user", "--mount"]
    if subprocess.run([*namespaces, "true"], check=False, capture_output=True).returncode:
        pytest.skip("this machine has no user namespaces")
    hide = f"mount -t tmpfs none {hub[0].parent} && exec " + " ".join(worker(address))
    processes([*namespaces, "sh", "-c", hide])
    seeing = processes(worker(address))
    until(lambda: joined(address) == 2, "the workers do not join")

    def exchange(count: int) -> None:
        """Leave the one that sees nothing alone for the seconds that another one takes to start."""
        if count == 3:
            kill_group(seeing)
            processes(worker(address))

    assert comparable(check(hub * 3, replace(STATIC, cluster=address)), exchange) == alone * 3


def test_without_workers_the_run_ends_after_one_patience(
    hub: list[Path],
    scheduler: tuple[str, subprocess.Popen[bytes], subprocess.Popen[bytes]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def kill(count: int) -> None:
        if count == 3:
            monkeypatch.setattr(cluster, "_PATIENCE", 3.0)
            kill_group(scheduler[2])

    reports = comparable(check(hub * 20, replace(STATIC, cluster=scheduler[0])), kill)
    assert len(reports) == len(hub) * 20
    assert {report.verdict for report in reports[-len(hub) :]} == {"incomplete"}
    assert "has no workers any more" in (reports[-1].outcomes[0].reason or "")


def test_a_killed_run_leaves_nothing_on_the_workers(
    hub: list[Path], address: str, processes: Callable[..., subprocess.Popen[bytes]], tmp_path: Path
) -> None:
    (tmp_path / "scratch").mkdir()
    folders = {"TMPDIR": str(tmp_path / "scratch"), "DASK_TEMPORARY_DIRECTORY": str(tmp_path / "dask")}
    dask = processes(worker(address, threads=1), **folders)
    run = [sys.executable, "-m", "hubcheck", "validate", "--no-cache", "--cluster", address, str(hub[0].parent)]
    process = processes(run)
    until(lambda: below(dask.pid, "server.py"), "nothing is run")
    process.kill()
    until(lambda: not below(dask.pid, "hubcheck"), "worker processes are left")
    until(lambda: not list((tmp_path / "scratch").iterdir()), "folders are left")


def below(pid: int, text: str) -> list[str]:
    return [command for command in descendants(pid).values() if text in command]


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


@pytest.mark.parametrize(
    "address", ["nonsense", "", "tcp://", "tcp://host", "tcp://host:port", "http://x:1", "[::1", "a:1:1"]
)
def test_a_malformed_address_is_an_error_of_one_sentence(hub: list[Path], address: str) -> None:
    with pytest.raises(UserError, match=rf"^--cluster: [^\n]*{re.escape(address)}[^\n]*$"):
        list(check(hub, replace(STATIC, cluster=address)))


def command(hub: list[Path]) -> list[str]:
    return [sys.executable, "-m", "hubcheck", "validate", "--static", "--cluster", "local", str(hub[0].parent)]


@pytest.mark.parametrize("blow", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_an_ended_run_leaves_no_process_is_continued_from_the_cache_and_has_the_usual_exit_codes(
    hub: list[Path], tmp_path: Path, blow: signal.Signals
) -> None:
    (tmp_path / "scratch").mkdir()
    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path), "TMPDIR": str(tmp_path / "scratch")}
    with subprocess.Popen(command(hub), stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        first = next(line for line in process.stdout if "passed" in line)
        started = descendants(process.pid)
        process.send_signal(blow)
        rest = process.stdout.read()
    assert started
    assert process.returncode in ((EXIT_INTERRUPTED, EXIT_FINDINGS) if blow == signal.SIGINT else (-blow,))
    until(lambda: not [pid for pid in started if Path(f"/proc/{pid}").exists()], f"still there: {started}")
    until(lambda: not list((tmp_path / "scratch").iterdir()), "folders are left")
    finished = len(re.findall(r"^\S \S+  \d+ passed, ", first + rest, re.MULTILINE))
    again = subprocess.run([*command(hub), "--jobs", "1"], capture_output=True, text=True, env=environment, check=False)
    assert (again.returncode, again.stderr) == (EXIT_FINDINGS, "")
    known = int(re.search(r"^40 modules \((\d+) cached\)", again.stdout, re.MULTILINE)[1])  # type: ignore[index]
    assert known >= finished > 0


def test_modules_are_run_by_the_workers_which_do_not_run_the_script_that_validates_again(tmp_path: Path) -> None:
    script = tmp_path / "publish.py"
    script.write_text(
        "import hubcheck, json\n"
        "print('published')\n"
        f"modules = [{str(DATA / 'a_good_feature_vector')!r}, {str(DATA / 'e_fixed_batch_1')!r}]\n"
        "options = {'jobs': 1, 'cluster': 'local', 'select': ['behaviour', 'module/loads']}\n"
        "report = hubcheck.validate(modules, **options)\n"
        "print(report.exit_code)\n"
        "print(json.dumps(report.to_dict()['modules']))\n"
    )
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=False)
    published, code, modules = done.stdout.splitlines()
    assert (published, code) == ("published", str(EXIT_INCOMPLETE)), done.stderr
    good, fixed = json.loads(modules)
    assert good["verdict"] == "conforms"
    assert {"name": "cpu", "ran": True, "reason": None} in good["devices"]
    assert fixed["path"] == str(DATA / "e_fixed_batch_1")
    assert "broken" not in {outcome["status"] for outcome in fixed["outcomes"]}
