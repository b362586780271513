"""What `hubcheck fix` makes of a module: which outputs are its tasks, and what the network takes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from hubcheck.checks.classification import label_files
from hubcheck.checks.context import Context
from hubcheck.checks.fixing.network import agreed, architecture_of, constants_of, pixels_of, stated_size
from hubcheck.checks.fixing.tasks import CLASSES, FEATURES, NUMBERS, Choices, Obstacle, Size, TaskSource, find_tasks
from hubcheck.checks.signatures import task_of
from hubcheck.module.types import Signature, Variant
from hubcheck.util.text import plural

_NO_CHOICES = Choices()


class FixPlan(NamedTuple):
    """What to make of a module.

    Attributes:
        tasks: the signatures that it gets, and where their results come from.
        default: which of them is the default signature.
        architecture: the prefix of keys; None if nothing in the module tells it.
        pixels: the values of black and white that the network takes.
        image_size: height and width in pixels; None if the inputs fix them.
        grayscale: the network takes one channel.
        constants: the values of inputs besides the images.
        hidden: by signature, the outputs that are kept as hidden ones.
        labels: the asset with the names of the classes.
        inferred: what was inferred, each with the argument by which it can be given instead.
        left_out: the signatures that the result does not have.
    """

    tasks: Mapping[str, TaskSource]
    default: str
    architecture: str | None
    pixels: tuple[float, float]
    image_size: Size | None
    grayscale: bool
    constants: Mapping[str, bool]
    hidden: Mapping[str, Sequence[str]]
    labels: str | None
    inferred: tuple[str, ...]
    left_out: tuple[str, ...]


def fix_plan(context: Context, choices: Choices = _NO_CHOICES) -> FixPlan:
    """Return what to make of a module.

    Raises:
        Obstacle: nothing can be made of it, or something must be told that the files do not tell.
    """
    module, variant = context.module, context.module.inference
    if module.format is None or module.problems:
        raise Obstacle("the module cannot be read")
    if variant is None or variant.hardware is not None:
        raise Obstacle("the module has no inference variant")
    known = ({*variant.tags}, {*variant.tags, "train"}, {"train"})
    if lost := [other.name for other in module.variants if set(other.tags) not in known]:
        raise Obstacle(f"its variant {{{lost[0]}}} would be lost")
    tasks, inferred = find_tasks(context, variant, choices)
    sources = list(tasks.values())
    constants: dict[str, bool] = {}
    for source in sources:
        constants |= constants_of(variant.signatures[source.signature], source.input, choices)
    shapes = [variant.signatures[source.signature].inputs[source.input].shape.dims or () for source in sources]
    height, width = agreed([shape[1:3] for shape in shapes], "image sizes")
    grayscale = agreed([shape[3] == 1 for shape in shapes], "numbers of channels")
    ranges = [pixels_of(context, variant, source) for source in sources]
    pixels = agreed([found for found, _ in ranges], "ranges of pixels")
    image_size = choices.image_size or (stated_size(variant) if None in (height, width) else None)
    if image_size is None and None in (height, width):
        raise Obstacle("nothing in the module states a height and width of images: give image_size=")
    architecture = choices.architecture or architecture_of(context, variant, sources)
    default = _default(context, variant, tasks, choices)
    inferred += [f'the input "{name}" is {value} (constants=)' for name, value in constants.items()]
    if grayscale:
        inferred.append("the network takes gray images")
    if not choices.has_pixels:
        is_shown = "" if all(shown for _, shown in ranges) else "; nothing in the graph shows it"
        inferred.append(f"the network takes pixels in [{pixels[0]:g}, {pixels[1]:g}] (pixels=){is_shown}")
    if architecture is not None and choices.architecture is None:
        inferred.append(f"the architecture is {architecture} (architecture=)")
    if image_size is not None and choices.image_size is None:
        inferred.append(f"images have {image_size[0]} x {image_size[1]} pixels (image_size=)")
    if len(tasks) > 1 and choices.default is None:
        inferred.append(f"the default signature is {default} (default=)")
    used = {(source.signature, source.output) for source in sources}
    names = dict.fromkeys(source.signature for source in sources)
    return FixPlan(
        tasks,
        default,
        architecture,
        pixels,
        image_size,
        grayscale,
        constants,
        {name: list(_hidden(variant.signatures[name], used)) for name in names},
        _labels(context, variant, tasks) if not choices.has_classes else None,
        tuple(inferred),
        tuple(key for key in variant.signatures if key not in (*names, *tasks, module.default_signature)),
    )


def _default(context: Context, variant: Variant, tasks: Mapping[str, TaskSource], choices: Choices) -> str:
    """Return the task of the default signature: the one that it computes already, or has the shape of."""
    if choices.default is not None:
        if choices.default not in tasks:
            raise Obstacle(f'"{choices.default}" cannot be the default signature: the tasks are {", ".join(tasks)}')
        return choices.default
    key = context.module.default_signature
    if len(tasks) > 1 and key in variant.signatures:
        same = task_of(context, variant, key)
        if same is not None:
            return same
        shapes = {tensor.shape for tensor in variant.signatures[key].outputs.values()}
        outputs = {task: variant.signatures[source.signature].outputs[source.output] for task, source in tasks.items()}
        fits = [task for task, tensor in outputs.items() if tensor.shape in shapes]
        if len(fits) == 1:
            return fits[0]
    return FEATURES if FEATURES in tasks else next(iter(tasks))


def _labels(context: Context, variant: Variant, tasks: Mapping[str, TaskSource]) -> str | None:
    """Return the name of the asset with the names of the classes, None if there is none.

    Raises:
        Obstacle: its lines are not as many as the classes.
    """
    assets = label_files(context.module)
    if CLASSES not in tasks or not assets:
        return None
    source = tasks[CLASSES]
    dims = variant.signatures[source.signature].outputs[source.output].shape.dims or (None,)
    fitting = [asset.filename for asset in assets if asset.lines == dims[-1]]
    if not fitting and dims[-1] is not None:
        lines = plural(assets[0].lines or 0, "line")
        raise Obstacle(f"assets/{assets[0].filename} has {lines} for {dims[-1]} classes: give classes=")
    return fitting[0] if fitting else None


def _hidden(signature: Signature, used: set[tuple[str, str]]) -> Iterator[str]:
    for key, tensor in signature.outputs.items():
        is_number = NUMBERS.fullmatch(tensor.dtype) is not None or tensor.dtype == "bool"
        if (signature.key, key) not in used and tensor.encoding == "dense" and is_number:
            yield key
