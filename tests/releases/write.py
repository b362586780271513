"""Write modules of every kind with one release of TensorFlow, to be used with another.

These are the modules of the fixture scripts and modules of the builder with their expected values:
`python -m tests.releases.write FOLDER`.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np

from hubcheck import author
from tests.author.networks import keras_model, plain_module, random_images
from tests.publishing import published, scripts

FORMATS = ("tf2", "tf1-hub")
TASKS = ("image_feature_vector", "image_classification")


def of_keras(name: str) -> author.ImageModule:
    """Return a module of a model of Keras 3 or tf_keras."""
    model = keras_model(importlib.import_module(name))
    return author.from_keras(model, architecture="Net", features="pool", logits="logits", pixels=(0, 1))


MODULES: dict[str, Callable[[], author.ImageModule]] = {
    "plain": lambda: plain_module()[0],
    "keras": lambda: of_keras("keras"),
    "tf_keras": lambda: of_keras("tf_keras"),
}


def main(folder: Path) -> None:
    """Write `folder`/fixtures, and `folder`/authored in both formats with the outputs for `random_images()`."""
    from hubcheck import hub

    for script in scripts():
        if "NEEDS" not in script.constants:
            published(script, folder / "fixtures")
    authored = folder / "authored"
    for name, build in MODULES.items():
        build().export(authored / name, default="image_feature_vector", format=FORMATS, probe=False)
        module = hub.Module(authored / name / "tf2")
        for task in TASKS:
            np.save(authored / f"{name}.{task}.npy", module(random_images(), signature=task).numpy())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
