"""Which ops make random values: the table `rules/data/random-ops.tsv` (written by tools/make_random_ops.py)."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any, Literal

from hubcheck import resources
from hubcheck.graph.body import Body

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


def has_random_op(bodies: list[Body]) -> bool:
    """Whether any of these bodies has a random op at all: most graphs have none, and are done with that."""
    table = random_ops()
    return any(not table.keys().isdisjoint(body.ops) for body in bodies)
