"""What can be called in a module, and what each call needs as input."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from hubcheck.module.tensors import Tensor
from hubcheck.module.types import Module, Signature, Trace, Variant
from hubcheck.probe.observations import NotRun, ProbeTarget
from hubcheck.probe.test_images import DTYPES
from hubcheck.rulebook.contract import SignatureContract, TensorContract, contracted_inputs, expected_image_size
from hubcheck.rulebook.convention import DEFAULT_CONVENTION, Convention
from hubcheck.rulebook.interfaces import called_with_images, interfaces, takes_images

TargetRole = Literal["task", "default", "training"]
"""task: what the module is judged on, in inference. default: another target in inference. training: one that trains."""

_UNKNOWN_SIZE = 96
"""Height and width, in pixels, of images for a module that does not state a size."""

_MAX_NUMBERS = 1 << 28
"""Numbers in all rows of an input: 1 GiB of float32."""
_OPEN_BATCH = 4
"""Rows that a run feeds at least, if the batch is open."""
_MAX_TRACES = 32


@dataclass(frozen=True, slots=True)
class TargetInput:
    """One input tensor of a target: the range of its contract, its shape without the batch, and its open axes.

    `value` is that of a scalar argument beside the images.
    """

    dtype: str
    row: tuple[int, ...]
    open_axes: tuple[int, ...]
    low: float
    high: float
    value: bool | float | None = None


@dataclass(frozen=True, slots=True)
class TargetSpec:
    """How to call a target: its inputs by key, the outputs to keep, and the batch size that it fixes, if any.

    Rules look closely at what the module is judged on, in inference; what trains is called repeatedly.
    """

    target: ProbeTarget
    inputs: Mapping[str, TargetInput]
    keep: tuple[str, ...]
    fixed_batch: int | None
    role: TargetRole


def target_specs(
    module: Module,
    contracts: Mapping[str, SignatureContract],
    variant: Variant,
    convention: Convention = DEFAULT_CONVENTION,
) -> Iterator[TargetSpec | NotRun]:
    """Yield the targets of a variant, those that cannot be called with the reason."""
    judged = [each for each in interfaces(module, contracts, convention) if each.variant is variant]
    if not judged:
        return
    inference, contract = variant is module.inference, judged[0].contract
    signatures = [each.signature for each in judged if each.trace is None]
    for each in judged if signatures else ():
        yield _of_signature(module, variant, each.signature, each.contract, "task" if inference else "training")
    default = variant.signatures.get(module.default_signature)
    known = any(default is not None and _same_tensors(default, signature) for signature in signatures)
    if default is not None and not known and convention == "common-signatures":
        yield _of_signature(module, variant, default, contract, "default" if inference else "training")
    if inference and module.objects is not None:
        role: TargetRole = "default" if signatures else "task"
        # Options of the callable that select another trace are the publisher's own business.
        others = [trace for trace in module.objects.traces if not takes_images(trace)]
        usual = [*others, *called_with_images(module.objects)] if signatures else [each.trace for each in judged]
        chosen = set(map(id, usual))
        for number, trace in enumerate(module.objects.traces[:_MAX_TRACES] if signatures else module.objects.traces):
            if id(trace) in chosen:
                yield from _of_trace(module, variant, number, trace, contract, role)


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
    module: Module, variant: Variant, number: int, trace: Trace, contract: SignatureContract, role: TargetRole
) -> Iterator[TargetSpec | NotRun]:
    """Yield how to call a trace: with images, and with the default values of its other tensors."""
    target = ProbeTarget(variant.name, None, trace.name, number)
    defaults = module.objects.defaults if module.objects is not None else {}
    images, values = trace.image_argument, _scalar_values(trace, defaults)
    if images is None or len(values) + 1 != len(trace.tensors) or len(contract.inputs) != 1:
        names = _quoted(trace.tensors) or "no tensor"
        yield NotRun(target, "", f"it takes {names}; only a callable of one batch of images can be called")
        return
    tensors = {images[0]: (images[1], next(iter(contract.inputs.values())))}
    order, keep = tuple(trace.tensors), tuple(trace.outputs)
    if "training" not in values:
        role = "training" if trace.training else role
        yield _spec(module, target, tensors, keep, role, values=values, order=order)
        return
    for training in (False, True):
        flagged = ProbeTarget(variant.name, None, f"training={training}", number)
        chosen = {**values, "training": TargetInput("bool", (), (), 0, 1, training)}
        yield _spec(module, flagged, tensors, keep, "training" if training else role, values=chosen, order=order)


def _scalar_values(trace: Trace, defaults: Mapping[str, object]) -> dict[str, TargetInput]:
    """Return the single numbers that a trace takes beside the images, where their value is known."""
    values: dict[str, TargetInput] = {}
    for name, tensor in trace.tensors.items():
        value = False if name == "training" and tensor.dtype == "bool" else defaults.get(name)
        if tensor.shape.dims == () and isinstance(value, bool | int | float):
            values[name] = TargetInput(tensor.dtype, (), (), 0, 1, value)
    return values


def _spec(
    module: Module,
    target: ProbeTarget,
    tensors: Mapping[str, tuple[Tensor, TensorContract]],
    keep: tuple[str, ...],
    role: TargetRole,
    *,
    values: Mapping[str, TargetInput] | None = None,
    order: tuple[str, ...] = (),
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
    inputs |= values or {}
    inputs = {key: inputs[key] for key in order or inputs}
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
