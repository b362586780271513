"""Whether nodes, variables and tables ask for a device that a consumer may not have."""

from __future__ import annotations

from collections.abc import Iterator

from hubcheck.checks.context import Context
from hubcheck.checks.faults import Checked, CheckItem, Fault, Node, Where
from hubcheck.checks.graph_groups import Group, group_fault, judged_variants, nodes_fault
from hubcheck.checks.judged import without_callable
from hubcheck.graph.dataflow.body import Body
from hubcheck.graph.devices import kernels
from hubcheck.graph.devices.placement import read_placement
from hubcheck.module.types import Module
from hubcheck.rulebook.levels import Level


def pinned(context: Context) -> Iterator[CheckItem]:
    """No node that the outputs need is pinned to a device that a consumer may not have; a pin to the CPU is a note."""
    yield from without_callable(context)
    yield Checked()
    for variant in judged_variants(context):
        groups: dict[str, Group] = {}
        analysis = context.analysis(variant)
        reach, branches = analysis.reach, analysis.branches
        pins = ((body, index, device) for body in reach.bodies for index, device in body.pins.items())
        for body, index, device in pins:
            if not reach.reaches(body, index) or not reach.root(body, index).answers:
                continue
            if branches is not None and not branches.runs(body, (index, 0)):
                continue
            if _level(device) == "error" or _could_be_elsewhere(body, index):
                groups.setdefault(device, []).append((body, index))
        for device, nodes in groups.items():
            level = _level(device)
            if level is not None:
                yield group_fault(variant, nodes, device, "no device", level=level, group=read_placement(device))
    yield from _pinned_objects(context.module)
    yield from _hardware(context.module)


def _pinned_objects(module: Module) -> Iterator[Fault]:
    """Yield the faults of variables and tables that the restored object creates on a pinned device."""
    groups: dict[str, list[Node]] = {}
    for node in module.objects.proto.nodes if module.objects is not None else ():
        device = node.variable.device or node.resource.device
        if device:
            name = Node(node.variable.name or "a resource", node.WhichOneof("kind"))
            groups.setdefault(device, []).append(name)
    for device, nodes in groups.items():
        level, group = _level(device), read_placement(device)
        if level is not None:
            yield nodes_fault(Where(node=nodes[0]), len(nodes), device, "no device", level=level, group=group)


def _hardware(module: Module) -> Iterator[Fault]:
    """Yield a note for the variants that are for one kind of hardware."""
    for variant in module.variants:
        if variant.hardware is not None:
            yield Fault(
                Where(variant.name),
                f"tags {', '.join(variant.tags)}",
                "variants for any hardware",
                message=f"this variant is for {variant.hardware}s alone: device rules and runs leave it out",
                fix="Nothing, if that is what it is for; otherwise export it without this tag.",
                level="note",
                group=variant.hardware,
            )


def _level(device: str) -> Level | None:
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
