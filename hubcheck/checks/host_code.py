"""Code outside the graph: Python functions, and Python that Keras keeps in its metadata."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from hubcheck.checks import safety
from hubcheck.checks.context import Context
from hubcheck.checks.faults import CheckItem, Fault, Where
from hubcheck.module.proto import DecodeError, parse
from hubcheck.module.types import Module


def runs_no_host_code(
    context: Context,
    *,
    ops: Mapping[str, Sequence[str]],
    attributes: Mapping[str, Mapping[str, Any]],
    layers: Collection[str],
    wanted: str,
) -> Iterator[CheckItem]:
    """No op calls out of the graph, and no Keras layer of these classes brings Python along (a warning)."""
    yield from safety.runs_no_op(context, ops=ops, attributes=attributes, wanted=wanted)
    found: dict[str, None] = {}
    for text in _metadata(context.module):
        # Names can be spelled with escapes: a text that has any is read whole.
        if "\\u" in text or any(f'"{layer}"' in text for layer in layers):
            found.update(dict.fromkeys(_layers(text, layers)))
    for name in found:
        yield Fault(
            Where(),
            f'layer "{name}"',
            "layers without Python code",
            message="the Keras metadata holds Python code for {found}, which keras.models.load_model runs",
            fix="Make the layer a keras.layers.Layer subclass, or leave the Keras metadata out of the export.",
            level="warning",
        )


def _metadata(module: Module) -> Iterator[str]:
    """The JSON texts in which Keras describes its objects: in a file of their own or in the object graph."""
    if module.keras_metadata is not None:
        # Loaders cannot read a file that is no such message either; the graph is judged without it.
        with contextlib.suppress(DecodeError):
            yield from (node.metadata for node in parse("SavedMetadata", module.keras_metadata).nodes)
    if module.objects is not None:
        yield from (node.user_object.metadata for node in module.objects.proto.nodes if node.user_object.metadata)


def _layers(text: str, wanted: Collection[str]) -> Iterator[str]:
    """The names of all layers of the wanted classes, wherever in the description they stand."""
    try:
        waiting: list[Any] = [json.loads(text)]
    except (ValueError, RecursionError):
        # Not JSON, though it names the class: take it as it reads.
        yield "?"
        return
    while waiting:
        item = waiting.pop()
        if isinstance(item, dict):
            if item.get("class_name") in tuple(wanted):
                config = item.get("config")
                yield str(item.get("name") or (config.get("name") if isinstance(config, dict) else None) or "?")
            waiting += item.values()
        elif isinstance(item, list):
            waiting += item
