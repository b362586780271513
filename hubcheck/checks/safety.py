"""What a module would do beside computing, judged by everything that a consumer can run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from hubcheck.checks.context import Context
from hubcheck.checks.faults import Checked, CheckItem, Fault, Node, Skip, Where
from hubcheck.graph.dataflow.body import Body, Port
from hubcheck.graph.dataflow.reach import Reach
from hubcheck.graph.op_tables import ops
from hubcheck.module.types import Variant
from hubcheck.rulebook.levels import Level

_SHOWN = 80
_NO_FILES = "no file but the checkpoint and the assets, which the loader opens"


def runs_no_op(
    context: Context,
    *,
    ops: Mapping[str, Sequence[str]],
    wanted: str,
    attributes: Mapping[str, Mapping[str, Any]] = MappingProxyType({}),
) -> Iterator[CheckItem]:
    """Nothing that a consumer runs is one of these ops.

    Args:
        ops: op to the inputs that say where it reaches, for the report.
        wanted: what there should be instead, for the report.
        attributes: op to the attribute that makes it one, with `starts` (it starts with one of these), `holds`
            (one of these is in it) or `harmless` (it is empty or starts with one of these).
    """
    yield Checked()
    for variant in context.module.variants:
        reach = context.analysis(variant).reach
        for body, index in reach.nodes({*ops, *attributes}):
            op = body.ops[index]
            targets = [text for name in ops.get(op, ()) for text in _constants(body, _input(body, index, name))]
            telling = _telling(body, index, **attributes[op]) if op in attributes else None
            if op in ops or telling is not None:
                yield _fault(variant, reach, body, index, [*targets, *(telling or ())], wanted)


def opens_no_file(
    context: Context,
    *,
    savers: Mapping[str, Sequence[str]],
    tables: Mapping[str, Sequence[str]],
    reads: Mapping[str, Sequence[str]],
    others: Mapping[str, Sequence[str]],
    attributes: Mapping[str, Mapping[str, Any]],
    memory: Sequence[str],
) -> Iterator[CheckItem]:
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
        reach, paths = context.analysis(variant).reach, context.analysis(variant).path_origins
        for body, index in reach.nodes(named):
            op = body.ops[index]
            ports = [port for name in named[op] if (port := _input(body, index, name)) is not None]
            targets = [text for port in ports for text in _constants(body, port)]
            origins = {origin for port in ports for origin in paths.origins(body, port)} or {"graph"}
            level: Level | None = None
            message = None
            if op in memory and targets == [""]:
                continue
            if origins <= {"asset", "loader"}:
                if op in savers or op in tables:
                    continue
                if op in reads:
                    level, message = "note", "{root} reads an asset of the module with {op}"
            elif op in savers and "graph" not in origins:
                level, message = "note", "{root} runs {op} on a path that its caller chooses"
            yield _fault(variant, reach, body, index, targets, _NO_FILES, level=level, message=message)
    yield from runs_no_op(context, ops={}, attributes=attributes, wanted=_NO_FILES)


def stock_ops(context: Context) -> Iterator[CheckItem]:
    """Every op of the file, runnable or not, is one that stock TensorFlow registers: loaders look each one up.

    The table of ops is of one release. An op that it lacks, in a graph that says that a later TensorFlow wrote it, is a
    question left open, and keeps the verdict open: anybody can write that into a graph.
    """
    yield Checked()
    release, known_graphs = ops.tensorflow_version()
    for variant in context.module.variants:
        graph = variant.graph
        later = graph.versions.producer > known_graphs
        library = {function.signature.name for function in graph.library.function}
        functions = ((function.signature.name, function.node_def) for function in graph.library.function)
        known: set[str] = set()
        open_questions: list[str] = []
        for name, nodes in ((None, graph.node), *functions):
            for node in nodes:
                op = node.op
                if op in known:
                    continue
                known.add(op)
                if op in library or ops.is_stock(op):
                    continue
                if later:
                    open_questions.append(op)
                else:
                    where = Where(variant.name, node=Node(node.name, op, name))
                    yield Fault(where, op, f"an op of TensorFlow {release}", {"op": op})
        if open_questions:
            shown = ", ".join(open_questions[:3]) + (", ..." if len(open_questions) > 3 else "")
            yield Skip(
                f"{shown}: not in TensorFlow {release}, whose ops hubcheck knows, but a later one wrote the graph; "
                "update hubcheck",
                incomplete=True,
            )


def _fault(
    variant: Variant,
    reach: Reach,
    body: Body,
    index: int,
    targets: Sequence[str],
    wanted: str,
    *,
    level: Level | None = None,
    message: str | None = None,
) -> Fault:
    op, root = body.ops[index], reach.root(body, index).label
    shown = ", ".join(f'"{text[:_SHOWN]}"' for text in targets[:3])
    where = Where(variant.name, node=Node(body.names[index], op, body.function))
    found = f"{op} {shown}".rstrip()
    # A function that was traced several times has its nodes several times.
    group = (body.names[index], found, level)
    return Fault(where, found, wanted, {"op": op, "root": root}, message=message, level=level, group=group)


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
    body: Body,
    index: int,
    *,
    attribute: str,
    starts: Sequence[str] = (),
    holds: Sequence[str] = (),
    harmless: Sequence[str] | None = None,
) -> list[str] | None:
    """What makes an op do harm, in the values of an attribute; None if nothing does."""
    value = body.attribute(index, attribute)
    values = [] if value is None else [text for text in (value.s, *value.list.s) if text]
    if holds:
        found = [part.encode() for part in holds if any(part.encode() in text for text in values)]
    elif harmless is not None:
        found = [text for text in values if not text.startswith(tuple(map(str.encode, harmless)))]
    else:
        found = [text for text in values if text[:_SHOWN].lower().startswith(tuple(map(str.encode, starts)))]
    return [text[:_SHOWN].decode("utf-8", "replace") for text in found] or None
