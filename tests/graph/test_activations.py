"""Activations at the end of an output, beyond what the rules' own tests cover."""

from __future__ import annotations

from hubcheck.graph.activations.final_activation import final_activation
from hubcheck.graph.dataflow.dependence import Dependence
from hubcheck.graph.dataflow.inlining import InlinedGraph
from tests.graph.test_view import graph


def test_a_long_chain_of_exponentials_is_no_activation_and_no_recursion() -> None:
    nodes = ["n0 Placeholder", *(f"n{i + 1} Exp n{i}" for i in range(5000))]
    inlined = InlinedGraph(graph(*nodes))
    dependence = Dependence(inlined, [(inlined.main, 0, 0)])
    assert final_activation(inlined, dependence, (inlined.main, 5000, 0)) is None
