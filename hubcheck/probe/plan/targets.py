"""What of a module can be called, and what each call must be fed."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from hubcheck.module.types import Module, Signature, Tensor, Trace, Variant
from hubcheck.probe import test_images as pictures
from hubcheck.probe.observations import NotRun, ProbeTarget
from hubcheck.rulebook.contract import SignatureContract, TensorContract
from hubcheck.rulebook.expectations import Size, contracted_input, expected_image_size

TargetRole = Literal["task", "default", "training"]

_UNKNOWN_SIZE = 96
"""Height and width, in pixels, of images for a module that tells no size."""

_MOST_TRACES = 32


@dataclass(frozen=True, slots=True)
class TargetSpec:
    """A target, what it is fed by key, and what of its results is looked at.

    `fixed_batch` is the batch that the module insists on. `part` says what the target is to the rules: a task
    signature in inference is looked at closely; whatever trains is repeated.
    """

    target: ProbeTarget
    inputs: Mapping[str, Input]
    keep: tuple[str, ...]
    fixed_batch: int | None
    part: TargetRole


@dataclass(frozen=True, slots=True)
class Input:
    """One tensor of a target: its contract's range, its shape without the batch, and which of its axes are open."""

    dtype: str
    row: tuple[int, ...]
    open_axes: tuple[int, ...]
    low: float
    high: float
    flag: bool | None = None


def target_specs(
    module: Module, contracts: Mapping[str, SignatureContract], variant: Variant
) -> Iterator[TargetSpec | NotRun]:
    """What of a variant is called, and what would be but cannot: with the reason."""
    tasks = [(variant.signatures[key], contract) for key, contract in contracts.items() if key in variant.signatures]
    if not tasks:
        return
    inference = variant is module.inference
    for signature, contract in tasks:
        yield _signature(module, variant, signature, contract, "task" if inference else "training")
    default = variant.signatures.get(module.default_signature)
    if default is not None and not any(_same_tensors(default, signature) for signature, _ in tasks):
        yield _signature(module, variant, default, tasks[0][1], "default" if inference else "training")
    if inference and module.objects is not None:
        for number, trace in enumerate(module.objects.traces[:_MOST_TRACES]):
            yield from _trace(module, variant, number, trace, tasks[0][1])


def _signature(
    module: Module, variant: Variant, signature: Signature, contract: SignatureContract, part: TargetRole
) -> TargetSpec | NotRun:
    target = ProbeTarget(variant.name, signature.key)
    given: dict[str, tuple[Tensor, TensorContract]] = {}
    for wanted in contract.inputs.values():
        found = contracted_input(signature, wanted)
        if found is not None:
            given[found[0]] = (found[1], wanted)
    missing = [key for key in signature.inputs if key not in given and key not in signature.defaults]
    if missing:
        return NotRun(target, "", f"it also needs {_quoted(missing)}, for which there is nothing to feed")
    keep = tuple(key for key in signature.outputs if key in contract.outputs)
    if not keep and len(signature.outputs) == 1:
        keep = tuple(signature.outputs)
    return _subject(module, target, given, keep, part)


def _trace(
    module: Module, variant: Variant, number: int, trace: Trace, contract: SignatureContract
) -> Iterator[TargetSpec | NotRun]:
    flags = [name for name, tensor in trace.tensors.items() if tensor.dtype == "bool" and tensor.shape.dims == ()]
    others = [name for name in trace.tensors if name not in flags]
    target = ProbeTarget(variant.name, None, trace.name, number)
    if len(others) != 1 or len(contract.inputs) != 1 or flags not in ([], ["training"]):
        names = _quoted(trace.tensors) or "no tensor"
        yield NotRun(target, "", f"it takes {names}; only a callable of one batch of images can be fed")
        return
    wanted = next(iter(contract.inputs.values()))
    given = {others[0]: (trace.tensors[others[0]], wanted)}
    if not flags:
        yield _subject(module, target, given, tuple(trace.outputs), "training" if trace.training else "default")
        return
    for value in (False, True):
        flagged = ProbeTarget(variant.name, None, f"training={value}", number)
        part: TargetRole = "training" if value else "default"
        yield _subject(module, flagged, given, tuple(trace.outputs), part, flags={"training": value})


def _subject(
    module: Module,
    target: ProbeTarget,
    given: Mapping[str, tuple[Tensor, TensorContract]],
    keep: tuple[str, ...],
    part: TargetRole,
    *,
    flags: Mapping[str, bool] | None = None,
) -> TargetSpec | NotRun:
    inputs: dict[str, Input] = {}
    batches: set[int] = set()
    for key, (tensor, wanted) in given.items():
        if tensor.encoding != "dense":
            return NotRun(target, "", f'its input "{key}" is {tensor.encoding}; only dense tensors can be fed')
        text = tensor.dtype == "string" and wanted.dtype != "string"
        if text or not pictures.can_make(tensor.dtype):
            return NotRun(target, "", f'its input "{key}" is {tensor.dtype}, for which there is nothing to feed')
        dims = _dims(module, tensor, wanted)
        batches.update(dim for dim in dims[:1] if dim is not None)
        declared = tensor.shape.dims or ()
        open_axes = tuple(
            axis - 1
            for axis in range(1, len(dims))
            if isinstance(wanted.shape[axis] if axis < len(wanted.shape) else 0, str)
            and (axis >= len(declared) or declared[axis] is None)
        )
        low, high = (wanted.low, wanted.high) if wanted.low is not None and wanted.high is not None else (0.0, 1.0)
        inputs[key] = Input(tensor.dtype, tuple(1 if dim is None else dim for dim in dims[1:]), open_axes, low, high)
        size = math.prod(inputs[key].row)
        most = module.limits.input_numbers
        if size <= 0 or size > most:
            shape = ", ".join(map(str, inputs[key].row))
            why = f"more than {most:,} numbers, the limit input-numbers" if size > most else "which cannot be fed"
            return NotRun(target, "", f'a row of its input "{key}" is [{shape}], {why}')
    fixed = next(iter(batches), None)
    most = module.limits.fixed_batch
    if fixed is not None and (len(batches) > 1 or fixed <= 0 or fixed > most):
        above = f", more than {most:,}, the limit fixed-batch" if len(batches) == 1 and fixed > most else ""
        return NotRun(target, "", f"it fixes its batch to {' and '.join(map(str, sorted(batches)))}{above}")
    inputs.update({key: Input("bool", (), (), 0, 1, flag) for key, flag in (flags or {}).items()})
    return TargetSpec(target, inputs, keep, fixed, part)


def _dims(module: Module, tensor: Tensor, wanted: TensorContract) -> tuple[int | None, ...]:
    """The shape to feed: as declared; what is open is the expected image size, or what the contract says."""
    declared = tensor.shape.dims
    if declared is None:
        declared = (None,) * wanted.rank
    size = dict(zip((1, 2), _size(module, wanted) or (_UNKNOWN_SIZE, _UNKNOWN_SIZE), strict=True))
    filled: list[int | None] = list(declared[:1])
    for axis, dim in enumerate(declared[1:], start=1):
        want = wanted.shape[axis] if axis < wanted.rank else _UNKNOWN_SIZE
        filled.append(dim if dim is not None else want if isinstance(want, int) else size.get(axis, _UNKNOWN_SIZE))
    return tuple(filled)


def _size(module: Module, wanted: TensorContract) -> Size | None:
    return expected_image_size(module, wanted) if wanted.rank == 4 else None


def _same_tensors(one: Signature, other: Signature) -> bool:
    """Whether two signatures are the same tensors of the same graph, so that one run serves both."""
    return all(
        {key: tensor.components for key, tensor in getattr(one, side).items()}
        == {key: tensor.components for key, tensor in getattr(other, side).items()}
        for side in ("inputs", "outputs")
    )


def _quoted(names: Iterable[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)
