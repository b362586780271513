"""The common signatures as data: `rules/signatures/*.toml` read into SignatureContracts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hubcheck.util import resources
from hubcheck.util.data_files import DataFileError, LazyRegistry, read_toml, validate_schema


@dataclass(frozen=True, slots=True)
class TensorContract:
    """What a signature promises of one input or output.

    `shape` entries: an int is exactly that size; a name ending in "?" must be unknown when the graph is
    built; any other name is a constant that the module chooses, the same wherever the name stands.
    """

    key: str
    dtype: str
    shape: tuple[int | str, ...]
    encoding: str = "dense"
    low: float | None = None
    high: float | None = None

    @property
    def rank(self) -> int:
        return len(self.shape)

    def __str__(self) -> str:
        dims = ("?" if isinstance(dim, str) and dim.endswith("?") else str(dim) for dim in self.shape)
        return f"{self.dtype} [{', '.join(dims)}]"


@dataclass(frozen=True, slots=True)
class SignatureContract:
    """A common signature: its inputs, its outputs, and the words of the convention it is taken from."""

    name: str
    title: str
    source: str
    inputs: Mapping[str, TensorContract]
    outputs: Mapping[str, TensorContract]
    more_outputs: bool = True


def load_contracts(*folders: Path) -> LazyRegistry[SignatureContract]:
    """The shipped contracts and those in `<folder>/signatures/*.toml`, by signature name.

    Raises:
        DataFileError: a file is not a signature contract; names file, key and reason.
    """
    shipped = {file.stem: file for file in _files(resources.folder("rules"))}
    own: dict[str, SignatureContract] = {}
    for file in (file for folder in folders for file in _files(folder)):
        data = read_toml(file)
        validate_schema(file, data, "signature")
        contract = _contract(data)
        if contract.name in shipped or contract.name in own:
            raise DataFileError(file, "name", f"signature {contract.name!r} is defined already")
        own[contract.name] = contract
    return LazyRegistry(shipped, lambda file: _contract(read_toml(file)), own)


def _files(folder: Path) -> list[Path]:
    return sorted((folder / "signatures").glob("*.toml"))


def _contract(data: Mapping[str, Any]) -> SignatureContract:
    return SignatureContract(
        name=data["name"],
        title=data["title"],
        source=data["source"],
        inputs={key: _tensor(key, value) for key, value in data["inputs"].items()},
        outputs={key: _tensor(key, value) for key, value in data["outputs"].items()},
        more_outputs=data.get("more_outputs", True),
    )


def _tensor(key: str, data: Mapping[str, Any]) -> TensorContract:
    low, high = data.get("range", (None, None))
    return TensorContract(key, data["dtype"], tuple(data["shape"]), data.get("encoding", "dense"), low, high)
