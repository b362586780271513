"""What was fed and what came back, kept as `.npz` files that numpy opens."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from hubcheck.module.types import Module
from hubcheck.probe.observations import Observations, ProbeTarget, Run
from hubcheck.probe.plan.planning import ModuleSteps, plan_steps
from hubcheck.probe.plan.steps import CallStep
from hubcheck.probe.pool import ProbeOptions
from hubcheck.rulebook.contract import SignatureContract

_ODD = re.compile(r"[^\w.=-]+")


def save_evidence(
    folder: Path,
    module: Module,
    contracts: Mapping[str, SignatureContract],
    observations: Observations,
    options: ProbeOptions | None = None,
) -> list[Path]:
    """Write one file for each target and device that was called: `<folder>/<module>/<target>.<device>.npz`.

    Its arrays are called `<call>.<input key>` and `<call>.<output key>.result`; of repeated calls, results are
    stacked. Inputs are painted again from their names and the seed, so they are what was fed.

    Returns:
        The files, in the order of the calls.
    """
    options = options or ProbeOptions()
    planned = plan_steps(module, contracts, larger_batch=options.larger_batch)
    home = folder / _name(module.path.name)
    written = []
    for (target, device), runs in _by_target(observations).items():
        arrays = dict(_arrays(planned, target, runs))
        if arrays:
            home.mkdir(parents=True, exist_ok=True)
            file = home / f"{_name(_title(target))}.{device}.npz"
            _write(file, arrays)
            written.append(file)
    return written


def _by_target(observations: Observations) -> dict[tuple[ProbeTarget, str], list[Run]]:
    found: dict[tuple[ProbeTarget, str], list[Run]] = {}
    for run in observations.runs:
        found.setdefault((run.target, run.device), []).append(run)
    return found


def _arrays(planned: ModuleSteps, target: ProbeTarget, runs: list[Run]) -> Iterator[tuple[str, Any]]:
    import numpy

    from hubcheck.probe import inputs as feeds

    steps = {step.purpose: step for step in planned.together() if isinstance(step, CallStep) and step.target == target}
    for purpose in dict.fromkeys(run.purpose for run in runs):
        for key, feed in steps[purpose].feeds.items() if purpose in steps else ():
            array = feeds.make(feed, runs[0].seed)
            if array.dtype != object:
                yield f"{purpose}.{key}", array
        results: dict[str, list[Any]] = {}
        for run in runs:
            for key, output in run.outputs.items() if run.purpose == purpose else ():
                if output.values is not None:
                    results.setdefault(key, []).append(output.values)
        for key, values in results.items():
            same = len({value.shape for value in values}) == 1
            yield f"{purpose}.{key or 'output'}.result", numpy.stack(values) if len(values) > 1 and same else values[-1]


def _write(file: Path, arrays: Mapping[str, Any]) -> None:
    import numpy

    with file.open("wb") as stream:
        numpy.savez_compressed(stream, allow_pickle=False, **arrays)


def _title(target: ProbeTarget) -> str:
    name = target.signature or target.trace or f"loss{target.number}"
    loader = "session." if target.session else ""
    return f"{target.variant or 'inference'}.{loader}{name}"


def _name(text: str) -> str:
    """A text as one safe part of a path."""
    return _ODD.sub("_", text).strip(".")[:150] or "module"
