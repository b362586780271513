"""Read the common signatures, `rules/signatures/*.toml`, into SignatureContracts, and apply them to a module."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from hubcheck.module.tensors import Tensor
from hubcheck.module.types import Module, Signature
from hubcheck.util import resources
from hubcheck.util.compiled import compiled
from hubcheck.util.data_files import DataFileError, LazyRegistry, read_toml
from hubcheck.util.record import record

Size = tuple[int, int]
"""Height and width, in pixels."""


@record
class TensorContract:
    """What a common signature requires of one input or output.

    Attributes:
        shape: a size for each dimension. A number is exactly that size; a name that ends in "?" is unknown when the
            graph is built; any other name is a constant that the module chooses, the same for each use of the name.
        encoding: "dense", or "sparse" or "composite".
        low, high: the smallest and the largest value that it may have.
        source: of the requirement, for findings.
        own: whether a file of the user requires it, not the convention.
    """

    key: str
    dtype: str
    shape: tuple[int | str, ...]
    encoding: str = "dense"
    low: float | None = None
    high: float | None = None
    source: str = ""
    own: bool = False

    @property
    def is_image(self) -> bool:
        """Whether it is a batch of images, of a height and a width that the module chooses."""
        return {"height", "width"} <= set(self.shape)

    @property
    def rank(self) -> int:
        return len(self.shape)

    def __str__(self) -> str:
        dims = ("?" if isinstance(dim, str) and dim.endswith("?") else str(dim) for dim in self.shape)
        return f"{self.dtype} [{', '.join(dims)}]"


@record
class SignatureContract:
    """A common signature: its inputs, its outputs, and the source in the convention."""

    name: str
    title: str
    source: str
    inputs: Mapping[str, TensorContract]
    outputs: Mapping[str, TensorContract]

    @property
    def is_classification(self) -> bool:
        """Whether the default output has a value for each class."""
        return "default" in self.outputs and "num_classes" in self.outputs["default"].shape


def load_contracts(*folders: Path) -> LazyRegistry[SignatureContract]:
    """Return the shipped contracts and those in `<folder>/signatures/*.toml`, by signature name.

    Raises:
        DataFileError: a file is not a signature contract, or its name is in use.
    """
    shipped = {file.stem: file for file in _files(resources.folder("rules"))}
    own: dict[str, SignatureContract] = {}
    for file in (file for folder in folders for file in _files(folder)):
        data = read_toml(file)
        from hubcheck.util.schemas import validate_schema

        validate_schema(file, data, "signature")
        contract = _contract(data, own=True)
        if contract.name in shipped or contract.name in own:
            raise DataFileError(file, "name", f"signature {contract.name!r} is defined already")
        own[contract.name] = contract
    return LazyRegistry(shipped, lambda file: _contract(_shipped_data()[str(file)]), own)


@cache
def _shipped_data() -> Mapping[str, Any]:
    files = list(map(str, _files(resources.folder("rules"))))
    return compiled("signatures", files, lambda file: read_toml(Path(file)))


def _files(folder: Path) -> list[Path]:
    return sorted((folder / "signatures").glob("*.toml"))


def _contract(data: Mapping[str, Any], *, own: bool = False) -> SignatureContract:
    inputs, outputs = (
        {key: _tensor(key, value, data["source"], own=own) for key, value in data[side].items()}
        for side in ("inputs", "outputs")
    )
    return SignatureContract(data["name"], data["title"], data["source"], inputs, outputs)


def _tensor(key: str, data: Mapping[str, Any], source: str, *, own: bool) -> TensorContract:
    low, high = data.get("range", (None, None))
    encoding, stated = data.get("encoding", "dense"), data.get("source", source)
    return TensorContract(key, data["dtype"], tuple(data["shape"]), encoding, low, high, stated, own)


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
