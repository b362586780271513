"""Compare the declared facts of two versions of a module."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from hubcheck.diff.changes import KINDS, Change, Kind
from hubcheck.diff.interfaces import compare_callables, compare_signatures
from hubcheck.module.bounded_read import read_file
from hubcheck.module.types import Module
from hubcheck.rulebook.contract import SignatureContract
from hubcheck.rulebook.expectations import expected_image_size

_MAX_ASSET_BYTES = 64 << 20


def compare(old: Module, new: Module, contracts: Mapping[str, SignatureContract]) -> list[Change]:
    """Return the changes, breaking ones first. The files of both modules must exist, see `Module.folder`."""
    if new.format is None:
        return [Change("breaking", "module", f"the new version cannot be read: {new.problems[0].message}")]
    changes = [
        *_formats(old, new),
        *_image_sizes(old, new, contracts),
        *_variants(old, new),
        *compare_callables(old, new),
        *_weights(old, new),
        *_assets(old, new),
    ]
    return sorted(dict.fromkeys(changes), key=lambda change: KINDS.index(change.kind))


def _formats(old: Module, new: Module) -> Iterator[Change]:
    if old.format != new.format:
        message = "the format changed, so that other code is needed to load it"
        yield Change("breaking", "module", message, str(old.format), str(new.format))


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
            changes = dict.fromkeys(compare_signatures(variant, after[variant.tags]))
            for change in changes:
                if change not in reported:  # a change that several variants share is reported once
                    where = f"variant {variant.name} · {change.where}"
                    yield change if variant is old.inference else replace(change, where=where)
            reported.update(changes)
        elif variant is old.inference and new.inference is not None:
            yield from compare_signatures(variant, new.inference)
        elif same_format:
            yield Change("breaking", f"variant {{{variant.name}}}", "the variant was removed")
    for tags, variant in after.items():
        if tags not in before and same_format:
            yield Change("additive", f"variant {{{variant.name}}}", "the variant was added")


def _weights(old: Module, new: Module) -> Iterator[Change]:
    before, after = _trainable_variables(old), _trainable_variables(new)
    if before is not None and before != after:
        if before and not after:
            yield Change("breaking", "trainable variables", "no variable is left to fine-tune", str(before), "0")
        else:
            yield Change("note", "trainable variables", "their number changed", str(before), str(after or 0))
    sizes = [
        sum(entry.size for entry in module.checkpoint.entries.values()) if module.checkpoint is not None else 0
        for module in (old, new)
    ]
    if sizes[0] != sizes[1]:
        yield Change("note", "weights", "their size changed", *(f"{size / 1e6:,.2f} MB" for size in sizes))


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
    for name in sorted(before - after):
        yield Change("note", f"assets/{name}", "the asset was removed")
    for name in sorted(after - before):
        yield Change("note", f"assets/{name}", "the asset was added")
    for name in sorted(before & after):
        if _content(old, name) != _content(new, name):
            yield Change("note", f"assets/{name}", "its content changed; if it lists class names, they differ now")


def _content(module: Module, asset: str) -> bytes | None:
    root = module.folder.resolve()
    file = root / "assets" / asset
    try:
        # The name is untrusted: a file outside the module is not read.
        return read_file(file, max_bytes=_MAX_ASSET_BYTES) if file.resolve().is_relative_to(root) else None
    except (OSError, ValueError):
        return None
