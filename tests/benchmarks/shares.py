"""Where the time goes that no goal allows for: what libraries take by themselves, and the parts of hubcheck."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.benchmarks.groups import PYTHON, Command, Goal, Group
from tests.benchmarks.large import built
from tests.benchmarks.models import module

_IMPORTS = {
    "import click": "import click",
    "and protobuf, with the schema": "import click, hubcheck.module.proto as p; p.message_class('SavedModel')",
    "and all that a static check imports first": "import click, hubcheck.cli.validate, hubcheck.run.checker",
}
_SHARES = """
import collections, cProfile, json, re, sys
sys.argv[0] = "hubcheck"
profile = cProfile.Profile()
profile.enable()
try:
    from hubcheck.cli.main import main
    main()
except SystemExit:
    pass
profile.disable()
profile.create_stats()

def group(function):
    file = function[0]
    if "importlib" in file:
        return "importing"
    found = re.search(r"/hubcheck/(\\w+)/", file)
    return f"hubcheck/{found[1]}" if found else "click" if "/click/" in file else "other libraries"

shares = collections.Counter()
for function, (_, _, seconds, _, callers) in profile.stats.items():
    if function[0] == "~" and callers:
        for caller, (_, _, part, _) in callers.items():
            shares[group(caller)] += part
    else:
        shares[group(function)] += seconds
whole = shares.total()
print()
print(json.dumps({f"% in {name}": 100 * part / whole for name, part in shares.items()}))
"""
_STEPS = """
import json, sys, time
figures, last = {}, time.process_time()

def step(name):
    global last
    now = time.process_time()
    figures[f"s CPU: {name}"], last = now - last, now

import numpy, tensorflow as tf
tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
step("import TensorFlow")
module = tf.saved_model.load(sys.argv[1])
step("load the module")
images = tf.constant(numpy.random.rand(3, 224, 224, 3).astype("float32"))
for signature in module.signatures.values():
    signature(images=images)
step("first call of each signature")
for signature in module.signatures.values():
    signature(images=images)
step("second call of each signature")
for training in (False, True):
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(module(images, training=training))
    tape.gradient(loss, module.trainable_variables)
    step(f"gradients, training={training}, their graph included")
print(json.dumps(figures))
"""


def groups() -> Iterator[Group]:
    commands = {name: Command([sys.executable, "-c", code], counts=True) for name, code in _IMPORTS.items()}
    goals = [Goal(name, figure, None, "python -c pass") for name in commands for figure in ("cpu", "instructions")]
    yield Group("static, its floor", {**commands, "python -c pass": PYTHON}, goals, runs=20)
    with tempfile.TemporaryDirectory(prefix="hubcheck-bench-") as folder:
        large = built("large_graphs", "deep", Path(folder), 100_000)
        paths = {"tiny": module("tiny"), "mobilenet_v2": module("mobilenet_v2"), "100,000 nodes": large}
        for name, path in paths.items():
            arguments = [sys.executable, "-c", _SHARES, "validate", "--static", "--no-cache", str(path)]
            shown = ["importing", "click", "other libraries", *(f"hubcheck/{part}" for part in _PARTS)]
            command = Command(arguments, prints_figures=True)
            yield Group("static, shares", {name: command}, [Goal(name, f"% in {part}") for part in shown], runs=3)
    command = Command([sys.executable, "-c", _STEPS, str(module("mobilenet_v2"))], is_ours=False, prints_figures=True)
    yield Group(
        "full, its steps", {"mobilenet_v2": command}, [Goal("mobilenet_v2", f"s CPU: {s}") for s in _RUN], runs=2
    )


_PARTS = ("cli", "run", "engine", "checks", "graph", "module", "rulebook", "util")
_RUN = (
    "import TensorFlow",
    "load the module",
    "first call of each signature",
    "second call of each signature",
    "gradients, training=False, their graph included",
    "gradients, training=True, their graph included",
)
