"""from_saved_model: existing SavedModels of every format."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from hubcheck import author, hub
from tests.author.networks import CLASSES, FEATURES, HEIGHT, WIDTH, Net, keras_model, random_images

IMAGES = random_images()


def refusal(*args, **kwargs) -> author.AuthorError:
    with pytest.raises(author.AuthorError) as caught:
        author.from_saved_model(*args, **{"architecture": "Net", "pixels": (0, 1), **kwargs})
    return caught.value


def export(module, path):
    return module.export(path, format=("tf2", "tf1-hub"), default="image_classification", probe=False)


def same(made, wanted, rtol=1e-5):
    for folder in made.modules.values():
        np.testing.assert_allclose(hub.Module(folder)(IMAGES), wanted, rtol=rtol)


def v1_model(path, *, refs: bool, shape=(None, HEIGHT, WIDTH, 3)):
    """Write a TF1 SavedModel with a session."""
    rng = np.random.default_rng(5)
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        images = tf.compat.v1.placeholder(tf.float32, shape, name="in")
        kernel = tf.compat.v1.get_variable(
            "kernel", initializer=rng.normal(size=(3, CLASSES)).astype("f"), use_resource=not refs
        )
        pooled = tf.identity(tf.reduce_mean(images, [1, 2]), name="pooled")
        scores = tf.nn.softmax(tf.matmul(pooled, kernel), name="scores")
        session.run(tf.compat.v1.global_variables_initializer())
        tf.compat.v1.saved_model.simple_save(session, str(path), {"in": images}, {"scores": scores})
        return session.run(kernel)


def several_inputs(path) -> np.ndarray:
    """Write a TF2 SavedModel that takes images, a scale for each of them and a flag; return its kernel."""
    kernel = tf.Variable(np.random.default_rng(3).normal(size=(3, CLASSES)).astype("f"), name="kernel")

    @tf.function(
        input_signature=[
            tf.TensorSpec([None, HEIGHT, WIDTH, 3], tf.float32, name="a_picture"),
            tf.TensorSpec([None, 3], tf.float32, name="scale"),
            tf.TensorSpec([], tf.bool, name="training"),
        ]
    )
    def predict(picture, scale, training):
        x = tf.reduce_mean(picture, [1, 2]) * scale
        return {"scores": tf.where(training, x * 0.0, x) @ kernel}

    root = tf.Module()
    root.kernel, root.predict = kernel, predict
    tf.saved_model.save(root, str(path), signatures={"serving_default": predict})
    return kernel.numpy()


def test_inputs_besides_the_images_get_constants(tmp_path):
    kernel = several_inputs(tmp_path / "old")
    options = {"logits": "scores", "input": "a_picture"}
    assert "'scale'" in str(refusal(tmp_path / "old", **options, constants={"training": False}))
    assert "cannot have" in str(refusal(tmp_path / "old", **options, constants={"training": False, "scale": [1.0] * 5}))
    constants = {"training": False, "scale": [2.0, 3.0, 4.0]}
    module = author.from_saved_model(
        tmp_path / "old", architecture="Net", logits="scores", pixels=(0, 1), constants=constants
    )
    same(export(module, tmp_path / "m"), (IMAGES.mean((1, 2)) * [2, 3, 4]) @ kernel)


def test_an_input_with_a_default_value_needs_no_constant(tmp_path):
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        images = tf.compat.v1.placeholder(tf.float32, (None, HEIGHT, WIDTH, 3), name="in")
        keep = tf.compat.v1.placeholder_with_default(1.0, [], name="keep")
        scores = tf.identity(tf.reduce_mean(images, [1, 2]) * keep, name="scores")
        inputs = {"in": images, "keep": keep}
        tf.compat.v1.saved_model.simple_save(session, str(tmp_path / "old"), inputs, {"scores": scores})
    assert refusal(tmp_path / "old", logits="scores").rule == "image-input/sole"
    for constants, factor in ({}, 1), ({"keep": 3.0}, 3):
        module = author.from_saved_model(
            tmp_path / "old", architecture="Net", logits="scores", pixels=(0, 1), input="in", constants=constants
        )
        same(export(module, tmp_path / f"m{factor}"), IMAGES.mean((1, 2)) * factor)


@pytest.mark.parametrize("refs", [True, False], ids=["ref variables", "resource variables"])
def test_a_tf1_saved_model_is_adapted(tmp_path, refs):
    kernel = v1_model(tmp_path / "old", refs=refs)
    with pytest.warns(author.AuthorWarning, match="softmax of the output 'scores'"):
        module = author.from_saved_model(
            tmp_path / "old", architecture="Net", features="pooled", logits="scores", pixels=(0, 255)
        )
    made = export(module, tmp_path / "m")
    same(made, (IMAGES * 255).mean((1, 2)) @ kernel)
    loaded = hub.Module(made.modules["tf2"])
    np.testing.assert_allclose(loaded(IMAGES, signature="image_feature_vector"), (IMAGES * 255).mean((1, 2)), rtol=1e-5)
    assert [variable.shape.as_list() for variable in loaded.variables] == [[3, CLASSES]]


def test_a_tf2_saved_model_with_other_names_is_adapted(tmp_path):
    net = Net()

    @tf.function(input_signature=[tf.TensorSpec([None, HEIGHT, WIDTH, 3], tf.uint8, name="pixels")])
    def predict(pixels):
        x = net.convolved(tf.cast(pixels, tf.float32))
        return {"logits": tf.reduce_mean(x, [1, 2]), "map": tf.reduce_mean(x, [1, 2], keepdims=True)}

    net.predict = predict
    tf.saved_model.save(net, str(tmp_path / "old"), signatures={"predict": predict})
    module = author.from_saved_model(
        tmp_path / "old", architecture="Net", features="map", logits="logits", hidden=["map"], pixels=(0, 255)
    )
    made = export(module, tmp_path / "m")
    wanted = predict(tf.cast(tf.round(IMAGES * 255), tf.uint8))
    same(made, wanted["logits"])
    loaded = hub.Module(made.modules["tf2"], trainable=True)
    assert loaded(IMAGES, signature="image_feature_vector").shape == (4, FEATURES), "[batch, 1, 1, n] is squeezed"
    assert [variable.name for variable in loaded.trainable_variables] == ["kernel:0"]


def test_a_keras_export_is_adapted(tmp_path):
    import keras

    model = keras_model(keras, softmax=True)
    model.export(str(tmp_path / "old"))
    with pytest.warns(author.AuthorWarning, match="softmax"):
        module = author.from_saved_model(tmp_path / "old", architecture="Net", logits="output_0", pixels=(-1, 1))
    made = export(module, tmp_path / "m")
    for folder in made.modules.values():
        logits = hub.Module(folder)(IMAGES)
        np.testing.assert_allclose(tf.nn.softmax(logits), model(IMAGES * 2 - 1, training=False), rtol=1e-4)


def test_a_tf1_hub_module_becomes_a_tf2_module(data, tmp_path):
    module = author.from_saved_model(
        data / "b_good_classification", architecture="Net", logits="default", pixels=(0, 1)
    )
    made = export(module, tmp_path / "m")
    images = random_images(2, *module.image_size)
    wanted = hub.Module(data / "b_good_classification")(images)
    for folder in made.modules.values():
        np.testing.assert_allclose(hub.Module(folder)(images), wanted, rtol=1e-5)


def test_fixed_batches_are_refused(tmp_path):
    v1_model(tmp_path / "old", refs=False, shape=(1, HEIGHT, WIDTH, 3))
    assert refusal(tmp_path / "old", logits="scores").rule == "image-input/batch-size"


def test_unknown_outputs_inputs_and_signatures_are_errors_with_suggestions(tmp_path):
    v1_model(tmp_path / "old", refs=False)
    assert "did you mean 'scores'" in str(refusal(tmp_path / "old", logits="score"))
    assert "no input 'images'" in str(refusal(tmp_path / "old", logits="scores", input="images"))
    assert "serving_default" in str(refusal(tmp_path / "old", logits="scores", signature="predict"))
    assert refusal(tmp_path / "old").rule == "module/task-signature"


def test_a_path_without_a_saved_model_is_an_error(tmp_path):
    assert "no such file" in str(refusal(tmp_path / "nothing", logits="scores"))
    (tmp_path / "empty").mkdir()
    assert refusal(tmp_path / "empty", logits="scores").rule == "module/readable"


@pytest.mark.shared
def test_a_published_tf1_classifier_is_adapted(shared_modules, tmp_path):
    path = shared_modules / "public" / "tf1_cifar"
    module = author.from_saved_model(path, architecture="Cifar", logits="Output", pixels=(0, 1))
    made = export(module, tmp_path / "m")
    images = random_images(3, 32, 32)
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        meta = tf.compat.v1.saved_model.load(session, ["serve"], str(path))
        signature = meta.signature_def["serving_default"]
        wanted = session.run(signature.outputs["Output"].name, {signature.inputs["Input"].name: images})
    for folder in made.modules.values():
        np.testing.assert_allclose(hub.Module(folder)(images), wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.shared
def test_a_published_classifier_of_gray_faces_is_refused_or_converted(shared_modules, tmp_path):
    path = shared_modules / "public" / "fer_emotion_keras3_export"
    error = refusal(path, logits="output_0")
    assert error.rule == "image-input/channels" and "grayscale=True" in str(error)
    with pytest.warns(author.AuthorWarning, match="softmax"):
        module = author.from_saved_model(path, architecture="FER", logits="output_0", pixels=(0, 1), grayscale=True)
    made = export(module, tmp_path / "m")
    assert "rgb_to_grayscale" in (made.path / "MODULE.md").read_text()
    images = random_images(3, 64, 64)
    source = tf.saved_model.load(str(path)).signatures["serving_default"]
    wanted = source(input_1=tf.image.rgb_to_grayscale(images))["output_0"]
    for folder in made.modules.values():
        np.testing.assert_allclose(tf.nn.softmax(hub.Module(folder)(images)), wanted, rtol=1e-4, atol=1e-6)
