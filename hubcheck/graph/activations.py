"""Activations that turn scores into probabilities, as ops and as people write them out."""

from __future__ import annotations

from hubcheck.graph import elementwise as ew
from hubcheck.graph.meeting import resolved
from hubcheck.graph.origins import Origins
from hubcheck.graph.unfold import Frame, Unfolded, Value

_NAMES = {"Softmax": "softmax", "LogSoftmax": "log-softmax", "Sigmoid": "sigmoid"}
_MOVES = frozenset(
    {"Reshape", "Squeeze", "ExpandDims", "Transpose", "Concat", "ConcatV2", "Pack", "Slice", "StridedSlice"}
    | {"Gather", "GatherV2", "ReverseV2"}
)
_AVERAGES = frozenset({"Mean", "Sum"})
_MAPS = frozenset({"Log", "Log1p"})
_CLIPS = frozenset({"ClipByValue", "Maximum", "Minimum"})
_SHIFTS = frozenset({"Add", "AddV2"})
_SUMS = _SHIFTS | {"AddN"}
_SCALES = frozenset({"Mul", "Div", "RealDiv"})


def closing_activation(graph: Unfolded, origins: Origins, output: Value) -> tuple[Frame, int, str] | None:
    """The activation that ends an output, and its name; None if the output ends with anything else.

    Seen through identities, casts, moves and calls, through averages over crops or models and constant factors, and
    through the logarithm, clipping and tiny shifts that guard it from zero.
    """
    waiting, seen = [output], {output}
    while waiting:
        value = waiting.pop()
        frame, node, _ = value
        sources = graph.passes(value)
        if sources is None:
            name = _NAMES.get(frame.op(node)) or _written_out(graph, value)
            if name is not None:
                return frame, node, name
            sources = _behind(graph, origins, value)
        for source in sources:
            if source not in seen and origins.images(source):
                seen.add(source)
                waiting.append(source)
    return None


def _behind(graph: Unfolded, origins: Origins, value: Value) -> list[Value]:
    """What a value is made of, where its op leaves a closing activation one."""
    frame, node, _ = value
    op = frame.op(node)
    inputs = graph.inputs(frame, node)
    if op in ew.SAME or op in _MAPS or op in _AVERAGES:
        return inputs[:1]
    if op in _MOVES:
        return inputs[ew.MOVES[op]]
    others = [source for source in inputs if not origins.images(source)]
    if op in _CLIPS and len(inputs) - len(others) == 1:
        return inputs
    if op in _SCALES and len(inputs) == 2 and len(others) == 1:
        constant = graph.constant(others[0])
        return inputs if constant is not None and constant.scalar is not None else []
    if op in _SUMS and not others and all(_closes(graph, source) for source in inputs):
        return inputs
    if op in _SHIFTS and len(others) == 1:
        constant = graph.constant(others[0])
        if constant is not None and constant.scalar is not None and abs(constant.scalar) < 1e-3:
            return inputs
    return []


def _closes(graph: Unfolded, value: Value) -> bool:
    """Whether a value is an activation itself, or one times a constant."""
    value = resolved(graph, value)
    if _op(value) in _SCALES:
        value = resolved(graph, graph.inputs(*value[:2])[0])
    return _op(value) in _NAMES or _written_out(graph, value) is not None


def _written_out(graph: Unfolded, value: Value) -> str | None:
    """exp(x) / sum(exp(x)), x - log(sum(exp(...))) or 1 / (1 + exp(-x))."""
    frame, node, _ = value
    op = frame.op(node)
    operands = [resolved(graph, source) for source in graph.inputs(frame, node)]
    if op in ("Div", "RealDiv", "DivNoNan") and len(operands) == 2:
        above, below = operands
        summed = _input(graph, below) if _op(below) == "Sum" else None
        if _op(above) == "Exp" and summed is not None and _op(summed) == "Exp":
            return "softmax"
        if _is_one(graph, above) and _is_one_plus_exp(graph, below):
            return "sigmoid"
    if op in ("Reciprocal", "Inv") and operands and _is_one_plus_exp(graph, operands[0]):
        return "sigmoid"
    if op == "Sub" and len(operands) == 2 and _is_log_sum_exp(graph, operands[1]):
        return "log-softmax"
    return None


def _is_one_plus_exp(graph: Unfolded, value: Value) -> bool:
    if _op(value) not in _SHIFTS:
        return False
    terms = [resolved(graph, source) for source in graph.inputs(*value[:2])]
    return any(_op(term) == "Exp" for term in terms) and any(_is_one(graph, term) for term in terms)


def _is_one(graph: Unfolded, value: Value) -> bool:
    constant = graph.constant(value)
    return constant is not None and constant.scalar == 1


def _is_log_sum_exp(graph: Unfolded, value: Value) -> bool:
    """log(sum(exp(x))), or the same plus the maximum that was subtracted first, reshaped or not."""
    for _ in range(3):
        value = resolved(graph, value)
        if _op(value) in ("Reshape", "Squeeze", "ExpandDims", "StridedSlice"):
            value = resolved(graph, graph.inputs(*value[:2])[0])
    terms = [value]
    if _op(value) in _SHIFTS:
        terms = [resolved(graph, source) for source in graph.inputs(*value[:2])]
    for term in terms:
        inside = _input(graph, term) if _op(term) == "Log" else None
        summed = _input(graph, inside) if inside is not None and _op(inside) == "Sum" else None
        if summed is not None and _op(summed) == "Exp":
            return True
    return False


def _op(value: Value) -> str:
    return value[0].op(value[1])


def _input(graph: Unfolded, value: Value) -> Value | None:
    inputs = graph.inputs(*value[:2])
    return resolved(graph, inputs[0]) if inputs else None
