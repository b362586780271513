"""The encoding, dtype, rank and dimensions of one input or output of each common signature."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from hubcheck.checks.context import Context
from hubcheck.checks.faults import Checked, CheckItem, Fault, Side, Skip, Where
from hubcheck.module.types import Tensor, Trace
from hubcheck.rulebook.contract import TensorContract
from hubcheck.rulebook.expectations import contracted_input

NO_COMMON_SIGNATURE = "the module has none of the common signatures"


@dataclass(frozen=True, slots=True)
class ContractedTensor:
    """A tensor, its contract and its place."""

    tensor: Tensor
    contract: TensorContract
    where: Where


def contracted_tensors(context: Context, side: Side, key: str) -> Iterator[ContractedTensor]:
    """Yield the tensor that the contract calls `key`, of all common signatures in every variant."""
    for variant, signature, contract in context.common_signatures():
        promised = (contract.inputs if side == "inputs" else contract.outputs).get(key)
        if promised is None:
            continue
        if side == "inputs":
            found = contracted_input(signature, promised)
        else:
            found = (key, signature.outputs[key]) if key in signature.outputs else None
        if found is not None:
            name, tensor = found
            yield ContractedTensor(tensor, promised, Where(variant.name, None, signature.key, side, name))


def _check_each(
    context: Context, side: Side, key: str, wrong: Callable[[ContractedTensor], Fault | None]
) -> Iterator[CheckItem]:
    for item in contracted_tensors(context, side, key):
        yield wrong(item) or Checked()
    yield Skip(NO_COMMON_SIGNATURE if not any(context.common_signatures()) else f"there is no {side[:-1]} to check")


def dense(context: Context, *, side: Side, key: str) -> Iterator[CheckItem]:
    """The tensor is dense: not sparse, ragged or another composite."""

    def wrong(item: ContractedTensor) -> Fault | None:
        if item.tensor.encoding == item.contract.encoding:
            return None
        return Fault(item.where, str(item.tensor), f"dense {item.contract}", {"encoding": item.tensor.encoding})

    return _check_each(context, side, key, wrong)


def dtype(context: Context, *, side: Side, key: str) -> Iterator[CheckItem]:
    """The tensor has the contract's dtype; so has, for inputs, a trace of the callable."""

    def wrong(item: ContractedTensor) -> Fault | None:
        if item.tensor.dtype == item.contract.dtype or item.tensor.encoding == "composite":
            return None
        return Fault(item.where, str(item.tensor), str(item.contract), {"dtype": item.tensor.dtype})

    yield from _check_each(context, side, key, wrong)
    yield from _traces(context, side, key, lambda tensor, contract: tensor.dtype == contract.dtype)


def rank(context: Context, *, side: Side, key: str) -> Iterator[CheckItem]:
    """The rank is known, and is that of the contract."""

    def wrong(item: ContractedTensor) -> Fault | None:
        if item.tensor.shape.rank == item.contract.rank or item.tensor.encoding != "dense":
            return None
        found = "unknown" if item.tensor.shape.rank is None else item.tensor.shape.rank
        return Fault(item.where, str(item.tensor), str(item.contract), {"rank": found})

    yield from _check_each(context, side, key, wrong)
    yield from _traces(context, side, key, lambda tensor, contract: tensor.shape.rank in (None, contract.rank))


def dimension(context: Context, *, side: Side, key: str, axis: int) -> Iterator[CheckItem]:
    """Dimension `axis` is as in the contract: unknown ("batch?"), a certain number (3), or any number ("width")."""

    def wrong(item: ContractedTensor) -> Fault | None:
        found, want = _dim(item.tensor, axis), item.contract.shape[axis]
        if item.tensor.shape.rank != item.contract.rank or _fits(found, want):
            return None
        return Fault(
            item.where,
            str(item.tensor),
            str(_wanted(item)),
            {"dim": "?" if found is None else found, "axis": axis},
            message=_channels_first_message(item.tensor, axis, want),
        )

    def right(tensor: Tensor, contract: TensorContract) -> bool:
        found = _dim(tensor, axis)
        return tensor.shape.rank != contract.rank or found is None or _fits(found, contract.shape[axis])

    yield from _check_each(context, side, key, wrong)
    yield from _traces(context, side, key, right, axis=axis)


def image_size(context: Context, *, key: str) -> Iterator[CheckItem]:
    """Height and width are fixed; if they are not, but ImageModuleInfo is attached, this is a warning."""
    inference = context.module.inference
    attached = inference is not None and inference.image_size is not None and all(inference.image_size)

    def wrong(item: ContractedTensor) -> Fault | None:
        axes = [
            (axis, name)
            for axis, name in enumerate(item.contract.shape)
            if isinstance(name, str) and not name.endswith("?")
        ]
        if item.tensor.shape.rank != item.contract.rank:
            return None
        unknown = [name for axis, name in axes if _dim(item.tensor, axis) is None]
        if not unknown:
            return None
        return Fault(
            item.where,
            str(item.tensor),
            str(_wanted(item)),
            {"names": " and ".join(unknown)},
            level="warning" if attached else None,
        )

    return _check_each(context, "inputs", key, wrong)


def _dim(tensor: Tensor, axis: int) -> int | None:
    dims = tensor.shape.dims
    return dims[axis] if dims is not None and axis < len(dims) else None


def _fits(found: int | None, want: int | str) -> bool:
    if isinstance(want, int):
        return found == want
    return (found is None) if want.endswith("?") else (found is not None)


def _wanted(item: ContractedTensor) -> str:
    """Return the contract's shape with the numbers that the module chose."""
    dims = []
    for axis, want in enumerate(item.contract.shape):
        found = _dim(item.tensor, axis)
        if isinstance(want, int):
            dims.append(str(want))
        elif want.endswith("?"):
            dims.append("?")
        else:
            dims.append(want if found is None else str(found))
    return f"{item.contract.dtype} [{', '.join(dims)}]"


def _channels_first_message(tensor: Tensor, axis: int, want: int | str) -> str | None:
    dims = tensor.shape.dims or ()
    if len(dims) == 4 and axis == 3 and want == 3 and dims[1] == 3:
        return "the input is channels first (NCHW): dimension 1 is 3, dimension 3 is {dim}"
    return None


def _traces(
    context: Context, side: Side, key: str, right: Callable[[Tensor, TensorContract], bool], *, axis: int | None = None
) -> Iterator[Fault]:
    """Yield a fault if, for a value of `training`, no trace of the callable takes what the contract says.

    Traces may leave shapes open: the signatures declare them. A callable usually has the same fault as a signature.
    """
    contract = context.contracted_input(key)
    if context.module.objects is None or contract is None or side == "outputs":
        return
    groups: dict[bool | None, list[Trace]] = {}
    for trace in context.module.objects.traces:
        groups.setdefault(trace.training, []).append(trace)
    for traces in groups.values():
        found = [(trace, argument) for trace in traces if (argument := trace.image_argument) is not None]
        if len(found) < len(traces) or any(right(tensor, contract) for _, (_, tensor) in found):
            continue
        trace, (name, tensor) = found[0]
        details = {
            "dtype": tensor.dtype,
            "rank": tensor.shape.rank,
            "axis": axis,
            "dim": _dim(tensor, axis) if axis is not None else None,
        }
        yield Fault(Where(None, trace.name, None, "inputs", name), str(tensor), str(contract), details, secondary=True)
