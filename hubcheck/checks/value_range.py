"""Images are in [0, 1]: the first ops of a module should not expect values in 0..255."""

from __future__ import annotations

from collections.abc import Iterator

from hubcheck.checks.context import Context
from hubcheck.checks.faults import Checked, CheckItem, Fault, Skip, Where
from hubcheck.checks.graphs import node_of
from hubcheck.checks.tensors import NO_COMMON_SIGNATURE
from hubcheck.graph.dataflow.layer_names import layer_name
from hubcheck.graph.entry_points import EntryPoint
from hubcheck.graph.value_scale.arrivals import Arrival, Unknown, arrivals
from hubcheck.module.types import Variant


def value_range(context: Context, *, least_scale: float, most_offset: float) -> Iterator[CheckItem]:
    """In the common signatures, pixels in [0, 1] have a plausible range when they reach the first layer.

    Args:
        least_scale: a narrower range at the first layer is a sign of one division too many.
        most_offset: a larger offset, in units of the range, is the mean of pixels in 0..255.
    """
    has_task = arrived = False
    unknown = ""
    for variant in context.module.variants:
        analysis = context.analysis(variant)
        for entry in analysis.entries:
            if entry.signature not in context.contracts:
                continue
            has_task = True
            for found in arrivals(analysis.graph, analysis.dependence, analysis.partners, entry.images):
                if isinstance(found, Unknown):
                    unknown = unknown or layer_name(found.frame, found.node) or node_of(found.frame, found.node).name
                    continue
                arrived = arrived or not found.truncates
                if found.scale and _is_wrong(found, least_scale, most_offset):
                    yield _fault(variant, entry, found)
    if not has_task:
        yield Skip(NO_COMMON_SIGNATURE)
    elif unknown:
        reason = f"the images are combined with variables in {unknown}, whose values the files do not tell"
        yield Skip(reason, undecided=True)
    elif not arrived:
        yield Skip("the graph does not show in which range pixels reach the first layer", undecided=True)
    else:
        yield Checked()


def _is_wrong(found: Arrival, least_scale: float, most_offset: float) -> bool:
    return found.truncates or abs(found.scale) < least_scale or abs(found.offset) > most_offset * abs(found.scale)


def _fault(variant: Variant, entry: EntryPoint, found: Arrival) -> Fault:
    low, high = sorted((found.offset, found.offset + found.scale))
    node = node_of(found.frame, found.node)
    where = Where(variant.name, None, entry.signature, "inputs", entry.images_key, node)
    rounded = "images in [0, 1] are rounded to whole numbers in the range {found}: hardly anything is left of them"
    statistics = (
        "the statistics in {layer} do not fit images in [0, 1], which leave it in the range {found}: "
        "the module seems to expect pixels in [0, 255]"
    )
    return Fault(
        where=where,
        found=f"[{low:.4g}, {high:.4g}]",
        wanted="a range meant for pixels in [0, 1]",
        details={"layer": layer_name(found.frame, found.node) or node.name},
        message=rounded if found.truncates else statistics if found.normalised else None,
        group=(round(found.scale, 9), round(found.offset, 9)),
    )
