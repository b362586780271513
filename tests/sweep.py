"""Every architecture of keras.applications against the rules that read graphs: `make sweep` (some minutes).

    python -m tests.sweep [PART-OF-A-NAME ...]

Prints one line per model; exits 1 if any rule finds fault with one.
"""

from __future__ import annotations

import gc
import os
import sys
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import tf_keras

from hubcheck.checks.context import Context
from hubcheck.contract import load_contracts
from hubcheck.engine import predicate
from hubcheck.findings import Fault
from hubcheck.rules import Rule, load_rules
from tests.graph.applications import Architecture, architectures

GROUPS = (
    "output/no-dropout",
    "behaviour/deterministic",
    "classification/logits",
    "image-input/value-range",
    "device/",
    "safety/",
)


def rules() -> list[Rule]:
    """The rules that are decided from the graph."""
    return [rule for rule in load_rules().values() if rule.check is not None and rule.id.startswith(GROUPS)]


def faults(architecture: Architecture, chosen: list[Rule]) -> tuple[list[tuple[Rule, Fault]], float]:
    """What the rules find in a model, and how many seconds they took."""
    context = Context(architecture.module(), load_contracts())
    start = time.perf_counter()
    found = [
        (rule, item)
        for rule in chosen
        for item in predicate(rule.check or "")(context, **rule.params)
        if isinstance(item, Fault)
    ]
    return found, time.perf_counter() - start


def main(parts: list[str]) -> int:
    """Sweep over the architectures whose names contain one of the parts, or over all."""
    chosen, wrong, seen = rules(), 0, 0
    for package in (keras, tf_keras):
        for architecture in architectures(package):
            if parts and not any(part in str(architecture) for part in parts):
                continue
            start = time.perf_counter()
            found, seconds = faults(architecture, chosen)
            built = time.perf_counter() - start - seconds
            print(f"{architecture}: {len(found)} findings, built in {built:.1f} s, read in {seconds:.2f} s", flush=True)
            for rule, fault in found:
                print(f"    {rule.id}: {fault.found} at {fault.where}", flush=True)
            wrong += bool(found)
            seen += 1
            package.backend.clear_session()
            gc.collect()
    print(f"{seen} models, {wrong} with findings, {len(chosen)} rules")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
