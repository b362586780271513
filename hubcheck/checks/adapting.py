"""The `hubcheck adapt` command that makes a conforming module of one without a common signature."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

from hubcheck.checks.context import Context
from hubcheck.checks.value_range import takes_bytes
from hubcheck.graph.activations.final_activation import FinalActivation, final_activation
from hubcheck.graph.dataflow.frame import MAX_SEARCH, Value
from hubcheck.graph.dataflow.inlining import InlinedGraph
from hubcheck.graph.entry_points import DEFAULT, EntryPoint
from hubcheck.graph.op_tables import elementwise as ew
from hubcheck.graph.value_scale.arrivals import Arrival, arrivals
from hubcheck.graph.variant_analysis import VariantAnalysis
from hubcheck.module.tensors import Tensor
from hubcheck.module.types import Signature, Variant
from hubcheck.rulebook.rules import load_rules
from hubcheck.util.text import listed

_LOGITS = re.compile(r"logit|prob|predict|score|softmax|sigmoid|class", re.IGNORECASE)
_FEATURES = re.compile(r"feature|embed|pool|bottleneck|encod", re.IGNORECASE)
_POOLS = frozenset({"AvgPool", "MaxPool", "MaxPoolV2"})
_NUMBERS = re.compile(r"(float|bfloat|u?int)\d+")
_ARCHIVE = re.compile(r"\.(tar\.gz|tgz|zip)$", re.IGNORECASE)
_ANY_SIZE = 224
"""The height and width that are proposed where the module states none."""


class Adaptation(NamedTuple):
    """A command that adapts a module, and what to change in it that the files do not tell; else what forbids it."""

    command: tuple[str, ...] = ()
    unsure: tuple[str, ...] = ()
    obstacle: str = ""


class ChosenOutputs(NamedTuple):
    """The outputs of the options --features and --logits, and what the graph does not tell of them.

    It is a guess if the graph does not even tell which of the two an output is.
    """

    options: dict[str, str]
    doubt: str | None = None
    is_guess: bool = False


def adaptation(context: Context) -> Adaptation:
    """Return how to adapt a module: by its first signature from images to a vector for each of them."""
    module, variant = context.module, context.module.inference
    if not isinstance(module.path, Path):
        return Adaptation(obstacle="download the module first")
    if variant is None:
        return Adaptation(obstacle="the module has no inference variant")
    keys = sorted(variant.signatures, key=lambda key: key != module.default_signature)
    obstacles = {key: _obstacle(variant.signatures[key]) for key in keys}
    key = next((key for key in keys if obstacles[key] is None), None)
    if key is None:
        return Adaptation(obstacle=next(filter(None, obstacles.values()), "the module has no signature"))
    signature = variant.signatures[key]
    ((name, images),) = signature.inputs.items()
    analysis = context.analysis_of(variant, [key])
    entry = next(entry for entry in analysis.entries if entry.signature == key)
    tasks, doubt, _ = choose_outputs(analysis, entry, list(_vectors(signature)))
    pixels, is_told = pixel_range(analysis, entry, images)
    size, is_stated = _size(variant, images)
    options = {
        "--signature": key if len(keys) > 1 else None,
        "--input": name,
        **tasks,
        "--default": "image_feature_vector" if len(tasks) > 1 else None,
        "--pixels": pixels,
        "--image-size": size,
    }
    arguments = [part for option, value in options.items() if value is not None for part in _option(option, value)]
    gray = ["--grayscale"] if images.shape.dims and images.shape.dims[3] == 1 else []
    unsure = [doubt] if doubt else []
    if not is_told:
        unsure.append(f"set --pixels to the range of pixel values that the network was trained on: {pixels} is a guess")
    if size is not None and not is_stated:
        unsure.append(f"set --image-size to a height and width that suit the network: {size} is a guess")
    source = _argument(str(module.path))
    return Adaptation(("hubcheck", "adapt", source, _target(module.path), *arguments, *gray), tuple(unsure))


def _obstacle(signature: Signature) -> str | None:
    """Return why a signature cannot be adapted, None if it can."""
    name = f"the signature {signature.key}"
    if len(signature.inputs) != 1:
        return f"{name} has {len(signature.inputs) or 'no'} inputs"
    ((key, images),) = signature.inputs.items()
    dims = images.shape.dims or ()
    is_image = len(dims) == 4 and dims[0] is None and dims[3] in (1, 3, None)
    if images.encoding != "dense" or not _NUMBERS.fullmatch(images.dtype) or not is_image:
        return f'the input "{key}" of {name} is {images}, not batches of images'
    if not _vectors(signature):
        return f"no output of {name} is a vector for each image"
    return None


def _vectors(signature: Signature) -> dict[str, Tensor]:
    """Return the outputs that are, or may be, floats [batch, n] or [batch, 1, 1, n]."""
    return {
        key: tensor
        for key, tensor in signature.outputs.items()
        if tensor.encoding == "dense" and "float" in tensor.dtype and _is_vector(tensor.shape.dims)
    }


def _is_vector(dims: tuple[int | None, ...] | None) -> bool:
    if dims is None:
        return True
    return dims[:1] == (None,) and (len(dims) == 2 or (len(dims) == 4 and dims[1:3] == (1, 1)))


def choose_outputs(analysis: VariantAnalysis, entry: EntryPoint, keys: list[str]) -> ChosenOutputs:
    """Return the outputs of the options --features and --logits."""
    found = {key: entry.outputs.get(key, entry.outputs.get(DEFAULT)) for key in keys}
    ended = [key for key, value in found.items() if value is not None and _has_activation(analysis, value)]
    logits = [key for key in keys if key not in ended and _LOGITS.search(key) and not _FEATURES.search(key)] + ended
    others = [key for key in keys if key not in logits]
    features = [key for key in others if _FEATURES.search(key) and not _LOGITS.search(key)] or [
        key for key in others if (value := found[key]) is not None and _is_pooled(analysis.graph, value)
    ]
    rest = listed([f'"{key}"' for key in others if key not in features])
    tasks = {"--features": features[:1], "--logits": logits[:1]}
    chosen = {option: names[0] for option, names in tasks.items() if names}
    if not chosen:
        doubt = f"use --logits instead of --features if {rest} holds the scores of classes"
        if len(others) > 1:
            doubt = f"choose --features, --logits or both among {rest}: the graph does not tell which is which"
        return ChosenOutputs({"--features": others[0]}, doubt, is_guess=True)
    if not rest or len(chosen) == 2:
        return ChosenOutputs(chosen)
    if "--features" in chosen:
        return ChosenOutputs(chosen, f"add --logits if {rest} holds the scores of classes")
    return ChosenOutputs(chosen, f"add --features if {rest} holds the features")


def _has_activation(analysis: VariantAnalysis, value: Value) -> bool:
    return isinstance(final_activation(analysis.graph, analysis.dependence, value), FinalActivation)


def _is_pooled(graph: InlinedGraph, value: Value) -> bool:
    """Return whether an output is an average or maximum over positions, perhaps with an activation after it."""
    for _ in range(MAX_SEARCH):
        frame, node, _ = value = graph.see_through(value)
        op, inputs = frame.op(node), frame.inputs(node)
        if op in _POOLS:
            return True
        if op in ew.REDUCTIONS and len(inputs) == 2:
            axes = graph.constant(inputs[1])
            return axes is not None and len(axes.values) > 1
        if op in ew.MOVES:
            inputs = inputs[ew.MOVES[op]]
        elif op not in ew.SAME and op not in ew.UNARY:
            return False
        if not inputs or (len(inputs) > 1 and op in ew.MOVES):
            return False
        value = inputs[0]
    return False


def pixel_range(analysis: VariantAnalysis, entry: EntryPoint, images: Tensor) -> tuple[str, bool]:
    """Return the range of pixels that a network takes, and whether the graph shows it."""
    if "float" not in images.dtype:
        return "0,255", True
    reached = arrivals(analysis.graph, analysis.dependence, analysis.partners, entry.images)
    found = [arrival for arrival in reached if isinstance(arrival, Arrival) and arrival.scale]
    limits = load_rules()["image-input/value-range"].params
    if any(takes_bytes(arrival, **limits) for arrival in found):
        return "0,255", True
    return "0,1", any((arrival.scale, arrival.offset) != (1, 0) for arrival in found)


def _size(variant: Variant, images: Tensor) -> tuple[str | None, bool]:
    """Return the image size to fix, None if the input fixes it, and whether the module states it."""
    _, height, width, _ = images.shape.dims or (None,) * 4
    if height is not None and width is not None:
        return None, True
    stated = variant.image_size
    proposed = stated or (_ANY_SIZE, _ANY_SIZE)
    return f"{height or proposed[0]},{width or proposed[1]}", stated is not None


def _target(path: Path) -> str:
    """Return a folder beside the module."""
    name = _ARCHIVE.sub("", path.name)
    return _argument(f"{path.with_name(name)}_adapted" if name not in ("", "..") else f"{path}/../adapted")


def _argument(path: str) -> str:
    return f"./{path}" if path.startswith("-") else path


def _option(name: str, value: str) -> list[str]:
    return [f"{name}={value}"] if value.startswith("-") else [name, value]
