"""Whether a module can run on any device of a consumer, decided without that device."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

from hubcheck.checks.context import Context
from hubcheck.checks.faults import Checked, CheckItem, Fault, Node, Skip, Where
from hubcheck.graph.dataflow.body import Body
from hubcheck.graph.dataflow.unknown_ops import runs_unknown_code
from hubcheck.graph.devices.kernel_attributes import Texts
from hubcheck.graph.devices.placement import read_placement
from hubcheck.graph.entry_points import DEFAULT
from hubcheck.graph.op_tables import kernels, ops
from hubcheck.module.types import Module, Variant
from hubcheck.rulebook.levels import Level
from hubcheck.util.text import plural

_NOTHING_TO_CHECK = Skip("no common signature, default signature or callable leads from images to an output")
_CHANNELS_LAST = {"NCD": "NDHWC", "NCW": "NWC"}
Group = list[tuple[Body, int]]
Kind = tuple[str, tuple[tuple[str, Texts | None], ...]]
"""An op with the attributes that decide its kernel."""


def gpu_kernels(context: Context, *, on_host: Collection[str]) -> Iterator[CheckItem]:
    """Every op on the device path that runs on a CPU runs on a GPU too, with its dtypes.

    Args:
        on_host: ops that always work on the host, and whose results are small.
    """
    release, _ = ops.tensorflow_version()
    for variant in _variants(context):
        yield Checked()
        path = context.analysis(variant).device_path
        library = path.view.library
        groups: dict[Kind, Group] = {}
        lacking: dict[Kind, bool] = {}
        for body, index in path:
            kind = (body.ops[index], path.values(body, index))
            if kind not in lacking:
                lacking[kind] = kind[0] not in on_host and _lacks_gpu_kernel(*kind)
            if lacking[kind] and not _handles_strings(body, index, library):
                groups.setdefault(kind, []).append((body, index))
        for (op, values), nodes in groups.items():
            dtypes = ", ".join(dict.fromkeys(text for _, texts in values for text in texts or ()))
            found = f"{op} of {dtypes}" if dtypes else op
            yield _fault(variant, nodes, found, f"an op with a GPU kernel in TensorFlow {release}")
    yield _NOTHING_TO_CHECK


def channels_last(context: Context, *, ops: Sequence[str]) -> Iterator[CheckItem]:
    """No op on the device path that works on pixels has a channels-first data_format.

    Args:
        ops: name patterns of the ops to check.
    """
    for variant in _variants(context):
        yield Checked()
        wanted: dict[str, bool] = {}
        groups: dict[tuple[str, str], Group] = {}
        unknown: dict[str, str] = {}
        functions = context.analysis(variant).view.library
        for body, index in context.analysis(variant).device_path:
            op = body.ops[index]
            if op not in wanted:
                wanted[op] = any(fnmatchcase(op, pattern) for pattern in ops)
                if runs_unknown_code(op, functions):
                    unknown[op] = body.names[index]
            layout = body.attribute(index, "data_format") if wanted[op] else None
            if layout is not None and layout.s.startswith((b"NC", b"CHANNELS_FIRST")):
                groups.setdefault((op, layout.s.decode("ascii", "replace")), []).append((body, index))
        for (op, layout_name), nodes in groups.items():
            channels = "CHANNELS_LAST" if layout_name.startswith("CH") else _CHANNELS_LAST.get(layout_name[:3], "NHWC")
            yield _fault(variant, nodes, f"{op} with data_format {layout_name}", f"data_format {channels}")
        for op, name in unknown.items():
            yield Skip(f"the graph does not show how {op} ({name}) works on images", undecided=True)
    yield _NOTHING_TO_CHECK


def pinned(context: Context) -> Iterator[CheckItem]:
    """No node that the outputs need is pinned to a device that a consumer may not have; a pin to the CPU is a note."""
    yield Checked()
    for variant in _variants(context):
        groups: dict[str, Group] = {}
        reach = context.analysis(variant).reach
        for body, index in reach.nodes():
            node = body.node(index)
            if node is None or not node.device or not reach.root(body, index).answers:
                continue
            if _pin_level(node.device) == "error" or _could_be_elsewhere(body, index):
                groups.setdefault(node.device, []).append((body, index))
        for device, nodes in groups.items():
            level = _pin_level(device)
            if level is not None:
                yield _fault(variant, nodes, device, "no device", level)
    yield from _pinned_objects(context.module)


def _pinned_objects(module: Module) -> Iterator[Fault]:
    """Yield the faults of variables and tables that the restored object creates on a pinned device."""
    groups: dict[str, list[Node]] = {}
    for node in module.objects.proto.nodes if module.objects is not None else ():
        device = node.variable.device or node.resource.device
        if device:
            name = Node(node.variable.name or "a resource", node.WhichOneof("kind"))
            groups.setdefault(device, []).append(name)
    for device, nodes in groups.items():
        level = _pin_level(device)
        if level is not None:
            yield _fault_of(Where(node=nodes[0]), len(nodes), device, "no device", level)


def _pin_level(device: str) -> Level | None:
    """Return the level of a pin to a device: exporters pin to the CPU, which every consumer has."""
    placement = read_placement(device)
    if placement.elsewhere or placement.kind not in (None, "CPU"):
        return "error"
    return None if placement.kind is None else "note"


def _could_be_elsewhere(body: Body, index: int) -> bool:
    """Return whether a node would be placed elsewhere without its pin to the CPU.

    Table lookups and ops that pass on their result would not, and Keras's recurrent layers have another function for
    GPUs.
    """
    has_gpu_function = body.function is not None and "api_preferred_device" in body.proto.attr
    before = [body.ops[source] for source in body.sources(index)]
    return not has_gpu_function and _runs_on_gpu(body.ops[index]) and (not before or any(map(_runs_on_gpu, before)))


def _runs_on_gpu(op: str) -> bool:
    return any(kernel.device != "CPU" for kernel in kernels.kernels(op))


def _lacks_gpu_kernel(op: str, values: tuple[tuple[str, Texts | None], ...]) -> bool:
    """Return whether an op has a kernel for CPUs and none for GPUs."""
    known = dict(values).get
    return kernels.kernel_for(op, "GPU", known) is None and kernels.kernel_for(op, "CPU", known) is not None


def _handles_strings(body: Body, index: int, library: Mapping[str, Any]) -> bool:
    """Return whether a node has string inputs or outputs, which are always in host memory."""
    node = body.node(index)
    dtypes = [*(ops.input_dtypes(node, library) or ()), *(ops.output_dtypes(node, library) or ())]
    return any(dtype.startswith("string") for dtype in dtypes)


def _variants(context: Context) -> Iterator[Variant]:
    """Yield the variants with an entry point that has a "default" output."""
    for variant in context.module.variants:
        if any(DEFAULT in entry.outputs for entry in context.analysis(variant).entries):
            yield variant


def _fault(variant: Variant, nodes: Group, found: str, wanted: str, level: Level | None = None) -> Fault:
    """Return one fault for all nodes of a kind, at the first."""
    body, index = nodes[0]
    where = Where(variant.name, node=Node(body.names[index], body.ops[index], body.function))
    return _fault_of(where, len(nodes), found, wanted, level)


def _fault_of(where: Where, count: int, found: str, wanted: str, level: Level | None) -> Fault:
    op = where.node.op if where.node is not None else ""
    return Fault(where, found, wanted, {"op": op, "nodes": plural(count, "node")}, level=level)
