"""Use a module with hub.load and hub.KerasLayer of the newest tensorflow-hub release, with tf_keras.

    python consume_tf2.py MODULE IMAGES.npy

prints the results as JSON.
"""

from __future__ import annotations

import json
import sys

import numpy as np
import tensorflow as tf
import tf_keras

import tests.interop.missing  # noqa: F401 isort: skip
import tensorflow_hub as hub  # isort: skip

PATH, IMAGES = sys.argv[1], np.load(sys.argv[2])

loaded = hub.load(PATH)
frozen = hub.KerasLayer(PATH)
layer = hub.KerasLayer(PATH, trainable=True)
model = tf_keras.Sequential([tf_keras.Input(IMAGES.shape[1:]), layer, tf_keras.layers.Dense(2)])
model.compile(tf_keras.optimizers.SGD(0.01), tf_keras.losses.SparseCategoricalCrossentropy(from_logits=True))
weights = [weight.numpy() for weight in layer.trainable_weights]
labels = np.arange(len(IMAGES)) % 2
history = model.fit(IMAGES, labels, batch_size=len(IMAGES), epochs=3, verbose=0)
report = {
    "values": loaded(IMAGES).numpy().tolist(),
    "layer": frozen(IMAGES).numpy().tolist(),
    "signatures": {
        name: function(images=tf.constant(IMAGES))["default"].numpy().tolist()
        for name, function in loaded.signatures.items()
    },
    "frozen": len(frozen.trainable_weights),
    "trainable": len(layer.trainable_weights),
    "variables": len(layer.variables),
    "regularization losses": len(layer.losses),
    "changed": sum(not np.array_equal(old, new) for old, new in zip(weights, layer.trainable_weights, strict=True)),
    "losses": history.history["loss"],
}
print(json.dumps(report))
