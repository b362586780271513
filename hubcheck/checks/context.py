"""What a check is given."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from hubcheck.module.types import Module, Signature, Variant
from hubcheck.rulebook.contract import SignatureContract


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
