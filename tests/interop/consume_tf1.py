"""Use a module with hub.Module of the last tensorflow-hub release that has it, on current TensorFlow.

    python consume_tf1.py FOLDER...

prints the results by folder as JSON; in each folder there are m/tf1-hub and images.npy, and `again` is written.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import tensorflow as tf

import tests.interop.missing  # noqa: F401 isort: skip
import tensorflow_hub as hub  # isort: skip

v1 = tf.compat.v1


def initialized() -> v1.Session:
    session = v1.Session()
    session.run([v1.global_variables_initializer(), v1.tables_initializer()])
    return session


def values(path: str, images: np.ndarray) -> dict[str, list]:
    """Return the outputs of each signature."""
    with tf.Graph().as_default():
        spec = hub.load_module_spec(path)
        module = hub.Module(spec)
        names = sorted(spec.get_signature_names())
        tensors = {name: module({"images": images}, signature=name, as_dict=True) for name in names}
        tensors["call"] = {"default": module(images)}
        with initialized() as session:
            results = session.run(tensors)
    return {f"{name} {key}": array.tolist() for name, outputs in results.items() for key, array in outputs.items()}


def changed(before: list[np.ndarray], after: list[np.ndarray]) -> bool:
    """Return whether a moving statistic changed; seeds of random numbers may change."""
    return any(not np.array_equal(a, b) for a, b in zip(before, after, strict=True) if a.dtype.kind == "f")


def training(path: str, images: np.ndarray, reexport: str) -> dict[str, object]:
    """Fine-tune the training graph, count its collections, and export it again."""
    with tf.Graph().as_default() as graph:
        module = hub.Module(path, trainable=True, tags={"train"})
        output = module(images)
        losses = v1.get_collection(v1.GraphKeys.REGULARIZATION_LOSSES)
        updates = v1.get_collection(v1.GraphKeys.UPDATE_OPS)
        trainable = v1.trainable_variables()
        loss = tf.reduce_mean((output - 1.0) ** 2) + tf.add_n([tf.constant(0.0), *losses])
        gradients = tf.gradients(loss, trainable)
        used = [
            (variable, gradient)
            for variable, gradient in zip(trainable, gradients, strict=True)
            if gradient is not None
        ]
        step = v1.train.GradientDescentOptimizer(0.01).apply_gradients([(g, v) for v, g in used])
        moving = [variable for variable in v1.global_variables() if variable not in trainable]
        with initialized() as session:
            before = session.run(moving)
            losses_by_step = [float(session.run(loss))]
            unchanged = not changed(before, session.run(moving))
            for _ in range(3):
                session.run([step, *updates])
                losses_by_step.append(float(session.run(loss)))
            after = session.run(moving)
            module.export(reexport, session)
        return {
            "trainable": len(trainable),
            "with gradient": len(used),
            "regularization losses": len(losses),
            "updates": len(updates),
            "unchanged without updates": unchanged,
            "changed by updates": changed(before, after),
            "losses": losses_by_step,
            "nodes": len(graph.get_operations()),
        }


def used(folder: Path) -> dict[str, object]:
    """Use one module."""
    path, again, images = str(folder / "m" / "tf1-hub"), str(folder / "again"), np.load(folder / "images.npy")
    spec = hub.load_module_spec(path)
    return {
        "size": hub.get_expected_image_size(spec),
        "channels": hub.get_num_image_channels(spec),
        "tags": sorted(sorted(tags) for tags in spec.get_tags()),
        "signatures": sorted(spec.get_signature_names()),
        "input": [info.dtype.name for info in spec.get_input_info_dict().values()],
        "values": values(path, images),
        "training": training(path, images, again),
        "reexported": values(again, images),
    }


print(json.dumps({folder: used(Path(folder)) for folder in sys.argv[1:]}))
