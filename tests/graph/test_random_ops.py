"""The table of random ops against the TensorFlow that is installed."""

from __future__ import annotations

import pytest
import tensorflow as tf

from hubcheck.graph.dataflow.unknown_ops import runs_unknown_code
from hubcheck.graph.op_tables.ops import is_stock, random_ops, tensorflow_version
from tools import make_tables


def test_the_table_is_that_of_the_installed_tensorflow() -> None:
    if tensorflow_version()[0] != tf.version.VERSION:
        pytest.skip("the table was written from another TensorFlow")
    rows = make_tables.random_rows(make_tables.registered_ops())
    assert rows == [f"{op}\t{kind}" for op, kind in random_ops().items()]


@pytest.mark.parametrize(
    ("op", "kind"),
    [
        ("RandomUniform", "stateful"),
        ("Multinomial", "stateful"),
        ("NonDeterministicInts", "stateful"),
        ("StatefulUniform", "stateful"),
        ("FractionalMaxPool", "stateful"),
        ("StatelessRandomUniformV2", "stateless"),
        ("StatelessRandomBinomial", "stateless"),
        ("StatelessShuffle", "stateless"),
    ],
)
def test_ops_that_draw_are_in_the_table(op: str, kind: str) -> None:
    assert random_ops()[op] == kind


@pytest.mark.parametrize("op", ["StatelessRandomGetKeyCounter", "RngReadAndSkip", "Conv2D", "RandomShuffleQueue", "If"])
def test_ops_that_only_support_random_ops_are_not(op: str) -> None:
    assert is_stock(op) and op not in random_ops()


def test_ops_whose_computation_is_not_in_the_graph() -> None:
    assert [
        op for op in ("Conv2D", "PyFunc", "XlaCallModule", "Mine", "_Arg", "f") if runs_unknown_code(op, {"f"})
    ] == [
        "PyFunc",
        "XlaCallModule",
        "Mine",
    ]
