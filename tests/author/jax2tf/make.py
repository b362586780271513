"""Write `saved_model/`, a network of JAX as jax2tf exports it, and `losses.json`, how JAX itself trains it.

It needs an environment with tensorflow and jax: `python tests/author/jax2tf/make.py`. The tests then need no JAX.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import tensorflow as tf
from jax.experimental import jax2tf

HERE = Path(__file__).parent
# The program names the files that it was made of: without their folders.
jax.config.update("jax_hlo_source_file_canonicalization_regex", ".*/")
HEIGHT, WIDTH, CLASSES, STEPS, RATE = 12, 16, 3, 5, 0.1


def logits(weights, images):
    """The network: a convolution, a rounding that passes gradients straight through, pooling, a matrix."""
    x = jax.lax.conv_general_dilated(
        images, weights["kernel"], (2, 2), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
    )
    x = x + jax.lax.stop_gradient(jnp.round(x * 4) / 4 - x)
    return jnp.mean(jax.nn.gelu(x), axis=(1, 2)) @ weights["dense"]


def loss(weights, images, labels):
    return -jnp.mean(jnp.sum(jax.nn.log_softmax(logits(weights, images)) * labels, axis=-1))


def main() -> None:
    rng = np.random.default_rng(7)
    weights = {
        "kernel": rng.normal(size=(3, 3, 3, 6)).astype("f"),
        "dense": rng.normal(size=(6, CLASSES)).astype("f"),
    }
    # As tests.author.networks.random_images(6).
    images = np.random.default_rng(7).random((6, HEIGHT, WIDTH, 3), dtype=np.float32)
    labels = np.eye(CLASSES, dtype="f")[np.arange(6) % CLASSES]

    net = tf.Module()
    net.weights = {name: tf.Variable(value, name=name) for name, value in weights.items()}
    converted = jax2tf.convert(
        logits,
        polymorphic_shapes=(None, f"(b, {HEIGHT}, {WIDTH}, 3)"),
        with_gradient=True,
        native_serialization_platforms=("cpu", "cuda"),
    )
    spec = tf.TensorSpec([None, HEIGHT, WIDTH, 3], tf.float32, name="inputs")
    net.predict = tf.function(
        lambda inputs: {"logits": tf.ensure_shape(converted(net.weights, inputs), [None, CLASSES])},
        autograph=False,
        input_signature=[spec],
    )
    shutil.rmtree(HERE / "saved_model", ignore_errors=True)
    tf.saved_model.save(net, str(HERE / "saved_model"), signatures=net.predict)

    losses = []
    for _ in range(STEPS):
        value, gradients = jax.value_and_grad(loss)(weights, images, labels)
        losses.append(float(value))
        weights = {name: weights[name] - RATE * gradients[name] for name in weights}
    written = {"rate": RATE, "losses": losses, "jax": jax.__version__, "tensorflow": tf.__version__}
    (HERE / "losses.json").write_text(json.dumps(written, indent=1) + "\n")


if __name__ == "__main__":
    main()
