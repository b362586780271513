"""Code outside the graph: Python functions, and Python code in Keras metadata."""

from __future__ import annotations

import contextlib
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
    """No op calls host code, and no Keras layer of these classes contains Python code (a warning)."""
    yield from safety.runs_no_op(context, ops=ops, attributes=attributes, wanted=wanted)
    found: dict[str, None] = {}
    for text in _metadata(context.module):
        # A name can be written with escapes: a text that has any is parsed.
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
    """Yield the JSON texts in which Keras describes its objects, in its own file or in the object graph."""
    if module.keras_metadata is not None:
        # Loaders cannot read a file that is not such a message either.
        with contextlib.suppress(DecodeError):
            yield from (node.metadata for node in parse("SavedMetadata", module.keras_metadata).nodes)
    if module.objects is not None:
        yield from (node.user_object.metadata for node in module.objects.proto.nodes if node.user_object.metadata)


def _layers(text: str, classes: Collection[str]) -> Iterator[str]:
    """Yield the names of all layers of these classes, at any depth of the description."""
    try:
        import json  # few modules need it

        pending: list[Any] = [json.loads(text)]
    except (ValueError, RecursionError):
        # Not JSON, although it names the class.
        yield "?"
        return
    while pending:
        item = pending.pop()
        if isinstance(item, dict):
            if item.get("class_name") in tuple(classes):
                config = item.get("config")
                yield str(item.get("name") or (config.get("name") if isinstance(config, dict) else None) or "?")
            pending += item.values()
        elif isinstance(item, list):
            pending += item
