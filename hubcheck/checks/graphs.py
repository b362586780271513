"""The dataflow view of a variant, made once for all checks that ask for it."""

from __future__ import annotations

from hubcheck.checks.context import Context
from hubcheck.graph.view import GraphView
from hubcheck.module.types import Variant


def view_of(context: Context, variant: Variant) -> GraphView:
    """The view of the variant's graph, kept in the context's memo."""
    key = ("graph view", variant.tags)
    if key not in context.memo:
        context.memo[key] = GraphView(variant.graph)
    view = context.memo[key]
    assert isinstance(view, GraphView)
    return view
