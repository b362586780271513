"""The outputs of a module that are its tasks."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from hubcheck.checks.adapting import choose_outputs
from hubcheck.checks.context import Context
from hubcheck.graph.entry_points import DEFAULT
from hubcheck.module.tensors import Tensor
from hubcheck.module.types import Signature, Variant
from hubcheck.rulebook.contract import contracted_inputs

FEATURES, CLASSES = "image_feature_vector", "image_classification"
Size = tuple[int, int]

NUMBERS = re.compile(r"(float|bfloat|u?int)\d+")
_TASKS = {"--features": FEATURES, "--logits": CLASSES}
_ARGUMENTS = {FEATURES: "features=", CLASSES: "logits="}


class TaskSource(NamedTuple):
    """Where a task's result comes from: a signature of the module, its input for the images, and one of its outputs."""

    signature: str
    input: str
    output: str


class Choices(NamedTuple):
    """What the user says, instead of what would be inferred; None is not said.

    `constants` are the inputs that have a value; `has_pixels`, `has_classes` and `pools` tell whether `pixels=`,
    `classes=` and `pool=` are given.
    """

    signature: str | None = None
    input: str | None = None
    features: str | None = None
    logits: str | None = None
    default: str | None = None
    architecture: str | None = None
    image_size: Size | None = None
    has_pixels: bool = False
    has_classes: bool = False
    pools: bool = False
    constants: Sequence[str] = ()


class Obstacle(Exception):
    """Why nothing can be made of a module."""


def find_tasks(context: Context, variant: Variant, choices: Choices) -> tuple[dict[str, TaskSource], list[str]]:
    """Return the tasks of a module with their sources, and sentences on what was inferred.

    These are its common signatures. If it has none, or if the user chooses others, they are outputs of one signature.

    Raises:
        Obstacle: it has none, or it cannot be told which they are.
    """
    named = [task for task in _TASKS.values() if task in variant.signatures]
    if named and not (choices.signature or choices.features or choices.logits):
        return {task: _named(context, variant, task, choices) for task in named}, []
    keys = sorted(variant.signatures, key=lambda key: key != context.module.default_signature)
    if choices.signature is not None:
        if choices.signature not in keys:
            raise Obstacle(f'the module has no signature "{choices.signature}", only {_quoted(keys)}')
        keys = [choices.signature]
    obstacles: list[Obstacle] = []
    for key in keys:
        try:
            return _in_signature(context, variant, variant.signatures[key], choices)
        except Obstacle as obstacle:
            obstacles.append(obstacle)
    raise obstacles[0] if obstacles else Obstacle("the module has no signature")


def _named(context: Context, variant: Variant, task: str, choices: Choices) -> TaskSource:
    """Return the source of a common signature that the module has."""
    signature = variant.signatures[task]
    found = contracted_inputs(signature, context.contracts[task])
    images = _images(signature, choices, next((name for name, _ in found.values()), None))
    outputs = signature.outputs
    output = DEFAULT if DEFAULT in outputs else next(iter(outputs)) if len(outputs) == 1 else None
    if output is None:
        chosen = {_TASKS[option]: key for option, key in _by_graph(context, variant, signature, choices).items()}
        if task not in chosen:
            found_outputs = f"{task} returns {_quoted(outputs)}"
            raise Obstacle(f"{found_outputs}, and the graph does not show which is the result: give {_ARGUMENTS[task]}")
        output = chosen[task]
    _check_output(signature, output, choices)
    return TaskSource(task, images, output)


def _in_signature(
    context: Context, variant: Variant, signature: Signature, choices: Choices
) -> tuple[dict[str, TaskSource], list[str]]:
    """Return the tasks that are outputs of a signature without a common name."""
    images = _images(signature, choices, None)
    given = {"--features": choices.features, "--logits": choices.logits}
    chosen = {option: output for option, output in given.items() if output is not None}
    chosen = chosen or _by_graph(context, variant, signature, choices)
    for output in chosen.values():
        _check_output(signature, output, choices)
    inferred = [
        f'"{output}" of {signature.key} is the {option[2:]} ({option[2:]}=)'
        for option, output in chosen.items()
        if given[option] is None
    ]
    return {_TASKS[option]: TaskSource(signature.key, images, output) for option, output in chosen.items()}, inferred


def _by_graph(context: Context, variant: Variant, signature: Signature, choices: Choices) -> dict[str, str]:
    """Return the outputs of the options --features and --logits, by what the graph shows."""
    outputs = signature.outputs
    vectors = [key for key, tensor in outputs.items() if _is_float(tensor) and _is_vector(tensor)]
    if not vectors:
        maps = [key for key, tensor in outputs.items() if _is_float(tensor) and tensor.shape.rank == 4]
        if len(maps) != 1:
            raise Obstacle(f"no output of {signature.key} is a vector for each image; it returns {_typed(outputs)}")
        return {"--features": maps[0]}
    analysis = context.analysis_of(variant, [signature.key])
    entry = next(entry for entry in analysis.entries if entry.signature == signature.key)
    chosen = choose_outputs(analysis, entry, vectors)
    if chosen.is_guess:
        what = f"the output {_quoted(vectors)} of {signature.key} is features or logits"
        if len(vectors) > 1:
            what = f"the outputs {_quoted(vectors)} of {signature.key} are features or logits"
        raise Obstacle(f"the graph does not show whether {what}: give features=, logits= or both")
    return chosen.options


def _images(signature: Signature, choices: Choices, usual: str | None) -> str:
    """Return the input for the images.

    Raises:
        Obstacle: it cannot be told, or it does not take batches of images.
    """
    inputs = {key: tensor for key, tensor in signature.inputs.items() if key not in choices.constants}
    found = [key for key, tensor in inputs.items() if tensor.shape.rank == 4] or list(inputs)
    name = choices.input or usual or (found[0] if len(found) == 1 else None)
    if name is None or name not in inputs:
        raise Obstacle(f"{signature.key} has the inputs {_typed(inputs)}: give that of the images with input=")
    tensor = inputs[name]
    dims = tensor.shape.dims or ()
    what = f'the input "{name}" of {signature.key} is {tensor}'
    if tensor.encoding != "dense" or not NUMBERS.fullmatch(tensor.dtype) or len(dims) != 4:
        raise Obstacle(f"{what}, not batches of images")
    if dims[3] not in (1, 3, None):
        raise Obstacle(f"{what}, channels first (NCHW)" if dims[1] in (1, 3) else f"{what}, not RGB images")
    return name


def _check_output(signature: Signature, output: str, choices: Choices) -> None:
    tensor = signature.outputs.get(output)
    if tensor is None:
        raise Obstacle(f'{signature.key} has no output "{output}", only {_quoted(signature.outputs)}')
    what = f'the output "{output}" of {signature.key} is {tensor}'
    if not _is_float(tensor):
        raise Obstacle(f"{what}, not a dense tensor of floats")
    if _is_vector(tensor) or (choices.pools and tensor.shape.rank == 4):
        return
    if tensor.shape.rank == 4:
        raise Obstacle(f"{what}, features at every position: give pool= to pool them")
    raise Obstacle(f"{what}, not a vector for each image")


def _is_float(tensor: Tensor) -> bool:
    return tensor.encoding == "dense" and "float" in tensor.dtype


def _is_vector(tensor: Tensor) -> bool:
    """Return whether a tensor is [batch, n] or [batch, 1, 1, n]."""
    dims = tensor.shape.dims
    return dims is not None and (len(dims) == 2 or (len(dims) == 4 and dims[1:3] == (1, 1)))


def _quoted(names: Iterable[str]) -> str:
    return ", ".join(f'"{name}"' for name in names) or "none"


def _typed(tensors: Mapping[str, Tensor]) -> str:
    return ", ".join(f'"{key}" {tensor}' for key, tensor in tensors.items()) or "nothing"
