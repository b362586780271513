"""Whether the checkpoint has every variable that the graph restores, whole and as declared."""

from __future__ import annotations

import re
from collections.abc import Iterator

from hubcheck.checks.faults import Fault, Where
from hubcheck.module.checkpoint import uncovered
from hubcheck.module.tensors import CheckpointEntry, Slice
from hubcheck.module.types import Module, Variable, Variant
from hubcheck.util.text import listed

COPY_ALL = "Export the module again, or copy the whole folder from where it was exported."
_PART = r"(.+)/part_\d+"
"""What TensorFlow calls the parts of a partitioned (TF1) or sharded (TF2) variable."""


def variables(module: Module, variant: Variant) -> Iterator[Fault]:
    """Yield a fault for what the checkpoint lacks, and for each variable that it has in another form."""
    if not variant.variables:
        return
    damaged = any(problem.message.startswith("variables/") for problem in module.problems)
    if module.checkpoint is None:
        if not damaged:
            is_there = any(file.startswith("variables/") for file in module.files)
            lacking = "variables/variables.index" if is_there else "the folder variables/"
            yield Fault(
                Where(variant.name),
                f"{len(variant.variables)} variables, no checkpoint",
                "variables/variables.index and its data files",
                message=f"{lacking} is missing: the graph is there, its weights are not",
                fix="Publish the whole folder that the exporter wrote, variables/ included.",
            )
        return
    missing: dict[str, list[Variable]] = {}
    different: dict[str, list[tuple[Variable, CheckpointEntry]]] = {}
    for variable in variant.variables:
        entry = module.checkpoint.entries.get(variable.checkpoint_key or "")
        whole = _whole(variable)
        if entry is None:
            if not (variable.checkpoint_key is None and damaged):
                missing.setdefault(whole, []).append(variable)
        elif not _fits(variable, entry):
            different.setdefault(whole, []).append((variable, entry))
        elif parts := _missing_slices(variable, entry):
            yield _incomplete(variant, variable, entry, parts)
    sharded = {_whole(variable) for variable in variant.variables if _whole(variable) != variable.name}
    for whole in sharded & {*missing, *different}:
        yield _sharded(variant, whole, missing.pop(whole, []), different.pop(whole, []))
    if missing:
        names = [variable.name for variables in missing.values() for variable in variables]
        yield Fault(
            Where(variant.name),
            listed(names),
            "every variable of the graph in the checkpoint",
            message=f"{len(names)} of {len(variant.variables)} variables are not in the checkpoint",
            fix=COPY_ALL,
        )
    for variable, entry in (pair for pairs in different.values() for pair in pairs):
        yield Fault(
            Where(variant.name),
            f"{entry.dtype} {entry.shape} in the checkpoint",
            f"{variable.dtype} {variable.shape}, as the graph declares it",
            message=f"variable {variable.name} differs from the checkpoint entry of its name",
            fix=COPY_ALL,
        )


def _whole(variable: Variable) -> str:
    """Return the name of the sharded variable that a variable is a part of, or else its own."""
    match = re.fullmatch(_PART, variable.name)
    return match[1] if match else variable.name


def _fits(variable: Variable, entry: CheckpointEntry) -> bool:
    return variable.dtype in (entry.dtype, "unspecified") and variable.shape.compatible(entry.shape)


def _missing_slices(variable: Variable, entry: CheckpointEntry) -> list[Slice]:
    """Return the parts of a variable that the graph restores and the checkpoint lacks."""
    if not entry.slices:
        return []
    stored = [part for part, its_entry in entry.slices if its_entry is not None]
    whole = tuple((0, size or 0) for size in entry.shape.dims or ())
    lacking = uncovered(variable.slices or (whole,), stored)
    if lacking == [whole]:
        return [part for part, its_entry in entry.slices if its_entry is None] or lacking
    return lacking


def _incomplete(variant: Variant, variable: Variable, entry: CheckpointEntry, parts: list[Slice]) -> Fault:
    return Fault(
        Where(variant.name),
        f"no {listed([_text(part) for part in parts])} of variable {variable.name}",
        f"parts that cover {entry.dtype} {entry.shape}",
        message=f"variable {variable.name} is stored in parts, and not all of them are in the checkpoint",
        fix=COPY_ALL,
    )


def _text(part: Slice) -> str:
    return f"[{', '.join(f'{start}:{start + length}' for start, length in part)}]"


def _sharded(
    variant: Variant,
    whole: str,
    missing: list[Variable],
    different: list[tuple[Variable, CheckpointEntry]],
) -> Fault:
    """Return the one fault of a sharded variable, whose parts are variables of their own."""
    found = [f"{variable.name} {entry.dtype} {entry.shape}" for variable, entry in different]
    found += [f"no {variable.name}" for variable in missing]
    parts = sorted([*missing, *(variable for variable, _ in different)], key=lambda variable: variable.name)
    return Fault(
        Where(variant.name),
        listed(found, most=4),
        listed([f"{part.name} {part.dtype} {part.shape}" for part in parts], most=4),
        message=f"variable {whole} is sharded, and the checkpoint does not have its parts as the graph declares them",
        fix=COPY_ALL,
    )
