"""The kernel table, held against the installed TensorFlow where that has GPU kernels."""

from __future__ import annotations

import itertools

import pytest

from hubcheck.graph.devices import kernels
from hubcheck.graph.op_tables import ops
from hubcheck.module.dtypes import dtype_name


def asked(**values):
    """Attributes of a node as the lookup asks for them."""
    return lambda name: (values[name],) if name in values else None


def test_a_convolution_has_kernels_on_both_devices():
    assert kernels.kernel_for("Conv2D", "CPU", asked(T="float32")) is not None
    assert kernels.kernel_for("Conv2D", "GPU", asked(T="float32")) is not None


def test_a_name_with_a_tab_is_that_of_no_op():
    assert kernels.kernels("Conv2D") != kernels.kernels("Conv2D\tCPU") == ()


def test_the_dtype_decides():
    assert kernels.kernel_for("Conv2D", "GPU", asked(T="complex64")) is None
    assert kernels.kernel_for("ResizeBilinear", "GPU", asked(T="float32")) is not None
    assert kernels.kernel_for("ResizeBilinear", "GPU", asked(T="uint8")) is None


def test_any_other_constrained_attribute_decides_too():
    on_cpu = asked(T="float32", data_format="NCHW")
    assert kernels.kernel_for("DepthToSpace", "CPU", on_cpu) is None
    assert kernels.kernel_for("DepthToSpace", "GPU", on_cpu) is not None


def test_some_ops_run_on_the_host_only():
    assert kernels.kernel_for("ResizeBicubic", "CPU", asked(T="float32")) is not None
    assert kernels.kernel_for("ResizeBicubic", "GPU", asked(T="float32")) is None


def test_shapes_are_kept_in_host_memory():
    kernel = kernels.kernel_for("Shape", "GPU", asked(T="float32", out_type="int32"))
    assert kernel is not None and kernel.host == {"output"}
    kernel = kernels.kernel_for("StridedSlice", "GPU", asked(T="int32", Index="int32"))
    assert kernel is not None and {"input", "output"} <= kernel.host


def test_an_unknown_attribute_does_not_exclude_a_kernel():
    assert kernels.kernel_for("Conv2D", "GPU", asked()) is not None


def test_an_unknown_op_has_no_kernel():
    assert kernels.kernels("SomebodysFastConv") == ()


def registered():
    """(op, device, host arguments, constraints) of the installed TensorFlow, one constraint value each."""
    tf = pytest.importorskip("tensorflow")
    from tensorflow.python.framework import kernels as registry

    if tf.version.VERSION != ops.tensorflow_version()[0]:  # noqa: SIM300
        pytest.skip(f"the table is of TensorFlow {ops.tensorflow_version()[0]}, this is {tf.version.VERSION}")
    found = registry.get_all_registered_kernels().kernel
    if not any(kernel.device_type == "GPU" and kernel.op == "Conv2D" for kernel in found):
        pytest.skip("this TensorFlow registers no GPU kernels")
    for kernel in found:
        if kernel.device_type not in ("CPU", "GPU", "DEFAULT") or kernel.label:
            continue
        host = frozenset() if kernel.device_type == "CPU" else frozenset(kernel.host_memory_arg)
        choices = []
        for item in kernel.constraint:
            values = item.allowed_values.list
            texts = [
                *map(dtype_name, values.type),
                *(text.decode() or "-" for text in values.s),
                *map(str, values.i),
                *(str(flag).lower() for flag in values.b),
            ]
            choices.append([(item.name, text) for text in texts])
        for combination in itertools.product(*choices):
            yield kernel.op, kernel.device_type, host, dict(combination)


def test_the_table_has_the_kernels_that_tensorflow_registers():
    theirs = {(op, device, host, frozenset(values.items())) for op, device, host, values in registered()}
    rows = {op: kernels.kernels(op) for op in {op for op, *_ in theirs}}
    missing = [
        row
        for row in theirs
        if not any(k.device == row[1] and k.host == row[2] and k.takes(asked(**dict(row[3]))) for k in rows[row[0]])
    ]
    assert missing == []
    surplus = [
        (op, kernel.device, values)
        for op, found in rows.items()
        for kernel in found
        for combination in itertools.product(*[[(n, v) for v in vs] for n, vs in kernel.allowed.items()])
        if (op, kernel.device, kernel.host, values := frozenset(combination)) not in theirs
    ]
    assert surplus == []
