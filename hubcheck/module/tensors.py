"""Facts about tensors: those that signatures declare, and those that a checkpoint stores."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Literal, NamedTuple

from hubcheck.util.record import record

Encoding = Literal["dense", "sparse", "composite"]


class Shape(NamedTuple):
    """A static shape. `dims` is None if the rank is unknown; an entry is None if that dimension is unknown."""

    dims: tuple[int | None, ...] | None

    @property
    def rank(self) -> int | None:
        return None if self.dims is None else len(self.dims)

    def compatible(self, other: Shape) -> bool:
        """Return whether one tensor could have both shapes."""
        if self.dims is None or other.dims is None:
            return True
        pairs = zip(self.dims, other.dims, strict=False)
        return len(self.dims) == len(other.dims) and all(a == b or None in (a, b) for a, b in pairs)

    def __str__(self) -> str:
        if self.dims is None:
            return "of unknown rank"
        return f"[{', '.join('?' if dim is None else str(dim) for dim in self.dims)}]"


_NO_WEIGHTS = ("string", "bool", "int32", "int64", "uint32", "uint64")
Slice = tuple[tuple[int, int], ...]
"""A part of a tensor: the start and the length in each dimension."""


class Tensor(NamedTuple):
    """One input or output, as its TensorInfo (or the TensorSpec of a callable) describes it.

    `components` are the graph tensors that it consists of ("images:0"): one for a dense tensor, three for a sparse one,
    any number for a composite, none for an argument of a traced function.
    """

    dtype: str
    shape: Shape
    encoding: Encoding = "dense"
    components: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.encoding} {self.dtype} {self.shape}".removeprefix("dense ")


class CheckpointEntry(NamedTuple):
    """One tensor of a checkpoint, and where it is stored: `offset` and `size` are in bytes.

    A partitioned variable is stored in `slices`, each with its own entry, None where that is missing.
    """

    dtype: str
    shape: Shape
    shard: int
    offset: int
    size: int
    crc32c: int
    slices: tuple[tuple[Slice, CheckpointEntry | None], ...] = ()

    @property
    def parts(self) -> list[CheckpointEntry]:
        """The entries with its bytes: itself, or those of its slices."""
        return [entry for _, entry in self.slices if entry is not None] if self.slices else [self]

    @property
    def elements(self) -> int:
        return math.prod(dim or 0 for dim in self.shape.dims or ())


@record(eq=False)
class Checkpoint:
    """The index of a V2 checkpoint (`variables/variables.index`)."""

    entries: Mapping[str, CheckpointEntry]
    shards: int

    @property
    def weights(self) -> list[CheckpointEntry]:
        """The entries of weights: not the object graph, nor counters and the seeds of random numbers."""
        return [entry for entry in self.entries.values() if entry.dtype not in _NO_WEIGHTS]

    @property
    def parts(self) -> list[CheckpointEntry]:
        """The entries with the bytes of all tensors."""
        return [part for entry in self.entries.values() for part in entry.parts]
