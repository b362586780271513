"""Write rules/data/ops.tsv and rules/data/kernels.tsv from the installed TensorFlow: `make tables`.

The kernel table needs a TensorFlow that registers its GPU kernels: the stock Linux wheel does, with or without
a GPU; tensorflow-cpu does not, and this command then refuses to write.
"""

from __future__ import annotations

import os
import sys
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import tensorflow as tf
from tensorflow.core.framework import kernel_def_pb2, op_def_pb2
from tensorflow.python.client import pywrap_tf_session
from tensorflow.python.framework import kernels

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


DEVICES = {"CPU", "GPU", "DEFAULT"}
Constraints = dict[str, frozenset[str]]


def kernel_rows(registered: Iterable[kernel_def_pb2.KernelDef]) -> list[str]:
    """op, device, arguments in host memory, allowed values of attributes; as few rows as say the same.

    Kernels with a label are left out, because only a node that names the label gets one; so is host memory
    on CPUs, where all memory is.
    """
    groups: dict[tuple[str, str, str], list[Constraints]] = defaultdict(list)
    for kernel in registered:
        if kernel.device_type in DEVICES and not kernel.label:
            host = "" if kernel.device_type == "CPU" else " ".join(sorted(kernel.host_memory_arg))
            allowed = {item.name: _allowed(item.allowed_values.list) for item in kernel.constraint}
            groups[kernel.op, kernel.device_type, host].append(allowed)
    return [
        "\t".join((*key, _text(row))) for key, alternatives in sorted(groups.items()) for row in _merged(alternatives)
    ]


def _allowed(values: tf.compat.v1.AttrValue.ListValue) -> frozenset[str]:
    texts = [*map(dtype_name, values.type), *(text.decode() or "-" for text in values.s), *map(str, values.i)]
    return frozenset([*texts, *(str(flag).lower() for flag in values.b)])


def _text(row: Constraints) -> str:
    return " ".join(f"{name}={','.join(sorted(values))}" for name, values in sorted(row.items()))


def _merged(alternatives: list[Constraints]) -> list[Constraints]:
    """Alternatives that differ in one attribute only become one, until none is left."""
    for name in sorted({name for row in alternatives for name in row}):
        together: dict[tuple[tuple[str, frozenset[str]], ...], frozenset[str]] = {}
        rest = [row for row in alternatives if name not in row]
        for row in alternatives:
            if name in row:
                others = tuple(sorted((key, values) for key, values in row.items() if key != name))
                together[others] = together.get(others, frozenset()) | row[name]
        alternatives = rest + [{**dict(others), name: values} for others, values in together.items()]
    return [{}] if {} in alternatives else sorted(alternatives, key=_text)


def write(name: str, rows: Iterable[str]) -> None:
    """Write one table under a first line that says where it is from."""
    head = f"# TensorFlow {tf.version.VERSION}\tGraphDef {tf.version.GRAPH_DEF_VERSION}\twritten by `make tables`"
    DATA.mkdir(parents=True, exist_ok=True)
    (DATA / name).write_text("\n".join([head, *rows]) + "\n", encoding="utf-8")


def main() -> None:
    """Write both tables."""
    registered = kernels.get_all_registered_kernels().kernel
    if not any(kernel.device_type == "GPU" and kernel.op == "Conv2D" for kernel in registered):
        raise SystemExit("this TensorFlow registers no GPU kernels: use the stock Linux wheel, not tensorflow-cpu")
    write("ops.tsv", map(op_row, registered_ops()))
    write("kernels.tsv", kernel_rows(registered))


if __name__ == "__main__":
    sys.exit(main())
