"""The Python object in a TF2 SavedModel: the traces of its root, and its variables."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from hubcheck.module.dtypes import dtype_name
from hubcheck.module.from_proto import shape, structured
from hubcheck.module.limits import LIMITS, LimitExceeded, ReadLimits
from hubcheck.module.tensors import Tensor
from hubcheck.module.types import Function, ObjectGraph, Parameters, Trace, Variable


def object_graph(proto: Any, limits: ReadLimits = LIMITS) -> ObjectGraph:
    """Convert a SavedObjectGraph. References to missing nodes are skipped.

    Raises:
        LimitExceeded: the callable has too many traces.
    """
    call = _child(proto, 0, "__call__")
    functions = _concrete_functions(proto.nodes[call]) if call is not None else []
    limit = limits.limit("traces")
    if len(functions) > limit.value:
        raise LimitExceeded(limit, "traces are of the callable")
    losses = _child(proto, 0, "regularization_losses")
    function = _function(proto, call) if call is not None else None
    return ObjectGraph(
        proto=proto,
        call=function if function is not None and function.traces else None,
        variables=_listed_variables(proto, "variables"),
        trainable_variables=_listed_variables(proto, "trainable_variables"),
        regularization_losses=None
        if losses is None
        else tuple(_function(proto, child.node_id) for child in _items(proto, losses)),
    )


def variables(proto: Any, checkpoint_graph: Any | None) -> tuple[Variable, ...]:
    """Return all variables below the root, each with its key in the checkpoint.

    Both graphs are traversed from their roots along children of the same name, as TensorFlow's loader does.
    """
    found: dict[int, Variable] = {}
    stored_nodes = checkpoint_graph.nodes if checkpoint_graph is not None else ()
    seen: set[int] = set()
    todo: list[tuple[int, int | None]] = [(0, 0 if stored_nodes else None)] if proto.nodes else []
    while todo:
        number, match = todo.pop()
        if number in seen:
            continue
        seen.add(number)
        node = proto.nodes[number]
        stored = stored_nodes[match] if match is not None and 0 <= match < len(stored_nodes) else None
        if node.WhichOneof("kind") == "variable":
            attributes = stored.attributes if stored is not None else ()
            key = next((a.checkpoint_key for a in attributes if a.name == "VARIABLE_VALUE"), None)
            variable = node.variable
            found[number] = Variable(variable.name, dtype_name(variable.dtype), shape(variable.shape), key, node=number)
        matches = {c.local_name: c.node_id for c in stored.children} if stored is not None else {}
        todo += [(child.node_id, matches.get(child.local_name)) for child in _children(proto, number)]
    return tuple(found[number] for number in sorted(found))


def _children(proto: Any, number: int) -> list[Any]:
    children = proto.nodes[number].children if number < len(proto.nodes) else ()
    return [child for child in children if 0 <= child.node_id < len(proto.nodes)]


def _child(proto: Any, number: int, name: str) -> int | None:
    return next((int(child.node_id) for child in _children(proto, number) if child.local_name == name), None)


def _items(proto: Any, number: int) -> list[Any]:
    return [child for child in _children(proto, number) if child.local_name.isdigit()]


def _listed_variables(proto: Any, name: str) -> frozenset[int] | None:
    number = _child(proto, 0, name)
    if number is None:
        return None
    ids = (child.node_id for child in _items(proto, number))
    return frozenset(i for i in ids if proto.nodes[i].WhichOneof("kind") == "variable")


def _concrete_functions(node: Any) -> list[str]:
    if node.WhichOneof("kind") == "bare_concrete_function":
        return [node.bare_concrete_function.concrete_function_name]
    return list(node.function.concrete_functions)


def _function(proto: Any, number: int) -> Function | None:
    """Return the function at a node; None if it is something else."""
    node = proto.nodes[number]
    if node.WhichOneof("kind") not in ("function", "bare_concrete_function"):
        return None
    bare = node.bare_concrete_function if node.WhichOneof("kind") == "bare_concrete_function" else None
    parameters = _parameters((bare or node.function).function_spec)
    traces = tuple(_traces(proto, node, parameters.positional if parameters is not None else ()))
    if bare is not None:
        # A single trace takes its tensors alone, and has no default values.
        names, count = tuple(bare.argument_keywords), bare.allowed_positional_arguments
        parameters = Parameters(names[:count], names[count:], {})
    return Function(traces, parameters)


def _traces(proto: Any, node: Any, names: Sequence[str]) -> Iterator[Trace]:
    for name in _concrete_functions(node):
        if name not in proto.concrete_functions:
            continue
        concrete = proto.concrete_functions[name]
        arguments = _arguments(concrete, names)
        training = arguments.get("training")
        yield Trace(
            function=name,
            arguments=arguments,
            outputs={path: leaf for path, leaf in structured(concrete.output_signature) if isinstance(leaf, Tensor)},
            training=bool(training) if isinstance(training, bool | int) else None,
        )


def _parameters(spec: Any) -> Parameters | None:
    """Return what `inspect.getfullargspec` said of a function when it was saved, without `self`."""
    if spec.fullargspec.WhichOneof("kind") != "named_tuple_value":
        return None
    fields = {pair.key: pair.value for pair in spec.fullargspec.named_tuple_value.values}
    positional = _strings(fields.get("args"))
    keyword = _strings(fields.get("kwonlyargs"))
    values = [_default(value) for value in fields["defaults"].tuple_value.values] if "defaults" in fields else []
    defaults = dict(zip(reversed(positional), reversed(values), strict=False))
    if "kwonlydefaults" in fields:
        named = fields["kwonlydefaults"].dict_value.fields
        defaults |= {name: _default(value) for name, value in named.items()}
    return Parameters(positional[1:] if spec.is_method else positional, keyword, defaults)


def _strings(value: Any) -> tuple[str, ...]:
    return tuple(item.string_value for item in value.list_value.values) if value is not None else ()


def _default(value: Any) -> bool | int | float | str | None:
    """Return a default value; None for one that is no number or text, too."""
    leaf = next((leaf for path, leaf in structured(value) if not path), None)
    return None if isinstance(leaf, Tensor) else leaf


def _arguments(concrete: Any, names: Sequence[str]) -> dict[str, Any]:
    signature = concrete.canonicalized_input_signature
    if signature.WhichOneof("kind") != "tuple_value" or len(signature.tuple_value.values) != 2:
        return {}
    positional, keyword = signature.tuple_value.values
    arguments: dict[str, Any] = {}
    for i, value in enumerate(positional.tuple_value.values):
        arguments.update(structured(value, names[i] if i < len(names) else str(i)))
    arguments.update(structured(keyword))
    return arguments
