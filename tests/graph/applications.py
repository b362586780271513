"""The architectures of keras.applications, as graphs: no conforming model of a stranger may be told off."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from hubcheck.module.types import Module
from tests.graph.graphs import module_of, variant_of

SMALLEST = {"Xception": 71, "InceptionV3": 75, "InceptionResNetV2": 75}
"""The smallest images, in pixels, where that is not 32."""
SCALES_PIXELS = ("EfficientNet", "ConvNeXt", "MobileNetV3", "RegNet", "ResNetRS")
"""Families whose models begin with a scaling that is meant for pixels in 0..255."""


@dataclass(frozen=True)
class Architecture:
    """A model builder of one of the two Keras packages; `top` tells whether its classifier is included."""

    keras: Any
    name: str
    top: bool

    def __str__(self) -> str:
        return f"{self.keras.__name__} {self.name} {'with' if self.top else 'without'} top"

    def module(self) -> Module:
        """The facts of a module with this model for inference and for training, without a detour over files."""
        size = SMALLEST.get(self.name, 32)
        build = getattr(self.keras.applications, self.name)
        options: dict[str, Any] = {"classifier_activation": None} if self.top else {"pooling": "avg"}
        model = build(weights=None, include_top=self.top, input_shape=(size, size, 3), **options)
        pixels = 255.0 if self.name.startswith(SCALES_PIXELS) else 1.0
        task = "image_classification" if self.top else "image_feature_vector"
        variants = []
        for tags, training in ((("serve",), False), (("train",), True)):
            spec = tf.TensorSpec([None, size, size, 3], tf.float32, name="images")
            called = functools.partial(model, training=training)
            concrete = tf.function(lambda images, called=called: called(images * pixels)).get_concrete_function(spec)
            graph_def = concrete.graph.as_graph_def(add_shapes=True)
            variants.append(variant_of(graph_def, {"default": concrete.outputs[0].name}, signature=task, tags=tags))
        return module_of(*variants)


def architectures(keras: Any) -> Iterator[Architecture]:
    """All of a Keras package, both with and without their classifier."""
    for name, builder in sorted(vars(keras.applications).items()):
        if callable(builder):
            yield from (Architecture(keras, name, top) for top in (False, True))
