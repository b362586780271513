"""A limit of the checking machine, or a worker that somebody kills, is no fault of the module: nothing is decided."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import hubcheck
from hubcheck.engine.reports import EXIT_CONFORMS, EXIT_INCOMPLETE, Report
from hubcheck.probe.options import ProbeOptions
from hubcheck.sandbox.processes import children
from tests.paths import DATA
from tests.probe.modules import pooled, tensorflow, tf1_module

GOOD = DATA / "a_good_feature_vector"


def open_reasons(report: Report) -> str:
    return "; ".join(outcome.reason or "" for outcome in report.modules[0].outcomes if not outcome.complete)


@pytest.mark.parametrize(
    ("options", "remedy"),
    [
        (ProbeOptions(timeout=0.05), "its deadline of 0.05 s; raise it with --timeout"),
        (ProbeOptions(memory=1 << 20), "its limit of 1 MiB; raise it with memory-mb in the configuration"),
    ],
)
def test_a_limit_makes_the_verdict_incomplete_and_names_the_option(options, remedy):
    report = hubcheck.validate(GOOD, probe=options, cache=False)
    assert (report.modules[0].verdict, report.exit_code) == ("incomplete", EXIT_INCOMPLETE), report.findings
    assert [finding for finding in report.findings if finding.level == "error"] == []
    assert remedy in open_reasons(report)


def test_dropout_that_only_a_run_could_tell_is_not_excluded_by_a_short_deadline(tmp_path):
    """Dropout behind a condition of the images: with the time that it needs it is found, without it left open."""
    tf = tensorflow()

    def dropping(images, kernel):
        x = pooled(images, kernel)
        always = tf.reduce_mean(images) > -1.0
        return tf.cond(always, lambda: tf.nn.dropout(tf.tile(x, [1, 4]), rate=0.5), lambda: tf.tile(x, [1, 4]))

    def wide(images, kernel):
        return tf.tile(pooled(images, kernel), [1, 4])

    module = tf1_module(tmp_path / "m", wide, dropping)
    hurried = hubcheck.validate(module, probe=ProbeOptions(timeout=0.05), cache=False)
    assert hurried.modules[0].verdict != "conforms"


def worker_killer(stop: threading.Event, often: int) -> Callable[[], None]:
    """Return a function that kills the first `often` workers of this process's servers, as the system would."""

    def kill() -> None:
        killed: set[int] = set()
        while len(killed) < often and not stop.is_set():
            for server in children():
                for task in Path(f"/proc/{server}/task").glob("*/children"):
                    try:
                        workers = {int(pid) for pid in task.read_text(encoding="ascii").split()} - killed
                    except OSError:
                        continue
                    for worker in list(workers)[: often - len(killed)]:
                        os.kill(worker, signal.SIGKILL)
                        killed.add(worker)
            time.sleep(0.01)

    return kill


@pytest.mark.parametrize(
    ("often", "verdict", "code"), [(1, "conforms", EXIT_CONFORMS), (50, "incomplete", EXIT_INCOMPLETE)]
)
def test_a_module_whose_worker_is_killed_is_tried_once_more(often, verdict, code):
    stop = threading.Event()
    thread = threading.Thread(target=worker_killer(stop, often))
    thread.start()
    try:
        report = hubcheck.validate(GOOD, probe=ProbeOptions(timeout=170.0), cache=False, jobs=1)
    finally:
        stop.set()
        thread.join()
    assert (report.modules[0].verdict, report.exit_code) == (verdict, code), report.findings
    if verdict == "incomplete":
        assert "killed with signal 9 (SIGKILL)" in open_reasons(report)
