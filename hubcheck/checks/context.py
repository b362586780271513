"""What a check is given, and the questions that many checks ask of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from hubcheck.contract import SignatureContract, TensorContract
from hubcheck.module.types import Module, Signature, Tensor, Variant


@dataclass(frozen=True, slots=True)
class Context:
    """A module, the contracts it is held against, and what was seen when it ran (None: it was not run).

    `memo` keeps what several checks derive from one module, such as dataflow views.
    """

    module: Module
    contracts: Mapping[str, SignatureContract]
    observations: Any = None
    memo: dict[Any, Any] = field(default_factory=dict)

    def common_signatures(self) -> Iterator[tuple[Variant, Signature, SignatureContract]]:
        """Every signature, of every variant, that is named like a contract."""
        for variant in self.module.variants:
            for key, contract in self.contracts.items():
                if key in variant.signatures:
                    yield variant, variant.signatures[key], contract


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
