"""How often the statistics of dropout reach a wrong verdict: `python -m tests.probe.repetitions [COUNT]`.

Every network of `randomness.py` is called 24 times in training and judged, COUNT times. The command exits with 1 if
any verdict was wrong.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from hubcheck.checks.dropout_runs import FEWEST_RUNS, MASKED, masked_share
from hubcheck.module.reader import read
from hubcheck.probe.options import ProbeOptions
from hubcheck.probe.plan.module_steps import ModuleSteps, VariantSteps
from hubcheck.probe.plan.planning import plan_steps
from hubcheck.probe.pool import Pool
from hubcheck.rulebook.contract import load_contracts
from tests.probe.modules import tf2_module
from tests.probe.randomness import MASKED as WITH_MASK
from tests.probe.randomness import UNMASKED, Call


def shares(networks: Mapping[str, Call], count: int, folder: Path) -> dict[str, list[float]]:
    """Return, for each network, the share of entries that behave as if masked in each repetition."""
    options = ProbeOptions(timeout=600.0)
    contracts = load_contracts()
    found = {}
    with Pool() as pool:
        futures = {}
        for number, (name, call) in enumerate(networks.items()):
            module = read(tf2_module(folder / f"network{number}", call))
            planned = _repeated(plan_steps(module, contracts), count)
            futures[name] = pool.submit_steps(module, planned, options)
        for name, future in futures.items():
            runs = [run.outputs[""].values for run in future.result().runs if run.failure is None]
            parts = np.stack(runs).reshape(count, FEWEST_RUNS, *runs[0].shape)
            found[name] = [masked_share(part) for part in parts]
    return found


def _repeated(planned: ModuleSteps, count: int) -> ModuleSteps:
    """Return only the calls for the statistics, `count` times as many."""
    variants = []
    for variant in planned.variants:
        steps = [step for step in variant.repeated if step.target.trace == "training=True"]
        more = tuple(replace(step, repeat=step.repeat * count, optional=False) for step in steps)
        variants.append(VariantSteps(variant.load, (), more))
    return ModuleSteps(tuple(variants), (), ())


def main(count: int) -> int:
    """Print a line for each network and the number of wrong verdicts."""
    wrong = 0
    with tempfile.TemporaryDirectory() as folder:
        for title, networks, masked in (("masked", WITH_MASK, True), ("not masked", UNMASKED, False)):
            for name, found in shares(networks, count, Path(folder) / title.replace(" ", "_")).items():
                flips = sum((share >= MASKED) is not masked for share in found)
                wrong += flips
                spread = f"share from {min(found):.2f} to {max(found):.2f}, threshold {MASKED}"
                print(f"{title:11} {name:55} {flips} of {count} verdicts wrong   {spread}", flush=True)
    print(f"{wrong} wrong verdicts in {count} repetitions of {len(WITH_MASK) + len(UNMASKED)} networks")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 200))
