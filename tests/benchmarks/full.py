"""`hubcheck validate` with probes, compared with a script that loads the module and calls it twice."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from tests.benchmarks.groups import HUBCHECK, Command, Goal, Group
from tests.benchmarks.models import module

BARE = """
import sys, numpy, tensorflow as tf
for path in sys.argv[1:]:
    module = tf.saved_model.load(path)
    signature = module.signatures["serving_default"]
    _, height, width, _ = signature.structured_input_signature[1]["images"].shape
    for batch in (1, 2):
        signature(images=tf.constant(numpy.random.rand(batch, height, width, 3).astype("float32")))
"""
_WALL = {"mobilenet_v2": 1.25, "resnet50": 1.6}
"""At most so many times the time of the bare script."""


def groups() -> Iterator[Group]:
    for name, limit in _WALL.items():
        path = str(module(name))
        commands = {name: _full(path), "import, load, call twice": _bare(path)}
        goals = [Goal(name, "wall", limit, "import, load, call twice")]
        yield Group("full", commands, [*goals, Goal(name, "cpu", 2, "import, load, call twice")])


def _full(path: str) -> Command:
    return Command([HUBCHECK, "validate", "--no-cache", path])


def _bare(path: str) -> Command:
    return Command([sys.executable, "-c", BARE, path], is_ours=False)
