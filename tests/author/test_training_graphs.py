"""from_saved_model takes over how its source trains."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import tensorflow as tf

from hubcheck import author, hub
from tests.author.networks import FEATURES, HEIGHT, WIDTH, keras_model, random_images

IMAGES = random_images(8)
FORMATS = ("tf2", "tf1-hub")
v1 = tf.compat.v1


def adapted(path, target, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", author.AuthorWarning)
        module = author.from_saved_model(path, architecture="Net", **{"pixels": (0, 1), **options})
        default = "image_classification" if "logits" in options else None
        return module.export(target, format=FORMATS, default=default, probe=False)


def training(folder):
    return hub.Module(folder, trainable=True, tags={"train"})


def statistics(module):
    """The values of the variables that only updates change."""
    return {v.name: v.numpy() for v in module.variables if not v.trainable and v.dtype.is_floating}


@pytest.fixture(scope="module")
def keras2(tmp_path_factory):
    """The path of a Keras 2 SavedModel with updates, losses, and dropout inside and on its features; its model."""
    import tf_keras

    model = keras_model(tf_keras, softmax=True)
    model.get_layer("norm").moving_mean.assign(np.linspace(-1, 1, 5))
    path = tmp_path_factory.mktemp("keras2") / "old"
    model.save(path, save_format="tf")
    return path, model


@pytest.fixture(scope="module")
def made(keras2, tmp_path_factory):
    features = "StatefulPartitionedCall/tiny/last_drop/Identity"
    return adapted(keras2[0], tmp_path_factory.mktemp("made") / "m", logits="probabilities", features=features)


@pytest.mark.parametrize("form", FORMATS)
def test_a_keras_2_model_trains_as_before(keras2, made, form):
    model, loaded = keras2[1], training(made.modules[form])
    names = [{variable.name for variable in owner.trainable_variables} for owner in (loaded, model)]
    assert names[0] == names[1]
    losses = sorted(float(loss) for loss in loaded.regularization_losses)
    np.testing.assert_allclose(losses, sorted(map(float, model.losses)), rtol=1e-5)
    logits = [loaded(IMAGES).numpy() for _ in range(2)]
    assert np.abs(logits[0] - logits[1]).max() > 1e-3, "dropout inside stays"
    # Dropout comes after the batch normalization, whose updates so are the same.
    norm = model.get_layer("norm")
    old = norm.get_weights()
    for _ in range(2):
        model(IMAGES, training=True)
    found, wanted = statistics(loaded), statistics(norm)
    assert set(found) == set(wanted) == {"norm/moving_mean:0", "norm/moving_variance:0"}
    for name, value in wanted.items():
        np.testing.assert_allclose(found[name], value, rtol=1e-4, atol=1e-6)
    norm.set_weights(old)


@pytest.mark.parametrize("form", FORMATS)
def test_dropout_is_removed_from_features_alone(made, form):
    """Dropped features are exactly 0; without dropout on them, these here never are."""
    features = training(made.modules[form])(IMAGES, signature="image_feature_vector")
    assert features.shape == (8, FEATURES) and np.all(features != 0)


def test_module_md_says_what_training_does(made):
    text = (made.path / "MODULE.md").read_text()
    assert "`training=True` updates batch normalization and applies inner dropout or noise" in text
    assert "computes the same" not in text


def test_updates_and_losses_of_layers_that_are_cut_off_are_left_out(keras2, tmp_path):
    path = "StatefulPartitionedCall/tiny"
    made = adapted(keras2[0], tmp_path / "m", features=f"{path}/last_drop/Identity")
    for folder in made.modules.values():
        loaded = training(folder)
        assert len(loaded.regularization_losses) == 1, "that of the logits is left out"
        assert len(statistics(loaded)) == 2


def test_a_keras_2_model_with_several_inputs_trains_as_before(tmp_path):
    import tf_keras
    from tf_keras import layers

    scale = tf_keras.Input([1], name="scale")
    pictures = tf_keras.Input([HEIGHT, WIDTH, 3], name="pictures")
    x = layers.BatchNormalization(name="norm")(layers.Conv2D(5, 3, kernel_regularizer="l2")(pictures))
    x = layers.GlobalAveragePooling2D(name="pool")(x * scale[:, :, None, None])
    model = tf_keras.Model([scale, pictures], layers.Dense(4, name="logits")(layers.Dropout(0.5)(x)))
    model.save(tmp_path / "old", save_format="tf")
    made = adapted(tmp_path / "old", tmp_path / "m", logits="logits", input="pictures", constants={"scale": [3.0]})
    loaded = [training(folder) for folder in made.modules.values()]
    for module in loaded:
        values = [module(IMAGES).numpy() for _ in range(2)]
        assert np.abs(values[0] - values[1]).max() > 1e-3, "dropout inside stays"
        assert len(module.trainable_variables) == 6 and len(module.regularization_losses) == 1
    for _ in range(2):
        model([np.full([8, 1], 3, "f"), IMAGES], training=True)
    wanted = statistics(model.get_layer("norm"))
    for module in loaded:
        for name, value in statistics(module).items():
            np.testing.assert_allclose(value, wanted[name], rtol=1e-4, atol=1e-6)


class Masked(tf.Module):
    """A callable whose dropout is on the outputs, under functions of single entries."""

    def __init__(self):
        super().__init__()
        self.kernel = tf.Variable(np.random.default_rng(2).normal(size=(3, FEATURES)).astype("f"), name="kernel")

    @tf.function
    def __call__(self, images, training=False):
        x = tf.reduce_mean(images, [1, 2]) @ self.kernel
        return tf.nn.softplus(tf.nn.dropout(x, 0.25) if training else x)


def test_dropout_under_functions_of_single_entries_is_removed(tmp_path):
    net = Masked()
    spec = tf.TensorSpec([None, HEIGHT, WIDTH, 3], tf.float32, "pictures")
    for flag in (True, False):
        net.__call__.get_concrete_function(spec, training=flag)
    serve = tf.function(lambda pictures: {"out": net(pictures)}).get_concrete_function(spec)
    tf.saved_model.save(net, str(tmp_path / "old"), signatures={"serving_default": serve})
    made = adapted(tmp_path / "old", tmp_path / "m", features="out")
    for folder in made.modules.values():
        np.testing.assert_allclose(training(folder)(IMAGES), net(IMAGES), rtol=1e-5)
    assert "computes the same" in (made.path / "MODULE.md").read_text()


def test_a_callable_that_computes_something_else_is_not_taken(tmp_path):
    net = Masked()
    spec = tf.TensorSpec([None, HEIGHT, WIDTH, 3], tf.float32, "pictures")
    for flag in (True, False):
        net.__call__.get_concrete_function(spec, training=flag)
    serve = tf.function(lambda pictures: {"out": net(pictures) * 2}).get_concrete_function(spec)
    tf.saved_model.save(net, str(tmp_path / "old"), signatures={"serving_default": serve})
    reason = "callable does not compute what its signature 'serving_default' does"
    with pytest.warns(author.AuthorWarning, match=reason):
        made = author.from_saved_model(tmp_path / "old", architecture="Net", features="out", pixels=(0, 1)).export(
            tmp_path / "m", format="tf2", probe=False
        )
    assert reason in (made.path / "MODULE.md").read_text()
    np.testing.assert_allclose(training(made.modules["tf2"])(IMAGES), net(IMAGES) * 2, rtol=1e-5)


def v1_graph(graph, training: bool, *, refs: bool):
    """Add a network with batch normalization and dropout inside to a graph; return images, features and a saver."""
    with graph.as_default():
        images = v1.placeholder(tf.float32, [None, HEIGHT, WIDTH, 3], "in")
        rng = np.random.default_rng(4)
        use = {"use_resource": not refs}
        first = v1.get_variable("first", initializer=rng.normal(size=(3, 5)).astype("f"), **use)
        second = v1.get_variable("second", initializer=rng.normal(size=(5, FEATURES)).astype("f"), **use)
        mean = v1.get_variable("mean", initializer=np.zeros(5, "f"), trainable=False, **use)
        x = tf.reduce_mean(images, [1, 2]) @ first
        if training:
            batch = tf.reduce_mean(x, 0)
            update = v1.assign(mean, mean * 0.9 + batch * 0.1)
            v1.add_to_collection(v1.GraphKeys.UPDATE_OPS, update.op)
            x = tf.nn.dropout(x - batch, 0.5)
        else:
            x = x - mean
        v1.add_to_collection(v1.GraphKeys.REGULARIZATION_LOSSES, 0.1 * tf.nn.l2_loss(first))
        features = tf.identity(x @ second, "features")
        signature = v1.saved_model.predict_signature_def({"in": images}, {"features": features})
    return {"serving_default": signature}


@pytest.mark.parametrize("refs", [False, True], ids=["resource variables", "ref variables"])
def test_a_tf1_variant_for_training_is_taken_over(tmp_path, refs):
    builder = v1.saved_model.Builder(str(tmp_path / "old"))
    for training_tags, tags in ((False, ["serve"]), (True, ["train"])):
        graph = tf.Graph()
        signatures = v1_graph(graph, training_tags, refs=refs)
        with v1.Session(graph=graph) as session:
            if not training_tags:
                session.run(v1_initializer(graph))
                builder.add_meta_graph_and_variables(session, tags, signature_def_map=signatures)
            else:
                builder.add_meta_graph(tags, signature_def_map=signatures)
    builder.save()
    made = adapted(tmp_path / "old", tmp_path / "m", features="features")
    rng = np.random.default_rng(4)
    first = rng.normal(size=(3, 5)).astype("f")
    batch = (IMAGES.mean((1, 2)) @ first).mean(0)
    for folder in made.modules.values():
        loaded = training(folder)
        assert not np.array_equal(loaded(IMAGES), loaded(IMAGES)), "dropout inside stays"
        (mean,) = statistics(loaded).values()
        np.testing.assert_allclose(mean, batch * 0.19, rtol=1e-4)
        assert len(loaded.trainable_variables) == 2
        np.testing.assert_allclose(
            [float(loss) for loss in loaded.regularization_losses], [0.05 * np.sum(first**2)], rtol=1e-5
        )


def v1_initializer(graph):
    with graph.as_default():
        return v1.global_variables_initializer()


@pytest.mark.parametrize(
    "name", ["a_good_feature_vector", "c_dropout_on_features_train", "d_dropout_inside_train_only"]
)
def test_the_training_graphs_of_tf1_hub_modules_are_taken_over(data, tmp_path, name):
    """Dropout on the features, which one of them has in training, is removed; that inside is not."""
    made = adapted(data / name, tmp_path / "m", features="default")
    images = random_images(8, *hub.get_expected_image_size(hub.load_module_spec(data / name)))
    source = training(data / name)
    for folder in made.modules.values():
        loaded = training(folder)
        runs = [loaded(images).numpy() for _ in range(3)]
        if name.startswith("d_"):
            assert not np.array_equal(runs[0], runs[1])
        else:
            np.testing.assert_allclose(runs[0], runs[1], rtol=1e-4)
        assert {v.name for v in loaded.trainable_variables} == {v.name for v in source.trainable_variables}
        assert len(loaded.regularization_losses) == len(source.regularization_losses)
