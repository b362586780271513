"""What isolation costs: a full validation with the sandbox, and one with resource limits only.

A small saved_model.pb is read by the process that checks it; an archive, by another one within bounds first.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator

from tests.benchmarks.groups import HUBCHECK, Command, Goal, Group, static
from tests.benchmarks.models import module


def groups() -> Iterator[Group]:
    with tempfile.TemporaryDirectory(prefix="hubcheck-bench-") as folder:
        archive = shutil.make_archive(f"{folder}/tiny", "gztar", module("tiny"))
        apart = {
            "archive, read by a bounded process": static(archive),
            "folder, read here": static(str(module("tiny"))),
        }
        yield Group(
            "static, tiny", apart, [Goal("archive, read by a bounded process", "cpu", None, "folder, read here")]
        )
    command = [HUBCHECK, "validate", "--no-cache", str(module("mobilenet_v2"))]
    commands = {
        "mobilenet_v2, sandbox": Command([*command, "--sandbox", "auto"]),
        "limits only": Command([*command, "--sandbox", "off"]),
    }
    goals = [Goal("mobilenet_v2, sandbox", figure, 1.05, "limits only") for figure in ("wall", "cpu")]
    yield Group("isolation", commands, goals)
