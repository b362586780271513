"""Use a module with hub.load and hub.KerasLayer of the newest tensorflow-hub release, with tf_keras.

    python consume_tf2.py FOLDER...

prints the results by folder as JSON; in each folder there are m/tf2 and images.npy.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import tensorflow as tf
import tf_keras

import tests.interop.missing  # noqa: F401 isort: skip
import tensorflow_hub as hub  # isort: skip


def used(path: str, images: np.ndarray) -> dict[str, object]:
    """Use one module."""
    loaded = hub.load(path)
    frozen = hub.KerasLayer(path)
    layer = hub.KerasLayer(path, trainable=True)
    model = tf_keras.Sequential([tf_keras.Input(images.shape[1:]), layer, tf_keras.layers.Dense(2)])
    model.compile(tf_keras.optimizers.SGD(0.01), tf_keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    weights = [weight.numpy() for weight in layer.trainable_weights]
    labels = np.arange(len(images)) % 2
    history = model.fit(images, labels, batch_size=len(images), epochs=3, verbose=0)
    return {
        "values": loaded(images).numpy().tolist(),
        "layer": frozen(images).numpy().tolist(),
        "signatures": {
            name: function(images=tf.constant(images))["default"].numpy().tolist()
            for name, function in loaded.signatures.items()
        },
        "frozen": len(frozen.trainable_weights),
        "trainable": len(layer.trainable_weights),
        "variables": len(layer.variables),
        "regularization losses": len(layer.losses),
        "changed": sum(not np.array_equal(old, new) for old, new in zip(weights, layer.trainable_weights, strict=True)),
        "losses": history.history["loss"],
    }


folders = {folder: Path(folder) for folder in sys.argv[1:]}
print(json.dumps({name: used(str(at / "m" / "tf2"), np.load(at / "images.npy")) for name, at in folders.items()}))
