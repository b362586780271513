"""What a network takes, as far as its module tells: pixels, image size, other inputs; and its name."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TypeVar

from hubcheck.checks.adapting import pixel_range
from hubcheck.checks.context import Context
from hubcheck.checks.fixing.tasks import Choices, Obstacle, Size, TaskSource
from hubcheck.module.types import Signature, Variant

T = TypeVar("T")

_TRAINING = re.compile(r"train|learning_phase", re.IGNORECASE)
_LAYERS = frozenset({"Conv2D", "DepthwiseConv2dNative", "MatMul", "BatchMatMulV2", "Einsum"})
_NUMBERED = re.compile(r"_\d+$")
_NO_NAME = re.compile(
    r"(model|functional|sequential|module|network|net|layers?|conv\w*|dense\w*|predict\w*|cond|while|\w*default)?"
    r"(_\d+)?|(Stateful)?PartitionedCall\w*"
)
_ARCHITECTURE = re.compile(r"[A-Za-z][\w.-]*")
_MIN_SHARE = 0.8


def agreed(values: Sequence[T], what: str) -> T:
    """Return the value that all tasks have.

    Raises:
        Obstacle: they have different ones.
    """
    if any(value != values[0] for value in values):
        raise Obstacle(f"the tasks take different {what}")
    return values[0]


def constants_of(signature: Signature, images: str, choices: Choices) -> dict[str, bool]:
    """Return the values of inputs besides the images and those that the user gives: False for a flag that trains."""
    found = {}
    for key, tensor in signature.inputs.items():
        if key == images or key in choices.constants:
            continue
        if tensor.dtype != "bool" or tensor.shape.dims != () or not _TRAINING.search(key):
            raise Obstacle(f'the input "{key}" of {signature.key} needs a value: give it with constants=')
        found[key] = False
    return found


def pixels_of(context: Context, variant: Variant, source: TaskSource) -> tuple[tuple[float, float], bool]:
    """Return the values of black and white that a task's source takes, and whether the graph shows them."""
    signature = variant.signatures[source.signature]
    analysis = context.analysis_of(variant, [signature.key])
    entry = next(entry for entry in analysis.entries if entry.signature == signature.key)
    text, is_shown = pixel_range(analysis, entry, signature.inputs[source.input])
    low, high = map(float, text.split(","))
    return (low, high), is_shown


def stated_size(variant: Variant) -> Size | None:
    """Return height and width, in pixels, that are attached to a module or fixed by one of its signatures."""
    if variant.image_size is not None and all(variant.image_size):
        return variant.image_size
    tensors = (tensor for signature in variant.signatures.values() for tensor in signature.inputs.values())
    for dims in (tensor.shape.dims or () for tensor in tensors):
        if len(dims) == 4 and dims[1] is not None and dims[2] is not None:
            return dims[1], dims[2]
    return None


def architecture_of(context: Context, variant: Variant, sources: Iterable[TaskSource]) -> str | None:
    """Return the network's name: the prefix of its keys, or the outermost name scope of its layers."""
    names = dict.fromkeys(source.signature for source in sources)
    keys = sorted({key for name in names for key in variant.signatures[name].outputs if "/" in key})
    for prefix, _ in Counter(key.partition("/")[0] for key in keys).most_common(1):
        if _ARCHITECTURE.fullmatch(prefix):
            return prefix
    bodies = context.analysis_of(variant, names).bodies
    layers = [body.names[node] for body in bodies for node in range(len(body)) if body.ops[node] in _LAYERS]
    for scope, count in Counter(name.partition("/")[0] for name in layers if "/" in name).most_common(1):
        name = _NUMBERED.sub("", scope)
        is_name = _ARCHITECTURE.fullmatch(name) and not _NO_NAME.fullmatch(name)
        if len(layers) > 1 and count >= _MIN_SHARE * len(layers) and is_name:
            return name
    return None
