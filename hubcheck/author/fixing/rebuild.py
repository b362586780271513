"""Rebuild a module as its plan says, and tell how its outputs correspond to those of the source."""

from __future__ import annotations

from typing import Any

from hubcheck.author.builder import ImageModule
from hubcheck.author.definition import CLASSES, FEATURES, hidden_key
from hubcheck.author.fixing.options import FixOptions
from hubcheck.author.fixing.proof import ComparedOutput, SourceInput
from hubcheck.author.sources.pixels import Pixels, as_pixels
from hubcheck.author.sources.saved_models import from_saved_model
from hubcheck.checks.fixing.plan import FixPlan
from hubcheck.module.types import Module

_LUMA = (0.2989, 0.5870, 0.1140)
"""The weights of `tf.image.rgb_to_grayscale`."""


def rebuild(module: Module, plan: FixPlan, architecture: str, options: FixOptions) -> ImageModule:
    """Return the module that a plan describes, ready to be written.

    Args:
        module: the module that does not conform.
        plan: what to make of it.
        architecture: the prefix of the keys of hidden outputs.
        options: what was given instead of what the plan says.
    """
    labels = module.folder / "assets" / plan.labels if plan.labels is not None else None
    assert module.inference is not None
    signatures, constants = module.inference.signatures, {**plan.constants, **options.constants}
    built: ImageModule | None = None
    for signature, hidden in plan.hidden.items():
        sources = {task: source for task, source in plan.tasks.items() if source.signature == signature}
        has_logits = CLASSES in sources
        built = from_saved_model(
            module.folder,
            architecture=architecture,
            pixels=pixels_of(plan, options),
            features=sources[FEATURES].output if FEATURES in sources else None,
            logits=sources[CLASSES].output if has_logits else None,
            input=next(iter(sources.values())).input,
            constants={name: value for name, value in constants.items() if name in signatures[signature].inputs},
            hidden={_hidden_name(architecture, key): key for key in hidden},
            signature=signature,
            image_size=plan.image_size,
            classes=(options.classes if options.classes is not None else labels) if has_logits else None,
            grayscale=plan.grayscale,
            description=options.description,
            open_batch=True,
            pool=options.pool,
            beside=built,
        )
    assert built is not None
    return built


def pixels_of(plan: FixPlan, options: FixOptions) -> Pixels:
    """Return the pixel values that the source takes."""
    pixels = as_pixels(plan.pixels if options.pixels is None else options.pixels)
    assert isinstance(pixels, Pixels)
    return pixels


def compared_outputs(plan: FixPlan, built: ImageModule, options: FixOptions) -> list[ComparedOutput]:
    """Return the outputs of the source, each with that of the rebuilt module in its place."""
    pairs = []
    for task, source in plan.tasks.items():
        change = options.pool if task == FEATURES else built.tasks[task].activation
        pairs.append(ComparedOutput(source.signature, source.output, task, "default", change))
        pairs += [
            ComparedOutput(
                source.signature, key, task, hidden_key(built.architecture, _hidden_name(built.architecture, key))
            )
            for key in plan.hidden[source.signature]
        ]
    return pairs


def source_inputs(module: Module, plan: FixPlan, built: ImageModule, options: FixOptions) -> dict[str, SourceInput]:
    """Return how each signature of the source that the plan uses takes images."""
    assert module.inference is not None
    pixels = pixels_of(plan, options)
    color = _color(pixels, grayscale=plan.grayscale)
    inputs = {}
    for source in plan.tasks.values():
        tensors = module.inference.signatures[source.signature].inputs
        values = {**plan.constants, **options.constants}
        constants = {key: (tensors[key].dtype, value) for key, value in values.items() if key in tensors}
        tensor = tensors[source.input]
        inputs[source.signature] = SourceInput(
            source.input, tensor, built.image_size, pixels.low, pixels.high, color, constants
        )
    return inputs


def trains(built: ImageModule, plan: FixPlan) -> bool:
    """Return whether the default task of a rebuilt module has the source's graph for training."""
    networks = dict(zip(plan.hidden, built.models, strict=True))
    return networks[plan.tasks[plan.default].signature].note() is None


def _color(pixels: Pixels, *, grayscale: bool) -> tuple[tuple[float, ...], ...]:
    """Return the network's channels as sums of red, green and blue; empty if `low` and `high` tell them."""
    if not grayscale and not pixels.bgr and pixels.mean is None and pixels.std is None:
        return ()
    mean, std = (_three(part) or (value,) * 3 for part, value in ((pixels.mean, 0.0), (pixels.std, 1.0)))
    order = (2, 1, 0) if pixels.bgr else (0, 1, 2)
    weights = [_LUMA] if grayscale else [tuple(float(k == channel) for k in range(3)) for channel in order]
    scale = pixels.high - pixels.low
    return tuple(
        (*(weight * scale / std[c] for weight in row), (pixels.low - mean[c]) / std[c]) for c, row in enumerate(weights)
    )


def _three(part: Any) -> tuple[float, ...]:
    return () if part is None else tuple(part) * (3 // len(part))


def _hidden_name(architecture: str, key: str) -> str:
    """Return the name of a hidden output: its key without the prefix, if it has that already."""
    return key.removeprefix(f"{architecture}/").strip("/") or "output"
