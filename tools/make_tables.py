"""Write rules/data/ops.tsv and rules/data/kernels.tsv from the installed TensorFlow: `make tables`.

The kernel table needs a TensorFlow that registers its GPU kernels: the stock Linux wheel does, with or without
a GPU; tensorflow-cpu does not, and this command then refuses to write.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import tensorflow as tf
from tensorflow.core.framework import op_def_pb2
from tensorflow.python.client import pywrap_tf_session

from hubcheck.module.dtypes import DTYPES, dtype_name

DATA = Path(__file__).resolve().parent.parent / "rules" / "data"


def registered_ops() -> list[op_def_pb2.OpDef]:
    """Every op that `import tensorflow` registers, by name."""
    raw = pywrap_tf_session.TF_GetBuffer(pywrap_tf_session.TF_GetAllOpList())
    return sorted(op_def_pb2.OpList.FromString(raw).op, key=lambda op: op.name)


def op_row(op: op_def_pb2.OpDef) -> str:
    """name, inputs, outputs, defaults of the attributes that give types and counts, "stateful" or nothing."""
    arguments = [*op.input_arg, *op.output_arg]
    used = {name for arg in arguments for name in (arg.type_attr, arg.number_attr, arg.type_list_attr) if name}
    defaults = [
        f"{attr.name}={_value(attr.default_value)}"
        for attr in op.attr
        if attr.name in used and attr.HasField("default_value")
    ]
    return "\t".join(
        (
            op.name,
            " ".join(map(_argument, op.input_arg)),
            " ".join(map(_argument, op.output_arg)),
            " ".join(defaults),
            "stateful" if op.is_stateful else "",
        )
    )


def _argument(arg: op_def_pb2.OpDef.ArgDef) -> str:
    """`x:T`, `x:float32`, `x:N*T` (N of them), `x:*Tlist` (a list of types); `&` after a reference."""
    if arg.type_list_attr:
        return f"{arg.name}:*{arg.type_list_attr}"
    if arg.type_attr in DTYPES:
        raise SystemExit(f"an attribute is called {arg.type_attr!r}, like a dtype: the table's format cannot say so")
    count = f"{arg.number_attr}*" if arg.number_attr else ""
    return f"{arg.name}:{count}{arg.type_attr or dtype_name(arg.type)}{'&' if arg.is_ref else ''}"


def _value(value: tf.compat.v1.AttrValue) -> str:
    match value.WhichOneof("value"):
        case "type":
            return dtype_name(value.type)
        case "i":
            return str(value.i)
        case "list":
            return ",".join(map(dtype_name, value.list.type))
        case kind:
            raise SystemExit(f"an argument's type or count has a default of kind {kind}: teach the table that")


def write(name: str, rows: Iterable[str]) -> None:
    """Write one table under a first line that says where it is from."""
    head = f"# TensorFlow {tf.version.VERSION}\tGraphDef {tf.version.GRAPH_DEF_VERSION}\twritten by `make tables`"
    DATA.mkdir(parents=True, exist_ok=True)
    (DATA / name).write_text("\n".join([head, *rows]) + "\n", encoding="utf-8")


def main() -> None:
    """Write both tables."""
    write("ops.tsv", map(op_row, registered_ops()))


if __name__ == "__main__":
    sys.exit(main())
