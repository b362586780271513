"""The same command with its cached reports, compared with the start of Python and with an empty cache."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.benchmarks.groups import HUBCHECK, PYTHON, Command, Goal, Group
from tests.benchmarks.hub import make
from tests.benchmarks.models import module
from tests.fuzz.seeds import seeds

MODULES = 500


def groups() -> Iterator[Group]:
    with tempfile.TemporaryDirectory(prefix="hubcheck-bench-") as name:
        folder = Path(name)
        tiny, network, hub = module("tiny"), module("mobilenet_v2"), folder / "hub"
        make(hub, MODULES, seeds())
        cached = {
            "static, tiny": _cached(folder, "--static", str(tiny)),
            "static, mobilenet_v2": _cached(folder, "--static", str(network)),
            "python -c pass": PYTHON,
        }
        goals = [Goal(name, "cpu", 6, "python -c pass") for name in cached if name.startswith("static")]
        goals += [Goal(name, "memory", 40) for name in cached if name.startswith("static")]
        yield Group("cached", cached, goals, runs=20)
        every = ("--static", str(hub))
        many = {f"{MODULES} modules": _cached(folder, *every), "empty cache": _empty(*every)}
        yield Group("cached", many, [Goal(f"{MODULES} modules", "wall", 1 / 3, "empty cache")], runs=3)
        run = {"mobilenet_v2": _cached(folder, str(network)), "empty cache": _empty(str(network))}
        yield Group("cached, with probes", run, [Goal("mobilenet_v2", "wall", 1 / 20, "empty cache")], runs=3)


def _cached(folder: Path, *arguments: str) -> Command:
    """The command with a cache that the first run, which does not count, has filled."""
    command = [HUBCHECK, "validate", *arguments]
    return Command(command, frozenset({0, 1}), environment={"XDG_CACHE_HOME": str(folder / "cached")})


def _empty(*arguments: str) -> Command:
    """The command with a new cache in each run."""
    script = 'cache=$(mktemp -d) && XDG_CACHE_HOME=$cache "$@"; code=$?; rm -r "$cache"; exit $code'
    return Command(["sh", "-c", script, "sh", HUBCHECK, "validate", *arguments], frozenset({0, 1}))
