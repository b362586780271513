"""What a module would do beside computing, judged by everything that a consumer can run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from hubcheck.checks.context import Context
from hubcheck.checks.runnable import paths_of, reach_of
from hubcheck.findings import Fault, Node, Skip, Where
from hubcheck.graph import ops
from hubcheck.graph.body import Body, Port
from hubcheck.graph.paths import Chooser, Paths
from hubcheck.graph.reach import Reach
from hubcheck.module.types import Variant

_SHOWN = 80
_Places = list[tuple[Body, int]]


def runs_no_op(
    context: Context, *, ops: Mapping[str, Sequence[str]], attributes: Mapping[str, Mapping[str, Any]]
) -> Iterator[Fault | Skip]:
    """Nothing that a consumer runs is one of these ops.

    Args:
        ops: op to the inputs that say where it reaches, for the report.
        attributes: op to the attribute that makes it one, with `starts` (it starts with one of these) or
            `harmless` (it is empty or starts with one of these).
    """
    for variant in context.module.variants:
        reach = reach_of(context, variant)
        for body, index in reach.nodes({*ops, *attributes}):
            op = body.ops[index]
            targets = [text for name in ops.get(op, ()) for text in _constants(body, _input(body, index, name))]
            if op in attributes:
                telling = _telling(body, index, **attributes[op])
                if telling is None and op not in ops:
                    continue
                targets += telling or ()
            yield _fault(variant, reach, body, index, targets)


def opens_no_file(
    context: Context,
    *,
    savers: Mapping[str, Sequence[str]],
    tables: Mapping[str, Sequence[str]],
    reads: Mapping[str, Sequence[str]],
    others: Mapping[str, Sequence[str]],
    attributes: Mapping[str, Mapping[str, Any]],
    memory: Sequence[str],
) -> Iterator[Fault | Skip]:
    """Nothing that a consumer runs opens a file, but savers where the loader says and tables from assets.

    Args:
        savers: ops of checkpoints, with the inputs that are paths; harmless where the loader chooses them.
        tables: ops that fill lookup tables from a file; harmless where it is an asset.
        reads: ops that read a file; a note where it is an asset.
        others: ops that write, or open in another way.
        attributes: see runs_no_op.
        memory: ops that open nothing if their path is empty.
    """
    named = {**savers, **tables, **reads, **others}
    for variant in context.module.variants:
        reach, paths = reach_of(context, variant), paths_of(context, variant)
        for body, index in reach.nodes(named):
            op = body.ops[index]
            ports = [port for name in named[op] if (port := _input(body, index, name)) is not None]
            targets = [text for port in ports for text in _constants(body, port)]
            if op in memory and targets == [""]:
                continue
            choosers = _choosers(paths, body, ports)
            if op in savers and choosers and "graph" not in choosers:
                if "caller" in choosers:
                    message = "{root} runs {op} on a path that its caller chooses"
                    yield _fault(variant, reach, body, index, targets, message=message, level="note")
                continue
            if choosers and choosers <= {"asset", "loader"}:
                if op in tables:
                    continue
                if op in reads:
                    message = "{root} reads an asset of the module with {op}"
                    yield _fault(variant, reach, body, index, targets, message=message, level="note")
                    continue
            yield _fault(variant, reach, body, index, targets)
    yield from runs_no_op(context, ops={}, attributes=attributes)


def stock_ops(context: Context) -> Iterator[Fault | Skip]:
    """Every op of the file, runnable or not, is one that stock TensorFlow registers: loaders look each one up."""
    release, _ = ops.tensorflow_version()
    for variant in context.module.variants:
        library = {function.signature.name: function for function in variant.graph.library.function}
        bodies = [(None, variant.graph.node), *((name, body.node_def) for name, body in library.items())]
        unknown: dict[str, Node] = {}
        for function, nodes in bodies:
            for op in {node.op for node in nodes}:
                if op not in unknown and op not in library and not ops.is_stock(op):
                    name = next(node.name for node in nodes if node.op == op)
                    unknown[op] = Node(name, op, function)
        for op, node in sorted(unknown.items()):
            yield Fault(Where(variant.name, node=node), op, f"an op of TensorFlow {release}", {"op": op})


def _choosers(paths: Paths, body: Body, ports: Sequence[Port]) -> frozenset[Chooser]:
    return frozenset(chooser for port in ports for chooser in paths.choosers(body, port))


def _fault(variant: Variant, reach: Reach, body: Body, index: int, targets: Sequence[str], **more: Any) -> Fault:
    op, root = body.ops[index], reach.root(body, index).label
    shown = ", ".join(f'"{text[:_SHOWN]}"' for text in targets[:3])
    where = Where(variant.name, node=Node(body.names[index], op, body.function))
    return Fault(where, f"{op} {shown}".rstrip(), details={"op": op, "root": root}, **more)


def _input(body: Body, index: int, name: str) -> Port | None:
    """The tensor that feeds an input; of an op, inputs of one tensor each come before it."""
    definition = ops.op_def(body.ops[index])
    names = [argument.name for argument in definition.inputs] if definition is not None else []
    inputs = body.inputs(index)
    return inputs[names.index(name)] if name in names and names.index(name) < len(inputs) else None


def _constants(body: Body, port: Port | None) -> list[str]:
    """The texts of a constant in the same body."""
    if port is None or body.ops[port[0]] != "Const":
        return []
    value = body.attribute(port[0], "value")
    return [] if value is None else [text.decode("utf-8", "replace") for text in value.tensor.string_val[:3]]


def _telling(
    body: Body, index: int, *, attribute: str, starts: Sequence[str] = (), harmless: Sequence[str] | None = None
) -> list[str] | None:
    """The values of an attribute that make an op do harm; None if there are none."""
    value = body.attribute(index, attribute)
    if value is None:
        return None
    values = [text.decode("utf-8", "replace") for text in (value.s, *value.list.s) if text]
    if harmless is not None:
        found = [text for text in values if not text.startswith(tuple(harmless))]
    else:
        found = [text for text in values if text.lower().startswith(tuple(starts))]
    return found or None
