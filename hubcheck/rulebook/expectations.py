"""What a contract means for a given module: which input it speaks of, and of which size its images are."""

from __future__ import annotations

from hubcheck.module.types import Module, Signature, Tensor
from hubcheck.rulebook.contract import TensorContract

Size = tuple[int, int]
"""Height and width, in pixels."""


def contracted_input(signature: Signature, contract: TensorContract) -> tuple[str, Tensor] | None:
    """The input that a signature means by a contract's key, under whatever name it has.

    It is the one of that name; else the only input; else the only dense one that looks like it: same rank.
    """
    if contract.key in signature.inputs:
        return contract.key, signature.inputs[contract.key]
    candidates = list(signature.inputs.items())
    if len(candidates) > 1:
        candidates = [
            (key, tensor)
            for key, tensor in candidates
            if tensor.encoding == "dense" and tensor.shape.rank == contract.rank
        ]
    return candidates[0] if len(candidates) == 1 else None


def declared_size(signature: Signature, contract: TensorContract) -> Size | None:
    """The image size that a signature's own input states; None where it leaves a side open."""
    found = contracted_input(signature, contract)
    dims = found[1].shape.dims if found is not None else None
    if dims is None or len(dims) != contract.rank:
        return None
    height, width = dims[1], dims[2]
    return None if height is None or width is None else (height, width)


def expected_image_size(module: Module, contract: TensorContract) -> Size | None:
    """Height and width in pixels: the inference variant's attachment, else the default signature's input.

    Source: tensorflow_hub's image_util.get_expected_image_size; "Image input" of the convention.
    """
    inference = module.inference
    if inference is None:
        return None
    if inference.image_size is not None and all(inference.image_size):
        return inference.image_size
    default = inference.signatures.get(module.default_signature)
    return declared_size(default, contract) if default is not None else None
