"""No false alarm on the models that most modules are made of: a small one of each family of keras.applications.

`make sweep` does this for every architecture, of both Keras packages, with and without its classifier.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator

import keras
import pytest
import tf_keras

from tests.graph.applications import Architecture
from tests.sweep import faults, rules

pytestmark = pytest.mark.slow

SMALL = [
    Architecture(keras, "ConvNeXtTiny", True),
    Architecture(tf_keras, "DenseNet121", False),
    Architecture(keras, "EfficientNetB0", True),
    Architecture(tf_keras, "EfficientNetV2B0", True),
    Architecture(tf_keras, "InceptionV3", True),
    Architecture(keras, "MobileNet", True),
    Architecture(tf_keras, "MobileNetV2", True),
    Architecture(keras, "MobileNetV3Small", True),
    Architecture(tf_keras, "MobileNetV3Small", False),
    Architecture(keras, "ResNet50", False),
    Architecture(tf_keras, "ResNet50V2", True),
    Architecture(keras, "VGG16", True),
    Architecture(keras, "Xception", False),
]


@pytest.fixture(autouse=True)
def forget_models() -> Iterator[None]:
    """The models of two dozen architectures do not fit into memory together."""
    yield
    keras.backend.clear_session()
    tf_keras.backend.clear_session()
    gc.collect()


@pytest.mark.parametrize("architecture", SMALL, ids=str)
def test_graph_rules_are_silent(architecture: Architecture) -> None:
    found, _ = faults(architecture, rules())
    assert found == []
