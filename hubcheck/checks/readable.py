"""Whether the files are a complete module: the problems of the reader, and whether the parts fit together."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from hubcheck.checks.context import Context
from hubcheck.checks.faults import Checked, CheckItem, Fault, Side, Skip, Where
from hubcheck.checks.variables import variables
from hubcheck.graph.op_tables import ops
from hubcheck.module.from_proto import shape
from hubcheck.module.tensors import Shape, Tensor
from hubcheck.module.types import Module, Variant

_SCALAR_MEANS_UNKNOWN = 21
"""Up to this GraphDef version a Placeholder of shape [] may have any shape (array_ops.cc)."""


def readable(context: Context) -> Iterator[CheckItem]:
    """Protos parse, files exist, variables are in the checkpoint, and signature tensors are in the graph."""
    module = context.module
    if module.archive is not None and module.archive.refused:
        yield Skip("the archive is not safe to unpack", blocks=True, needs="safety/paths")
        return
    refused = [link.name for link in module.links if link.refused]
    if module.format is None and refused and not module.problems:
        yield Skip("a link out of the module is not followed", blocks=True, needs="safety/paths")
        return
    yield Checked()
    for problem in module.problems:
        yield Fault(Where(problem.variant), problem.found, problem.wanted, message=problem.message, fix=problem.fix)
    if module.format is None:
        return
    yield from _tag_sets(module)
    yield from _versions(module)
    without_weights = any(name.partition("/")[0] == "variables" for name in refused)
    if without_weights:
        reason = "the weights are behind a link out of the module, which is not followed"
        yield Skip(reason, undecided=True, needs="safety/paths")
    for variant in module.variants:
        if not without_weights:
            yield from variables(module, variant)
        yield from _signature_tensors(variant)


def _tag_sets(module: Module) -> Iterator[Fault]:
    seen = set()
    for variant in module.variants:
        if variant.tags in seen:
            name = f'the tag set "{variant.name}"' if variant.tags else "the empty tag set"
            yield Fault(
                Where(variant.name),
                message=f"two MetaGraphs have {name}, so a loader cannot tell them apart",
                fix="Give every MetaGraph its own tags when it is added.",
            )
        seen.add(variant.tags)


def _versions(module: Module) -> Iterator[Fault]:
    release, known = ops.tensorflow_version()
    for variant in module.variants:
        wanted = variant.graph.versions.min_consumer
        if wanted > known:
            yield Fault(
                Where(variant.name),
                f"min_consumer {wanted}",
                f"at most {known} (TensorFlow {release})",
                message="the graph requires a version of TensorFlow that does not exist yet",
                fix="Export with a released version of TensorFlow.",
            )


def _signature_tensors(variant: Variant) -> Iterator[Fault]:
    nodes: dict[str, Any] = {node.name: node for node in variant.graph.node}
    library = {function.signature.name: function for function in variant.graph.library.function}
    for signature in variant.signatures.values():
        sides: tuple[tuple[Side, Mapping[str, Tensor]], ...] = (
            ("inputs", signature.inputs),
            ("outputs", signature.outputs),
        )
        for side, tensors in sides:
            for key, tensor in tensors.items():
                where = Where(variant.name, None, signature.key, side, key)
                for component in tensor.components:
                    fault = _component(variant, nodes, library, tensor, component, where)
                    if fault is not None:
                        yield replace(fault, group=(component, fault.message, fault.found))
                        break


def _component(
    variant: Variant,
    nodes: Mapping[str, Any],
    library: Mapping[str, Any],
    tensor: Tensor,
    component: str,
    where: Where,
) -> Fault | None:
    name, colon, port = component.partition(":")
    node = nodes.get(name)
    if node is None:
        return Fault(where, component, message="the signature names a tensor that is not in the graph: {found}")
    dtypes = ops.output_dtypes(node, library)
    # "name" alone means "name:0". An output is a number of up to nine digits.
    index = 0 if not colon else int(port) if re.fullmatch("[0-9]{1,9}", port) else sys.maxsize
    if index >= (len(dtypes) if dtypes is not None else sys.maxsize):
        message = "the signature names an output that its node does not have: {found}"
        wanted = f"one of {len(dtypes)} outputs of {node.op}" if dtypes is not None else f"an output of {node.op}"
        return Fault(where, component, wanted, message=message)
    if tensor.encoding != "dense":
        return None
    if dtypes is not None and dtypes[index] not in (tensor.dtype, "unspecified"):
        message = "the signature declares {found}, but its tensor is {wanted}"
        return Fault(where, tensor.dtype, dtypes[index], message=message, fix=_declare("dtype"))
    stated = _stated_shape(variant, node, index)
    if stated is not None and not stated.compatible(tensor.shape):
        message = "the signature declares shape {found}, but its tensor has {wanted}"
        return Fault(where, str(tensor.shape), str(stated), message=message, fix=_declare("shape"))
    return None


def _declare(what: str) -> str:
    return f"Let the exporter take the {what} in the signature from the tensor; do not write it by hand."


def _stated_shape(variant: Variant, node: Any, index: int) -> Shape | None:
    if "_output_shapes" in node.attr:
        shapes = node.attr["_output_shapes"].list.shape
        return shape(shapes[index]) if index < len(shapes) else None
    if node.op in ("Placeholder", "PlaceholderWithDefault") and "shape" in node.attr:
        stated = shape(node.attr["shape"].shape)
        legacy = variant.graph.versions.producer <= _SCALAR_MEANS_UNKNOWN and stated.rank == 0
        return None if legacy else stated
    return None
