"""The encoding, dtype, rank and dimensions of the inputs and outputs that contracts name."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from typing import Literal

from hubcheck.checks.context import Context
from hubcheck.checks.faults import Checked, CheckItem, Fault, Side, Skip, Where
from hubcheck.checks.judged import nothing_judged, where_of
from hubcheck.module.tensors import Tensor
from hubcheck.module.types import Trace, Variant
from hubcheck.rulebook.contract import TensorContract, contracted_inputs
from hubcheck.rulebook.levels import Level

Size = Literal["unknown", "number", "name"]
"""What a contract says of a dimension: unknown ("batch?"), exactly a number (3), or constant ("width")."""

Fits = Callable[[Tensor, TensorContract], bool]

_DECODED = (
    "Accept decoded images, float32 in [0, 1], and keep the decoding of JPEG or PNG files in another signature, with a "
    "name of its own."
)


def contracted_tensors(context: Context, side: Side) -> Iterator[tuple[Variant, Where, Tensor, TensorContract]]:
    """Yield the inputs or outputs that a contract names, of everything that the module is judged on."""
    for interface in context.judged():
        signature, contract = interface.signature, interface.contract
        if side == "inputs":
            found, promised = contracted_inputs(signature, contract), contract.inputs
        else:
            promised = contract.outputs
            found = {key: (key, signature.outputs[key]) for key in promised if key in signature.outputs}
        for key, (name, tensor) in found.items():
            yield interface.variant, where_of(interface, side, name), tensor, promised[key]


def subject(side: Side, contract: TensorContract) -> str:
    """Return what messages call an input or output of a contract."""
    if contract.is_image and not contract.own:
        return "the images input"
    return f'the {side[:-1]} "{contract.key}"' if contract.key else "the result"


def dense(context: Context, *, side: Side) -> Iterator[CheckItem]:
    """The tensor has the contract's encoding: none is sparse, ragged or another composite where a dense one is due."""
    return _check(
        context,
        side,
        lambda tensor, contract: tensor.encoding == contract.encoding,
        lambda tensor, contract: f"{contract.encoding} {contract}",
    )


def dtype(context: Context, *, side: Side) -> Iterator[CheckItem]:
    """The tensor has the contract's dtype; so has, for inputs, a trace of the callable."""

    def fits(tensor: Tensor, contract: TensorContract) -> bool:
        unknown = tensor.encoding == "composite" and tensor.dtype == "unspecified"
        return tensor.dtype == contract.dtype or unknown or _is_unexpected_composite(tensor, contract)

    yield from _check(context, side, fits, fix=_fix_of_encoded_files)
    yield from _check_traces(context, side, lambda tensor, contract: tensor.dtype == contract.dtype)


def _is_encoded(tensor: Tensor, contract: TensorContract) -> bool:
    """Return whether a tensor is strings, such as JPEG files, where numbers are wanted."""
    return tensor.dtype == "string" != contract.dtype


def _fix_of_encoded_files(tensor: Tensor, contract: TensorContract) -> str | None:
    return _DECODED if contract.is_image and _is_encoded(tensor, contract) else None


def rank(context: Context, *, side: Side) -> Iterator[CheckItem]:
    """The rank is known, and is that of the contract."""

    def fits(tensor: Tensor, contract: TensorContract) -> bool:
        return tensor.shape.rank == contract.rank or tensor.encoding != contract.encoding or _is_open(tensor)

    found = list(contracted_tensors(context, side))
    if found and all(_is_encoded(tensor, contract) for _, _, tensor, contract in found):
        need = f"{'image-input' if side == 'inputs' else 'output'}/dtype"
        yield Skip(f"needs {need}", blocks=True, needs=need)
        return
    yield from _check(context, side, fits)
    yield from _check_traces(context, side, lambda tensor, contract: tensor.shape.rank in (None, contract.rank))


def _is_unexpected_composite(tensor: Tensor, contract: TensorContract) -> bool:
    """Return whether a tensor is composite where none is due, so that its dtype and its shape mean something else."""
    return tensor.encoding == "composite" != contract.encoding


def _is_open(tensor: Tensor) -> bool:
    """Return whether a composite tensor, such as a ragged one, does not state its shape."""
    return tensor.encoding == "composite" and tensor.shape.rank is None


def dimension(context: Context, *, side: Side, sizes: Collection[Size]) -> Iterator[CheckItem]:
    """The dimensions of which the contract says one of `sizes` are as it says."""

    def fits(tensor: Tensor, contract: TensorContract) -> bool:
        return _misfit(tensor, contract, sizes) is None

    def message(tensor: Tensor, contract: TensorContract) -> str | None:
        channels_first = "number" in sizes and contract.is_image and contract.shape[-1] == _dim(tensor, 1) == 3
        return "the input is channels first (NCHW): dimension 1 is 3, dimension 3 is {dim}" if channels_first else None

    yield from _check(context, side, fits, _with_own_sizes, message, sizes=sizes)
    yield from _check_names(context, side, sizes)
    yield from _check_traces(
        context, side, lambda tensor, contract: _misfit(tensor, contract, sizes, open_fits=True) is None, sizes=sizes
    )


def image_size(context: Context) -> Iterator[CheckItem]:
    """Constant dimensions of inputs are fixed. An open image size is a warning if ImageModuleInfo is attached."""
    inference = context.module.inference
    attached = inference is not None and inference.image_size is not None and all(inference.image_size)

    def fits(tensor: Tensor, contract: TensorContract) -> bool:
        return _misfit(tensor, contract, ["name"]) is None

    def level(contract: TensorContract) -> Level | None:
        return "warning" if attached and contract.is_image else None

    yield from _check(context, "inputs", fits, _with_own_sizes, level=level, sizes=["name"])
    yield from _check_names(context, "inputs", ["name"])


def _size(want: int | str) -> Size:
    if isinstance(want, int):
        return "number"
    return "unknown" if want.endswith("?") else "name"


def _misfit(
    tensor: Tensor, contract: TensorContract, sizes: Collection[Size], *, open_fits: bool = False
) -> int | None:
    """Return the first dimension of one of these sizes that is not as in the contract.

    None if there is none, or if the rank or the kind of tensor is another: these are other rules' findings.
    """
    if tensor.shape.rank != contract.rank or _is_unexpected_composite(tensor, contract):
        return None
    for axis, want in enumerate(contract.shape):
        found, size = _dim(tensor, axis), _size(want)
        wrong = {"unknown": found is not None, "number": found != want, "name": found is None}[size]
        if size in sizes and wrong and not (open_fits and found is None):
            return axis
    return None


def _check(
    context: Context,
    side: Side,
    fits: Fits,
    wanted: Callable[[Tensor, TensorContract], str] = lambda tensor, contract: str(contract),
    message: Callable[[Tensor, TensorContract], str | None] = lambda tensor, contract: None,
    *,
    fix: Callable[[Tensor, TensorContract], str | None] = lambda tensor, contract: None,
    level: Callable[[TensorContract], Level | None] = lambda contract: None,
    sizes: Collection[Size] = (),
) -> Iterator[CheckItem]:
    """Check every input or output that a contract names; with `sizes`, those with such a dimension."""
    for _, where, tensor, contract in contracted_tensors(context, side):
        if sizes and not any(_size(want) in sizes for want in contract.shape):
            continue
        if fits(tensor, contract):
            yield Checked()
            continue
        details, due = _details(side, tensor, contract, sizes), wanted(tensor, contract)
        advice = f"Let {subject(side, contract)} be {due}." if contract.own else fix(tensor, contract)
        yield Fault(
            where,
            str(tensor),
            due,
            details,
            message=message(tensor, contract),
            fix=advice,
            level=level(contract),
            source=contract.source,
        )
    yield Skip(f"there is no {side[:-1]} to check") if context.judged() else nothing_judged(context)


def _check_names(context: Context, side: Side, sizes: Collection[Size]) -> Iterator[Fault]:
    """Yield a fault for a constant dimension that has another size where its name stands elsewhere in the variant.

    Heights and widths of images are left to module/image-size, differences between traces to module/variants.
    """
    if "name" not in sizes:
        return
    bound: dict[tuple[Variant, str | None, str], tuple[int, str]] = {}
    for each in ("inputs", "outputs"):
        for variant, where, tensor, contract in contracted_tensors(context, each):
            for axis, name in enumerate(contract.shape):
                size = _dim(tensor, axis)
                if _size(name) != "name" or size is None or tensor.shape.rank != contract.rank:
                    continue
                if contract.is_image and name in ("height", "width"):
                    continue
                scope = (variant, where.trace, str(name))
                first, place = bound.setdefault(scope, (size, f"{where.signature or where.trace}, {each}"))
                if first != size and each == side:
                    message = f"{name} is {{found}} here, and {{wanted}} in {place}"
                    yield Fault(where, str(size), str(first), message=message, source=contract.source)


def _check_traces(context: Context, side: Side, fits: Fits, *, sizes: Collection[Size] = ()) -> Iterator[Fault]:
    """Yield a fault if, for a value of `training`, no trace of the callable takes what a contract says.

    Traces may leave shapes open: the signatures declare them. A callable usually has the same fault as a signature.
    """
    # A callable that is judged in their place has its own place in `contracted_tensors`.
    inputs = [list(contract.inputs.values()) for _, _, contract in context.common_signatures()]
    contracts = [promised[0] for promised in inputs if len(promised) == 1]
    if context.module.objects is None or not contracts or side == "outputs":
        return
    groups: dict[bool | None, list[Trace]] = {}
    for trace in context.module.objects.traces:
        groups.setdefault(trace.training, []).append(trace)
    for traces in groups.values():
        arguments = [argument for trace in traces if (argument := trace.image_argument) is not None]
        fitting = any(fits(tensor, contract) for _, tensor in arguments for contract in contracts)
        if len(arguments) < len(traces) or fitting:
            continue
        (name, tensor), contract = arguments[0], contracts[0]
        where, details = Where(None, traces[0].name, None, "inputs", name), _details("inputs", tensor, contract, sizes)
        yield Fault(where, str(tensor), str(contract), details, source=contract.source, secondary=True)


def _details(side: Side, tensor: Tensor, contract: TensorContract, sizes: Collection[Size]) -> dict[str, object]:
    axis = _misfit(tensor, contract, sizes) or 0
    rank, dim = tensor.shape.rank, _dim(tensor, axis)
    return {
        "tensor": subject(side, contract),
        "encoding": tensor.encoding,
        "dtype": tensor.dtype,
        "rank": "unknown" if rank is None else rank,
        "axis": axis,
        "dim": "unknown" if dim is None else dim,
        "names": " and ".join(_unknown_sizes(tensor, contract)),
    }


def _dim(tensor: Tensor, axis: int) -> int | None:
    dims = tensor.shape.dims
    return dims[axis] if dims is not None and axis < len(dims) else None


def _unknown_sizes(tensor: Tensor, contract: TensorContract) -> list[str]:
    """Return the names of the dimensions that the module has to choose and left open."""
    return [
        str(name) for axis, name in enumerate(contract.shape) if _size(name) == "name" and _dim(tensor, axis) is None
    ]


def _with_own_sizes(tensor: Tensor, contract: TensorContract) -> str:
    """Return the contract's dtype and shape with the numbers that the module chose."""

    def size(axis: int, want: int | str) -> str:
        if _size(want) == "unknown":
            return "?"
        found = _dim(tensor, axis)
        return str(want if isinstance(want, int) or found is None else found)

    return f"{contract.dtype} [{', '.join(size(axis, want) for axis, want in enumerate(contract.shape))}]"
