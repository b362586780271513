"""Ops that round pixels to few values: casts to integers and fake quantisation."""

from __future__ import annotations

from hubcheck.graph.dataflow.folding import INTEGERS
from hubcheck.graph.dataflow.frame import CallFrame
from hubcheck.graph.value_scale.partners import Partners

_BITS = 8


def rounding_step(partners: Partners, frame: CallFrame, node: int) -> float | None:
    """Return the distance between the values to which a node rounds; None if it does not round, or nothing is known."""
    op = frame.op(node)
    if op == "Cast":
        target = frame.body.attribute(node, "DstT")
        return 1.0 if target is not None and target.type in INTEGERS else None
    if not op.startswith("FakeQuantWithMinMax"):
        return None
    bits, narrow = (frame.body.attribute(node, name) for name in ("num_bits", "narrow_range"))
    levels = 2 ** min(bits.i if bits is not None else _BITS, 16) - 1 - (narrow is not None and narrow.b)
    if op == "FakeQuantWithMinMaxArgs":
        low, high = (frame.body.attribute(node, name) for name in ("min", "max"))
        ends: tuple[float, ...] = (low.f if low is not None else -6.0, high.f if high is not None else 6.0)
    else:
        constants = [partners.of(source).constant for source in frame.inputs(node)[1:3]]
        if len(constants) < 2 or not all(constant is not None and constant.values for constant in constants):
            return None
        ends = tuple(sum(constant.values) / len(constant.values) for constant in constants if constant is not None)
    return (ends[1] - ends[0]) / levels if levels > 0 else None
