"""Save the inputs and results of calls as `.npz` files for numpy."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from hubcheck.module.types import Module
from hubcheck.probe.observations import Observations, ProbeTarget, Run
from hubcheck.probe.options import ProbeOptions
from hubcheck.probe.plan.planning import plan_steps
from hubcheck.probe.plan.steps import CallStep
from hubcheck.rulebook.contract import SignatureContract
from hubcheck.rulebook.convention import DEFAULT_CONVENTION, Convention

_UNSAFE = re.compile(r"[^\w.=-]+")


def save_evidence(
    folder: Path,
    module: Module,
    contracts: Mapping[str, SignatureContract],
    observations: Observations,
    options: ProbeOptions | None = None,
    *,
    convention: Convention = DEFAULT_CONVENTION,
) -> list[Path]:
    """Write one file for each target and device that was called: `<folder>/<module>/<target>.<device>.npz`.

    Its arrays are called `<call>.<input key>` and `<call>.<output key>.result`; results of repeated calls are stacked.
    The inputs are made again from the names of the images and the seed, which gives the same arrays.

    Returns:
        The files, in the order of the calls.

    Raises:
        OSError: they cannot be written.
    """
    import numpy

    options = options or ProbeOptions()
    planned = plan_steps(module, contracts, larger_batch=options.larger_batch, convention=convention)
    calls = [step for step in planned.for_one_worker() if isinstance(step, CallStep)]
    by_target: dict[tuple[ProbeTarget, str], list[Run]] = {}
    for run in observations.runs:
        by_target.setdefault((run.target, run.device), []).append(run)
    module_folder = folder / _safe_name(module.path.name)
    written = []
    for (target, device), runs in by_target.items():
        arrays = dict(_arrays([step for step in calls if step.target == target], runs))
        if arrays:
            module_folder.mkdir(parents=True, exist_ok=True)
            file = module_folder / f"{_safe_name(_title(target))}.{device}.npz"
            numpy.savez_compressed(file, allow_pickle=False, **arrays)
            written.append(file)
    return written


def _arrays(calls: list[CallStep], runs: list[Run]) -> Iterator[tuple[str, Any]]:
    import numpy

    from hubcheck.probe.inputs import make_input

    steps = {(step.purpose, step.batch): step for step in calls}
    sizes: dict[str, set[int]] = {}
    for run in runs:
        sizes.setdefault(run.purpose, set()).add(run.batch)
    for purpose, size in dict.fromkeys((run.purpose, run.batch) for run in runs):
        name = f"{purpose}-{size}" if len(sizes[purpose]) > 1 else purpose
        for key, spec in steps[purpose, size].inputs.items() if (purpose, size) in steps else ():
            array = make_input(spec, runs[0].seed)
            if array.dtype != object:
                yield f"{name}.{_array_name(key)}", array
        results: dict[str, list[Any]] = {}
        for run in runs:
            for key, output in run.outputs.items() if (run.purpose, run.batch) == (purpose, size) else ():
                if output.values is not None:
                    results.setdefault(key, []).append(output.values)
        for key, values in results.items():
            same = len({value.shape for value in values}) == 1
            yield f"{name}.{_array_name(key)}.result", numpy.stack(values) if len(values) > 1 and same else values[-1]


def _title(target: ProbeTarget) -> str:
    name = target.signature or target.trace or f"loss{target.number}"
    loader = "session." if target.session else ""
    return f"{target.variant or 'inference'}.{loader}{name}"


def _array_name(key: str) -> str:
    """Return the key of a tensor as the name of a file in the archive, below no folder that it does not have."""
    parts = (_UNSAFE.sub("_", part) for part in key.split("/"))
    return "/".join(part for part in parts if part.strip("."))[:300] or "output"


def _safe_name(text: str) -> str:
    """Return a text as one safe component of a path."""
    return _UNSAFE.sub("_", text).strip(".")[:150] or "module"
