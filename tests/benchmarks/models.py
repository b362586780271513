"""The measured modules: conforming, with random weights, both signatures, and traces for training and inference."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

from tests.paths import ROOT

FOLDER = ROOT / ".bench"


def mobilenet_v2(path: str) -> None:
    """3.5 million weights, 14 MB."""
    import keras

    _publish(path, "MobileNetV2", keras.applications.MobileNetV2(weights=None), "global_average_pooling2d")


def resnet50(path: str) -> None:
    """25.6 million weights, 102 MB."""
    import keras

    _publish(path, "ResNet50", keras.applications.ResNet50(weights=None), "avg_pool")


def tiny(path: str) -> None:
    """Two convolutions."""
    import keras

    images = keras.Input((24, 32, 3))
    x = keras.layers.Conv2D(8, 3, strides=2, activation="relu")(images)
    x = keras.layers.Conv2D(16, 3, strides=2, activation="relu")(x)
    features = keras.layers.GlobalAveragePooling2D(name="avg_pool")(x)
    scores = keras.layers.Dense(10, name="predictions")(features)
    _publish(path, "Tiny", keras.Model(images, scores), "avg_pool")


def _publish(path: str, architecture: str, model: object, features: str) -> None:
    from hubcheck import author

    module = author.from_keras(
        model, architecture=architecture, features=features, logits="predictions", pixels=(-1, 1)
    )
    module.export(path, default="image_feature_vector", probe=False)


def module(name: str) -> Path:
    """Return the path of a module, created on first use in a separate process and again when this file changes."""
    stamp = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()[:12]
    path = FOLDER / stamp / name
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        print(f"creating {name} ...", file=sys.stderr, flush=True)
        code = f"from tests.benchmarks import models; models.{name}({str(path)!r})"
        subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=sys.stderr)
    return path
