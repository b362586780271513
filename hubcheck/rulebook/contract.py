"""Read the common signatures, `rules/signatures/*.toml`, into SignatureContracts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hubcheck.util import resources
from hubcheck.util.data_files import DataFileError, LazyRegistry, read_toml, validate_schema


@dataclass(frozen=True, slots=True)
class TensorContract:
    """What a common signature requires of one input or output.

    Attributes:
        key: its name in the signature.
        dtype: TensorFlow's name of its type.
        shape: a size for each dimension. A number is exactly that size; a name that ends in "?" is unknown when the
            graph is built; any other name is a constant that the module chooses, the same for each use of the name.
        encoding: "dense", or "sparse" or "composite".
        low: the smallest value that it may have.
        high: the largest value that it may have.
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


@dataclass(frozen=True, slots=True)
class SignatureContract:
    """A common signature: its inputs, its outputs, and the source in the convention."""

    name: str
    title: str
    source: str
    inputs: Mapping[str, TensorContract]
    outputs: Mapping[str, TensorContract]


def load_contracts(*folders: Path) -> LazyRegistry[SignatureContract]:
    """Return the shipped contracts and those in `<folder>/signatures/*.toml`, by signature name.

    Raises:
        DataFileError: a file is not a signature contract, or its name is in use.
    """
    shipped = {file.stem: file for file in _files(resources.folder("rules"))}
    own: dict[str, SignatureContract] = {}
    for file in (file for folder in folders for file in _files(folder)):
        data = read_toml(file)
        validate_schema(file, data, "signature")
        contract = _contract(data, own=True)
        if contract.name in shipped or contract.name in own:
            raise DataFileError(file, "name", f"signature {contract.name!r} is defined already")
        own[contract.name] = contract
    return LazyRegistry(shipped, lambda file: _contract(read_toml(file)), own)


def _files(folder: Path) -> list[Path]:
    return sorted((folder / "signatures").glob("*.toml"))


def _contract(data: Mapping[str, Any], *, own: bool = False) -> SignatureContract:
    source = data["source"]
    return SignatureContract(
        name=data["name"],
        title=data["title"],
        source=source,
        inputs={key: _tensor(key, value, source, own=own) for key, value in data["inputs"].items()},
        outputs={key: _tensor(key, value, source, own=own) for key, value in data["outputs"].items()},
    )


def _tensor(key: str, data: Mapping[str, Any], source: str, *, own: bool) -> TensorContract:
    low, high = data.get("range", (None, None))
    return TensorContract(
        key=key,
        dtype=data["dtype"],
        shape=tuple(data["shape"]),
        encoding=data.get("encoding", "dense"),
        low=low,
        high=high,
        source=data.get("source", source),
        own=own,
    )
