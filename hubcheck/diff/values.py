"""How near the values of two versions are: both are run on the same pictures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from hubcheck.diff.compare import Agreement
from hubcheck.module.types import Module
from hubcheck.probe.observations import Load, Run
from hubcheck.rulebook.contract import SignatureContract
from hubcheck.util.numbers import difference

if TYPE_CHECKING:
    from hubcheck.sandbox.policy import Mode

DEFAULT = "default"

_HARDLY = 1e-6
"""Changes below this part of the largest value are what adding in another order makes."""


def agreements(
    old: Module, new: Module, contracts: Mapping[str, SignatureContract], *, sandbox: Mode = "auto", seed: int = 0
) -> tuple[list[Agreement], str | None]:
    """One Agreement for each output that a common signature has in both, and why none could be had, if so.

    Both versions are fed the same pictures, which the seed makes.
    """
    from hubcheck.probe.devices import tensorflow_missing
    from hubcheck.probe.options import ProbeOptions
    from hubcheck.probe.pool import Pool, ProbeError, SandboxUnavailable
    from hubcheck.probe.replay import CallRequest, NoSuchCall, replay

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
                keys = _shared_outputs(old, new, name)
                wanted = CallRequest(signature=name, keep=keys)
                try:
                    seen = [replay(module, contracts, wanted, pool=pool, options=options) for module in (old, new)]
                except NoSuchCall as error:
                    found.append(Agreement(name, reason=str(error)))
                    continue
                before, after = (next(iter(one.runs), None) or one.loads[0] for one in seen)
                found += _agreements(name, keys, before, after)
    except (ProbeError, SandboxUnavailable) as error:
        return found, str(error)
    return found, None


def _has(module: Module, name: str) -> bool:
    return module.inference is not None and name in module.inference.signatures


def _shared_outputs(old: Module, new: Module, name: str) -> tuple[str, ...]:
    """The keys that both versions of a signature give, the one of the convention first."""
    outputs = [module.inference.signatures[name].outputs for module in (old, new) if module.inference is not None]
    return tuple(sorted(outputs[0].keys() & outputs[1].keys(), key=lambda key: (key != DEFAULT, key)))


def _agreements(name: str, keys: Sequence[str], old: Run | Load, new: Run | Load) -> Iterator[Agreement]:
    for which, run in (("old", old), ("new", new)):
        if run.failure is not None:
            fails = which == "new"
            yield Agreement(name, reason=f"the {which} version does not run: {run.failure.message}", fails=fails)
            return
    if not (isinstance(old, Run) and isinstance(new, Run)):
        yield Agreement(name, reason="it was not run")
        return
    if old.size != new.size:
        sizes = " and ".join("x".join(map(str, run.size)) for run in (old, new))
        yield Agreement(name, reason=f"the versions take images of {sizes} pixels")
        return
    if not keys:
        yield Agreement(name, reason="they have no output in common")
    for key in keys:
        yield _agreement(name, key, *(run.outputs[key].values if key in run.outputs else None for run in (old, new)))


def _agreement(name: str, key: str, old: Any, new: Any) -> Agreement:
    import numpy as np

    if old is None or new is None:
        return Agreement(name, key, reason="there are no values to compare")
    before, after = (np.asarray(values, np.float64) for values in (old, new))
    if before.shape != after.shape:
        return Agreement(name, key, reason=f"the shapes are {before.shape} and {after.shape}")
    if not before.size:
        return Agreement(name, key, reason="there are no values to compare")
    if not (np.isfinite(before).all() and np.isfinite(after).all()):
        return Agreement(name, key, reason="not all values are finite")
    return Agreement(name, key, difference(before, after), _correlation(before, after))


def _correlation(one: Any, other: Any) -> float | None:
    """How alike two results change from picture to picture, from -1 to 1; None if one of them hardly does."""
    import numpy as np

    changes = []
    for values in (one, other):
        largest = np.abs(values).max()
        scaled = values / largest if largest else values
        change = scaled - scaled.mean(axis=0) if scaled.ndim else scaled * 0
        if np.abs(change).max() <= _HARDLY:
            return None
        changes.append(change.ravel() / np.linalg.norm(change))
    return float(changes[0] @ changes[1])
