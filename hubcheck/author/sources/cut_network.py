"""Compute a module's tasks by an existing network: convert images to its input, and cut it at layers or tensors."""

from __future__ import annotations

import fnmatch
import warnings
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from hubcheck.author.builder import ImageModule
from hubcheck.author.definition import CLASSES, FEATURES, Outputs, Task, check_image_size
from hubcheck.author.errors import AuthorError, AuthorWarning, suggestion
from hubcheck.author.sources.pixels import PixelFunction, Pixels
from hubcheck.module.tensors import Shape

Dims = tuple[int | None, ...] | None
OutputKey = tuple[str, str]
"""The signature and the key of an output; the key of the default output is empty."""


@dataclass(frozen=True)
class ImageInput:
    """How a network takes images.

    Args:
        pixels: what the network expects of pixel values.
        grayscale: the network takes one channel.
        open_batch: a batch size that the network's input fixes is not needed by the network itself.
    """

    pixels: Pixels | PixelFunction
    grayscale: bool
    open_batch: bool = False

    def convert(self, images: Any) -> Any:
        """Return the network's input for float32 images in [0, 1], [batch, height, width, 3]."""
        if self.grayscale:
            import tensorflow as tf

            images = tf.image.rgb_to_grayscale(images)
        return self.pixels.convert(images)

    def notes(self) -> list[str]:
        """Return sentences for the documentation; none if the network takes the images unchanged."""
        gray = "Images are converted to gray by `tf.image.rgb_to_grayscale` (ITU-R 601 luma) for the network."
        return [*self.pixels.notes(), gray] if self.grayscale else self.pixels.notes()

    def new_module(
        self, architecture: str, dims: Dims, name: str, *, image_size: tuple[int, int] | None, description: str
    ) -> ImageModule:
        """Return a module, without tasks yet, that takes images for the network.

        Args:
            dims: the shape of the network's input, None if unknown.
            name: what error messages call the network or its input.
            image_size: height and width in pixels, where `dims` has none.

        Raises:
            AuthorError: batches of images do not fit the input, or the image size is unknown or contradictory.
        """
        if dims is not None:
            self._check(dims, name)
        if self.grayscale and self.pixels.only_color:
            raise AuthorError("grayscale=True is for networks with one channel: give one mean and std, and no BGR")
        module = ImageModule(architecture, _image_size(dims, image_size, name), description=description)
        if isinstance(self.pixels, PixelFunction):
            self.pixels.call_once(*module.image_size, 1 if self.grayscale else 3)
        return module

    def _check(self, dims: tuple[int | None, ...], name: str) -> None:
        shape = Shape(dims)
        if len(dims) != 4:
            raise AuthorError(
                f"{name} has {len(dims)} dimensions, {shape}: images need 4, [batch, height, width, 3]",
                "image-input/rank",
            )
        if dims[0] is not None and not self.open_batch:
            raise AuthorError(
                f"{name} takes only batches of {dims[0]}, {shape}: export it again with a batch dimension of None",
                "image-input/batch-size",
            )
        if dims[1] in (1, 3) and dims[3] not in (1, 3):
            raise AuthorError(
                f"{name} takes channels first (NCHW), {shape}: build it again with data_format='channels_last'",
                "image-input/channels",
            )
        if dims[3] == 1 and not self.grayscale:
            raise AuthorError(
                f"{name} takes gray images, {shape}, but modules take RGB: with grayscale=True the module converts "
                "them by tf.image.rgb_to_grayscale, and its documentation says so",
                "image-input/channels",
            )
        if self.grayscale and dims[3] not in (1, None):
            raise AuthorError(f"grayscale=True is for networks with one channel, but {name} takes {shape}")
        if dims[3] not in (1, 3, None):
            raise AuthorError(f"{name} takes {dims[3]} channels, {shape}, but modules take RGB", "image-input/channels")


def _image_size(dims: Dims, size: tuple[int, int] | None, name: str) -> tuple[int, int]:
    height, width = (None, None) if dims is None else dims[1:3]
    if size is None:
        if height is None or width is None:
            raise AuthorError(
                f"{name} takes images of any size: pass the size for the module as image_size=(height, width)",
                "image-input/image-size",
            )
        return height, width
    check_image_size(size)
    if height not in (None, size[0]) or width not in (None, size[1]):
        raise AuthorError(
            f"{name} takes images of {height} x {width} pixels, but image_size is {size[0]} x {size[1]}: "
            "leave image_size out, or build the network for that size",
            "image-input/image-size",
        )
    return size


class Network(Protocol):
    """A Keras model, or a signature of a SavedModel; the methods raise AuthorError if an output cannot be used.

    `kind` is what messages call its outputs; a default output is cast to float32 if its dtype is one of `cast`.
    """

    kind: str
    cast: Container[str]

    def names(self) -> Sequence[str]:
        """Return the names that patterns of hidden outputs are compared with."""

    def features(self, name: str) -> Any:
        """Return the output that is the feature vectors."""

    def logits(self, name: str) -> tuple[Any, str | None]:
        """Return the output that is the logits, and the name of the activation that was removed from its end."""

    def hidden(self, name: str) -> Any:
        """Return the output that is a hidden one."""

    def run(self, images: Any, training: bool, outputs: Mapping[OutputKey, Any]) -> Mapping[OutputKey, Any]:
        """Return the values of outputs for images as the network takes them."""


@dataclass(frozen=True, slots=True)
class Cut:
    """What the functions that make modules are asked to take from a network, see `from_keras`.

    `pool` is how features of several positions become one vector: "average" or "max".
    """

    features: str | None
    logits: str | None
    hidden: Sequence[str] | Mapping[str, str]
    classes: tuple[str, ...]
    activation: str | None
    pool: str | None = None


def add_tasks(module: ImageModule, network: Network, image_input: ImageInput, cut: Cut) -> None:
    """Let the network compute the tasks of a module, and note what was changed for that."""
    if cut.logits is None and (cut.classes or cut.activation is not None):
        raise AuthorError("classes= and activation= describe logits: pass logits= too")
    outputs: dict[str, dict[str, Any]] = {}
    activation = cut.activation
    if cut.features is not None:
        outputs[FEATURES] = {"": network.features(cut.features)}
    if cut.logits is not None:
        output, removed = network.logits(cut.logits)
        outputs[CLASSES] = {"": output}
        if removed:
            activation = activation or removed
            message = f"The {removed} of the {network.kind} {cut.logits!r} was removed: the module outputs logits."
            warnings.warn(message, AuthorWarning, stacklevel=3)
            module.note(message)
    named = cut.hidden if isinstance(cut.hidden, Mapping) else {name: name for name in _matching(network, cut.hidden)}
    for key, name in named.items():
        for keys in outputs.values():
            keys[key] = network.hidden(name)
    module.notes += [note for note in image_input.notes() if note not in module.notes]

    def compute(images: Any, training: bool) -> dict[str, Outputs]:
        import tensorflow as tf

        wanted = {(task, key): output for task, keys in outputs.items() for key, output in keys.items()}
        values = network.run(image_input.convert(images), training, wanted)
        results = {}
        for task, keys in outputs.items():
            by_key = {key: values[task, key] for key in keys}
            default = by_key.pop("")
            if tf.is_tensor(default):
                if default.shape.rank == 4 and default.shape[1:3] == (1, 1):
                    default = tf.squeeze(default, axis=[1, 2])
                elif default.shape.rank == 4 and cut.pool is not None:
                    reduce = tf.reduce_max if cut.pool == "max" else tf.reduce_mean
                    default = reduce(default, axis=[1, 2])
                if default.dtype.name in network.cast:
                    default = tf.cast(default, tf.float32)
            results[task] = Outputs(default, by_key)
        return results

    others = module.joint_function

    def compute_all(images: Any, training: bool) -> dict[str, Outputs]:
        return {**(others(images, training) if others is not None else {}), **compute(images, training)}

    module.joint_function = compute_all
    for signature, source in ((FEATURES, cut.features), (CLASSES, cut.logits)):
        if source is not None:
            details = (cut.classes, activation) if signature == CLASSES else ()
            module.tasks[signature] = Task(signature, compute, False, True, f"the {network.kind} {source!r}", *details)
    module.models.append(network)


def _matching(network: Network, names: Sequence[str]) -> Iterator[str]:
    """Yield the names, with a pattern such as "block_*" replaced by the names that match it.

    Raises:
        AuthorError: no name matches a pattern.
    """
    for name in [names] if isinstance(names, str) else names:
        if not any(char in name for char in "*?["):
            yield name
            continue
        matches = fnmatch.filter(network.names(), name)
        if not matches:
            raise AuthorError(f"no {network.kind} matches {name!r}{suggestion(name, network.names())}")
        yield from matches
