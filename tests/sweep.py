"""Every architecture of keras.applications against the rules that read graphs: `make sweep` (some minutes).

    python -m tests.sweep [PART-OF-A-NAME ...]

Prints one line per model; exits 1 if any rule finds fault with one.
"""

from __future__ import annotations

import os
import sys
import time
import traceback

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import tf_keras

from hubcheck.checks.context import Context
from hubcheck.checks.faults import Fault
from hubcheck.engine.predicates import predicate
from hubcheck.rulebook.contract import load_contracts
from hubcheck.rulebook.rules import Rule, load_rules
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


def judged(architecture: Architecture, chosen: list[Rule]) -> bool:
    """Whether the rules are silent on a model, in a process of its own: what models leave behind adds up."""
    child = os.fork()
    if child:
        _, status = os.waitpid(child, 0)
        return os.waitstatus_to_exitcode(status) == 0
    try:
        start = time.perf_counter()
        found, seconds = faults(architecture, chosen)
        built = time.perf_counter() - start - seconds
        print(f"{architecture}: {len(found)} findings, built in {built:.1f} s, read in {seconds:.2f} s", flush=True)
        for rule, fault in found:
            print(f"    {rule.id}: {fault.found} at {fault.where}", flush=True)
        os._exit(1 if found else 0)
    except BaseException:
        traceback.print_exc()
        os._exit(2)


def main(parts: list[str]) -> int:
    """Sweep over the architectures whose names contain one of the parts, or over all."""
    chosen = rules()
    named = [architecture for package in (keras, tf_keras) for architecture in architectures(package)]
    wanted = [a for a in named if not parts or any(part in str(a) for part in parts)]
    wrong = [str(architecture) for architecture in wanted if not judged(architecture, chosen)]
    print(f"{len(wanted)} models, {len(wrong)} with findings or not built, {len(chosen)} rules")
    print(*wrong, sep="\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
