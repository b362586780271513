"""Write a model by TensorFlow 2.15 and what it computes: `python tensorflow_2_15.py keras|hub FOLDER`.

It runs in an environment with tensorflow 2.15 and tensorflow-hub 0.15, without hubcheck.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import tensorflow as tf

KIND, FOLDER = sys.argv[1], Path(sys.argv[2])
CLASSES, SIZE = 7, 48
# As tests.exporters.measure.images().
IMAGES = np.random.default_rng(7).random((4, SIZE, SIZE, 3), dtype=np.float32)
v1 = tf.compat.v1


def keras() -> dict[str, np.ndarray]:
    layers = tf.keras.layers
    inputs = tf.keras.Input((SIZE, SIZE, 3))
    x = layers.Conv2D(8, 3, strides=2, kernel_regularizer="l2", name="stem")(inputs)
    x = layers.ReLU()(layers.BatchNormalization(name="norm")(x))
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    features = layers.Dropout(0.3, name="drop")(x)
    logits = layers.Dense(CLASSES, name="head")(features)
    model = tf.keras.Model(inputs, logits, name="net")
    model.compile("adam", "mse")
    model.save(FOLDER / "model")
    both = tf.keras.Model(inputs, [features, logits])
    return dict(zip(("features", "logits"), (value.numpy() for value in both(IMAGES, training=False)), strict=True))


def hub() -> dict[str, np.ndarray]:
    import tensorflow_hub

    def network(training: bool) -> None:
        images = v1.placeholder(tf.float32, [None, SIZE, SIZE, 3], "images")
        x = v1.layers.conv2d(
            images, 8, 3, strides=2, use_bias=False, kernel_regularizer=tf.keras.regularizers.L2(0.01), name="stem"
        )
        x = tf.nn.relu(v1.layers.batch_normalization(x, training=training, name="norm"))
        features = tf.reduce_mean(x, [1, 2])
        dropped = v1.layers.dropout(features, 0.3, training=training)
        logits = v1.layers.dense(dropped, CLASSES, name="head")
        tensorflow_hub.add_signature(inputs={"in": images}, outputs={"features": features, "logits": logits})

    tags_and_args = [(set(), {"training": False}), ({"train"}, {"training": True})]
    spec = tensorflow_hub.create_module_spec(network, tags_and_args)
    with tf.Graph().as_default(), v1.Session() as session:
        module = tensorflow_hub.Module(spec)
        outputs = module({"in": IMAGES}, as_dict=True)
        session.run([v1.global_variables_initializer(), v1.tables_initializer()])
        module.export(str(FOLDER / "model"), session)
        return session.run(outputs)


np.savez(FOLDER / "values.npz", **{"keras": keras, "hub": hub}[KIND]())
