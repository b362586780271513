"""How near the values of two versions are: both are run on the same pictures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from hubcheck.contract import SignatureContract
from hubcheck.diff import Agreement
from hubcheck.module.types import Module
from hubcheck.numbers import difference

if TYPE_CHECKING:
    from hubcheck.probe.sandbox import Mode


def agreements(
    old: Module, new: Module, contracts: Mapping[str, SignatureContract], *, sandbox: Mode = "auto", seed: int = 0
) -> tuple[list[Agreement], str | None]:
    """One Agreement for each common signature that both have, and why none could be had, if so."""
    from hubcheck.probe.pool import Pool, ProbeError, ProbeOptions, SandboxUnavailable, tensorflow_missing
    from hubcheck.probe.replay import NoSuchCall, Wanted, replay

    missing = tensorflow_missing()
    if missing is not None:
        return [], missing
    shared = [name for name in contracts if all(_has(module, name) for module in (old, new))]
    found: list[Agreement] = []
    if not shared:
        return found, None
    options = ProbeOptions(seed=seed)
    try:
        with Pool(sandbox=sandbox) as pool:
            for name in shared:
                values: list[Any] = []
                try:
                    for module in (old, new):
                        seen = replay(module, contracts, Wanted(signature=name), pool=pool, options=options)
                        values.append(next((run for run in seen.runs), None) or seen.loads[0])
                except NoSuchCall as error:
                    found.append(Agreement(name, reason=str(error)))
                    continue
                found.append(_agreement(name, *values))
    except (ProbeError, SandboxUnavailable) as error:
        return found, str(error)
    return found, None


def _has(module: Module, name: str) -> bool:
    return module.inference is not None and name in module.inference.signatures


def _agreement(name: str, old: Any, new: Any) -> Agreement:
    import numpy as np

    for which, run in (("old", old), ("new", new)):
        if run.failure is not None:
            fails = which == "new"
            return Agreement(name, reason=f"the {which} version does not run: {run.failure.message}", fails=fails)
    outputs = [run.outputs["default"].values if "default" in run.outputs else None for run in (old, new)]
    if any(values is None for values in outputs):
        return Agreement(name, reason="there are no values to compare")
    before, after = (np.asarray(values, np.float64) for values in outputs)
    if before.shape != after.shape:
        return Agreement(name, reason=f"the shapes are {before.shape} and {after.shape}")
    if not (np.isfinite(before).all() and np.isfinite(after).all()):
        return Agreement(name, reason="not all values are finite")
    constant = before.std() == 0 or after.std() == 0
    correlation = None if constant else float(np.corrcoef(before.ravel(), after.ravel())[0, 1])
    return Agreement(name, float(difference(before, after)), correlation)
