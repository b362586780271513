"""What isolation costs: a full validation with the sandbox, and one with resource limits only."""

from __future__ import annotations

from collections.abc import Iterator

from tests.benchmarks.groups import HUBCHECK, Command, Goal, Group
from tests.benchmarks.models import module


def groups() -> Iterator[Group]:
    command = [HUBCHECK, "validate", "--no-cache", "--timeout", "1200", str(module("mobilenet_v2"))]
    commands = {
        "mobilenet_v2, sandbox": Command([*command, "--sandbox", "auto"]),
        "limits only": Command([*command, "--sandbox", "off"]),
    }
    goals = [Goal("mobilenet_v2, sandbox", figure, 1.05, "limits only") for figure in ("wall", "cpu")]
    yield Group("isolation", commands, goals)
