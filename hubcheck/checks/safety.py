"""What a module can do beside computing: every op is checked that a consumer can run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from hubcheck.checks.context import Context
from hubcheck.checks.faults import Checked, CheckItem, Fault, Node, Skip, Where
from hubcheck.graph.dataflow.body import Body, Port
from hubcheck.graph.dataflow.reach import Reach
from hubcheck.graph.op_tables import ops
from hubcheck.module.types import Variant
from hubcheck.rulebook.levels import Level
from hubcheck.util.text import listed

_SHOWN = 80
_NO_GRAPH = Skip("needs module/readable", needs="module/readable")
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
        ops: for each op, the inputs that say what it accesses, for the report.
        wanted: what there should be instead, for the report.
        attributes: ops that count depending on an attribute: its name, with `starts` (the op counts if the value starts
            with one of these), `holds` (if it contains one) or `harmless` (unless it is empty or starts with one).
    """
    for variant in context.module.variants:
        yield Checked()
        reach = context.analysis(variant).reach
        for body, index in reach.nodes({*ops, *attributes}):
            op = body.ops[index]
            targets = [text for name in ops.get(op, ()) for text in _constants(body, _input(body, index, name))]
            values = _suspicious_values(body, index, **attributes[op]) if op in attributes else None
            if op in ops or values is not None:
                yield _fault(variant, reach, body, index, [*targets, *(values or ())], wanted)
    if not context.module.variants:
        yield _NO_GRAPH


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
    """Nothing that a consumer runs opens a file, except savers at the paths of the loader, and tables from assets.

    Args:
        savers: checkpoint ops, with the inputs that are paths; allowed where the loader chooses the path.
        tables: ops that fill lookup tables from a file; allowed if it is an asset.
        reads: ops that read a file; a note if it is an asset.
        others: ops that write, or open files in another way.
        attributes: see runs_no_op.
        memory: ops that open no file if their path is empty.
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
            fault = _fault(variant, reach, body, index, targets, _NO_FILES, level=level, message=message)
            # A saver has several ops, one for each variable, part of the checkpoint and signature that runs it.
            yield replace(fault, group="savers") if op in savers and level == "note" else fault
    yield from runs_no_op(context, ops={}, attributes=attributes, wanted=_NO_FILES)


def stock_ops(context: Context) -> Iterator[CheckItem]:
    """Every op of the file, runnable or not, is registered by stock TensorFlow: loaders look up each one.

    The table of ops is that of one release. An op that it lacks leaves the verdict incomplete if the graph claims to
    be written by a later release, since anybody can write that into a graph.
    """
    release, known_graphs = ops.tensorflow_version()
    for variant in context.module.variants:
        yield Checked()
        graph = variant.graph
        later = graph.versions.producer > known_graphs
        library = {function.signature.name for function in graph.library.function}
        functions = ((function.signature.name, function.node_def) for function in graph.library.function)
        known: set[str] = set()
        newer: list[str] = []
        for name, nodes in ((None, graph.node), *functions):
            for node in nodes:
                op = node.op
                if op in known:
                    continue
                known.add(op)
                if op in library or ops.is_stock(op):
                    continue
                if later:
                    newer.append(op)
                else:
                    where = Where(variant.name, node=Node(node.name, op, name))
                    yield Fault(where, op, f"an op of TensorFlow {release}", {"op": op})
        if newer:
            yield Skip(
                f"{listed(newer)}: not in TensorFlow {release}, whose ops hubcheck knows, and the graph claims to be "
                "written by a later release; update hubcheck",
                incomplete=True,
            )
    if not context.module.variants:
        yield _NO_GRAPH


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
    """Return the tensor that feeds a named input, if the inputs before it are single tensors."""
    definition = ops.op_def(body.ops[index])
    names = [argument.name for argument in definition.inputs] if definition is not None else []
    inputs = body.inputs(index)
    return inputs[names.index(name)] if name in names and names.index(name) < len(inputs) else None


def _constants(body: Body, port: Port | None) -> list[str]:
    """Return the strings of a constant in the same body."""
    if port is None or body.ops[port[0]] != "Const":
        return []
    value = body.attribute(port[0], "value")
    return [] if value is None else [text.decode("utf-8", "replace") for text in value.tensor.string_val[:3]]


def _suspicious_values(
    body: Body,
    index: int,
    *,
    attribute: str,
    starts: Sequence[str] = (),
    holds: Sequence[str] = (),
    harmless: Sequence[str] | None = None,
) -> list[str] | None:
    """Return the attribute values because of which an op counts; None if there are none."""
    value = body.attribute(index, attribute)
    values = [] if value is None else [text for text in (value.s, *value.list.s) if text]
    if holds:
        found = [part.encode() for part in holds if any(part.encode() in text for text in values)]
    elif harmless is not None:
        found = [text for text in values if not text.startswith(tuple(map(str.encode, harmless)))]
    else:
        found = [text for text in values if text[:_SHOWN].lower().startswith(tuple(map(str.encode, starts)))]
    return [text[:_SHOWN].decode("utf-8", "replace") for text in found] or None
