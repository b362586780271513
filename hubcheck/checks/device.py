"""Whether a module can run on any device of a consumer, decided without that device."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

from hubcheck.checks.context import Context
from hubcheck.checks.faults import Checked, CheckItem, Skip
from hubcheck.checks.graph_groups import Group, group_fault, judged_variants
from hubcheck.checks.judged import without_callable
from hubcheck.graph.dataflow.body import Body
from hubcheck.graph.dataflow.unknown_ops import runs_unknown_code
from hubcheck.graph.devices import kernels
from hubcheck.graph.devices.device_path import DevicePath
from hubcheck.graph.devices.kernels import Texts
from hubcheck.graph.devices.placement import is_compiled, platforms
from hubcheck.graph.op_tables import ops

_NOTHING_TO_CHECK = Skip("no common signature, default signature or callable leads from images to an output")
_ONLY_A_RUN = Skip("only a run shows whether each op has a kernel that works", undecided=True)
_CHANNELS_LAST = {"NCD": "NDHWC", "NCW": "NWC"}
_EXPORT_FOR = (
    'Convert it with native_serialization_platforms=("cpu", "cuda") of jax2tf, or publish it as TensorFlow ops.'
)


def gpu_kernels(context: Context, *, on_host: Collection[str]) -> Iterator[CheckItem]:
    """Every op on the device path that runs on a CPU runs on a GPU too, with its dtypes.

    Args:
        on_host: ops that always work on the host, and whose results are small.
    """
    yield from without_callable(context)
    release, _ = ops.tensorflow_version()
    for variant in judged_variants(context):
        yield Checked()
        path = context.analysis(variant).device_path
        for found, nodes in _lacking(path, "GPU", "CPU", on_host).items():
            yield group_fault(variant, nodes, found, f"an op with a GPU kernel in TensorFlow {release}")
        for names, nodes in _not_for(path, "CUDA").items():
            message = f"XlaCallModule ({{nodes}}) was compiled for {names} only, and fails on a GPU"
            yield group_fault(variant, nodes, names, "a program for CUDA too", message=message, fix=_EXPORT_FOR)
    yield _NOTHING_TO_CHECK


def cpu_kernels(context: Context) -> Iterator[CheckItem]:
    """No op on the device path lacks a kernel for CPUs. What has one can still fail, which only a run shows."""
    yield from without_callable(context)
    release, _ = ops.tensorflow_version()
    for variant in judged_variants(context):
        path = context.analysis(variant).device_path
        for kind, nodes in _lacking(path, "CPU", "GPU").items():
            wanted = f"ops with CPU kernels in TensorFlow {release}"
            yield group_fault(variant, nodes, f"{kind} has no CPU kernel", wanted)
        for names, nodes in _not_for(path, "CPU").items():
            found = f"XlaCallModule was compiled for {names} only"
            yield group_fault(variant, nodes, found, "a program for CPU too", fix=_EXPORT_FOR)
    yield _ONLY_A_RUN


def channels_last(context: Context, *, ops: Sequence[str]) -> Iterator[CheckItem]:
    """No op on the device path that works on pixels has a channels-first data_format.

    Args:
        ops: name patterns of the ops to check.
    """
    yield from without_callable(context)
    for variant in judged_variants(context):
        yield Checked()
        groups: dict[tuple[str, str], Group] = {}
        unknown: dict[str, str] = {}
        functions = context.analysis(variant).view.library
        for (op, _), nodes in context.analysis(variant).device_path.nodes.items():
            if op not in unknown and runs_unknown_code(op, functions):
                body, index = nodes[0]
                unknown[op] = body.names[index]
            for body, index in nodes if any(fnmatchcase(op, pattern) for pattern in ops) else ():
                layout = _channels_first(body, index)
                if layout is not None:
                    groups.setdefault((op, layout), []).append((body, index))
        for (op, layout_name), nodes in groups.items():
            channels = "CHANNELS_LAST" if layout_name.startswith("CH") else _CHANNELS_LAST.get(layout_name[:3], "NHWC")
            yield group_fault(variant, nodes, f"{op} with data_format {layout_name}", f"data_format {channels}")
        for op, name in unknown.items():
            yield Skip(f"the graph does not show how {op} ({name}) works on images", undecided=True)
    yield _NOTHING_TO_CHECK


def _channels_first(body: Body, index: int) -> str | None:
    """Return the data_format of a node that puts the channels before height and width."""
    layout = body.attribute(index, "data_format")
    first = layout is not None and layout.s.startswith((b"NC", b"CHANNELS_FIRST"))
    return layout.s.decode("ascii", "replace") if layout is not None and first else None


def _lacking(
    path: DevicePath, device: kernels.Device, other: kernels.Device, exempt: Collection[str] = ()
) -> dict[str, Group]:
    """Return the nodes that have a kernel for one device and none for another, by what they are.

    Neither XLA nor ops that handle strings, which are always in host memory, need these kernels. What CPUs lack for
    channels-first layouts is the fault of device/channels-last.
    """
    groups: dict[str, Group] = {}
    for (op, values), nodes in path.nodes.items():
        known = dict(values).get
        has, wants = kernels.kernel_for(op, other, known), kernels.kernel_for(op, device, known)
        for body, index in nodes if op not in exempt and wants is None and has is not None else ():
            excused = device == "CPU" and (is_compiled(body) or _channels_first(body, index) is not None)
            if not excused and not _handles_strings(body, index, path.view.library):
                groups.setdefault(_described(op, values), []).append((body, index))
    return groups


def _described(op: str, values: tuple[tuple[str, Texts | None], ...]) -> str:
    dtypes = ", ".join(dict.fromkeys(text for _, texts in values for text in texts or ()))
    return f"{op} of {dtypes}" if dtypes else op


def _not_for(path: DevicePath, platform: str) -> dict[str, Group]:
    """Return the compiled programs that do not run on a platform, by those on which they do."""
    groups: dict[str, Group] = {}
    for (op, _), nodes in path.nodes.items():
        for body, index in nodes if op == "XlaCallModule" else ():
            names = platforms(body, index)
            if names is not None and platform not in names:
                groups.setdefault(" and ".join(names), []).append((body, index))
    return groups


def _handles_strings(body: Body, index: int, library: Mapping[str, Any]) -> bool:
    """Return whether a node has string inputs or outputs, which are always in host memory."""
    node = body.node(index)
    dtypes = [*(ops.input_dtypes(node, library) or ()), *(ops.output_dtypes(node, library) or ())]
    return any(dtype.startswith("string") for dtype in dtypes)
