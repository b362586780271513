"""Whether a new version of a module is a drop-in for the consumers of the old one: facts of both, compared.

What a consumer relies on: a signature takes at least what it took, and gives at least what it gave.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from hubcheck.module.types import INIT_OP_SIGNATURE, Module, Shape, Signature, Tensor, Trace, Variant
from hubcheck.rulebook.contract import SignatureContract
from hubcheck.rulebook.expectations import expected_image_size

Kind = Literal["breaking", "additive", "note"]
DiffVerdict = Literal["compatible", "additive", "breaking"]
KINDS: tuple[Kind, ...] = ("breaking", "additive", "note")


@dataclass(frozen=True, slots=True)
class Change:
    """One difference, and what it means for consumers of the old version."""

    kind: Kind
    where: str
    message: str
    old: str = ""
    new: str = ""


@dataclass(frozen=True, slots=True)
class Agreement:
    """How near the values of one output of a signature are, for the same pictures; None: nothing of it was compared.

    `difference` is the largest one, relative to the largest value, and None where the values could not be compared,
    for the `reason`. `correlation` is that of how the values change from picture to picture, None where they do not:
    1 says that the new version sees the same in them, on whatever scale. `fails` tells that the new version does not
    run where the old one did.
    """

    signature: str
    output: str | None = None
    difference: float | None = None
    correlation: float | None = None
    reason: str | None = None
    fails: bool = False


@dataclass(frozen=True, slots=True)
class Diff:
    """Everything said of two versions. `incomplete` tells why values that were asked for could not be compared."""

    old: str
    new: str
    changes: tuple[Change, ...]
    agreements: tuple[Agreement, ...] = ()
    incomplete: str | None = None

    @property
    def verdict(self) -> DiffVerdict:
        kinds = {change.kind for change in self.changes}
        if any(agreement.fails for agreement in self.agreements):
            return "breaking"
        return "breaking" if "breaking" in kinds else "additive" if "additive" in kinds else "compatible"


def compare(old: Module, new: Module, contracts: Mapping[str, SignatureContract]) -> list[Change]:
    """The differences, breaking ones first."""
    if new.format is None:
        return [Change("breaking", "module", f"the new version cannot be read: {new.problems[0].message}")]
    found = [
        *_formats(old, new),
        *_sizes(old, new, contracts),
        *_variants(old, new),
        *_callables(old, new),
        *_weights(old, new),
        *_assets(old, new),
    ]
    return sorted(dict.fromkeys(found), key=lambda change: KINDS.index(change.kind))


def _formats(old: Module, new: Module) -> Iterator[Change]:
    if old.format != new.format:
        message = "the format is another, which other code loads"
        yield Change("breaking", "module", message, str(old.format), str(new.format))


def _sizes(old: Module, new: Module, contracts: Mapping[str, SignatureContract]) -> Iterator[Change]:
    for contract in contracts.values():
        if "images" not in contract.inputs:
            continue
        before, after = (expected_image_size(module, contract.inputs["images"]) for module in (old, new))
        if before != after:
            texts = [f"{size[0]} x {size[1]}" if size else "not told" for size in (before, after)]
            kind: Kind = "additive" if before is None else "breaking"
            yield Change(kind, "module", "the expected image size (height x width) is another", *texts)


def _variants(old: Module, new: Module) -> Iterator[Change]:
    after = {variant.tags: variant for variant in new.variants}
    before = {variant.tags: variant for variant in old.variants}
    same_format = old.format == new.format
    told: set[Change] = set()
    for variant in sorted(old.variants, key=lambda variant: variant is not old.inference):
        if variant.tags in after:
            # What the variants have in common is told once.
            found = dict.fromkeys(_signatures(variant, after[variant.tags]))
            for change in found:
                if change not in told:
                    where = f"variant {variant.name} · {change.where}"
                    yield change if variant is old.inference else replace(change, where=where)
            told |= set(found)
        elif variant is old.inference and new.inference is not None:
            yield from _signatures(variant, new.inference)
        elif same_format:
            yield Change("breaking", f"variant {{{variant.name}}}", "the variant is gone")
    for tags, variant in after.items():
        if tags not in before and same_format:
            yield Change("additive", f"variant {{{variant.name}}}", "the variant is new")


def _signatures(old: Variant, new: Variant) -> Iterator[Change]:
    before, after = (
        {key: signature for key, signature in variant.signatures.items() if key != INIT_OP_SIGNATURE}
        for variant in (old, new)
    )
    for key, signature in before.items():
        if key not in after:
            yield Change("breaking", key, "the signature is gone")
        else:
            yield from _inputs(key, signature, after[key])
            yield from _outputs(key, signature, after[key])
    for key in after:
        if key not in before:
            yield Change("additive", key, "the signature is new")


def _inputs(where: str, old: Signature, new: Signature) -> Iterator[Change]:
    for key, tensor in old.inputs.items():
        place = f'{where} · inputs["{key}"]'
        if key not in new.inputs:
            yield Change("breaking", place, "the input is gone", str(tensor))
        else:
            yield from _tensors(place, tensor, new.inputs[key], "takes")
            if key in old.defaults and key not in new.defaults:
                yield Change("breaking", place, "the input must be fed now")
    for key, tensor in new.inputs.items():
        if key not in old.inputs:
            place = f'{where} · inputs["{key}"]'
            if key in new.defaults:
                yield Change("additive", place, "an input that need not be fed is new", new=str(tensor))
            else:
                yield Change("breaking", place, "an input that must be fed is new", new=str(tensor))


def _outputs(where: str, old: Signature, new: Signature) -> Iterator[Change]:
    for key, tensor in old.outputs.items():
        place = f'{where} · outputs["{key}"]'
        if key not in new.outputs:
            yield Change("breaking", place, "the output is gone", str(tensor))
        else:
            yield from _tensors(place, tensor, new.outputs[key], "gives")
    for key, tensor in new.outputs.items():
        if key not in old.outputs:
            yield Change("additive", f'{where} · outputs["{key}"]', "the output is new", new=str(tensor))


def _tensors(place: str, old: Tensor, new: Tensor, verb: Literal["takes", "gives"]) -> Iterator[Change]:
    texts = (str(old), str(new))
    if old.encoding != new.encoding:
        yield Change("breaking", place, f"it {verb} another encoding", *texts)
    elif old.dtype != new.dtype:
        yield Change("breaking", place, f"it {verb} another dtype", *texts)
    elif old.shape != new.shape:
        wide, narrow = (new.shape, old.shape) if verb == "takes" else (old.shape, new.shape)
        if _within(narrow, wide):
            more = "takes more shapes" if verb == "takes" else "promises more of its shape"
            yield Change("additive", place, f"it {more}", *texts)
        else:
            less = "does not take every shape that it took" if verb == "takes" else "gives another shape"
            yield Change("breaking", place, f"it {less}", *texts)


def _within(narrow: Shape, wide: Shape) -> bool:
    """Whether every tensor of the narrow shape has the wide one too."""
    if wide.dims is None:
        return True
    if narrow.dims is None or len(narrow.dims) != len(wide.dims):
        return False
    return all(most is None or most == least for least, most in zip(narrow.dims, wide.dims, strict=True))


def _callables(old: Module, new: Module) -> Iterator[Change]:
    before, after = (module.objects.traces if module.objects is not None else () for module in (old, new))
    for trace in before:
        place = f"__call__ ({trace.name})"
        choices = [list(_traces(place, trace, other)) for other in after if other.name == trace.name]
        if choices:
            # A caller gets the trace that fits, so the one that fits best is what counts.
            yield from min(choices, key=lambda found: sum(change.kind == "breaking" for change in found))
        else:
            yield Change("breaking", place, "it cannot be called so any more")
    for name in sorted({trace.name for trace in after} - {trace.name for trace in before}):
        yield Change("additive", f"__call__ ({name})", "it can be called so too")


def _traces(place: str, old: Trace, new: Trace) -> Iterator[Change]:
    if len(old.tensors) != len(new.tensors):
        yield Change(
            "breaking", place, "it takes another number of tensors", str(len(old.tensors)), str(len(new.tensors))
        )
    for (key, tensor), other in zip(old.tensors.items(), new.tensors.values(), strict=False):
        yield from _tensors(f"{place} · {key}", tensor, other, "takes")
    for key, tensor in old.outputs.items():
        result = f"{place} · {key or 'result'}"
        if key in new.outputs:
            yield from _tensors(result, tensor, new.outputs[key], "gives")
        else:
            yield Change("breaking", result, "the result is gone", str(tensor))


def _weights(old: Module, new: Module) -> Iterator[Change]:
    before, after = _trainable(old), _trainable(new)
    if before is not None and before != after:
        kind: Kind = "breaking" if before and not after else "note"
        message = "none is left to fine-tune" if kind == "breaking" else "their number is another"
        yield Change(kind, "trainable variables", message, str(before), str(after or 0))
    sizes = [
        sum(e.size for e in module.checkpoint.entries.values()) if module.checkpoint else 0 for module in (old, new)
    ]
    if sizes[0] != sizes[1]:
        texts = [f"{size / 1e6:,.2f} MB" for size in sizes]
        yield Change("note", "weights", "their size is another", *texts)


def _trainable(module: Module) -> int | None:
    """How many variables a consumer can train; None where the module does not say."""
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
    names = [{asset.filename for variant in module.variants for asset in variant.assets} for module in (old, new)]
    for name in sorted(names[0] - names[1]):
        yield Change("note", f"assets/{name}", "the asset is gone")
    for name in sorted(names[1] - names[0]):
        yield Change("note", f"assets/{name}", "the asset is new")
    for name in sorted(names[0] & names[1]):
        if _content(old, name) != _content(new, name):
            yield Change("note", f"assets/{name}", "its content is another; if it names classes, they are others")


def _content(module: Module, name: str) -> bytes | None:
    from hubcheck.module.bounded_read import read_file

    root = Path(module.folder)
    file = root / "assets" / name
    try:
        # A name is a stranger's; what it leads to outside of the module is not looked at.
        return read_file(file, largest=64 << 20) if file.resolve().is_relative_to(root.resolve()) else None
    except (OSError, ValueError):
        return None
