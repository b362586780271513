"""Inside hubcheck.graph, too, imports go one way: analyses import the dataflow, which imports the tables of ops."""

from __future__ import annotations

import pytest

from tests.test_layers import FILES, imported_names

GRAPH = "hubcheck.graph."
COMMON = ("op_tables", "dataflow")


def unit(name: str) -> str:
    return name.removeprefix(GRAPH).split(".")[0]


@pytest.mark.parametrize("name", [name for name in FILES if name.startswith(GRAPH)])
def test_analyses_import_the_dataflow_and_not_each_other(name):
    allowed = {unit(name), *COMMON[: COMMON.index(unit(name)) + 1 if unit(name) in COMMON else None]}
    if unit(name) == "consumer_roots":
        allowed.add("path_origin")
    if unit(name) != "variant_analysis":
        assert {unit(other) for other in imported_names(FILES[name]) if other.startswith(GRAPH)} <= allowed
