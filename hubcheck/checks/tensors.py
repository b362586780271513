"""One input or output of each common signature, held against its contract: encoding, dtype, rank, dimensions."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from hubcheck.checks.context import Context
from hubcheck.checks.faults import Checked, CheckItem, Fault, Side, Skip, Where
from hubcheck.module.types import Tensor, Trace, Variant
from hubcheck.rulebook.contract import SignatureContract, TensorContract
from hubcheck.rulebook.expectations import contracted_input

NO_COMMON_SIGNATURE = "the module has none of the common signatures"


@dataclass(frozen=True, slots=True)
class Subject:
    """A tensor that a contract speaks of, and where it stands."""

    tensor: Tensor
    contract: TensorContract
    where: Where
    variant: Variant
    signature: SignatureContract


def subjects(context: Context, side: Side, key: str) -> Iterator[Subject]:
    """The tensors of all common signatures, in every variant, that play the part of `key` in their contract."""
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
            yield Subject(tensor, promised, Where(variant.name, None, signature.key, side, name), variant, contract)


def _judge(context: Context, side: Side, key: str, wrong: Callable[[Subject], Fault | None]) -> Iterator[CheckItem]:
    for subject in subjects(context, side, key):
        yield wrong(subject) or Checked()
    yield Skip(NO_COMMON_SIGNATURE if not any(context.common_signatures()) else f"there is no {side[:-1]} to look at")


def dense(context: Context, *, side: Side, key: str) -> Iterator[CheckItem]:
    """It is a plain tensor: not sparse, ragged or another composite."""

    def wrong(subject: Subject) -> Fault | None:
        if subject.tensor.encoding == subject.contract.encoding:
            return None
        return Fault(
            subject.where, str(subject.tensor), f"dense {subject.contract}", {"encoding": subject.tensor.encoding}
        )

    return _judge(context, side, key, wrong)


def dtype(context: Context, *, side: Side, key: str) -> Iterator[CheckItem]:
    """It has the contract's dtype; so has, for inputs, a trace of the callable."""

    def wrong(subject: Subject) -> Fault | None:
        if subject.tensor.dtype == subject.contract.dtype or subject.tensor.encoding == "composite":
            return None
        return Fault(subject.where, str(subject.tensor), str(subject.contract), {"dtype": subject.tensor.dtype})

    yield from _judge(context, side, key, wrong)
    yield from _traces(context, side, key, lambda tensor, contract: tensor.dtype == contract.dtype)


def rank(context: Context, *, side: Side, key: str) -> Iterator[CheckItem]:
    """Its rank is known, and is the contract's."""

    def wrong(subject: Subject) -> Fault | None:
        if subject.tensor.shape.rank == subject.contract.rank or subject.tensor.encoding != "dense":
            return None
        found = "unknown" if subject.tensor.shape.rank is None else subject.tensor.shape.rank
        return Fault(subject.where, str(subject.tensor), str(subject.contract), {"rank": found})

    yield from _judge(context, side, key, wrong)
    yield from _traces(context, side, key, lambda tensor, contract: tensor.shape.rank in (None, contract.rank))


def dimension(context: Context, *, side: Side, key: str, axis: int) -> Iterator[CheckItem]:
    """Dimension `axis` is what the contract says: unknown ("batch?"), exactly so large (3), or known ("width")."""

    def wrong(subject: Subject) -> Fault | None:
        found, want = _dim(subject.tensor, axis), subject.contract.shape[axis]
        if subject.tensor.shape.rank != subject.contract.rank or _holds(found, want):
            return None
        return Fault(
            subject.where,
            str(subject.tensor),
            str(_merged(subject)),
            {"dim": "?" if found is None else found, "axis": axis},
            message=_channels_first(subject.tensor, axis, want),
        )

    def right(tensor: Tensor, contract: TensorContract) -> bool:
        found = _dim(tensor, axis)
        return tensor.shape.rank != contract.rank or found is None or _holds(found, contract.shape[axis])

    yield from _judge(context, side, key, wrong)
    yield from _traces(context, side, key, right, axis=axis)


def image_size(context: Context, *, key: str) -> Iterator[CheckItem]:
    """Height and width are fixed; where they are not, an attached ImageModuleInfo makes it a warning."""
    inference = context.module.inference
    attached = inference is not None and inference.image_size is not None and all(inference.image_size)

    def wrong(subject: Subject) -> Fault | None:
        axes = [
            (axis, name)
            for axis, name in enumerate(subject.contract.shape)
            if isinstance(name, str) and not name.endswith("?")
        ]
        if subject.tensor.shape.rank != subject.contract.rank:
            return None
        unknown = [name for axis, name in axes if _dim(subject.tensor, axis) is None]
        if not unknown:
            return None
        return Fault(
            subject.where,
            str(subject.tensor),
            str(_merged(subject)),
            {"names": " and ".join(unknown)},
            level="warning" if attached else None,
        )

    return _judge(context, "inputs", key, wrong)


def _dim(tensor: Tensor, axis: int) -> int | None:
    dims = tensor.shape.dims
    return dims[axis] if dims is not None and axis < len(dims) else None


def _holds(found: int | None, want: int | str) -> bool:
    if isinstance(want, int):
        return found == want
    return (found is None) if want.endswith("?") else (found is not None)


def _merged(subject: Subject) -> str:
    """The contract's shape with the module's own numbers where it may choose them."""
    dims = []
    for axis, want in enumerate(subject.contract.shape):
        found = _dim(subject.tensor, axis)
        if isinstance(want, int):
            dims.append(str(want))
        elif want.endswith("?"):
            dims.append("?")
        else:
            dims.append(want if found is None else str(found))
    return f"{subject.contract.dtype} [{', '.join(dims)}]"


def _channels_first(tensor: Tensor, axis: int, want: int | str) -> str | None:
    dims = tensor.shape.dims or ()
    if len(dims) == 4 and axis == 3 and want == 3 and dims[1] == 3:
        return "the input is channels first (NCHW): dimension 1 is 3, dimension 3 is {dim}"
    return None


def _traces(
    context: Context, side: Side, key: str, right: Callable[[Tensor, TensorContract], bool], *, axis: int | None = None
) -> Iterator[Fault]:
    """A callable is wrong if, for a value of `training`, none of its traces takes what the contract says.

    Shapes that a trace leaves open are right: it is the signatures that declare them.
    """
    contract = next((c.inputs[key] for _, _, c in context.common_signatures() if key in c.inputs), None)
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
