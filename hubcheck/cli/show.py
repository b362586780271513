"""`hubcheck show`: what a module declares, at a glance."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hubcheck.cli import options
from hubcheck.cli.echo import echo
from hubcheck.cli.project import nearest_project
from hubcheck.engine.reports import EXIT_CONFORMS, EXIT_FINDINGS
from hubcheck.module.tensors import Shape
from hubcheck.module.types import Module, Variant
from hubcheck.remote.sources import find_sources, open_source
from hubcheck.rulebook.contract import load_contracts
from hubcheck.util.errors import UserError
from hubcheck.util.text import printable

if TYPE_CHECKING:
    from hubcheck.graph.outline.outline import Line


@click.command("show")
@click.argument("paths", nargs=-1, required=True, metavar="PATH...")
@click.option("--graph", "graph", metavar="SIGNATURE", help="Show the path from input to outputs of this signature.")
@options.color
def command(paths: Sequence[str], *, graph: str | None) -> int:
    """Show what modules declare: format, signatures, image size, callable, weights. TensorFlow is not needed.

    \b
    hubcheck show exports/mobilenet_v2
    hubcheck show exports/mobilenet_v2 --graph image_feature_vector
    """
    fetch, rule_folders = nearest_project(paths)
    code = EXIT_CONFORMS
    for source in [source for path in paths for source in find_sources(path, fetch)]:
        with open_source(source, fetch, weights=False) as module:
            if module.format is None or module.problems:
                code = EXIT_FINDINGS
            for line in summary_lines(module) if graph is None else _graph_lines(module, graph, rule_folders):
                echo(line)
    return code


def summary_lines(module: Module) -> Iterator[str]:
    """Yield the lines that are shown for a module, styled for a terminal."""
    from hubcheck.report.describe import FORMAT_NAMES
    from hubcheck.report.text_lines import labelled

    yield f"{click.style(printable(str(module.path)), bold=True)}  {click.style(FORMAT_NAMES[module.format], dim=True)}"
    reasons = [problem.message for problem in module.problems]
    if module.format is None and not reasons:
        reasons = [module.unreadable_because]
    rows = [("problem", printable(reason)) for reason in reasons]
    if module.format is not None:
        rows += [("size", _size(module)), ("weights", _weights(module)), ("callable", _callable(module))]
    for label, text in rows:
        if text:
            yield from labelled(label, text, indent=2)
    shown: dict[str, list[str]] = {}
    for variant in module.variants:
        shown.setdefault(_signatures(variant), []).append(_name(variant))
    for text, names in shown.items():
        yield click.style(f"  {' and '.join(names)}", dim=True)
        yield text
    yield ""


def _graph_lines(module: Module, signature: str, folders: tuple[Path, ...]) -> Iterator[str]:
    """The outline of a signature in every variant, with the findings of static rules marked on it."""
    from hubcheck.checks.context import Context
    from hubcheck.engine.evaluation import evaluate
    from hubcheck.engine.outlines import signature_outline
    from hubcheck.rulebook.rules import load_rules

    variants = [variant for variant in module.variants if signature in variant.signatures]
    if not variants:
        names = sorted({key for variant in module.variants for key in variant.signatures})
        problem = module.problems[0].message if module.problems else f"its signatures are {', '.join(names) or 'none'}"
        raise UserError(printable(f"{module.path} has no signature {signature}; {problem}"))
    context = Context(module, load_contracts(*folders))
    findings = evaluate(context, load_rules(*folders)).without_run("not run", complete=True).findings
    for variant in variants:
        yield click.style(f"{printable(str(module.path))}  {signature}  {_name(variant)}", bold=True)
        marked = [finding for finding in findings if finding.where.variant in (None, variant.name)]
        for line in signature_outline(context, variant, signature, marked):
            yield from outline_lines(line)
        yield ""


def outline_lines(line: Line) -> Iterator[str]:
    """A layer of the outline: its name, ops, shape and outputs; below it, the findings on it."""
    indent = "  " * (line.depth + 1)
    shape = f"  {Shape(line.dims)}" if line.dims is not None else ""
    ops = f"  {line.summary}" if line.summary != line.name else ""
    outputs = "".join(f'  -> "{key}"' for key in line.outputs)
    yield f"{indent}{printable(line.name)}{click.style(printable(ops + shape), dim=True)}{printable(outputs)}"
    for mark in line.marks:
        yield click.style(f"{indent}  ! {printable(mark)}", fg="red")


def _name(variant: Variant) -> str:
    version = f", TensorFlow {variant.tensorflow_version}" if variant.tensorflow_version else ""
    return printable(f"variant {{{variant.name}}}{version}")


def _size(module: Module) -> str:
    from hubcheck.rulebook.contract import expected_image_size

    contract = next(c.inputs["images"] for c in load_contracts().values() if "images" in c.inputs)
    size = expected_image_size(module, contract)
    return f"{size[0]} x {size[1]} pixels (height x width)" if size else ""


def _weights(module: Module) -> str:
    from hubcheck.util.text import byte_size, plural

    if module.checkpoint is None:
        return ""
    entries = module.checkpoint.weights
    size, count = sum(entry.size for entry in entries), sum(entry.elements for entry in entries)
    tensors, shards = plural(len(entries), "tensor"), plural(module.checkpoint.shards, "shard")
    return f"{count:,} numbers in {tensors}, {byte_size(size)}, in {shards}"


def _callable(module: Module) -> str:
    if module.objects is None:
        return ""
    lines: dict[str, None] = {}
    for trace in module.objects.traces:
        inputs, outputs = (", ".join(map(str, side.values())) for side in (trace.tensors, trace.outputs))
        lines[f"{printable(trace.name)}: {inputs} -> {outputs}"] = None
    return "\n".join(lines) or "no"


def _signatures(variant: Variant) -> str:
    lines = []
    for signature in variant.signatures.values():
        lines.append(f"    {printable(signature.key)}")
        for arrow, tensors in (("<-", signature.inputs), ("->", signature.outputs)):
            named = {printable(key): tensor for key, tensor in tensors.items()}
            width = max(map(len, named), default=0)
            lines += [f"      {arrow} {key:{width}}  {tensor}" for key, tensor in named.items()]
    return "\n".join(lines)
