"""Compare what consumers pass to a module and receive from it: signatures, and traces of the callable.

A new version is compatible if it accepts at least what the old one accepts, and returns at least what it returns.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from hubcheck.diff.changes import Change
from hubcheck.module.types import INIT_OP_SIGNATURE, Module, Shape, Signature, Tensor, Trace, Variant

Side = Literal["input", "output"]


def compare_signatures(old: Variant, new: Variant) -> Iterator[Change]:
    """Yield the changes of the signatures of a variant."""
    before, after = (
        {key: signature for key, signature in variant.signatures.items() if key != INIT_OP_SIGNATURE}
        for variant in (old, new)
    )
    for key, signature in before.items():
        if key in after:
            yield from _inputs(key, signature, after[key])
            yield from _outputs(key, signature, after[key])
        else:
            yield Change("breaking", key, "the signature was removed")
    for key in after:
        if key not in before:
            yield Change("additive", key, "the signature was added")


def _inputs(name: str, old: Signature, new: Signature) -> Iterator[Change]:
    for key, tensor in old.inputs.items():
        where = f'{name} · inputs["{key}"]'
        if key in new.inputs:
            yield from _tensor(where, "input", tensor, new.inputs[key])
            if key in old.defaults and key not in new.defaults:
                yield Change("breaking", where, "the input became required")
        else:
            yield Change("breaking", where, "the input was removed", str(tensor))
    for key, tensor in new.inputs.items():
        where = f'{name} · inputs["{key}"]'
        if key in old.inputs:
            continue
        if key in new.defaults:
            yield Change("additive", where, "an optional input was added", new=str(tensor))
        else:
            yield Change("breaking", where, "a required input was added", new=str(tensor))


def _outputs(name: str, old: Signature, new: Signature) -> Iterator[Change]:
    for key, tensor in old.outputs.items():
        where = f'{name} · outputs["{key}"]'
        if key in new.outputs:
            yield from _tensor(where, "output", tensor, new.outputs[key])
        else:
            yield Change("breaking", where, "the output was removed", str(tensor))
    for key, tensor in new.outputs.items():
        if key not in old.outputs:
            yield Change("additive", f'{name} · outputs["{key}"]', "the output was added", new=str(tensor))


def compare_callables(old: Module, new: Module) -> Iterator[Change]:
    """Yield the changes of the callables."""
    before, after = (module.objects.traces if module.objects is not None else () for module in (old, new))
    for trace in before:
        where = f"__call__ ({trace.name})"
        candidates = [list(_trace(where, trace, other)) for other in after if other.name == trace.name]
        if candidates:
            # TensorFlow calls the trace that fits, so only the one that fits best counts.
            yield from min(candidates, key=lambda changes: sum(change.kind == "breaking" for change in changes))
        else:
            yield Change("breaking", where, "this call was removed")
    for name in sorted({trace.name for trace in after} - {trace.name for trace in before}):
        yield Change("additive", f"__call__ ({name})", "this call was added")


def _trace(where: str, old: Trace, new: Trace) -> Iterator[Change]:
    counts = [str(len(trace.tensors)) for trace in (old, new)]
    if counts[0] != counts[1]:
        yield Change("breaking", where, "the number of tensors that it accepts changed", *counts)
    for (key, tensor), other in zip(old.tensors.items(), new.tensors.values(), strict=False):
        yield from _tensor(f"{where} · {key}", "input", tensor, other)
    for key, tensor in old.outputs.items():
        result = f"{where} · {key or 'result'}"
        if key in new.outputs:
            yield from _tensor(result, "output", tensor, new.outputs[key])
        else:
            yield Change("breaking", result, "the result was removed", str(tensor))


def _tensor(where: str, side: Side, old: Tensor, new: Tensor) -> Iterator[Change]:
    texts = (str(old), str(new))
    if old.encoding != new.encoding:
        yield Change("breaking", where, "the encoding changed", *texts)
    elif old.dtype != new.dtype:
        yield Change("breaking", where, "the dtype changed", *texts)
    elif old.shape != new.shape:
        if side == "input" and _includes(new.shape, old.shape):
            yield Change("additive", where, "more shapes are accepted", *texts)
        elif side == "input":
            yield Change("breaking", where, "shapes that the old version accepts are rejected", *texts)
        elif _includes(old.shape, new.shape):
            yield Change("additive", where, "more dimensions of the shape are known", *texts)
        else:
            yield Change("breaking", where, "the shape changed", *texts)


def _includes(general: Shape, special: Shape) -> bool:
    """Return whether every tensor of the special shape has the general one, too."""
    if general.dims is None:
        return True
    if special.dims is None or len(special.dims) != len(general.dims):
        return False
    return all(dim is None or dim == other for dim, other in zip(general.dims, special.dims, strict=True))
