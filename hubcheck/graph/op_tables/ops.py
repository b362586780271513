"""The ops of stock TensorFlow, from `ops.tsv` and `random-ops.tsv` in `rules/data`; `make tables` writes them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any, Literal

from hubcheck.module.dtypes import DTYPES, dtype_name
from hubcheck.util import resources
from hubcheck.util.record import record

Randomness = Literal["stateful", "stateless"]

CLOCKS = frozenset({"Timestamp"})
"""Ops that are not random, but return another value each time they run."""
_MAX_TENSORS = 1 << 20
"""More outputs than any node has: a file can claim a larger number to exhaust memory."""


@record
class Argument:
    """One input or output of an op: one tensor, or as many as the attribute `number` says, of type `dtype`.

    `dtype` is a dtype's name or the name of the attribute that holds it; `listed` says that this attribute is a list,
    one type per tensor; `ref` says that it is a reference to a variable.
    """

    name: str
    dtype: str
    number: str | None = None
    listed: bool = False
    ref: bool = False

    @property
    def is_single(self) -> bool:
        """Whether it is one tensor, whatever the attributes are."""
        return self.number is None and not self.listed


@record
class OpDef:
    """The definition of an op; `defaults` are those of the attributes that its arguments name."""

    inputs: tuple[Argument, ...]
    outputs: tuple[Argument, ...]
    defaults: Mapping[str, str]


def is_stock(op: str) -> bool:
    """Return whether stock TensorFlow registers this op."""
    return op in _rows()


@cache
def op_def(op: str) -> OpDef | None:
    """Return the definition of a stock op, None for any other."""
    row = _rows().get(op)
    if row is None:
        return None
    inputs, outputs, defaults = row.split("\t")[:3]
    return OpDef(
        inputs=tuple(map(_argument, inputs.split())),
        outputs=tuple(map(_argument, outputs.split())),
        defaults=dict(item.split("=", 1) for item in defaults.split()),
    )


@cache
def function_ops() -> frozenset[str]:
    """Return the stock ops that have function-valued attributes."""
    return frozenset(op for op, row in _rows().items() if row.endswith("\tfunctions"))


def tensorflow_version() -> tuple[str, int]:
    """Return the TensorFlow release that the table describes, and its GraphDef version."""
    release, graph, *_ = _lines()[0].split("\t")
    return release.removeprefix("# TensorFlow "), int(graph.removeprefix("GraphDef "))


def input_dtypes(node: Any, library: Mapping[str, Any]) -> list[str] | None:
    """Return the dtypes of a NodeDef's inputs, flattened; see output_dtypes."""
    return _dtypes(node, library, outputs=False)


def output_dtypes(node: Any, library: Mapping[str, Any]) -> list[str] | None:
    """Return the dtypes of a NodeDef's outputs, flattened.

    Args:
        node: a NodeDef, of the graph or of a function's body.
        library: the FunctionDefs by name, for nodes that call one by its name as op.

    Returns:
        None if the op is unknown, or lacks an attribute that says the dtype. Inside a function, a dtype can be a
        placeholder for the caller's: "unspecified".
    """
    return _dtypes(node, library, outputs=True)


def _dtypes(node: Any, library: Mapping[str, Any], *, outputs: bool) -> list[str] | None:
    definition = op_def(node.op)
    if definition is not None:
        arguments, defaults = (definition.outputs if outputs else definition.inputs), definition.defaults
    elif node.op in library:
        signature = library[node.op].signature
        arguments = tuple(map(argument_from, signature.output_arg if outputs else signature.input_arg))
        defaults = {}
    else:
        return None
    dtypes: list[str] = []
    for argument in arguments:
        more = _flat(argument, node.attr, defaults)
        if more is None:
            return None
        dtypes += more
    return dtypes


def _flat(argument: Argument, attrs: Mapping[str, Any], defaults: Mapping[str, str]) -> list[str] | None:
    if argument.listed:
        if argument.dtype in attrs:
            return [dtype_name(number) for number in attrs[argument.dtype].list.type]
        default = defaults.get(argument.dtype)
        return None if default is None else [name for name in default.split(",") if name]
    dtype: str | None = argument.dtype
    if argument.dtype not in DTYPES:
        known = argument.dtype in attrs
        dtype = dtype_name(attrs[argument.dtype].type) if known else defaults.get(argument.dtype)
    if dtype is None or argument.number is None:
        return None if dtype is None else [dtype]
    if argument.number in attrs:
        count = attrs[argument.number].i
    elif argument.number in defaults:
        count = int(defaults[argument.number])
    else:
        return None
    return [dtype] * count if 0 <= count <= _MAX_TENSORS else None


def _argument(text: str) -> Argument:
    """Parse `x:T`, `x:float32`, `x:N*T` (N of them) or `x:*Tlist` (a list of types), with `&` after a reference."""
    name, _, rest = text.partition(":")
    count, star, dtype = rest.removesuffix("&").rpartition("*")
    return Argument(name, dtype, count or None, listed=bool(star) and not count, ref=rest.endswith("&"))


def argument_from(arg: Any) -> Argument:
    """Convert an ArgDef of a function's signature."""
    if arg.type_list_attr:
        return Argument(arg.name, arg.type_list_attr, listed=True)
    return Argument(arg.name, arg.type_attr or dtype_name(arg.type), arg.number_attr or None)


@cache
def _lines(table: str = "ops.tsv") -> list[str]:
    return (resources.folder("rules") / "data" / table).read_text(encoding="utf-8").splitlines()


@cache
def _rows() -> dict[str, str]:
    return dict(line.split("\t", 1) for line in _lines()[1:])


@cache
def random_ops() -> Mapping[str, Randomness]:
    """Return the random ops: `stateful` ones differ from run to run, `stateless` ones follow from their inputs."""
    rows = (line.split("\t") for line in _lines("random-ops.tsv")[1:])
    return {op: "stateful" if kind == "stateful" else "stateless" for op, kind in rows}
