"""What can be called in a module, and what each call needs as input."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from hubcheck.module.types import Module, Signature, Tensor, Trace, Variant
from hubcheck.probe.observations import NotRun, ProbeTarget
from hubcheck.probe.test_images import DTYPES
from hubcheck.rulebook.contract import SignatureContract, TensorContract, contracted_inputs, expected_image_size

TargetRole = Literal["task", "default", "training"]
"""task: a task signature in inference. default: another target in inference. training: a target that trains."""

_UNKNOWN_SIZE = 96
"""Height and width, in pixels, of images for a module that does not state a size."""

_MAX_NUMBERS = 1 << 28
"""Numbers in all rows of an input: 1 GiB of float32."""
_OPEN_BATCH = 4
"""Rows that a run feeds at least, if the batch is open."""
_MAX_TRACES = 32


@dataclass(frozen=True, slots=True)
class TargetInput:
    """One input tensor of a target: the range of its contract, its shape without the batch, and its open axes."""

    dtype: str
    row: tuple[int, ...]
    open_axes: tuple[int, ...]
    low: float
    high: float
    flag: bool | None = None


@dataclass(frozen=True, slots=True)
class TargetSpec:
    """How to call a target: its inputs by key, the outputs to keep, and the batch size that it fixes, if any.

    Rules look closely at a task signature in inference; what trains is called repeatedly.
    """

    target: ProbeTarget
    inputs: Mapping[str, TargetInput]
    keep: tuple[str, ...]
    fixed_batch: int | None
    role: TargetRole


def target_specs(
    module: Module, contracts: Mapping[str, SignatureContract], variant: Variant
) -> Iterator[TargetSpec | NotRun]:
    """Yield the targets of a variant, those that cannot be called with the reason."""
    tasks = [(variant.signatures[key], contract) for key, contract in contracts.items() if key in variant.signatures]
    if not tasks:
        return
    inference = variant is module.inference
    for signature, contract in tasks:
        yield _of_signature(module, variant, signature, contract, "task" if inference else "training")
    default = variant.signatures.get(module.default_signature)
    if default is not None and not any(_same_tensors(default, signature) for signature, _ in tasks):
        yield _of_signature(module, variant, default, tasks[0][1], "default" if inference else "training")
    if inference and module.objects is not None:
        for number, trace in enumerate(module.objects.traces[:_MAX_TRACES]):
            yield from _of_trace(module, variant, number, trace, tasks[0][1])


def _of_signature(
    module: Module, variant: Variant, signature: Signature, contract: SignatureContract, role: TargetRole
) -> TargetSpec | NotRun:
    target = ProbeTarget(variant.name, signature.key)
    found = contracted_inputs(signature, contract)
    tensors = {name: (tensor, contract.inputs[key]) for key, (name, tensor) in found.items()}
    missing = [key for key in signature.inputs if key not in tensors]
    if missing:
        return NotRun(target, "", f"it also needs {_quoted(missing)}, which hubcheck has no values for")
    keep = tuple(key for key in signature.outputs if key in contract.outputs)
    if not keep and len(signature.outputs) == 1:
        keep = tuple(signature.outputs)
    return _spec(module, target, tensors, keep, role)


def _of_trace(
    module: Module, variant: Variant, number: int, trace: Trace, contract: SignatureContract
) -> Iterator[TargetSpec | NotRun]:
    flags = [name for name, tensor in trace.tensors.items() if tensor.dtype == "bool" and tensor.shape.dims == ()]
    others = [name for name in trace.tensors if name not in flags]
    target = ProbeTarget(variant.name, None, trace.name, number)
    if len(others) != 1 or len(contract.inputs) != 1 or flags not in ([], ["training"]):
        names = _quoted(trace.tensors) or "no tensor"
        yield NotRun(target, "", f"it takes {names}; only a callable of one batch of images can be called")
        return
    wanted = next(iter(contract.inputs.values()))
    tensors = {others[0]: (trace.tensors[others[0]], wanted)}
    if not flags:
        yield _spec(module, target, tensors, tuple(trace.outputs), "training" if trace.training else "default")
        return
    for training in (False, True):
        flagged = ProbeTarget(variant.name, None, f"training={training}", number)
        role: TargetRole = "training" if training else "default"
        yield _spec(module, flagged, tensors, tuple(trace.outputs), role, training=training)


def _spec(
    module: Module,
    target: ProbeTarget,
    tensors: Mapping[str, tuple[Tensor, TensorContract]],
    keep: tuple[str, ...],
    role: TargetRole,
    *,
    training: bool | None = None,
) -> TargetSpec | NotRun:
    inputs: dict[str, TargetInput] = {}
    batches: set[int] = set()
    for key, (tensor, wanted) in tensors.items():
        if tensor.encoding != "dense":
            return NotRun(target, "", f'its input "{key}" is {tensor.encoding}; only dense tensors can be made')
        unexpected_text = tensor.dtype == "string" and wanted.dtype != "string"
        if unexpected_text or tensor.dtype not in DTYPES:
            return NotRun(target, "", f'its input "{key}" is {tensor.dtype}, which hubcheck has no values for')
        dims = _dims(module, tensor, wanted)
        batches.update(dim for dim in dims[:1] if dim is not None)
        row = tuple(1 if dim is None else dim for dim in dims[1:])
        low, high = (wanted.low, wanted.high) if wanted.low is not None and wanted.high is not None else (0.0, 1.0)
        inputs[key] = TargetInput(tensor.dtype, row, _open_axes(tensor, wanted, len(dims)), low, high)
    fixed = next(iter(batches), None)
    if fixed is not None and (len(batches) > 1 or fixed <= 0):
        return NotRun(target, "", f"its batch size is fixed to {' and '.join(map(str, sorted(batches)))}")
    for key, one in inputs.items():
        size = math.prod(one.row) * (fixed or _OPEN_BATCH)
        if size <= 0 or size > _MAX_NUMBERS:
            reason = f"more than {_MAX_NUMBERS:,} numbers" if size > 0 else "which is empty"
            shape = ", ".join(map(str, (fixed or "?", *one.row)))
            return NotRun(target, "", f'its input "{key}" is [{shape}], {reason}')
    if training is not None:
        inputs["training"] = TargetInput("bool", (), (), 0, 1, training)
    return TargetSpec(target, inputs, keep, fixed, role)


def _open_axes(tensor: Tensor, wanted: TensorContract, rank: int) -> tuple[int, ...]:
    """Return the axes of a row, without the batch, that both the module and the contract leave open."""
    declared = tensor.shape.dims or ()
    return tuple(
        axis - 1
        for axis in range(1, rank)
        if axis < len(wanted.shape)
        and isinstance(wanted.shape[axis], str)
        and (axis >= len(declared) or declared[axis] is None)
    )


def _dims(module: Module, tensor: Tensor, wanted: TensorContract) -> tuple[int | None, ...]:
    """Return the declared shape, its open dimensions filled with the expected image size or those of the contract."""
    declared = tensor.shape.dims
    if declared is None:
        declared = (None,) * wanted.rank
    expected = expected_image_size(module, wanted) if wanted.is_image else None
    size = dict(zip((1, 2), expected or (_UNKNOWN_SIZE, _UNKNOWN_SIZE), strict=True))
    filled: list[int | None] = list(declared[:1])
    for axis, dim in enumerate(declared[1:], start=1):
        want = wanted.shape[axis] if axis < wanted.rank else _UNKNOWN_SIZE
        filled.append(dim if dim is not None else want if isinstance(want, int) else size.get(axis, _UNKNOWN_SIZE))
    return tuple(filled)


def _same_tensors(one: Signature, other: Signature) -> bool:
    """Return whether two signatures name the same tensors of the same graph, so that one run serves both."""
    return all(
        {key: tensor.components for key, tensor in getattr(one, side).items()}
        == {key: tensor.components for key, tensor in getattr(other, side).items()}
        for side in ("inputs", "outputs")
    )


def _quoted(names: Iterable[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)
