"""The image size that a module expects, wherever it is declared."""

from __future__ import annotations

from collections.abc import Iterator

from hubcheck.checks.context import Context
from hubcheck.checks.faults import Checked, CheckItem, Fault, Skip, Where
from hubcheck.checks.judged import nothing_judged, where_of
from hubcheck.module.types import Variant
from hubcheck.rulebook.contract import Size, TensorContract, contracted_input, declared_size, expected_image_size


def image_size(context: Context) -> Iterator[CheckItem]:
    """The expected size is known, and attachments, default and named signatures agree on it."""
    module = context.module
    contract = context.contract_of_images()
    if contract is None or module.inference is None:
        if context.judged():
            yield Skip("there is no inference variant" if contract is not None else "no common signature takes images")
        else:
            yield nothing_judged(context)
        return
    if context.convention == "saved-model-api":
        yield from _of_callable(context, contract)
        return
    if module.default_signature not in module.inference.signatures and module.inference.image_size is None:
        yield Skip("there is no default signature to declare the size")
        return
    expected = expected_image_size(module, contract)
    if expected is None and not _takes_images(module.inference, module.default_signature, contract):
        yield Skip("the default signature has no images input to declare the size")
        return
    if expected is None:
        where = Where(module.inference.name, None, module.default_signature, "inputs")
        yield Fault(where, "unknown", "height and width", message="the expected image size is unknown")
        return
    yield Checked()
    for where, size in _sizes(context, contract):
        if size != expected:
            yield Fault(where, _text(size), _text(expected))


def _of_callable(context: Context, contract: TensorContract) -> Iterator[CheckItem]:
    """The traces of the callable declare one size; a size may be left open."""
    declared = [(where_of(each, "inputs"), declared_size(each.signature, contract)) for each in context.judged()]
    sizes = [(where, size) for where, size in declared if size is not None]
    if not sizes:
        yield Skip("the callable leaves height and width open")
    for where, size in sizes:
        yield Checked()
        if size != sizes[0][1]:
            yield Fault(where, _text(size), _text(sizes[0][1]))


def _takes_images(variant: Variant, key: str, contract: TensorContract) -> bool:
    signature = variant.signatures.get(key)
    found = contracted_input(signature, contract) if signature is not None else None
    return found is not None and found[1].shape.rank in (None, contract.rank)


def _sizes(context: Context, contract: TensorContract) -> Iterator[tuple[Where, Size]]:
    for each in context.judged():
        size = declared_size(each.signature, contract) if each.trace is not None else None
        if size is not None:
            yield where_of(each, "inputs"), size
    names = {
        context.module.default_signature,
        *(s.key for _, s, c in context.common_signatures() if contract.key in c.inputs),
    }
    for variant in context.module.variants:
        if variant.image_size is not None and all(variant.image_size):
            yield Where(variant.name), variant.image_size
        for name in sorted(names):
            signature = variant.signatures.get(name)
            size = declared_size(signature, contract) if signature is not None else None
            if size is not None:
                yield Where(variant.name, None, name, "inputs"), size


def _text(size: Size) -> str:
    return f"{size[0]} x {size[1]} (height x width)"
