"""The encoding, dtype, rank and dimensions of one input or output of each common signature."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from hubcheck.checks.context import Context
from hubcheck.checks.faults import Checked, CheckItem, Fault, Side, Skip, Where
from hubcheck.module.types import Tensor, Trace
from hubcheck.rulebook.contract import TensorContract
from hubcheck.rulebook.expectations import contracted_input
from hubcheck.rulebook.levels import Level

NO_COMMON_SIGNATURE = "the module has none of the common signatures"

_DECODED = (
    "Accept decoded images, float32 in [0, 1], and keep the decoding of JPEG or PNG files in another signature, with a "
    "name of its own."
)

Fits = Callable[[Tensor, TensorContract], bool]


def contracted_tensors(context: Context, side: Side, key: str) -> Iterator[tuple[Where, Tensor, TensorContract]]:
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
            yield Where(variant.name, None, signature.key, side, found[0]), found[1], promised


def dense(context: Context, *, side: Side, key: str) -> Iterator[CheckItem]:
    """The tensor is dense: not sparse, ragged or another composite."""

    def fits(tensor: Tensor, contract: TensorContract) -> bool:
        return tensor.encoding == contract.encoding

    return _check(context, side, key, fits, lambda tensor, contract: f"dense {contract}")


def dtype(context: Context, *, side: Side, key: str) -> Iterator[CheckItem]:
    """The tensor has the contract's dtype; so has, for inputs, a trace of the callable."""

    def fits(tensor: Tensor, contract: TensorContract) -> bool:
        return tensor.dtype == contract.dtype or tensor.encoding == "composite"

    yield from _check(context, side, key, fits, fix=_fix_of_encoded_files)
    yield from _check_traces(context, side, key, lambda tensor, contract: tensor.dtype == contract.dtype)


def _is_encoded(tensor: Tensor, contract: TensorContract) -> bool:
    """Return whether a tensor is strings, such as JPEG files, where numbers are wanted."""
    return tensor.dtype == "string" != contract.dtype


def _fix_of_encoded_files(tensor: Tensor, contract: TensorContract) -> str | None:
    return _DECODED if contract.rank == 4 and _is_encoded(tensor, contract) else None


def rank(context: Context, *, side: Side, key: str) -> Iterator[CheckItem]:
    """The rank is known, and is that of the contract."""

    def fits(tensor: Tensor, contract: TensorContract) -> bool:
        return tensor.shape.rank == contract.rank or tensor.encoding != "dense"

    tensors = list(contracted_tensors(context, side, key))
    if tensors and all(_is_encoded(tensor, contract) for _, tensor, contract in tensors):
        yield Skip("needs image-input/dtype", blocks=True, needs="image-input/dtype")
        return
    yield from _check(context, side, key, fits)
    yield from _check_traces(context, side, key, lambda tensor, contract: tensor.shape.rank in (None, contract.rank))


def dimension(context: Context, *, side: Side, key: str, axis: int) -> Iterator[CheckItem]:
    """Dimension `axis` is as in the contract: unknown ("batch?"), a certain number (3), or any number ("width")."""

    def fits(tensor: Tensor, contract: TensorContract) -> bool:
        found, want = _dim(tensor, axis), contract.shape[axis]
        if tensor.shape.rank != contract.rank:
            return True  # That is another rule's finding.
        if isinstance(want, int):
            return found == want
        return found is None if want.endswith("?") else found is not None

    def message(tensor: Tensor, contract: TensorContract) -> str | None:
        channels_first = axis == 3 and contract.shape[axis] == _dim(tensor, 1) == 3
        return "the input is channels first (NCHW): dimension 1 is 3, dimension 3 is {dim}" if channels_first else None

    yield from _check(context, side, key, fits, _with_own_sizes, message, axis=axis)
    yield from _check_traces(
        context, side, key, lambda tensor, contract: _dim(tensor, axis) is None or fits(tensor, contract), axis=axis
    )


def image_size(context: Context, *, key: str) -> Iterator[CheckItem]:
    """Height and width are fixed; if they are not, but ImageModuleInfo is attached, this is a warning."""
    inference = context.module.inference
    attached = inference is not None and inference.image_size is not None and all(inference.image_size)

    def fits(tensor: Tensor, contract: TensorContract) -> bool:
        return tensor.shape.rank != contract.rank or not _unknown_sizes(tensor, contract)

    return _check(context, "inputs", key, fits, _with_own_sizes, level="warning" if attached else None)


def _check(
    context: Context,
    side: Side,
    key: str,
    fits: Fits,
    wanted: Callable[[Tensor, TensorContract], str] = lambda tensor, contract: str(contract),
    message: Callable[[Tensor, TensorContract], str | None] = lambda tensor, contract: None,
    *,
    fix: Callable[[Tensor, TensorContract], str | None] = lambda tensor, contract: None,
    axis: int = 0,
    level: Level | None = None,
) -> Iterator[CheckItem]:
    """Check the tensor that the contract calls `key`, of all common signatures in every variant."""
    for where, tensor, contract in contracted_tensors(context, side, key):
        if fits(tensor, contract):
            yield Checked()
        else:
            found, details, text = str(tensor), _details(tensor, contract, axis), message(tensor, contract)
            wanted_text, fix_text = wanted(tensor, contract), fix(tensor, contract)
            yield Fault(where, found, wanted_text, details, message=text, fix=fix_text, level=level)
    yield Skip(NO_COMMON_SIGNATURE if not any(context.common_signatures()) else f"there is no {side[:-1]} to check")


def _check_traces(context: Context, side: Side, key: str, fits: Fits, *, axis: int = 0) -> Iterator[Fault]:
    """Yield a fault if, for a value of `training`, no trace of the callable takes what the contract says.

    Traces may leave shapes open: the signatures declare them. A callable usually has the same fault as a signature.
    """
    contract = context.contract_of_input(key)
    if context.module.objects is None or contract is None or side == "outputs":
        return
    groups: dict[bool | None, list[Trace]] = {}
    for trace in context.module.objects.traces:
        groups.setdefault(trace.training, []).append(trace)
    for traces in groups.values():
        arguments = [argument for trace in traces if (argument := trace.image_argument) is not None]
        if len(arguments) < len(traces) or any(fits(tensor, contract) for _, tensor in arguments):
            continue
        name, tensor = arguments[0]
        where, details = Where(None, traces[0].name, None, "inputs", name), _details(tensor, contract, axis)
        yield Fault(where, str(tensor), str(contract), details, secondary=True)


def _details(tensor: Tensor, contract: TensorContract, axis: int) -> dict[str, object]:
    rank, dim = tensor.shape.rank, _dim(tensor, axis)
    return {
        "encoding": tensor.encoding,
        "dtype": tensor.dtype,
        "rank": "unknown" if rank is None else rank,
        "axis": axis,
        "dim": "?" if dim is None else dim,
        "names": " and ".join(_unknown_sizes(tensor, contract)),
    }


def _dim(tensor: Tensor, axis: int) -> int | None:
    dims = tensor.shape.dims
    return dims[axis] if dims is not None and axis < len(dims) else None


def _unknown_sizes(tensor: Tensor, contract: TensorContract) -> list[str]:
    """Return the names of the dimensions that the module has to choose and left open."""
    names = ((axis, name) for axis, name in enumerate(contract.shape) if isinstance(name, str))
    return [name for axis, name in names if not name.endswith("?") and _dim(tensor, axis) is None]


def _with_own_sizes(tensor: Tensor, contract: TensorContract) -> str:
    """Return the contract's dtype and shape with the numbers that the module chose."""

    def size(axis: int, want: int | str) -> str:
        if isinstance(want, str) and want.endswith("?"):
            return "?"
        found = _dim(tensor, axis)
        return str(want if isinstance(want, int) or found is None else found)

    return f"{contract.dtype} [{', '.join(size(axis, want) for axis, want in enumerate(contract.shape))}]"
