"""What a check is passed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import field

from hubcheck.checks.faults import Where
from hubcheck.graph.variant_analysis import VariantAnalysis
from hubcheck.module.tensors import Tensor
from hubcheck.module.types import Module, Signature, Trace, Variant
from hubcheck.rulebook.contract import SignatureContract, TensorContract, contracted_inputs
from hubcheck.rulebook.convention import DEFAULT_CONVENTION, Convention
from hubcheck.rulebook.interfaces import Interface, interfaces
from hubcheck.util.record import record


@record
class Context:
    """A module and what it is checked against.

    Attributes:
        module: the module, as read from its files.
        contracts: the common signatures by name.
        found_in_files: for the probe half of a rule, the places where its static half found faults.
        convention: what consumers call.
        analyses: what checks derive from the graph of each variant; see `analysis`.
        interfaces: what the module is judged on, once it is known; see `judged`.
    """

    module: Module
    contracts: Mapping[str, SignatureContract]
    found_in_files: tuple[Where, ...] = ()
    convention: Convention = DEFAULT_CONVENTION
    analyses: dict[tuple[Variant, tuple[str, ...]], VariantAnalysis] = field(default_factory=dict)
    interfaces: list[Interface] = field(default_factory=list)

    def judged(self) -> Sequence[Interface]:
        """Return what the module is judged on: its common signatures, or else its callable."""
        if not self.interfaces:
            self.interfaces.extend(interfaces(self.module, self.contracts, self.convention))
        return self.interfaces

    def interface(self, *, signature: str | None, trace: Trace | None) -> Interface | None:
        """Return a signature or a trace with its contract, if the module is judged on it."""
        return next(
            (each for each in self.judged() if each.trace is trace and (trace or each.signature.key == signature)), None
        )

    def common_signatures(self) -> Iterator[tuple[Variant, Signature, SignatureContract]]:
        """Yield the common signatures that the module is judged on, of all variants."""
        for each in self.judged():
            if each.trace is None:
                yield each.variant, each.signature, each.contract

    def contract_of_images(self) -> TensorContract | None:
        """Return the contract of the images that the module is judged on; None if there are none."""
        inputs = (promised for each in self.judged() for promised in each.contract.inputs.values())
        return next((promised for promised in inputs if promised.is_image), None)

    def analysis(self, variant: Variant) -> VariantAnalysis:
        """Return what can be known of a variant's graph: one object, which all checks share.

        Its entry points are the common signatures, the default signature and the callable; under `saved-model-api`, the
        callable alone.
        """
        by_name = self.convention == "common-signatures"
        keys = dict.fromkeys([*self.contracts, self.module.default_signature] if by_name else ())
        return self.analysis_of(variant, [key for key in keys if key in variant.signatures])

    def analysis_of(self, variant: Variant, keys: Iterable[str]) -> VariantAnalysis:
        """Return the same with other signatures than the convention's as entry points."""
        names = tuple(keys)
        if (variant, names) not in self.analyses:
            images = {key: self._image_input(variant.signatures[key]) for key in names}
            self.analyses[variant, names] = VariantAnalysis(self.module, variant, images, self.contracts.keys())
        return self.analyses[variant, names]

    def _image_input(self, signature: Signature) -> tuple[str, Tensor] | None:
        """The input that is the images, by the signature's own contract or by that of any other.

        None if that cannot be told, or if the contract has several inputs: all of them count then.
        """
        contract = self.contracts.get(signature.key) or next(iter(self.contracts.values()))
        return next(iter(contracted_inputs(signature, contract).values()), None) if len(contract.inputs) == 1 else None
