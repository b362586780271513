"""What isolation costs: a full validation with the sandbox and one with resource limits only; reading an archive in
another process, within bounds, and here, as a small saved_model.pb always is.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace

from tests.benchmarks.groups import HUBCHECK, Command, Goal, Group, static
from tests.benchmarks.models import module

_READ_HERE = """
from hubcheck.cli.main import main
from hubcheck.run import bounded_reading
bounded_reading.is_costly = lambda path: False
main()
"""


def groups() -> Iterator[Group]:
    with tempfile.TemporaryDirectory(prefix="hubcheck-bench-") as folder:
        for name in ("tiny", "mobilenet_v2"):
            apart = static(shutil.make_archive(f"{folder}/{name}", "gztar", module(name)))
            here = replace(apart, arguments=[sys.executable, "-c", _READ_HERE, *apart.arguments[1:]])
            commands = {"archive, read by a bounded process": apart, "archive, read here": here}
            goals = [
                Goal("archive, read by a bounded process", figure, 1.05, "archive, read here")
                for figure in ("cpu", "wall", "instructions")
            ]
            yield Group(f"static, {name}", commands, goals, runs=15)
    command = [HUBCHECK, "validate", "--no-cache", str(module("mobilenet_v2"))]
    commands = {
        "mobilenet_v2, sandbox": Command([*command, "--sandbox", "auto"]),
        "limits only": Command([*command, "--sandbox", "off"]),
    }
    goals = [Goal("mobilenet_v2, sandbox", figure, 1.05, "limits only") for figure in ("wall", "cpu")]
    yield Group("isolation", commands, goals)
