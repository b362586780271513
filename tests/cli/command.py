"""Run the command line in a process of its own.

Most tests are about what a command prints and returns, and a new interpreter would take longer to import hubcheck, and
a new probe server to import TensorFlow, than the command takes. So the process is a fork of the test's, and uses its
probe server. Tests that are about processes, signals, streams or imports start one with `subprocess`.
"""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from hubcheck.cli.main import main
from hubcheck.probe.dispatch import dispatcher
from hubcheck.probe.dispatch.kept_servers import KEPT_SERVERS
from hubcheck.probe.pool import Pool
from hubcheck.probe.wire import control
from tests.paths import DATA

GOOD = DATA / "a_good_feature_vector"
BATCH_OF_1 = DATA / "e_fixed_batch_1"

_WITH_SERVER = ("validate", "replay", "diff")
_IN_NEW_PROCESS = {"adapt", "fix", "new", "publish", "--help", "-h"}
"""Words of commands that use TensorFlow themselves, which a fork must not, or that print help, for which rich-click
replaces what this process has imported."""


def hubcheck(*arguments: object, cwd: Path | None = None, **env: str) -> subprocess.CompletedProcess[str]:
    """Run a command line; return its exit code and what it printed."""
    words = [os.fspath(word) if isinstance(word, os.PathLike) else str(word) for word in arguments]
    environment = {**os.environ, **env}
    if not words or _IN_NEW_PROCESS & set(words):
        command = [sys.executable, "-m", "hubcheck", *words]
        return subprocess.run(command, capture_output=True, text=True, check=False, cwd=cwd, env=environment)
    if words[0] in _WITH_SERVER and "--static" not in words:
        start_server()
    done = forked_hubcheck(words, cwd, environment)
    return subprocess.CompletedProcess(words, done.returncode, done.stdout.decode(), done.stderr.decode())


def start_server() -> None:
    """Let a probe server wait, which commands in forks use one after the other."""
    Pool().close()
    for server in KEPT_SERVERS._waiting.values():
        if not server.ready:
            control.receive(server.channel)  # that it has imported TensorFlow, which it says once
            server.ready = True


def forked_hubcheck(
    words: list[str], cwd: Path | None, environment: Mapping[str, str]
) -> subprocess.CompletedProcess[bytes]:
    """Run a command line that imports no TensorFlow in a fork of this process."""

    def run() -> None:
        sys.argv = ["hubcheck", *words]
        main()

    return forked(run, cwd, environment)


def forked(
    run: Callable[[], object], cwd: Path | None, environment: Mapping[str, str]
) -> subprocess.CompletedProcess[bytes]:
    """Call a function in a fork of this process, which ends with the code of SystemExit, or 0."""
    waiting, KEPT_SERVERS._waiting = KEPT_SERVERS._waiting, {}
    try:
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            pid = os.fork()
            if pid == 0:
                KEPT_SERVERS._waiting = waiting
                _child(run, cwd, environment, out.fileno(), err.fileno())
            code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
            out.seek(0)
            err.seek(0)
            return subprocess.CompletedProcess([], code, out.read(), err.read())
    finally:
        KEPT_SERVERS._waiting = waiting


def _child(run: Callable[[], object], cwd: Path | None, environment: Mapping[str, str], out: int, err: int) -> None:
    code: object = 0
    try:
        inherited = set(KEPT_SERVERS._waiting.values())
        dispatcher._NUMBERS = itertools.count(os.getpid() << 20)  # the server has seen those of this process
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(out, 1)
        os.dup2(err, 2)
        sys.stdin = os.fdopen(0, closefd=False)
        sys.__stdout__ = sys.stdout = os.fdopen(1, "w", encoding="utf-8", closefd=False)
        sys.__stderr__ = sys.stderr = os.fdopen(2, "w", encoding="utf-8", errors="backslashreplace", closefd=False)
        os.chdir(cwd or ".")
        os.environ.clear()
        os.environ.update(environment)
        try:
            run()
        except SystemExit as end:
            code = end.code
        for server in set(KEPT_SERVERS._waiting.values()) - inherited:
            server.close()
    except BaseException:
        code = 70
        os.write(2, traceback.format_exc().encode())
    finally:
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError):
                stream.flush()
        os._exit(code if isinstance(code, int) else 1)


def document(*arguments: object) -> dict:
    return json.loads(hubcheck("validate", "--format", "json", *arguments).stdout)
