"""Hostile modules: static rules refuse them, and running them anyway does no harm."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import hubcheck
from hubcheck.module.reader import read
from hubcheck.probe.observations import Observations
from hubcheck.probe.options import ProbeOptions
from hubcheck.probe.pool import Pool
from hubcheck.rulebook.contract import load_contracts
from tests.probe.modules import pooled, tensorflow, tf1_module

LONG, SHORT = ProbeOptions(timeout=90.0), ProbeOptions(timeout=5.0)


def _writes(outside: Path) -> Callable[[Any, Any], Any]:
    def function(images: Any, kernel: Any) -> Any:
        tf = tensorflow()
        with tf.control_dependencies([tf.io.write_file(str(outside / "escaped"), "x")]):
            return pooled(images, kernel)

    return function


def _reads(outside: Path) -> Callable[[Any, Any], Any]:
    def function(images: Any, kernel: Any) -> Any:
        tf = tensorflow()
        found = tf.strings.length(tf.io.read_file(str(outside / "secret")))
        return pooled(images, kernel) + tf.cast(found, tf.float32)

    return function


def _aborts(outside: Path) -> Callable[[Any, Any], Any]:
    def function(images: Any, kernel: Any) -> Any:
        tf = tensorflow()
        with tf.control_dependencies([tf.raw_ops.Abort(error_msg="the end of this process")]):
            return pooled(images, kernel)

    return function


def _never_ends(outside: Path) -> Callable[[Any, Any], Any]:
    def function(images: Any, kernel: Any) -> Any:
        tf = tensorflow()
        (turns,) = tf.while_loop(lambda n: n >= 0.0, lambda n: (tf.math.mod(n + 1.0, 7.0),), (0.0,))
        return pooled(images, kernel) + turns

    return function


def _takes_all_memory(outside: Path) -> Callable[[Any, Any], Any]:
    def function(images: Any, kernel: Any) -> Any:
        tf = tensorflow()
        much = tf.fill(tf.stack([25_000, 1_000, 1_000 * tf.shape(images)[0] // tf.shape(images)[0]]), 1.0)
        return pooled(images, kernel) + tf.reduce_max(much)

    return function


def _fills_the_disk(outside: Path) -> Callable[[Any, Any], Any]:
    def function(images: Any, kernel: Any) -> Any:
        tf = tensorflow()
        much = tf.strings.reduce_join(tf.fill([300_000], "x" * 1024))
        with tf.control_dependencies([tf.io.write_file("huge", much)]):
            return pooled(images, kernel)

    return function


def _prints(outside: Path) -> Callable[[Any, Any], Any]:
    def function(images: Any, kernel: Any) -> Any:
        tf = tensorflow()
        printed = tf.print(tf.fill([1 << 14], "0123456789" * 100), summarize=-1)
        with tf.control_dependencies([printed]):
            return pooled(images, kernel)

    return function


CASES: dict[str, tuple[Callable[[Path], Callable[[Any, Any], Any]], str | None]] = {
    "writes": (_writes, "(escaped; Permission denied|; Read-only file system)"),
    "reads": (_reads, "secret; (Permission denied|No such file or directory)"),
    "aborts": (_aborts, r"signal 6 \(SIGABRT\)"),
    "never ends": (_never_ends, "deadline of 5 s"),
    "takes all memory": (_takes_all_memory, "ran out of memory"),
    "fills the disk": (_fills_the_disk, "File too large"),
    "prints": (_prints, None),
}

LIMITED = {"never ends", "takes all memory"}
"""What a limit stops is no fault: it is not run, and the reason names the limit."""


@pytest.fixture(scope="module")
def outside(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("outside")
    (folder / "secret").write_text("the secret", encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def modules(tmp_path_factory: pytest.TempPathFactory, outside: Path) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("hostile")
    made = {name: tf1_module(folder / name.replace(" ", "_"), make(outside)) for name, (make, _) in CASES.items()}
    return {**made, "good": tf1_module(folder / "good")}


@pytest.fixture(scope="module")
def observations(modules: dict[str, Path]) -> dict[str, Observations]:
    """All of them run in one pool, although static rules refuse some."""
    contracts = load_contracts()
    with Pool() as pool:
        futures = {
            name: pool.submit(read(path), contracts, SHORT if name == "never ends" else LONG)
            for name, path in modules.items()
        }
        return {name: future.result(timeout=200) for name, future in futures.items()}


@pytest.mark.parametrize("name", CASES)
def test_a_hostile_module_fails_with_one_line_or_does_no_harm(name, observations, outside):
    failures = [run.failure.message for run in observations[name].runs if run.failure is not None]
    expected = CASES[name][1]
    if name in LIMITED:
        assert failures == []
        failures = [left.reason for left in observations[name].not_run]
    if expected is None:
        assert failures == []
    else:
        assert re.search(expected, failures[0]), failures
        assert "\n" not in failures[0]
    assert not (outside / "escaped").exists()


def test_a_good_module_in_the_same_pool_is_run_completely(observations):
    assert [run.failure for run in observations["good"].runs if run.failure] == []
    assert {run.purpose for run in observations["good"].runs} >= {
        "pictures",
        "three",
        "swapped",
        "alone",
        "black",
        "many",
        "again",
    }


def test_a_module_that_fails_a_safety_rule_runs_only_with_run_unsafe(modules, outside):
    refused = hubcheck.validate(modules["writes"], probe=LONG).modules[0]
    outcomes = {outcome.rule: outcome for outcome in refused.outcomes}
    assert outcomes["safety/file-access"].status == "failed"
    assert (outcomes["module/loads"].status, outcomes["module/loads"].reason) == ("skipped", "needs safety/file-access")
    forced = hubcheck.validate(modules["writes"], probe=LONG, run_unsafe=True).modules[0]
    assert {"safety/file-access", "behaviour/runs"} <= {finding.rule for finding in forced.findings}
    assert not (outside / "escaped").exists()
