"""module/unused-weights: what is read, in whatever way, is not reported; what nothing reads is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

import hubcheck

SIZE = (64, 64)
"""Of each weight; one of them is more than a tenth of the checkpoint."""


def reported(path: Path) -> list[str]:
    report = hubcheck.validate(path, static=True).modules[0]
    outcome = next(outcome for outcome in report.outcomes if outcome.rule == "module/unused-weights")
    assert outcome.status in ("passed", "failed"), outcome
    return [finding.found for finding in report.findings if finding.rule == outcome.rule]


def save(path: Path, fill: Callable) -> Path:
    """Save a module to which `fill(module)` adds what it needs; it returns what is added to the features."""
    import tensorflow as tf

    module = tf.Module()
    module.kernel = tf.Variable(tf.random.stateless_normal(SIZE, seed=[1, 2]), name="kernel")
    extra = fill(tf, module)

    @tf.function(input_signature=[tf.TensorSpec([None, 8, 8, 3], tf.float32, name="images")])
    def features(images):
        x = tf.matmul(tf.pad(tf.reduce_mean(images, [1, 2]), [[0, 0], [0, 61]]), module.kernel)
        return {"default": x if extra is None else x + extra(x)}

    tf.saved_model.save(module, str(path), signatures={"serving_default": features, "image_feature_vector": features})
    return path


def weight(tf, seed: int, name: str = "weight"):
    return tf.Variable(tf.random.stateless_normal(SIZE, seed=[seed, seed]), name=name)


def read_in_branch(tf, module):
    module.other = weight(tf, 3)
    return lambda x: tf.cond(tf.reduce_sum(x) > 0, lambda: tf.matmul(x, module.other), lambda: x)


def read_in_loop(tf, module):
    module.other = weight(tf, 3)
    return lambda x: tf.while_loop(lambda i, y: i < 2, lambda i, y: (i + 1, tf.matmul(y, module.other)), [0, x])[1]


def read_in_nested_function(tf, module):
    module.other = weight(tf, 3)
    inner = tf.function(lambda x: tf.matmul(x, module.other))
    return tf.function(lambda x: inner(inner(x)))


def read_in_training_only(tf, module):
    module.other = weight(tf, 3)

    @tf.function
    def call(images, training=False):
        x = tf.reduce_mean(images, [1, 2])
        return tf.matmul(tf.pad(x, [[0, 0], [0, 61]]), module.other if training else module.kernel)

    for training in (False, True):
        call.get_concrete_function(tf.TensorSpec([None, 8, 8, 3], tf.float32), training=training)
    module.__call__ = call


def read_by_loss(tf, module):
    module.other = weight(tf, 3)
    loss = tf.function(lambda: tf.nn.l2_loss(module.other), input_signature=[])
    module.regularization_losses = [loss]


def read_by_another_function(tf, module):
    module.other = weight(tf, 3)
    module.augment = tf.function(lambda x: tf.matmul(x, module.other), input_signature=[tf.TensorSpec([None, 64])])


def table_of_strings(tf, module):
    module.table = tf.lookup.experimental.MutableHashTable(tf.int64, tf.float32, default_value=tf.zeros([64]))
    module.table.insert(tf.range(100, dtype=tf.int64), tf.random.stateless_normal([100, 64], seed=[5, 5]))
    return lambda x: module.table.lookup(tf.cast(x[:, 0], tf.int64))


def all_of_one_name(tf, module):
    module.others = [weight(tf, seed, "Variable") for seed in (3, 4, 5)]
    return lambda x: tf.add_n([tf.matmul(x, other) for other in module.others])


def shared_by_two_objects(tf, module):
    module.a = tf.Module()
    module.a.other = module.b = weight(tf, 3)
    return lambda x: tf.matmul(x, module.b)


def a_copy_of_what_is_read(tf, module):
    module.copy = tf.Variable(module.kernel)


@pytest.mark.parametrize(
    "fill",
    [
        read_in_branch,
        read_in_loop,
        read_in_nested_function,
        read_in_training_only,
        read_by_loss,
        read_by_another_function,
        table_of_strings,
        all_of_one_name,
        shared_by_two_objects,
        a_copy_of_what_is_read,
    ],
)
def test_what_a_consumer_can_call_reads_its_weights(fill, tmp_path):
    assert reported(save(tmp_path / "m", fill)) == []


def unread(tf, module):
    module.spare = weight(tf, 3)


def unread_of_the_same_name(tf, module):
    module.spare = weight(tf, 3, "kernel")


def unread_beside_a_read_one(tf, module):
    module.others = [weight(tf, seed, "Variable") for seed in (3, 4)]
    return lambda x: tf.matmul(x, module.others[0])


def assigned_by_nothing(tf, module):
    module.slots = {"m": weight(tf, 3), "v": weight(tf, 4)}


@pytest.mark.parametrize(
    ("fill", "names"),
    [
        (unread, ["spare"]),
        (unread_of_the_same_name, ["spare"]),
        (unread_beside_a_read_one, ["others/1"]),
        (assigned_by_nothing, ["slots/m", "slots/v"]),
    ],
)
def test_what_nothing_reads_is_reported(fill, names, tmp_path):
    (found,) = reported(save(tmp_path / "m", fill))
    assert [name.removesuffix("/.ATTRIBUTES/VARIABLE_VALUE") for name in found.split(", ")] == names


@pytest.mark.parametrize("unread", [0, 255, 256])
def test_counters_seeds_and_less_than_a_kilobyte_are_no_finding(unread, tmp_path):
    import tensorflow as tf

    module = tf.train.Checkpoint(step=tf.Variable(0, dtype=tf.int64), random=tf.random.Generator.from_seed(1))
    module.save_counter.assign(3)
    module.spare = tf.Variable(tf.ones([unread]))
    images = tf.TensorSpec([None, 8, 8, 3], tf.float32, name="images")
    features = tf.function(lambda images: {"default": tf.reduce_mean(images, [1, 2])}, input_signature=[images])
    tf.saved_model.save(
        module, str(tmp_path), signatures={"serving_default": features, "image_feature_vector": features}
    )
    assert len(reported(tmp_path)) == (unread == 256)


@pytest.mark.parametrize("resource", [False, True])
@pytest.mark.parametrize(
    ("kind", "form", "optimizer"),
    [
        *(("saved", form, on) for form in ("plain", "partitioned", "renamed", "scope") for on in (False, True)),
        *((kind, "training only", False) for kind in ("saved", "hub")),
        *(("hub", form, False) for form in ("plain", "partitioned", "scope")),
    ],
)
def test_the_slots_of_a_tf1_optimizer_are_reported_and_nothing_else(kind, optimizer, resource, form, tmp_path):
    path = save_tf1(tmp_path / "m", kind, form, optimizer=optimizer, resource=resource)
    assert bool(reported(path)) == optimizer


def save_tf1(path: Path, kind: str, form: str, *, optimizer: bool, resource: bool) -> Path:
    import tensorflow as tf
    import tensorflow.compat.v1 as tf1
    from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

    def graph(training: bool):
        images = tf1.placeholder(tf.float32, [None, 8, 8, 3], name="images")
        with tf1.variable_scope("net", use_resource=resource):
            partitioner = tf1.fixed_size_partitioner(4) if form == "partitioned" else None
            kernel = tf1.get_variable("kernel", SIZE, partitioner=partitioner)
            other = tf1.get_variable("other", SIZE)
        x = tf.matmul(tf.pad(tf.reduce_mean(images, [1, 2]), [[0, 0], [0, 61]]), tf.convert_to_tensor(kernel))
        if training or form != "training only":
            x = tf.matmul(x, other)
        return images, x

    training = [False, True] if form == "training only" else [False]
    metas = []
    for trains in training:
        with tf.Graph().as_default(), tf1.Session() as session:
            with tf1.name_scope("scope" if form == "scope" else None):
                images, x = graph(trains)
            if optimizer:
                tf1.train.AdamOptimizer().minimize(tf.reduce_mean(x**2))
            session.run(tf1.global_variables_initializer())
            signature = tf1.saved_model.predict_signature_def({"images": images}, {"default": x})
            names = {f"ema/{one.op.name}": one for one in tf1.global_variables()} if form == "renamed" else None
            saver = tf1.train.Saver(names)
            meta = tf1.train.export_meta_graph(saver_def=saver.saver_def if kind == "saved" else None)
            default = "serving_default" if kind == "saved" else "default"
            for key in (default, "image_feature_vector"):
                meta.signature_def[key].CopyFrom(signature)
            tags = [*(["serve"] if kind == "saved" else []), *(["train"] if trains else [])]
            meta.meta_info_def.tags.extend(tags)
            metas.append(meta)
            (path / "variables").mkdir(parents=True, exist_ok=True)
            saver.save(session, str(path / "variables" / "variables"), write_meta_graph=False, write_state=False)
    (path / "saved_model.pb").write_bytes(SavedModel(meta_graphs=metas).SerializeToString())
    if kind == "hub":
        (path / "tfhub_module.pb").write_bytes(b"\x08\x03")
    return path
