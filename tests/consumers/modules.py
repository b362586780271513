"""Write modules in both formats, images and what they compute of them: `python -m tests.consumers.modules FOLDER`."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np

from hubcheck import author
from tests.author.networks import keras_model, plain_module, random_images
from tests.paths import ROOT

JAX = ROOT / "tests" / "author" / "jax2tf" / "saved_model"


def plain() -> Any:
    return plain_module()[0]


def keras_3() -> Any:
    return author.from_keras(
        keras_model(keras), architecture="Net", features="pool", logits="logits", pixels=(0, 1), hidden=["act"]
    )


def mobilenet() -> Any:
    model = keras.applications.MobileNetV2(input_shape=(32, 32, 3), alpha=0.35, weights=None, classes=5)
    pool = next(layer.name for layer in model.layers if layer.name.startswith("global_average_pooling2d"))
    return author.from_keras(model, architecture="MobileNetV2", features=pool, logits="predictions", pixels=(-1, 1))


def jax() -> Any:
    return author.from_saved_model(JAX, architecture="Net", logits="logits", pixels=(0, 1))


MODULES: dict[str, Callable[[], Any]] = {
    "plain TensorFlow": plain,
    "Keras 3": keras_3,
    "MobileNetV2": mobilenet,
    "program of JAX": jax,
}


def write(folder: Path) -> None:
    """Write every module to a folder of its name, with images.npy and wanted.npy."""
    from hubcheck import hub

    for name, build in MODULES.items():
        target = folder / name
        target.mkdir(parents=True)
        module = build()
        default = "image_feature_vector" if "image_feature_vector" in module.tasks else "image_classification"
        made = module.export(target / "m", default=default, format=("tf2", "tf1-hub"))
        images = random_images(4, *module.image_size)
        np.save(target / "images.npy", images)
        # The differences between this and the network itself are in tests/author.
        np.save(target / "wanted.npy", hub.Module(made.modules["tf2"])(images))


if __name__ == "__main__":
    warnings.simplefilter("ignore", author.AuthorWarning)
    write(Path(sys.argv[1]))
