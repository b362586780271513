"""Partitioned variables of TF1 modules: found in the checkpoint whichever way they were cut when it was written."""

from __future__ import annotations

from pathlib import Path

import pytest

import hubcheck


def publish(path: Path, kind: str, parts: int, stored: int | None, *, lost: int = 0) -> Path:
    """A module whose kernel has this many parts (0: whole), and a checkpoint in which it has `stored`, less `lost`."""
    import tensorflow as tf
    import tensorflow.compat.v1 as tf1

    def graph(parts: int) -> dict[str, tf.Tensor]:
        images = tf1.placeholder(tf.float32, [None, 8, 8, 3], name="images")
        partitioner = tf1.fixed_size_partitioner(parts, axis=3) if parts else None
        kernel = tf1.get_variable("net/kernel", [3, 3, 3, 8], partitioner=partitioner)
        tf1.get_variable("net/bias", [8])
        return {"images": images, "default": tf.reduce_mean(tf.nn.conv2d(images, kernel, 2, "SAME"), [1, 2])}

    with tf.Graph().as_default(), tf1.Session() as session:
        tensors = graph(parts)
        signature = tf1.saved_model.predict_signature_def(
            {"images": tensors["images"]}, {"default": tensors["default"]}
        )
        session.run(tf1.global_variables_initializer())
        if kind == "hub":
            from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

            path.mkdir()
            meta = tf1.train.export_meta_graph()
            for key in ("default", "image_feature_vector"):
                meta.signature_def[key].CopyFrom(signature)
            (path / "saved_model.pb").write_bytes(SavedModel(meta_graphs=[meta]).SerializeToString())
            (path / "tfhub_module.pb").write_bytes(b"\x08\x03")
        else:
            builder = tf1.saved_model.Builder(str(path))
            keys = {"serving_default": signature, "image_feature_vector": signature}
            builder.add_meta_graph_and_variables(session, ["serve"], keys)
            builder.save()
    with tf.Graph().as_default(), tf1.Session() as session:
        graph(parts if stored is None else stored)
        session.run(tf1.global_variables_initializer())
        (path / "variables").mkdir(exist_ok=True)
        bias = [one for one in tf1.global_variables() if "bias" in one.name]
        kernels = [one for one in tf1.global_variables() if "kernel" in one.name]
        saver = tf1.train.Saver([*bias, *kernels[lost:]])
        saver.save(session, str(path / "variables" / "variables"), write_meta_graph=False, write_state=False)
    return path


def loads(path: Path, kind: str) -> bool:
    import tensorflow as tf
    import tensorflow.compat.v1 as tf1

    with tf.Graph().as_default(), tf1.Session() as session:
        try:
            if kind == "saved":
                tf1.saved_model.load(session, ["serve"], str(path))
            else:
                tf1.saved_model.load(session, [], str(path))
                tf1.train.Saver().restore(session, str(path / "variables" / "variables"))
        except tf.errors.InvalidArgumentError:
            return False
    return True


@pytest.mark.parametrize("kind", ["saved", "hub"])
@pytest.mark.parametrize(
    ("parts", "stored", "lost"),
    [
        (4, None, 0),
        (4, None, 1),
        (4, None, 3),
        (4, 2, 0),
        (4, 2, 1),
        (3, 4, 0),
        (3, 4, 1),
        (2, 0, 0),
        (0, 3, 0),
        (0, 3, 1),
    ],
)
def test_a_partitioned_variable_is_complete_exactly_if_tensorflow_restores_it(kind, parts, stored, lost, tmp_path):
    path = publish(tmp_path / "m", kind, parts, stored, lost=lost)
    module = hubcheck.validate(path, static=True).modules[0]
    found = [finding for finding in module.findings if finding.rule == "module/readable"]
    assert [finding.message.split()[1] for finding in found] == (["net/kernel"] if lost else []), found
    assert loads(path, kind) == (not lost)
