"""`make sweep` (some minutes): evaluate the rules that analyse graphs on every architecture of keras.applications.

    python -m tests.sweep [PART-OF-A-NAME ...]

Prints one line per model; exits with 1 if a rule fails.
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
    """Return the rules that are decided by analysing the graph."""
    return [rule for rule in load_rules().values() if rule.check is not None and rule.id.startswith(GROUPS)]


def faults(architecture: Architecture, chosen: list[Rule]) -> tuple[list[tuple[Rule, Fault]], float]:
    """Return the faults that the rules find in a model, and the seconds that they took."""
    context = Context(architecture.module(), load_contracts())
    start = time.perf_counter()
    found = [
        (rule, item)
        for rule in chosen
        for item in predicate(rule.check or "")(context, **rule.params)
        if isinstance(item, Fault)
    ]
    return found, time.perf_counter() - start


def passes(architecture: Architecture, chosen: list[Rule]) -> bool:
    """Return whether a model passes the rules, in a separate process, because memory of models is not released."""
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
    """Check the architectures whose names contain one of the parts, or all; return the exit status."""
    chosen = rules()
    named = [architecture for package in (keras, tf_keras) for architecture in architectures(package)]
    wanted = [a for a in named if not parts or any(part in str(a) for part in parts)]
    failed = [str(architecture) for architecture in wanted if not passes(architecture, chosen)]
    print(f"{len(wanted)} models, {len(failed)} with findings or errors, {len(chosen)} rules")
    print(*failed, sep="\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
