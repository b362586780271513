"""from_keras: models of Keras 3 and tf_keras, cut at named layers."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import tensorflow as tf

from hubcheck import author, hub
from tests.author.networks import CLASSES, FEATURES, HEIGHT, WIDTH, keras_model, random_images

IMAGES = random_images()
FORMATS = ("tf2", "tf1-hub")


def refusal(*args, **kwargs) -> author.AuthorError:
    with pytest.raises(author.AuthorError) as caught:
        author.from_keras(*args, **{"architecture": "Net", "pixels": (0, 1), **kwargs})
    assert "\n" not in str(caught.value)
    return caught.value


def export(module, path, **options):
    return module.export(path, **{"format": FORMATS, "probe": False, "default": None, **options})


def cut(keras, model, layer):
    return keras.Model(model.inputs, model.get_layer(layer).output)


def test_outputs_are_those_of_the_layers(keras, tmp_path):
    model = keras_model(keras)
    module = author.from_keras(
        model,
        architecture="Net",
        features="pool",
        logits="logits",
        hidden=["act"],
        pixels=(-1, 1),
        activation="softmax",
    )
    made = export(module, tmp_path / "m", default="image_feature_vector")
    scaled = IMAGES * 2 - 1
    wanted = {name: cut(keras, model, name)(scaled, training=False) for name in ("pool", "logits", "act")}
    for folder in made.modules.values():
        loaded = hub.Module(folder)
        outputs = loaded(IMAGES, as_dict=True)
        np.testing.assert_allclose(outputs["default"], wanted["pool"], rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(outputs["Net/act"], wanted["act"], rtol=1e-5, atol=1e-6)
        logits = loaded(IMAGES, signature="image_classification")
        np.testing.assert_allclose(logits, wanted["logits"], rtol=1e-5, atol=1e-6)


def test_variables_losses_and_updates_are_those_of_the_model(keras, tmp_path):
    model = keras_model(keras)
    module = author.from_keras(model, architecture="Net", features="pool", logits="logits", pixels=(0, 1))
    made = export(module, tmp_path / "m", default="image_classification")
    for folder in made.modules.values():
        loaded = hub.Module(folder, trainable=True, tags={"train"})
        weights = sorted(variable.shape.as_list() for variable in loaded.trainable_variables)
        assert weights == sorted(list(variable.shape) for variable in model.trainable_variables)
        np.testing.assert_allclose(sum(loaded.regularization_losses), sum(model.losses), rtol=1e-5)
        before = {variable.name: variable.numpy() for variable in loaded.variables}
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(loaded(IMAGES) ** 2)
        assert all(gradient is not None for gradient in tape.gradient(loss, loaded.trainable_variables))
        changed = {v.name for v in loaded.variables if np.any(v.numpy() != before[v.name]) and v.dtype.is_floating}
        assert {name.rpartition("/")[2] for name in changed} == {"moving_mean:0", "moving_variance:0"}
        frozen = hub.Module(folder)
        before = [variable.numpy() for variable in frozen.variables]
        frozen(IMAGES)
        assert all(np.array_equal(variable, old) for variable, old in zip(frozen.variables, before, strict=True))


def test_inner_dropout_is_active_in_training_and_differs_between_calls(keras, tmp_path):
    module = author.from_keras(keras_model(keras), architecture="Net", features="pool", pixels=(0, 1))
    made = export(module, tmp_path / "m")
    for folder in made.modules.values():
        loaded = hub.Module(folder, trainable=True, tags={"train"})
        assert np.any(loaded(IMAGES) != loaded(IMAGES))


def test_the_model_is_not_changed(keras, tmp_path):
    model = keras_model(keras, softmax=True)
    before = model(IMAGES, training=False).numpy()
    with pytest.warns(author.AuthorWarning):
        module = author.from_keras(model, architecture="Net", features="pool", logits="probabilities", pixels=(0, 1))
    export(module, tmp_path / "m", default="image_feature_vector", format="tf2")
    np.testing.assert_array_equal(model(IMAGES, training=False), before)


def test_a_softmax_layer_is_removed_with_a_warning(keras, tmp_path):
    model = keras_model(keras, softmax=True)
    with pytest.warns(author.AuthorWarning, match="softmax of the layer 'probabilities'"):
        module = author.from_keras(model, architecture="Net", logits="probabilities", pixels=(0, 1))
    made = export(module, tmp_path / "m")
    assert any("softmax" in note for note in made.notes)
    assert "**softmax**" in (tmp_path / "m" / "MODULE.md").read_text()
    for folder in made.modules.values():
        np.testing.assert_allclose(tf.nn.softmax(hub.Module(folder)(IMAGES)), model(IMAGES, training=False), rtol=1e-5)


@pytest.mark.parametrize("activation", ["softmax", "sigmoid"])
def test_an_activation_inside_the_last_layer_is_removed(keras, tmp_path, activation):
    last = keras.layers.Dense(CLASSES, activation=activation, name="predictions")
    model = keras.Sequential([keras.Input((HEIGHT, WIDTH, 3)), keras.layers.GlobalMaxPooling2D(name="pool"), last])
    with pytest.warns(author.AuthorWarning, match=activation):
        module = author.from_keras(model, architecture="Net", logits="predictions", pixels=(0, 1))
    made = export(module, tmp_path / "m", format="tf2")
    logits = hub.Module(made.path)(IMAGES)
    np.testing.assert_allclose(getattr(tf.nn, activation)(logits), model(IMAGES), rtol=1e-5)
    assert last.activation.__name__ == activation


def test_a_subclassed_model_is_cut_too(keras, tmp_path):
    class Net(keras.Model):
        def __init__(self):
            super().__init__()
            self.conv = keras.layers.Conv2D(FEATURES, 3, name="conv")
            self.pool = keras.layers.GlobalAveragePooling2D(name="pool")
            self.drop = keras.layers.Dropout(0.5, name="drop")
            self.head = keras.layers.Dense(CLASSES, name="head")

        def call(self, x, training=False):
            x = self.pool(self.conv(x))
            if training:
                x = self.drop(x, training=True)
            return self.head(x)

    model = Net()
    model(IMAGES)
    module = author.from_keras(model, architecture="Net", features="pool", image_size=(HEIGHT, WIDTH), pixels=(0, 1))
    made = export(module, tmp_path / "m")
    for folder in made.modules.values():
        loaded = hub.Module(folder)
        np.testing.assert_allclose(loaded(IMAGES), model.pool(model.conv(IMAGES)), rtol=1e-5)
        assert len(loaded.variables) == 2, "variables of layers after the cut are not stored"
    whole = author.from_keras(model, architecture="Net", logits=model.name, image_size=(HEIGHT, WIDTH), pixels=(0, 1))
    made = export(whole, tmp_path / "whole", format="tf2")
    np.testing.assert_allclose(hub.Module(made.path)(IMAGES), model(IMAGES), rtol=1e-5)


def test_layers_of_nested_models_are_found(keras, tmp_path):
    base = keras_model(keras)
    outer = keras.Sequential([keras.Input((HEIGHT, WIDTH, 3)), base, keras.layers.Dense(2, name="top")])
    module = author.from_keras(outer, architecture="Net", features="pool", logits="top", pixels=(0, 1))
    made = export(module, tmp_path / "m", default="image_feature_vector", format="tf2")
    np.testing.assert_allclose(hub.Module(made.path)(IMAGES), cut(keras, base, "pool")(IMAGES), rtol=1e-5, atol=1e-6)


def test_pixels_may_be_a_function(keras, tmp_path):
    model = keras_model(keras)
    module = author.from_keras(
        model, architecture="Net", features="pool", pixels=lambda images: images[..., ::-1] * 255
    )
    made = export(module, tmp_path / "m", format="tf2")
    wanted = cut(keras, model, "pool")(IMAGES[..., ::-1] * 255)
    np.testing.assert_allclose(hub.Module(made.path)(IMAGES), wanted, rtol=1e-4)


def test_a_network_for_gray_images_is_refused_or_converted(keras, tmp_path):
    layers = [keras.Input((HEIGHT, WIDTH, 1)), keras.layers.Conv2D(4, 3), keras.layers.GlobalMaxPooling2D(name="pool")]
    model = keras.Sequential(layers)
    error = refusal(model, features="pool")
    assert error.rule == "image-input/channels" and "grayscale=True" in str(error)
    module = author.from_keras(model, architecture="Net", features="pool", pixels=(0, 1), grayscale=True)
    made = export(module, tmp_path / "m", format="tf2")
    gray = tf.image.rgb_to_grayscale(IMAGES)
    np.testing.assert_allclose(hub.Module(made.path)(IMAGES), model(gray), rtol=1e-5)
    assert any("gray" in note for note in made.notes)


def test_an_unknown_layer_is_an_error_with_a_suggestion(keras):
    assert "did you mean 'pool'" in str(refusal(keras_model(keras), features="poool"))
    assert "'conv2'" in str(refusal(keras_model(keras), features="pool", hidden=["conv3"]))


def test_dropout_as_the_last_layer_is_refused_and_its_input_taken(keras, tmp_path):
    model = keras_model(keras)
    error = refusal(model, features="last_drop")
    assert error.rule == "output/no-dropout" and "'pool', as 'last_drop.input'" in str(error)
    module = author.from_keras(model, architecture="Net", features="last_drop.input", pixels=(0, 1))
    made = export(module, tmp_path / "m", format="tf2")
    np.testing.assert_allclose(hub.Module(made.path)(IMAGES), cut(keras, model, "pool")(IMAGES), rtol=1e-4, atol=1e-6)


def test_a_hint_goes_by_the_graph(keras):
    layers = keras.layers
    inputs = keras.Input((HEIGHT, WIDTH, 3))
    drop = layers.Dropout(0.5, name="drop")
    pooled, other = layers.GlobalMaxPooling2D(name="max")(inputs), layers.GlobalAveragePooling2D(name="mean")(inputs)
    model = keras.Model(inputs, layers.Add()([drop(pooled), other]))
    assert "the output of 'max'" in str(refusal(model, features="drop"))


def test_the_output_of_an_operation_is_taken(keras, tmp_path):
    layers = keras.layers
    inputs = keras.Input((HEIGHT, WIDTH, 3))
    tokens = layers.Reshape((HEIGHT * WIDTH, 3))(inputs)
    model = keras.Model(inputs, layers.Dense(2)(tokens[:, 0]))
    name = "get_item" if keras.__name__ == "keras" else next(one.name for one in model.layers if "getitem" in one.name)
    operations = getattr(model, "operations", model.layers)
    name = next(one.name for one in operations if one.name.startswith(name))
    module = author.from_keras(model, architecture="Net", features=name, pixels=(0, 1))
    for folder in export(module, tmp_path / "m").modules.values():
        np.testing.assert_allclose(hub.Module(folder)(IMAGES), IMAGES[:, 0, 0], rtol=1e-6)


def test_hidden_outputs_are_chosen_by_a_pattern(keras, tmp_path):
    module = author.from_keras(keras_model(keras), architecture="Net", features="pool", hidden=["conv*"], pixels=(0, 1))
    made = export(module, tmp_path / "m", format="tf2")
    assert set(hub.Module(made.path)(IMAGES, as_dict=True)) == {"default", "Net/conv", "Net/conv2"}
    assert "no layer matches 'block_*'" in str(refusal(keras_model(keras), features="pool", hidden=["block_*"]))


def test_an_ambiguous_name_is_refused_with_the_choices(keras, tmp_path):
    def tower(name, layer):
        one = keras.Sequential([keras.Input((HEIGHT, WIDTH, 3)), layer(name="pool")], name=name)
        return one

    inputs = keras.Input((HEIGHT, WIDTH, 3))
    towers = [tower("left", keras.layers.GlobalMaxPooling2D), tower("right", keras.layers.GlobalAveragePooling2D)]
    model = keras.Model(inputs, keras.layers.Add()([one(inputs) for one in towers]), name="both")
    assert "choose one of 'both/left/pool', 'both/right/pool'" in str(refusal(model, features="pool"))
    module = author.from_keras(model, architecture="Net", features="right/pool", pixels=(0, 1))
    made = export(module, tmp_path / "m", format="tf2")
    np.testing.assert_allclose(hub.Module(made.path)(IMAGES), IMAGES.mean((1, 2)), rtol=1e-5)


def test_dropout_before_the_last_layer_is_found_by_the_rules(keras, tmp_path):
    layers = keras.layers
    inputs = keras.Input((HEIGHT, WIDTH, 3))
    x = layers.Dropout(0.5)(layers.GlobalAveragePooling2D()(inputs))
    model = keras.Model(inputs, layers.Flatten(name="flat")(x))
    module = author.from_keras(model, architecture="Net", features="flat", pixels=(0, 1))
    with pytest.raises(author.ConformanceError) as caught:
        export(module, tmp_path / "m")
    assert {finding.rule for finding in caught.value.findings} == {"output/no-dropout"}
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("options", "rule"),
    [
        ({}, "module/task-signature"),
        ({"features": "pool", "image_size": (9, 9)}, "image-input/image-size"),
        ({"features": "pool", "pixels": (1, 0)}, "image-input/value-range"),
        ({"features": "pool", "pixels": 255}, "image-input/value-range"),
    ],
)
def test_errors_about_arguments_name_the_rule(options, rule):
    import keras

    assert refusal(keras_model(keras), **options).rule == rule


def test_inputs_other_than_a_batch_of_images_are_refused(keras):
    layers = keras.layers
    fixed = keras.Sequential([keras.Input(batch_shape=(2, 8, 8, 3)), layers.GlobalMaxPooling2D(name="pool")])
    assert refusal(fixed, features="pool").rule == "image-input/batch-size"
    anysize = keras.Sequential([keras.Input((None, None, 3)), layers.GlobalMaxPooling2D(name="pool")])
    assert refusal(anysize, features="pool").rule == "image-input/image-size"
    flat = keras.Sequential([keras.Input((8,)), layers.Dense(2, name="pool")])
    assert refusal(flat, features="pool").rule == "image-input/rank"
    a, b = keras.Input((8, 8, 3)), keras.Input((8, 8, 3))
    two = keras.Model([a, b], layers.GlobalMaxPooling2D(name="pool")(layers.Add()([a, b])))
    assert refusal(two, features="pool").rule == "image-input/sole"


def test_inputs_besides_the_images_get_constants(keras, tmp_path):
    layers = keras.layers
    images, scale = keras.Input((HEIGHT, WIDTH, 3), name="images"), keras.Input((3,), name="scale")
    x = layers.Multiply(name="scaled")([layers.GlobalMaxPooling2D()(images), scale])
    model = keras.Model([images, scale], layers.Flatten(name="flat")(x))
    assert "constants=" in str(refusal(model, features="flat", input="images"))
    module = author.from_keras(
        model, architecture="Net", features="flat", pixels=(0, 1), constants={"scale": [1.0, 2.0, 3.0]}
    )
    for folder in export(module, tmp_path / "m").modules.values():
        np.testing.assert_allclose(hub.Module(folder)(IMAGES), IMAGES.max((1, 2)) * [1, 2, 3], rtol=1e-6)


def test_the_documentation_says_what_training_does(tmp_path):
    import keras

    module = author.from_keras(keras_model(keras), architecture="Net", features="pool", pixels=(0, 1))
    export(module, tmp_path / "m", format="tf2")
    text = (tmp_path / "m" / "MODULE.md").read_text()
    assert "`training=True` updates batch normalization and applies inner dropout or noise" in text
    layers = [keras.Input((HEIGHT, WIDTH, 3)), keras.layers.Conv2D(4, 3), keras.layers.GlobalMaxPooling2D(name="pool")]
    module = author.from_keras(keras.Sequential(layers), architecture="Net", features="pool", pixels=(0, 1))
    export(module, tmp_path / "n", format="tf2")
    assert "`training=True` computes the same" in (tmp_path / "n" / "MODULE.md").read_text()


def test_an_object_that_is_not_a_model_is_an_error():
    assert "Keras 3 or tf_keras" in str(refusal(lambda images: images, features="x"))


def test_classes_without_logits_are_an_error(keras):
    assert "logits=" in str(refusal(keras_model(keras), features="pool", classes=["a"]))


def test_mixed_precision_becomes_float32(tmp_path):
    import keras

    layers = keras.layers
    inputs = [keras.Input((HEIGHT, WIDTH, 3)), layers.Conv2D(4, 3, dtype="mixed_bfloat16")]
    model = keras.Sequential([*inputs, layers.GlobalMaxPooling2D(name="pool", dtype="mixed_bfloat16")])
    module = author.from_keras(model, architecture="Net", features="pool", pixels=(0, 1))
    with warnings.catch_warnings():
        warnings.simplefilter("error", author.AuthorWarning)
        made = export(module, tmp_path / "m")
    for folder in made.modules.values():
        assert hub.Module(folder)(IMAGES).dtype == tf.float32


def test_a_model_may_keep_layer_classes_in_attributes(keras, tmp_path):
    class Net(keras.Model):
        def __init__(self):
            super().__init__()
            self._norm = keras.layers.BatchNormalization
            self.norm = self._norm(name="norm")
            self.pool = keras.layers.GlobalAveragePooling2D(name="pool")

        def call(self, x, training=False):
            return self.pool(self.norm(x, training=training))

    model = Net()
    model(IMAGES)
    module = author.from_keras(model, architecture="Net", features="pool", image_size=(HEIGHT, WIDTH), pixels=(0, 1))
    export(module, tmp_path / "m")
    module = author.ImageModule("Net", (HEIGHT, WIDTH))
    module.feature_vector(lambda images, training: model(images, training=training))
    for folder in export(module, tmp_path / "own").modules.values():
        np.testing.assert_allclose(hub.Module(folder)(IMAGES), model(IMAGES), rtol=1e-5)


def test_pixels_are_rounded_for_a_model_of_integers(keras, tmp_path):
    """Keras itself cuts off what is behind the point."""
    inputs = keras.Input((HEIGHT, WIDTH, 3), dtype="uint8")
    x = keras.layers.Rescaling(1 / 128)(inputs)
    model = keras.Model(inputs, keras.layers.GlobalAveragePooling2D(name="pool")(keras.layers.Conv2D(4, 3)(x)))
    module = author.from_keras(model, architecture="Net", features="pool", pixels=(0, 255))
    made = module.export(tmp_path / "m", format=("tf2", "tf1-hub"), probe=False)
    images = random_images()
    wanted = model(np.round(images * 255).astype(np.uint8), training=False)
    for folder in made.modules.values():
        np.testing.assert_allclose(hub.Module(folder)(images), wanted, rtol=1e-4, atol=1e-6)


def test_a_network_in_half_precision_gives_float32_and_trains(keras, tmp_path):
    keras.mixed_precision.set_global_policy("mixed_float16")
    try:
        model = keras_model(keras)
    finally:
        keras.mixed_precision.set_global_policy("float32")
    module = author.from_keras(model, architecture="Net", features="pool", logits="logits", pixels=(0, 1))
    made = module.export(tmp_path / "m", format=("tf2", "tf1-hub"), default="image_classification", probe=False)
    images = random_images()
    for folder in made.modules.values():
        loaded = hub.Module(folder, trainable=True, tags={"train"})
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(loaded(images) ** 2)
        assert loss.dtype == tf.float32 and {v.dtype for v in loaded.trainable_variables} == {tf.float32}
        assert None not in tape.gradient(loss, loaded.trainable_variables)
        np.testing.assert_allclose(hub.Module(folder)(images), model(images, training=False), rtol=2e-2, atol=2e-3)


def test_convolutions_with_a_group_for_each_channel_train_in_tf1_hub_format(tmp_path):
    """TensorFlow's own CPU kernels, without oneDNN, have no gradients for groups."""
    keras = pytest.importorskip("keras")
    images = keras.Input((HEIGHT, WIDTH, 3))
    x = keras.layers.Conv2D(6, 3)(images)
    x = keras.layers.Conv2D(12, 3, groups=6, strides=2, padding="same")(x)
    model = keras.Model(images, keras.layers.GlobalAveragePooling2D(name="pool")(x))
    module = author.from_keras(model, architecture="Net", features="pool", pixels=(0, 1))
    written = export(module, tmp_path / "m", format="tf1-hub", default="image_feature_vector", probe=True).path
    np.testing.assert_allclose(hub.Module(written)(IMAGES), model(IMAGES), rtol=1e-4, atol=1e-6)
