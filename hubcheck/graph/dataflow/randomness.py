"""Which ops make random values: the table `rules/data/random-ops.tsv` (written by tools/make_random_ops.py)."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import cache
from typing import Any, Literal, cast

from hubcheck.graph.dataflow.body import Body
from hubcheck.graph.dataflow.view import GraphView
from hubcheck.graph.op_tables import ops
from hubcheck.util import resources

Randomness = Literal["stateful", "stateless"]

CLOCKS = frozenset({"Timestamp"})
"""Ops that are not random, but give another value each time they run."""


@cache
def random_ops() -> Mapping[str, Randomness]:
    """The random ops: `stateful` ones differ from run to run, `stateless` ones follow from their inputs."""
    lines = (resources.folder("rules") / "data" / "random-ops.tsv").read_text(encoding="utf-8").splitlines()
    table: dict[str, Randomness] = {}
    for line in lines[1:]:
        op, kind = line.split("\t")
        table[op] = "stateful" if kind == "stateful" else "stateless"
    return table


def is_random(body: Body, index: int) -> Randomness | None:
    """Whether a node makes random values, and of which kind."""
    kind = random_ops().get(body.ops[index])
    if kind is None:
        return None
    fixed: Any = body.attribute(index, "deterministic")  # fractional pooling can be told to keep its regions
    return None if fixed is not None and fixed.b else kind


HOST_CODE = frozenset({"PyFunc", "PyFuncStateless", "EagerPyFunc", "XlaCallModule"})
"""Stock ops that run what is not in the graph: Python, or a program compiled elsewhere."""


def hides(op: str, functions: Collection[str]) -> bool:
    """Whether the graph does not tell what an op does: host code, or no op of TensorFlow and no function."""
    return op in HOST_CODE or not (op.startswith("_") or op in functions or ops.is_stock(op))


def has_random_op(bodies: list[Body]) -> bool:
    """Whether any of these bodies has a random op at all: most graphs have none, and are done with that."""
    table = random_ops()
    return any(not table.keys().isdisjoint(body.ops) for body in bodies)


def random_functions(view: GraphView) -> Collection[str]:
    """The functions that have a random op, or run a function that has: asked of the whole graph, once."""
    if "random functions" not in view.memo:
        callers: dict[str, list[str]] = {}
        found: dict[str, None] = {}
        for name in view.functions:
            body = view.function(name)
            if body is None:
                continue
            if has_random_op([body]):
                found[name] = None
            for index in body:
                for call in view.calls(body, index):
                    callers.setdefault(call.function, []).append(name)
        waiting = list(found)
        while waiting:
            for caller in callers.get(waiting.pop(), ()):
                if caller not in found:
                    found[caller] = None
                    waiting.append(caller)
        view.memo["random functions"] = found
    return cast(Collection[str], view.memo["random functions"])
