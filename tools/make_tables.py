"""Write the tables of ops, kernels and random ops in rules/data from the installed TensorFlow: `make tables`.

The kernel table needs a TensorFlow that registers its GPU kernels. The stock Linux wheel does, with or without a GPU;
tensorflow-cpu does not, and then this command stops with an error.
"""

from __future__ import annotations

import os
import re
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
    """Return every op that `import tensorflow` registers, sorted by name."""
    raw = pywrap_tf_session.TF_GetBuffer(pywrap_tf_session.TF_GetAllOpList())
    return sorted(op_def_pb2.OpList.FromString(raw).op, key=lambda op: op.name)


def op_row(op: op_def_pb2.OpDef) -> str:
    """Return an op's name, inputs, outputs, defaults of the attributes that its types and counts come from.

    An op with function-valued attributes has one more column.
    """
    arguments = [*op.input_arg, *op.output_arg]
    used = {name for arg in arguments for name in (arg.type_attr, arg.number_attr, arg.type_list_attr) if name}
    defaults = [
        f"{attr.name}={_value(attr.default_value)}"
        for attr in op.attr
        if attr.name in used and attr.HasField("default_value")
    ]
    functions = ["functions"] if any(attr.type in ("func", "list(func)") for attr in op.attr) else []
    arguments_text = (" ".join(map(_argument, arguments)) for arguments in (op.input_arg, op.output_arg))
    return "\t".join((op.name, *arguments_text, " ".join(defaults), *functions))


def _argument(arg: op_def_pb2.OpDef.ArgDef) -> str:
    """Return `x:T`, `x:float32`, `x:N*T` (N of them) or `x:*Tlist` (a list of types), with `&` after a reference."""
    if arg.type_list_attr:
        return f"{arg.name}:*{arg.type_list_attr}"
    if arg.type_attr in DTYPES:
        raise SystemExit(f"the attribute {arg.type_attr!r} has the name of a dtype: the table cannot tell them apart")
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
            raise SystemExit(f"the default of a type or count is of kind {kind}: extend the table's format")


NOT_VALUES = re.compile(r"Dataset|Queue|^Cudnn|^TPU|Skip|GetKeyCounter|SeedGenerator|AccidentalHits|Initialization$")
"""Ops that take a seed and return no random values: handles, state, recurrent layers' own dropout, bookkeeping."""


def randomness(op: op_def_pb2.OpDef) -> str | None:
    """Return how the values of a random op are made, None for other ops.

    An op is random if it takes what random numbers are made from: the attributes `seed` and `seed2`; a generator's
    state (`resource`) and a shape; or a seed, a key and counter, or an initial state as inputs; and one op asks the
    operating system. It is `stateful` if its values change from run to run on their own, `stateless` if they follow
    from its inputs.
    """
    attributes = {attr.name for attr in op.attr}
    inputs = {arg.name for arg in op.input_arg}
    if NOT_VALUES.search(op.name):
        return None
    if op.name == "NonDeterministicInts" or ("seed" in attributes and ("seed2" in attributes or "shape" in inputs)):
        return "stateful"
    if {"resource", "shape"} <= inputs and op.name.startswith("Stateful"):
        return "stateful"
    if "seed" in inputs or {"key", "counter"} <= inputs or {"algorithm", "initial_state"} <= inputs:
        return "stateless"
    return None


def random_rows(ops: Iterable[op_def_pb2.OpDef]) -> list[str]:
    """Return name and randomness of the random ops."""
    return [f"{op.name}\t{kind}" for op in ops if (kind := randomness(op))]


DEVICES = {"CPU", "GPU", "DEFAULT"}
Constraints = dict[str, frozenset[str]]


def kernel_rows(registered: Iterable[kernel_def_pb2.KernelDef]) -> list[str]:
    """Return op, device, arguments in host memory and allowed values of attributes, in as few rows as possible.

    Kernels with a label are left out, because only a node that names the label gets one; so is host memory on CPUs.
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
    """Merge alternatives that differ in one attribute only."""
    for name in sorted({name for row in alternatives for name in row}):
        merged: dict[tuple[tuple[str, frozenset[str]], ...], frozenset[str]] = {}
        rest = [row for row in alternatives if name not in row]
        for row in alternatives:
            if name in row:
                others = tuple(sorted((key, values) for key, values in row.items() if key != name))
                merged[others] = merged.get(others, frozenset()) | row[name]
        alternatives = rest + [{**dict(others), name: values} for others, values in merged.items()]
    return [{}] if {} in alternatives else sorted(alternatives, key=_text)


def write(name: str, rows: Iterable[str]) -> None:
    """Write one table, with a first line that names the TensorFlow it describes."""
    head = f"# TensorFlow {tf.version.VERSION}\tGraphDef {tf.version.GRAPH_DEF_VERSION}\twritten by `make tables`"
    DATA.mkdir(parents=True, exist_ok=True)
    (DATA / name).write_text("\n".join([head, *rows]) + "\n", encoding="utf-8")


def main() -> None:
    """Write all tables."""
    registered = kernels.get_all_registered_kernels().kernel
    if not any(kernel.device_type == "GPU" and kernel.op == "Conv2D" for kernel in registered):
        raise SystemExit("this TensorFlow registers no GPU kernels: use the stock Linux wheel, not tensorflow-cpu")
    ops = registered_ops()
    write("ops.tsv", map(op_row, ops))
    write("random-ops.tsv", random_rows(ops))
    write("kernels.tsv", kernel_rows(registered))


if __name__ == "__main__":
    sys.exit(main())
