"""Both formats have the same functions, variables, updates and losses, and every loader can load them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

import hubcheck
from hubcheck import author, hub
from tests.author.networks import FEATURES, HEIGHT, LABELS, WIDTH, Net, plain_module, random_images

IMAGES = random_images()
TASKS = ("image_feature_vector", "image_classification")


@pytest.fixture(scope="module")
def exported(tmp_path_factory) -> tuple[author.ImageModule, object, Path]:
    module, net = plain_module()
    path = tmp_path_factory.mktemp("formats") / "m"
    module.export(path, default="image_feature_vector", format=("tf2", "tf1-hub"), probe=False)
    return module, net, path


def expected(module: author.ImageModule) -> dict[str, np.ndarray]:
    features = module.tasks[TASKS[0]].function(IMAGES, training=False)
    return {
        TASKS[0]: features.default.numpy(),
        TASKS[1]: module.tasks[TASKS[1]].function(features.default).numpy(),
        "hidden": features.hidden["conv"].numpy(),
    }


@pytest.mark.parametrize("format", ["tf2", "tf1-hub"])
def test_a_module_is_read_back_with_its_signatures(exported, format):
    facts = hubcheck.read(exported[2] / format)
    assert not facts.problems
    assert facts.inference is not None and {*TASKS, facts.default_signature} <= set(facts.inference.signatures)
    images = facts.inference.signatures[TASKS[0]].inputs["images"]
    assert str(images) == f"float32 [?, {HEIGHT}, {WIDTH}, 3]"
    assert str(facts.inference.signatures[TASKS[0]].outputs["default"]) == f"float32 [?, {FEATURES}]"
    assert "Tiny/conv" in facts.inference.signatures[TASKS[1]].outputs, (
        "classification from features has their hidden outputs too"
    )


@pytest.mark.parametrize("format", ["tf2", "tf1-hub"])
def test_values_are_those_of_the_functions(exported, format):
    module, _, path = exported
    wanted = expected(module)
    loaded = hub.Module(path / format)
    np.testing.assert_allclose(loaded(IMAGES), wanted[TASKS[0]], rtol=1e-5)
    for task in TASKS:
        outputs = loaded({"images": IMAGES}, signature=task, as_dict=True)
        np.testing.assert_allclose(outputs["default"], wanted[task], rtol=1e-5)
        np.testing.assert_allclose(outputs["Tiny/conv"], wanted["hidden"], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("format", ["tf2", "tf1-hub"])
def test_the_session_loader_runs_every_signature(exported, format):
    module, _, path = exported
    wanted = expected(module)
    tags = [] if format == "tf1-hub" else ["serve"]
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        meta = tf.compat.v1.saved_model.load(session, tags, str(path / format))
        for task in TASKS:
            signature = meta.signature_def[task]
            value = session.run(signature.outputs["default"].name, {signature.inputs["images"].name: IMAGES})
            np.testing.assert_allclose(value, wanted[task], rtol=1e-5)


@pytest.mark.parametrize("format", ["tf2", "tf1-hub"])
def test_every_weight_is_stored_once(exported, format):
    index = hubcheck.read(exported[2] / format).checkpoint
    assert index is not None
    shapes = sorted(str(entry.shape) for key, entry in index.entries.items() if not key.startswith("_"))
    assert shapes == ["[3, 3, 3, 6]", "[6, 3]", "[6]"]


def test_the_tf2_object_is_reusable(exported):
    loaded = tf.saved_model.load(str(exported[2] / "tf2"))
    assert len(loaded.variables) == 3
    assert [variable.name for variable in loaded.trainable_variables] == ["kernel:0", "dense:0"]
    np.testing.assert_allclose(
        [loss() for loss in loaded.regularization_losses], [0.01 * tf.nn.l2_loss(exported[1].kernel)]
    )
    np.testing.assert_array_equal(loaded(IMAGES), loaded(IMAGES, training=False))


def test_a_tf2_module_updates_in_training_only(exported):
    loaded = tf.saved_model.load(str(exported[2] / "tf2"))
    (mean,) = (variable for variable in loaded.variables if "mean" in variable.name)
    loaded(IMAGES)
    loaded.signatures["image_classification"](images=IMAGES)
    np.testing.assert_array_equal(mean, np.zeros(FEATURES))
    loaded(IMAGES, training=True)
    assert np.all(mean.numpy() != 0)


def test_gradients_reach_the_trainable_variables(exported):
    loaded = tf.saved_model.load(str(exported[2] / "tf2"))
    kernel, dense = loaded.trainable_variables
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(loaded(IMAGES, training=True) ** 2)
    assert np.any(tape.gradient(loss, kernel) != 0)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(loaded.image_classification(IMAGES, training=True) ** 2)
    assert all(np.any(gradient != 0) for gradient in tape.gradient(loss, [kernel, dense]))


@pytest.mark.parametrize("format", ["tf2", "tf1-hub"])
@pytest.mark.parametrize("task", TASKS)
def test_each_task_is_fine_tuned_in_each_format(exported, format, task):
    loaded = hub.Module(exported[2] / format, trainable=True, tags={"train"})
    assert len(loaded.trainable_variables) == 2
    used = loaded.trainable_variables if task == TASKS[1] else loaded.trainable_variables[:1]
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(loaded({"images": IMAGES}, signature=task) ** 2)
    assert all(np.any(gradient != 0) for gradient in tape.gradient(loss, used))


def test_a_tf1_hub_module_has_the_collections_of_the_format(exported):
    facts = hubcheck.read(exported[2] / "tf1-hub")
    assert [variant.name for variant in facts.variants] == ["", "train"]
    inference, train = facts.variants
    assert (exported[2] / "tf1-hub" / "tfhub_module.pb").read_bytes() == b"\x08\x03"
    assert inference.image_size == train.image_size == (HEIGHT, WIDTH)
    assert "update_ops" not in inference.collections
    assert len(train.collections["update_ops"].node_list.value) == 1
    for variant in facts.variants:
        assert len(variant.collections["variables"].bytes_list.value) == 3
        assert len(variant.collections["trainable_variables"].bytes_list.value) == 2
        assert len(variant.collections["regularization_losses"].node_list.value) == 1
        assert not variant.saver.restore_op_name and not variant.graph.library.function
        assert variant.signatures["default"].outputs == variant.signatures["image_feature_vector"].outputs


def test_tf1_outputs_do_not_wait_for_updates(exported):
    """Consumers of the format may run the update ops."""
    with tf.Graph().as_default() as graph, tf.compat.v1.Session() as session:
        meta = tf.compat.v1.saved_model.load(session, ["train"], str(exported[2] / "tf1-hub"))
        signature = meta.signature_def["default"]
        (mean,) = (variable for variable in tf.compat.v1.global_variables() if "mean" in variable.name)
        feed = {signature.inputs["images"].name: IMAGES}
        session.run(signature.outputs["default"].name, feed)
        np.testing.assert_array_equal(session.run(mean), np.zeros(FEATURES))
        session.run(graph.get_collection("update_ops"), feed)
        assert np.all(session.run(mean) != 0)


@pytest.mark.parametrize("format", ["tf2", "tf1-hub"])
def test_the_classes_are_an_asset(exported, format):
    assert (exported[2] / format / "assets" / "labels.txt").read_text().split() == LABELS
    (asset,) = hubcheck.read(exported[2] / format).inference.assets
    assert asset.filename == "labels.txt"


def test_tf1_compat_writes_no_attribute_that_tensorflow_1_15_refuses(tmp_path):
    module, _ = plain_module()
    module.export(tmp_path / "m", default="image_feature_vector", format="tf1-hub", tf1_compat=True, probe=False)
    for variant in hubcheck.read(tmp_path / "m").variants:
        names = {(node.op, name) for node in variant.graph.node for name in node.attr}
        assert not {("VarHandleOp", "debug_name"), ("AssignVariableOp", "validate_shape")} & names


def test_a_single_task_needs_no_default(tmp_path):
    module = author.ImageModule("Plain", (HEIGHT, WIDTH))

    @module.classification()
    def logits(images):
        return tf.reduce_mean(images, [1, 2]) * [1.0, 2.0, 3.0]

    made = module.export(tmp_path / "m", format=("tf2", "tf1-hub"), probe=False)
    assert "no variables" in made.notes[0] and made.notes[0] in (made.path / "MODULE.md").read_text()
    for folder in made.modules.values():
        np.testing.assert_allclose(hub.Module(folder)(IMAGES), logits(IMAGES), rtol=1e-6)
        assert hub.Module(folder).variables == []


def test_functions_inside_functions_are_inlined_in_tf1_format(tmp_path):
    weights = tf.Variable(tf.ones([3, 4]), name="weights")

    @tf.function
    def inner(x):
        return x @ weights

    @tf.function
    def outer(x, scale):
        return inner(x * scale) + inner(x)

    module = author.ImageModule("Nested", (HEIGHT, WIDTH))

    @module.feature_vector
    def features(images):
        return outer(tf.reduce_mean(images, [1, 2]), 2.0)

    module.export(tmp_path / "m", format="tf1-hub", probe=False)
    assert not any(
        "Call" in node.op for variant in hubcheck.read(tmp_path / "m").variants for node in variant.graph.node
    )
    np.testing.assert_allclose(hub.Module(tmp_path / "m")(IMAGES), features(IMAGES), rtol=1e-5)


def test_updates_inside_functions_are_update_ops_in_tf1_format(tmp_path):
    net = Net()

    @tf.function
    def normalized(x, training):
        return net.normalized(x, training)

    module = author.ImageModule("Nested", (HEIGHT, WIDTH))

    @module.feature_vector
    def features(images, training):
        return tf.reduce_mean(normalized(net.convolved(images), training), [1, 2])

    module.export(tmp_path / "m", format="tf1-hub", probe=False)
    for trainable in (False, True):
        loaded = hub.Module(tmp_path / "m", trainable=trainable, tags={"train"})
        wanted = features(IMAGES, training=True).numpy()
        np.testing.assert_allclose(loaded(IMAGES), wanted, rtol=1e-5, atol=1e-6)
        assert np.any(loaded.variable_map["mean"].numpy() != 0) == trainable


@pytest.mark.parametrize("tf1_compat", [False, True])
def test_control_flow_is_kept_in_both_formats(tmp_path, tf1_compat):
    weights = tf.Variable([1.0, 2.0, 3.0], name="weights")
    module = author.ImageModule("Flow", (HEIGHT, WIDTH))

    @module.feature_vector
    def features(images):
        x = tf.reduce_mean(images, [1, 2])
        x = tf.cond(tf.reduce_sum(x) > 0, lambda: x * weights, lambda: x)
        for _ in tf.range(3):
            x = x + 1.0
        return x

    made = module.export(tmp_path / "m", format=("tf2", "tf1-hub"), tf1_compat=tf1_compat, probe=False)
    for folder in made.modules.values():
        np.testing.assert_allclose(hub.Module(folder)(IMAGES), features(IMAGES), rtol=1e-5)
    ops = {node.op for variant in hubcheck.read(made.modules["tf1-hub"]).variants for node in variant.graph.node}
    assert bool({"If", "StatelessIf", "While", "StatelessWhile"} & ops) != tf1_compat
    assert ({"Switch", "Merge", "Enter", "Exit"} <= ops) == tf1_compat


def test_a_lookup_table_is_kept_in_tf2_and_refused_in_tf1_format(tmp_path):
    keys, values = tf.range(4, dtype=tf.int64), tf.constant([0.5, 1.5, 2.5, 3.5])
    table = tf.lookup.StaticHashTable(tf.lookup.KeyValueTensorInitializer(keys, values), -1.0)
    module = author.ImageModule("Table", (HEIGHT, WIDTH))

    @module.feature_vector
    def features(images):
        return table.lookup(tf.cast(tf.reduce_mean(images, [1, 2]) * 6, tf.int64))

    made = module.export(tmp_path / "m", probe=False)
    np.testing.assert_allclose(hub.Module(made.path)(IMAGES), features(IMAGES))
    with pytest.raises(author.AuthorError, match="lookup table"):
        module.export(tmp_path / "old", format="tf1-hub", probe=False)


def test_random_generators_are_active_in_training_only(tmp_path):
    generator = tf.random.Generator.from_seed(3)
    weights = tf.Variable(tf.ones([3, 4]), name="weights")
    module = author.ImageModule("Noise", (HEIGHT, WIDTH))

    @module.feature_vector
    def features(images, training):
        x = tf.reduce_mean(images, [1, 2])
        if training:
            x = x + generator.normal(tf.shape(x))
        return x @ weights

    made = module.export(tmp_path / "m", format=("tf2", "tf1-hub"), probe=False)
    for folder in made.modules.values():
        inference, train = hub.Module(folder), hub.Module(folder, tags={"train"})
        assert np.array_equal(inference(IMAGES), inference(IMAGES))
        assert not np.array_equal(train(IMAGES), train(IMAGES))
