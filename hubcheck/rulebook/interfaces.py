"""What a module is judged on: its common signatures, or else its callable."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from hubcheck.module.tensors import Tensor
from hubcheck.module.types import Module, ObjectGraph, Signature, Trace, Variant
from hubcheck.rulebook.contract import SignatureContract
from hubcheck.rulebook.convention import DEFAULT_CONVENTION, Convention
from hubcheck.util.record import record

RESULT = "default"
"""What a contract calls the result, which is the only one of a callable."""


@record
class Interface:
    """What consumers call, and the contract that it is held to.

    Attributes:
        variant: the variant that it is in.
        signature: the signature; for a trace of the callable, its images and its result in the same form.
        contract: what is promised of its inputs and outputs.
        trace: the trace of the callable; None for a signature.
    """

    variant: Variant
    signature: Signature
    contract: SignatureContract
    trace: Trace | None = None


def interfaces(
    module: Module, contracts: Mapping[str, SignatureContract], convention: Convention = DEFAULT_CONVENTION
) -> list[Interface]:
    """Return what a module is judged on.

    Under `common-signatures` these are the signatures of all variants that have the name of a contract. If there are
    none, and always under `saved-model-api`, it is the callable of a TF2 SavedModel: for each value of `training`, the
    trace that a call with images alone selects.
    """
    signatures = [
        Interface(variant, variant.signatures[name], contract)
        for variant in module.variants
        for name, contract in contracts.items()
        if name in variant.signatures
    ]
    if convention == "common-signatures":
        return signatures or list(_callable(module, contracts, only_images=True))
    named = {interface.contract.name: interface.contract for interface in signatures}
    return list(_callable(module, named if len(named) == 1 else contracts, only_images=False))


def takes_images(trace: Trace) -> bool:
    """Return whether a trace takes one tensor that may be images, as its own argument."""
    found = trace.image_argument
    return found is not None and "/" not in found[0]


def called_with_images(objects: ObjectGraph) -> list[Trace]:
    """Return the traces of images that calls with images alone select, and `training`; else all traces of images."""
    traces = [trace for trace in objects.traces if takes_images(trace)]
    return [trace for trace in traces if _takes_defaults(trace, objects.defaults)] or traces


def _takes_defaults(trace: Trace, defaults: Mapping[str, object]) -> bool:
    return all(
        isinstance(value, Tensor) or name == "training" or name not in defaults or defaults[name] == value
        for name, value in trace.arguments.items()
    )


def _callable(module: Module, contracts: Mapping[str, SignatureContract], *, only_images: bool) -> Iterator[Interface]:
    """Yield the traces that the callable is judged on.

    Args:
        module: the module.
        contracts: those that it may be held to.
        only_images: leave out what takes text, sound or other tensors that are no images.
    """
    contract = _contract_of_callable(contracts.values())
    objects, variant = module.objects, module.inference
    if objects is None or variant is None or contract is None:
        return
    best: dict[bool, tuple[int, Interface]] = {}
    for trace in called_with_images(objects):
        if trace.image_argument is None or set(trace.outputs) != {""}:
            continue
        name, tensor = trace.image_argument
        if only_images and not _may_be_images(tensor):
            continue
        interface = Interface(variant, Signature("", "", {name: tensor}, {RESULT: trace.outputs[""]}), contract, trace)
        fit = _fit(tensor, contract)
        for training in (False, True) if "training" in trace.tensors else (bool(trace.training),):
            if training not in best or fit > best[training][0]:
                best[training] = fit, interface
    yield from {id(best[training][1].trace): best[training][1] for training in sorted(best)}.values()


def _contract_of_callable(contracts: Iterable[SignatureContract]) -> SignatureContract | None:
    """Return what all contracts of a single input of images have in common; None if there are none."""
    fitting = [
        contract
        for contract in contracts
        if [promised.is_image for promised in contract.inputs.values()] == [True] and RESULT in contract.outputs
    ]
    if not fitting:
        return None
    first, other = fitting[0].outputs[RESULT], fitting[-1].outputs[RESULT]
    # The result has no key, and its width no name that all contracts know.
    shape = tuple(
        one if one == another else "num_outputs" for one, another in zip(first.shape, other.shape, strict=False)
    )
    name = fitting[0].name if len(fitting) == 1 else "__call__"
    return replace(fitting[0], name=name, outputs={RESULT: replace(first, key="", shape=shape)})


def _may_be_images(tensor: Tensor) -> bool:
    dims = tensor.shape.dims or ()
    is_shape = len(dims) == 4 or (len(dims) == 3 and dims[-1] == 3)
    return tensor.dtype not in ("string", "bool") and is_shape


def _fit(tensor: Tensor, contract: SignatureContract) -> int:
    """Return how much of a tensor is as the contract says: a callable may have other traces besides."""
    (promised,) = contract.inputs.values()
    dims = tensor.shape.dims
    if dims is None or len(dims) != promised.rank:
        return int(tensor.dtype == promised.dtype)
    batch = dims[0] is None
    return int(tensor.dtype == promised.dtype) + int(batch) + 1
