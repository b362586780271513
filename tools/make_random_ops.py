"""Write rules/data/random-ops.tsv from the installed TensorFlow: `python tools/make_random_ops.py`.

An op is random if it takes what random numbers are made of: the attributes `seed` and `seed2`; a generator's
state (`resource`) and a shape; or a seed, a key and counter, or an initial state as inputs. The second column
says whether its values change from run to run by themselves (`stateful`) or follow from its inputs.
"""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import tensorflow as tf
from tensorflow.core.framework import op_def_pb2
from tensorflow.python.client import pywrap_tf_session

TABLE = Path(__file__).resolve().parent.parent / "rules" / "data" / "random-ops.tsv"

NOT_VALUES = re.compile(r"Dataset|Queue|^Cudnn|^TPU|Skip|GetKeyCounter|SeedGenerator|AccidentalHits|Initialization$")
"""Takes a seed, but hands out no random values: handles, state, recurrent layers' own dropout, bookkeeping."""


def kind(op: op_def_pb2.OpDef) -> str | None:
    """`stateful`, `stateless`, or None for an op that is not random."""
    attributes = {attr.name for attr in op.attr}
    inputs = {arg.name for arg in op.input_arg}
    if NOT_VALUES.search(op.name):
        return None
    if "seed" in attributes and ("seed2" in attributes or "shape" in inputs):
        return "stateful"
    if {"resource", "shape"} <= inputs and op.name.startswith("Stateful"):
        return "stateful"
    if "seed" in inputs or {"key", "counter"} <= inputs or {"algorithm", "initial_state"} <= inputs:
        return "stateless"
    return None


def main() -> None:
    """Write the table."""
    ops = op_def_pb2.OpList.FromString(pywrap_tf_session.TF_GetBuffer(pywrap_tf_session.TF_GetAllOpList())).op
    rows = sorted(f"{op.name}\t{found}" for op in ops if (found := kind(op)))
    head = f"# TensorFlow {tf.version.VERSION}\twritten by `python tools/make_random_ops.py`"
    TABLE.write_text("\n".join([head, *rows]) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
