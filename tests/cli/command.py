"""Run the command line in a process of its own.

Most tests are about what a command prints and returns, and a new interpreter would take longer to import hubcheck, and
a new probe server to import TensorFlow, than the command takes. So the process is a fork of the test's, and uses its
probe server. Tests that are about processes, signals, streams or imports start one with `subprocess`.
"""

from __future__ import annotations

import gc
import itertools
import json
import os
import runpy
import signal
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

import pytest

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
    code: object = 70
    try:
        gc.freeze()  # collecting garbage would visit, and so copy, all that the tests before have left
        inherited = set(KEPT_SERVERS._waiting.values())
        dispatcher._NUMBERS = itertools.count(os.getpid() << 20)  # the server has seen those of this process
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        sys.stdin = os.fdopen(0, closefd=False)
        os.chdir(cwd or ".")
        os.environ.clear()
        os.environ.update(environment)
        for name in [name for name, module in sys.modules.items() if "/pytest-of-" in repr(module)]:
            del sys.modules[name]  # rules of other tests, whose packages may have the same name
        code = _redirected(run, out, err)
        for server in set(KEPT_SERVERS._waiting.values()) - inherited:
            server.close()
    except BaseException:
        os.write(err, traceback.format_exc().encode())
    finally:
        os._exit(code if isinstance(code, int) else 1)


def _redirected(run: Callable[[], object], out: int, err: int) -> object:
    """Call a function with other standard output and error; return the code of SystemExit, or 0."""
    os.dup2(out, 1)
    os.dup2(err, 2)
    # As Python does, keep them in a second place: what replaces them would close their descriptors otherwise.
    sys.__stdout__ = sys.stdout = os.fdopen(1, "w", encoding="utf-8", closefd=False)
    sys.__stderr__ = sys.stderr = os.fdopen(2, "w", encoding="utf-8", errors="backslashreplace", closefd=False)
    try:
        run()
    except SystemExit as end:
        return end.code
    finally:
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError):
                stream.flush()
    return 0


def here(words: list[str], cwd: Path, **env: str) -> subprocess.CompletedProcess[str]:
    """Run hubcheck, or `python SCRIPT`, in this process, where TensorFlow is imported already; restore what changes."""

    def run() -> None:
        if words[0] == "python":
            sys.argv = words[1:]
            runpy.run_path(words[1], run_name="__main__")
        else:
            sys.argv = words
            main()

    streams = sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__
    handler, threshold = signal.getsignal(signal.SIGINT), gc.get_threshold()
    saved = os.dup(1), os.dup(2)
    with (
        tempfile.TemporaryFile() as out,
        tempfile.TemporaryFile() as err,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.chdir(cwd)
        patch.setattr(sys, "argv", words)
        for name, value in env.items():
            patch.setenv(name, value)
        try:
            code = _redirected(run, out.fileno(), err.fileno())
        finally:
            for number, descriptor in enumerate(saved, 1):
                os.dup2(descriptor, number)
                os.close(descriptor)
            sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__ = streams
            signal.signal(signal.SIGINT, handler)
            gc.set_threshold(*threshold)
            gc.unfreeze()
        out.seek(0)
        err.seek(0)
        assert isinstance(code, int)
        return subprocess.CompletedProcess(words, code, out.read().decode(), err.read().decode())


def document(*arguments: object) -> dict:
    return json.loads(hubcheck("validate", "--format", "json", *arguments).stdout)
