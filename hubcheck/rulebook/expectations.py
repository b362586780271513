"""Apply a contract to a module: which input is the images, and how large they are."""

from __future__ import annotations

from hubcheck.module.types import Module, Signature, Tensor
from hubcheck.rulebook.contract import SignatureContract, TensorContract

Size = tuple[int, int]
"""Height and width, in pixels."""


def contracted_input(signature: Signature, contract: TensorContract) -> tuple[str, Tensor] | None:
    """Return the name and the tensor of the input that a contract is about, whatever its name.

    It is the input with the name in the contract, or else the only input, or else the only dense one of that rank.
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


def contracted_inputs(signature: Signature, contract: SignatureContract) -> dict[str, tuple[str, Tensor]]:
    """Return the inputs that a contract is about, by their keys in the contract: the name of each, and the tensor.

    They are those with the names in the contract. One that is missing is the only other input, or else the only other
    one of its encoding and rank.
    """
    found = {key: (key, signature.inputs[key]) for key in contract.inputs if key in signature.inputs}
    missing = [key for key in contract.inputs if key not in found]
    for key in missing:
        promised, taken = contract.inputs[key], {name for name, _ in found.values()}
        others = [(name, tensor) for name, tensor in signature.inputs.items() if name not in taken]
        if len(others) > 1 or len(missing) > 1:
            kind = (promised.encoding, promised.rank)
            others = [(name, tensor) for name, tensor in others if (tensor.encoding, tensor.shape.rank) == kind]
        if len(others) == 1:
            found[key] = others[0]
    return found


def declared_size(signature: Signature, contract: TensorContract) -> Size | None:
    """Return the image size that the input of a signature declares; None if it leaves height or width open."""
    found = contracted_input(signature, contract)
    dims = found[1].shape.dims if found is not None else None
    if dims is None or len(dims) != contract.rank:
        return None
    height, width = (dims[contract.shape.index(name)] for name in ("height", "width"))
    return None if height is None or width is None else (height, width)


def expected_image_size(module: Module, contract: TensorContract) -> Size | None:
    """Return height and width in pixels: as attached to the inference variant, or else of the default signature.

    Source: tensorflow_hub's image_util.get_expected_image_size; "Image input" of the convention.
    """
    inference = module.inference
    if inference is None:
        return None
    if inference.image_size is not None and all(inference.image_size):
        return inference.image_size
    default = inference.signatures.get(module.default_signature)
    return declared_size(default, contract) if default is not None else None
