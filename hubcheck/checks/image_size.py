"""The size of images that a module expects, wherever it says one."""

from __future__ import annotations

from collections.abc import Iterator

from hubcheck.checks.context import Context, contracted_input
from hubcheck.checks.tensors import NO_COMMON_SIGNATURE
from hubcheck.contract import TensorContract
from hubcheck.findings import Fault, Skip, Where
from hubcheck.module.types import Module, Signature

Size = tuple[int, int]


def expected_image_size(module: Module, contract: TensorContract) -> Size | None:
    """Height and width in pixels: the inference variant's attachment, else the default signature's input."""
    inference = module.inference
    if inference is None:
        return None
    if inference.image_size is not None and all(inference.image_size):
        return inference.image_size
    default = inference.signatures.get(module.default_signature)
    return _declared(default, contract) if default is not None else None


def image_size(context: Context, *, key: str) -> Iterator[Fault | Skip]:
    """The expected size can be told, and attachments, default and named signatures agree on it."""
    module = context.module
    contract = next((c.inputs[key] for _, _, c in context.common_signatures() if key in c.inputs), None)
    if contract is None or module.inference is None:
        yield Skip(NO_COMMON_SIGNATURE if contract is None else "there is no inference variant")
        return
    if module.default_signature not in module.inference.signatures and module.inference.image_size is None:
        yield Skip("there is no default signature that could tell the size")
        return
    expected = expected_image_size(module, contract)
    if expected is None:
        where = Where(module.inference.name, None, module.default_signature, "inputs")
        yield Fault(where, "unknown", "height and width", message="the expected image size cannot be told")
        return
    for where, size in _sizes(context, contract):
        if size != expected:
            yield Fault(where, _text(size), _text(expected))


def _sizes(context: Context, contract: TensorContract) -> Iterator[tuple[Where, Size]]:
    names = {
        context.module.default_signature,
        *(s.key for _, s, c in context.common_signatures() if contract.key in c.inputs),
    }
    for variant in context.module.variants:
        if variant.image_size is not None and all(variant.image_size):
            yield Where(variant.name), variant.image_size
        for name in sorted(names):
            signature = variant.signatures.get(name)
            size = _declared(signature, contract) if signature is not None else None
            if size is not None:
                yield Where(variant.name, None, name, "inputs"), size


def _declared(signature: Signature, contract: TensorContract) -> Size | None:
    found = contracted_input(signature, contract)
    dims = found[1].shape.dims if found is not None else None
    if dims is None or len(dims) != contract.rank:
        return None
    height, width = dims[1], dims[2]
    return None if height is None or width is None else (height, width)


def _text(size: Size) -> str:
    return f"{size[0]} x {size[1]} (height x width)"
