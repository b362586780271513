"""Images are in [0, 1]: the first ops of a module should not expect values in 0..255."""

from __future__ import annotations

from collections.abc import Iterator

from hubcheck.checks.context import Context
from hubcheck.checks.faults import Checked, CheckItem, Fault, Skip, Where
from hubcheck.checks.judged import interface_of_entry, nothing_judged
from hubcheck.checks.places import layer_name, node_of
from hubcheck.checks.tensors import subject
from hubcheck.graph.entry_points import EntryPoint
from hubcheck.graph.value_scale.arrivals import Arrival, Unknown, arrivals
from hubcheck.module.types import Variant
from hubcheck.rulebook.contract import SignatureContract, TensorContract

_IMAGES = "images in [0, 1]"


def value_range(context: Context, *, least_scale: float, most_offset: float) -> Iterator[CheckItem]:
    """Inputs for which a contract names a range, such as pixels in [0, 1], reach the first layer in a plausible one.

    Args:
        least_scale: a narrower range at the first layer is a sign of one division too many.
        most_offset: a larger offset, in units of the range, is the mean of pixels in 0..255.
    """
    has_task = has_range = arrived = False
    unknown = ""
    for variant in context.module.variants:
        analysis = context.analysis(variant)
        for entry in analysis.entries:
            interface = interface_of_entry(context, entry)
            if interface is None:
                continue
            has_task = True
            promised = _range(interface.contract)
            if promised is None:
                continue
            has_range = True
            for found in arrivals(analysis.graph, analysis.dependence, analysis.partners, entry.images):
                if isinstance(found, Unknown):
                    unknown = unknown or layer_name(found.frame, found.node) or node_of(found.frame, found.node).name
                    continue
                arrival = _of_range(found, promised)
                arrived = arrived or not arrival.truncates
                if arrival.scale and takes_bytes(arrival, least_scale, most_offset):
                    yield _fault(variant, entry, arrival, promised)
    if not has_range:
        yield Skip("no contract names the range of an input") if has_task else nothing_judged(context)
    elif unknown:
        reason = f"the images are combined with variables in {unknown}, whose values the files do not tell"
        yield Skip(reason, undecided=True)
    elif not arrived:
        yield Skip("the graph does not show in which range pixels reach the first layer", undecided=True)
    else:
        yield Checked()


def _range(contract: SignatureContract) -> TensorContract | None:
    """Return an input of the contract with the range of its inputs; None if they have none, or different ones."""
    ranges = {(promised.low, promised.high) for promised in contract.inputs.values()}
    promised = next(iter(contract.inputs.values()))
    return promised if len(ranges) == 1 and promised.low is not None and promised.high is not None else None


def _of_range(found: Arrival, promised: TensorContract) -> Arrival:
    """Return how the values of a range arrive, measured from its lower end in units of its width.

    Rounding destroys the values of a narrow range only.
    """
    low, high = promised.low or 0.0, promised.high or 0.0
    width = high - low
    return found._replace(
        scale=found.scale * width, offset=found.offset + found.scale * low, truncates=found.truncates and width <= 2
    )


def takes_bytes(found: Arrival, least_scale: float, most_offset: float) -> bool:
    """Return whether the range in which pixels in [0, 1] arrive is meant for pixels in [0, 255]."""
    return found.truncates or abs(found.scale) < least_scale or abs(found.offset) > most_offset * abs(found.scale)


def _fault(variant: Variant, entry: EntryPoint, found: Arrival, promised: TensorContract) -> Fault:
    low, high = sorted((found.offset, found.offset + found.scale))
    node = node_of(found.frame, found.node)
    trace = entry.trace.name if entry.trace is not None else None
    where = Where(variant.name, trace, entry.signature, "inputs", entry.images_key, node)
    values = f"{subject('inputs', promised)} in [{promised.low:g}, {promised.high:g}]" if promised.own else _IMAGES
    expected = "values of another range" if promised.own else "pixels in [0, 255]"
    if found.truncates:
        message = f"{values} are rounded to whole numbers in the range {{found}}: hardly anything is left of them"
    elif found.normalised:
        message = f"the statistics in {{layer}} do not fit {values}, which leave it in the range {{found}}: "
        message += f"the module seems to expect {expected}"
    else:
        message = f"{values} reach {{layer}} in the range {{found}}: the module seems to expect {expected}"
    return Fault(
        where=where,
        found=f"[{low:.4g}, {high:.4g}]",
        wanted=f"a range meant for {values if promised.own else 'pixels in [0, 1]'}",
        details={"layer": layer_name(found.frame, found.node) or node.name},
        message=message,
        fix="Scale the input in the module to the range that the first layer expects." if promised.own else None,
        source=promised.source,
        group=(round(found.scale, 9), round(found.offset, 9)),
    )
