"""Compare the values of two versions, which are both run on the same images."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from hubcheck.diff.changes import Agreement
from hubcheck.module.types import Module
from hubcheck.probe.observations import Load, Run
from hubcheck.rulebook.contract import SignatureContract
from hubcheck.util.numbers import difference

if TYPE_CHECKING:
    from hubcheck.sandbox.policy import Mode

_ROUNDING = 1e-6
"""Changes below this share of the largest value can come from another order of additions."""


def compare_values(
    old: Module, new: Module, contracts: Mapping[str, SignatureContract], *, sandbox: Mode | None = None
) -> tuple[list[Agreement], str | None]:
    """Compare the outputs that common signatures have in both versions.

    Args:
        old: the old version; its files must exist.
        new: the new version, likewise.
        contracts: the common signatures.
        sandbox: how the runs are isolated, as `Pool` takes it.

    Returns:
        One Agreement for each output, and the reason if the versions could not be run.
    """
    from hubcheck.probe.devices import cannot_run
    from hubcheck.probe.pool import Pool, ProbeError, SandboxUnavailable
    from hubcheck.probe.replay import CallRequest, NoSuchCall, replay

    if (reason := cannot_run("pass --static")) is not None:
        return [], reason
    versions = [variant.signatures for module in (old, new) if (variant := module.inference) is not None]
    shared = [name for name in contracts if len(versions) == 2 and all(name in version for version in versions)]
    agreements: list[Agreement] = []
    if not shared:
        return agreements, None
    try:
        with Pool(sandbox=sandbox) as pool:
            for name in shared:
                outputs = versions[0][name].outputs.keys() & versions[1][name].outputs.keys()
                keys = sorted(outputs, key=lambda key: (key != "default", key))
                request = CallRequest(signature=name, keep=tuple(keys))
                try:
                    results = [replay(module, contracts, request, pool=pool) for module in (old, new)]
                except NoSuchCall as error:
                    agreements.append(Agreement(name, reason=str(error)))
                    continue
                limits = [entry.reason for result in results for entry in result.not_run]
                if limits:
                    agreements.append(Agreement(name, reason=f"it was not run: {limits[0]}"))
                    continue
                before, after = (next(iter(result.runs), None) or result.loads[0] for result in results)
                agreements += _signature(name, keys, before, after)
    except (ProbeError, SandboxUnavailable) as error:
        return agreements, str(error)
    return agreements, None


def _signature(name: str, keys: Sequence[str], old: Run | Load, new: Run | Load) -> Iterator[Agreement]:
    for version, run in (("old", old), ("new", new)):
        if run.failure is not None:
            reason = f"the {version} version does not run: {run.failure.message}"
            yield Agreement(name, reason=reason, fails=version == "new")
            return
    if not (isinstance(old, Run) and isinstance(new, Run)):
        yield Agreement(name, reason="it was not run")
        return
    if old.size != new.size:
        sizes = " and ".join("x".join(map(str, run.size)) for run in (old, new))
        yield Agreement(name, reason=f"the versions take images of {sizes} pixels")
        return
    if not keys:
        yield Agreement(name, reason="the versions have no output in common")
    for key in keys:
        yield _output(name, key, *(run.outputs[key].values if key in run.outputs else None for run in (old, new)))


def _output(name: str, key: str, old: Any, new: Any) -> Agreement:
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


def _correlation(old: Any, new: Any) -> float | None:
    """Return the correlation, from -1 to 1, of how two results change between images; None if one hardly changes."""
    import numpy as np

    changes = []
    for values in (old, new):
        largest = np.abs(values).max()
        scaled = values / largest if largest else values
        change = scaled - scaled.mean(axis=0) if scaled.ndim else scaled * 0
        if np.abs(change).max() <= _ROUNDING:
            return None
        changes.append(change.ravel() / np.linalg.norm(change))
    return float(changes[0] @ changes[1])
