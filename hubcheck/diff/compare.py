"""Compare the declared facts of two versions of a module.

Signatures and callables are compatible if they accept at least what they accepted, and return at least what they
returned.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Literal

from hubcheck.diff.changes import KINDS, Change, Kind
from hubcheck.module.limits import read_file
from hubcheck.module.tensors import Shape, Tensor
from hubcheck.module.types import Module, Signature, Trace, Variant
from hubcheck.rulebook.contract import SignatureContract, expected_image_size
from hubcheck.util.text import byte_size

_MAX_ASSET_BYTES = 64 << 20


def compare(old: Module, new: Module, contracts: Mapping[str, SignatureContract]) -> list[Change]:
    """Return the changes, breaking ones first. The files of both modules must exist, see `Module.folder`."""
    if new.format is None:
        return [Change("breaking", "module", f"the new version cannot be read: {new.unreadable_because}")]
    changes = [*_image_sizes(old, new, contracts), *_variants(old, new), *_callables(old, new)]
    changes += [*_weights(old, new), *_assets(old, new)]
    if old.format != new.format:
        message = "the format changed, so that other code is needed to load it"
        changes.insert(0, Change("breaking", "module", message, str(old.format), str(new.format)))
    return sorted(dict.fromkeys(changes), key=lambda change: KINDS.index(change.kind))


def _image_sizes(old: Module, new: Module, contracts: Mapping[str, SignatureContract]) -> Iterator[Change]:
    for contract in contracts.values():
        if "images" not in contract.inputs:
            continue
        before, after = (expected_image_size(module, contract.inputs["images"]) for module in (old, new))
        if before != after:
            texts = [f"{size[0]} x {size[1]}" if size else "not declared" for size in (before, after)]
            kind: Kind = "additive" if before is None else "breaking"
            yield Change(kind, "module", "the expected image size (height x width) changed", *texts)


def _variants(old: Module, new: Module) -> Iterator[Change]:
    before, after = ({variant.tags: variant for variant in module.variants} for module in (old, new))
    same_format = old.format == new.format
    reported: set[Change] = set()
    for variant in sorted(old.variants, key=lambda variant: variant is not old.inference):
        if variant.tags in after:
            changes = dict.fromkeys(_signatures(variant, after[variant.tags]))
            for change in changes:
                if change not in reported:  # a change that several variants share is reported once
                    where = f"variant {variant.name} · {change.where}"
                    yield change if variant is old.inference else replace(change, where=where)
            reported.update(changes)
        elif variant is old.inference and new.inference is not None:
            yield from _signatures(variant, new.inference)
        elif same_format:
            yield Change("breaking", f"variant {{{variant.name}}}", "the variant was removed")
    for tags, variant in after.items():
        if tags not in before and same_format:
            yield Change("additive", f"variant {{{variant.name}}}", "the variant was added")


def _signatures(old: Variant, new: Variant) -> Iterator[Change]:
    before, after = old.signatures, new.signatures
    for key in dict.fromkeys((*before, *after)):
        if key not in after:
            yield Change("breaking", key, "the signature was removed")
        elif key not in before:
            yield Change("additive", key, "the signature was added")
        else:
            yield from _tensors(key, "input", before[key], after[key])
            yield from _tensors(key, "output", before[key], after[key])


def _tensors(name: str, side: Literal["input", "output"], old: Signature, new: Signature) -> Iterator[Change]:
    before, after = (signature.inputs if side == "input" else signature.outputs for signature in (old, new))
    opened = _opened_batches((old.inputs[key], new.inputs[key]) for key in old.inputs.keys() & new.inputs.keys())
    for key in dict.fromkeys((*before, *after)):
        where = f'{name} · {side}s["{key}"]'
        if key not in after:
            yield Change("breaking", where, f"the {side} was removed", str(before[key]))
        elif key in before:
            yield from _tensor(where, side, before[key], after[key], opened)
            if side == "input" and key in old.defaults and key not in new.defaults:
                yield Change("breaking", where, "the input became required")
        elif side == "output":
            yield Change("additive", where, "the output was added", new=str(after[key]))
        else:
            insisted = ", on which TensorFlow 2.21 insists in spite of its default value" if key in new.defaults else ""
            yield Change("breaking", where, f"an input was added{insisted}", new=str(after[key]))


def _callables(old: Module, new: Module) -> Iterator[Change]:
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
    opened = _opened_batches(zip(old.tensors.values(), new.tensors.values(), strict=False))
    for key, tensor in old.outputs.items():
        result = f"{where} · {key or 'result'}"
        if key in new.outputs:
            yield from _tensor(result, "output", tensor, new.outputs[key], opened)
        else:
            yield Change("breaking", result, "the result was removed", str(tensor))


def _opened_batches(inputs: Iterable[tuple[Tensor, Tensor]]) -> set[int]:
    """Return the batch sizes that the old inputs fix where the new ones take batches of any size."""
    pairs = [(old.shape.dims, new.shape.dims) for old, new in inputs]
    return {old[0] for old, new in pairs if old and new and old[0] is not None and new[0] is None}


def _tensor(
    where: str, side: Literal["input", "output"], old: Tensor, new: Tensor, opened: Collection[int] = ()
) -> Iterator[Change]:
    """Yield the change of a tensor; `opened` are the sizes of a batch for which an output is as it was."""
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
        elif any(_includes(old.shape, _with_batch(new.shape, size)) for size in opened):
            yield Change("additive", where, "there is a row for each image of a batch of any size", *texts)
        else:
            yield Change("breaking", where, "the shape changed", *texts)


def _with_batch(shape: Shape, size: int) -> Shape:
    """Return a shape whose first dimension, if it is unknown, is a size."""
    return Shape((size, *shape.dims[1:])) if shape.dims and shape.dims[0] is None else shape


def _includes(general: Shape, special: Shape) -> bool:
    """Return whether every tensor of the special shape has the general one, too."""
    if general.dims is None:
        return True
    if special.dims is None or len(special.dims) != len(general.dims):
        return False
    return all(dim is None or dim == other for dim, other in zip(general.dims, special.dims, strict=True))


def _weights(old: Module, new: Module) -> Iterator[Change]:
    before, after = _trainable_variables(old), _trainable_variables(new)
    if before is not None and before != after:
        if before and not after:
            yield Change("breaking", "trainable variables", "no variable is left to fine-tune", str(before), "0")
        else:
            yield Change("note", "trainable variables", "their number changed", str(before), str(after or 0))
    sizes = [
        sum(entry.size for entry in module.checkpoint.weights) if module.checkpoint is not None else 0
        for module in (old, new)
    ]
    if sizes[0] != sizes[1]:
        yield Change("note", "weights", "their size changed", *map(byte_size, sizes))


def _trainable_variables(module: Module) -> int | None:
    """Return the number of variables that a consumer can train; None where the module does not declare it."""
    if module.objects is not None:
        listed = module.objects.trainable_variables
        return None if listed is None else len(listed)
    counts = [
        len(variant.collections["trainable_variables"].bytes_list.value)
        for variant in module.variants
        if "trainable_variables" in variant.collections
    ]
    return max(counts, default=0)


def _assets(old: Module, new: Module) -> Iterator[Change]:
    before, after = (
        {asset.filename for variant in module.variants for asset in variant.assets} for module in (old, new)
    )
    for name in sorted(before ^ after, key=lambda name: (name in after, name)):
        yield Change("note", f"assets/{name}", f"the asset was {'removed' if name in before else 'added'}")
    for name in sorted(before & after):
        if _content(old, name) != _content(new, name):
            yield Change("note", f"assets/{name}", "its content changed; if it lists class names, they differ now")


def _content(module: Module, asset: str) -> bytes | None:
    if module.files_at is None or ".." in asset.split("/"):
        return None
    try:
        return read_file(module.files_at.path(f"assets/{asset}"), max_bytes=_MAX_ASSET_BYTES)
    except (OSError, ValueError):
        return None
