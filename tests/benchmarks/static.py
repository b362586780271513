"""`hubcheck validate --static`, compared with the start of Python and with `saved_model_cli show --all`."""

from __future__ import annotations

from collections.abc import Iterator

from tests.benchmarks.groups import BIN, PYTHON, Command, Goal, Group, static
from tests.benchmarks.models import module

_CPU = {"tiny": 8, "mobilenet_v2": 11, "resnet50": None}
"""At most so many times the CPU time of the start of Python."""


def groups() -> Iterator[Group]:
    names = list(_CPU)
    commands = {name: static(str(module(name))) for name in names}
    goals = [Goal(name, "cpu", limit, "python -c pass") for name, limit in _CPU.items()]
    goals += [Goal(name, "memory", 40) for name in names[:2]]
    goals += [Goal(name, "instructions", None, "python -c pass") for name in names[:2]]
    yield Group("static", {**commands, "python -c pass": PYTHON}, goals, runs=20)
    for name in names[:2]:
        show = [str(BIN / "saved_model_cli"), "show", "--dir", str(module(name)), "--all"]
        both = {name: static(str(module(name))), "saved_model_cli show --all": Command(show, is_ours=False)}
        yield Group("static", both, [Goal(name, "wall", 1 / 20, "saved_model_cli show --all")])
