"""Faults of many nodes of one kind, for the rules about devices."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from hubcheck.checks.context import Context
from hubcheck.checks.faults import Fault, Node, Where
from hubcheck.graph.dataflow.body import Body
from hubcheck.graph.entry_points import DEFAULT
from hubcheck.module.types import Variant
from hubcheck.util.text import plural

Group = list[tuple[Body, int]]


def judged_variants(context: Context) -> Iterator[Variant]:
    """Yield the variants with an entry point that has a "default" output, but those for one kind of hardware."""
    for variant in context.module.variants:
        if variant.hardware is None and any(DEFAULT in entry.outputs for entry in context.analysis(variant).entries):
            yield variant


def group_fault(variant: Variant, nodes: Group, found: str, wanted: str, **more: Any) -> Fault:
    """Return one fault for all nodes of a kind, at the first."""
    body, index = nodes[0]
    where = Where(variant.name, node=Node(body.names[index], body.ops[index], body.function))
    return nodes_fault(where, len(nodes), found, wanted, **more)


def nodes_fault(where: Where, count: int, found: str, wanted: str, **more: Any) -> Fault:
    """Return the fault of a number of nodes, of which `where` names the first."""
    op = where.node.op if where.node is not None else ""
    return Fault(where, found, wanted, {"op": op, "nodes": plural(count, "node")}, **more)
