"""The functions that a node can run, and how its inputs and outputs are bound to theirs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal, NamedTuple

Role = Literal["call", "then", "else", "branch", "condition", "loop", "element", "gradient"]


class Call(NamedTuple):
    """One function that a node runs.

    The node's data inputs from `first` up to `last` (None: to the end) become the function's arguments, in order.
    `bound` is False where that is not so: any input can become any argument.
    `returns` says that the function's results are the node's outputs, in order.
    """

    function: str
    role: Role
    first: int = 0
    last: int | None = None
    bound: bool = True
    returns: bool = True


_CONDITIONALS = {"If", "StatelessIf", "_If", "XlaIf"}
_CASES = {"Case", "StatelessCase"}
_LOOPS = {"While", "StatelessWhile", "_While", "XlaWhile", "RiscWhile"}
_CALLS = {
    "PartitionedCall": (0, None),
    "StatefulPartitionedCall": (0, None),
    "RemoteCall": (1, None),
    "TPUPartitionedCall": (0, -1),
    "BatchFunction": (0, None),
    "MapDefun": (0, None),
    "XlaLaunch": (0, None),
    "XlaLaunchV2": (0, None),
    "_TPUReplicate": (0, None),
}
"""The first and last data inputs that ops of plain calls pass to their function."""


def calls_of(op: str, node: Any) -> Iterator[Call]:
    """Yield the functions in a NodeDef's attributes, sorted by attribute name; branches stay in order."""
    for name, function in _functions(node):
        if op in _CONDITIONALS:
            yield Call(function, "then" if name == "then_branch" else "else", first=1)
        elif op in _CASES:
            yield Call(function, "branch", first=1)
        elif op in _LOOPS:
            yield Call(function, "condition", returns=False) if name == "cond" else Call(function, "loop")
        elif op in _CALLS:
            first, last = _CALLS[op]
            yield Call(function, "call", first, last)
        elif op == "SymbolicGradient":
            # It takes the function's arguments and the gradients of its results, and returns gradients.
            yield Call(function, "gradient", bound=False, returns=False)
        else:
            yield Call(function, "element", bound=False, returns=False)


def _functions(node: Any) -> Iterator[tuple[str, str]]:
    attributes = node.attr
    for name in sorted(attributes):
        value = attributes[name]
        kind = value.WhichOneof("value")
        if kind == "func" and value.func.name:
            yield name, value.func.name
        elif kind == "list":
            for function in value.list.func:
                yield name, function.name
