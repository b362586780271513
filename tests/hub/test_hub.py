"""The consumer's side: the API of the convention and of the original library."""

from __future__ import annotations

import shutil
import zipfile

import numpy as np
import pytest
import tensorflow as tf

from hubcheck import hub
from tests.author.networks import CLASSES, FEATURES, HEIGHT, WIDTH, plain_module, random_images

IMAGES = random_images()


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    path = tmp_path_factory.mktemp("hub") / "m"
    plain_module()[0].export(path, default="image_feature_vector", format=("tf2", "tf1-hub"), probe=False, package=True)
    return path


@pytest.fixture(params=["tf2", "tf1-hub"])
def module_path(request, exported):
    return exported / request.param


SAMPLES = """
module_spec = hub.load_module_spec("path/to/module")
height, width = hub.get_expected_image_size(module_spec)
images = make(height, width)  # A batch of images with shape [batch_size, height, width, 3].
module = hub.Module(module_spec)
features = module(images)   # A batch with shape [batch_size, num_features].
outputs = module(dict(images=images), signature="image_feature_vector",
                 as_dict=True)
features = outputs["default"]
"""


def test_the_examples_of_the_convention_run_unchanged(module_path):
    names = {"hub": hub, "make": lambda height, width: random_images(4, height, width)}
    exec(SAMPLES.replace("path/to/module", str(module_path)), names)
    assert names["features"].shape == (4, FEATURES)
    exec(SAMPLES.replace("path/to/module", str(module_path)).replace("feature_vector", "classification"), names)
    assert names["features"].shape == (4, CLASSES)


def test_a_spec_describes_the_module(module_path):
    spec = hub.load_module_spec(module_path)
    assert {"image_feature_vector", "image_classification"} < set(spec.get_signature_names())
    (info,) = spec.get_input_info_dict().values()
    assert info.dtype == tf.float32 and info.get_shape().as_list() == [None, HEIGHT, WIDTH, 3] and not info.is_sparse
    outputs = spec.get_output_info_dict("image_classification")
    assert outputs["default"].get_shape().as_list() == [None, CLASSES] and "Tiny/conv" in outputs
    assert hub.get_expected_image_size(spec) == [HEIGHT, WIDTH]
    assert hub.get_num_image_channels(spec) == 3
    module = hub.Module(spec)
    assert hub.get_expected_image_size(module) == [HEIGHT, WIDTH]
    assert module.get_signature_names() == spec.get_signature_names()
    assert str(module.get_output_info_dict()["default"]) == f"float32 [?, {FEATURES}]"
    assert set(module.get_input_info_dict()) == {"images"}


def test_a_module_can_be_called_inside_a_tf_function(module_path):
    module = hub.Module(module_path)

    @tf.function
    def apply(images):
        return module(images), hub.Module(module_path)(images)

    for found in apply(IMAGES):
        np.testing.assert_allclose(found, module(IMAGES), rtol=1e-6)


def test_lists_and_arrays_are_converted(module_path):
    module = hub.Module(module_path)
    np.testing.assert_allclose(module(IMAGES.tolist()), module(IMAGES), rtol=1e-6)
    np.testing.assert_allclose(module(IMAGES.astype("float64")), module(IMAGES), rtol=1e-6)


def test_only_a_trainable_module_has_trainable_variables_and_losses(module_path):
    frozen, trainable = hub.Module(module_path), hub.Module(module_path, trainable=True, tags={"train"})
    assert len(frozen.variables) == 3 and not frozen.trainable_variables and not frozen.regularization_losses
    assert len(trainable.trainable_variables) >= 1
    assert set(trainable.variable_map) == {"kernel", "mean", "dense"}
    (loss,) = trainable.regularization_losses
    assert loss.shape == () and loss > 0


def test_a_training_graph_runs_its_updates_only_if_trainable(module_path):
    for trainable in (False, True):
        module = hub.Module(module_path, trainable=trainable, tags={"train"})
        before = module.variable_map["mean"].numpy()
        module(IMAGES)
        changed = np.any(module.variable_map["mean"].numpy() != before)
        # In TF2 modules updates are part of the function; in TF1 they are the consumer's to ask for.
        assert changed == (trainable or module_path.name == "tf2")


def test_a_module_can_be_fine_tuned(module_path):
    module = hub.Module(module_path, trainable=True, tags={"train"})
    optimizer = tf.keras.optimizers.SGD(0.01)
    losses = []
    for _ in range(3):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean((module(IMAGES) - 1.0) ** 2) + sum(module.regularization_losses)
        variables = module.trainable_variables
        gradients = tape.gradient(loss, variables)
        optimizer.apply_gradients([pair for pair in zip(gradients, variables, strict=True) if pair[0] is not None])
        losses.append(float(loss))
    assert losses[0] > losses[1] > losses[2]


def test_unknown_signatures_and_tags_are_errors_that_list_the_existing_ones(module_path):
    module = hub.Module(module_path)
    with pytest.raises(ValueError, match=r"'predict' is missing.*image_feature_vector"):
        module(IMAGES, signature="predict")
    with pytest.raises(ValueError, match=r"No such graph variant: tags=\{'gpu'\}.*'train'"):
        hub.Module(module_path, tags={"gpu"})
    with pytest.raises(KeyError):
        hub.load_module_spec(module_path).get_signature_names(tags={"gpu"})


def test_missing_surplus_and_wrong_inputs_are_type_errors(module_path):
    module = hub.Module(module_path)
    with pytest.raises(TypeError, match=r"missing \['images'\], extra given \['x'\]"):
        module({"x": IMAGES})
    with pytest.raises(TypeError, match=r"missing \['images'\]"):
        module()
    with pytest.raises(TypeError, match=r"extra given \['y'\]"):
        module({"images": IMAGES, "y": 1})
    with pytest.raises(TypeError, match=r"Expected float32 \[\?, 12, 16, 3\]"):
        module(IMAGES[:, :5])
    with pytest.raises(TypeError, match="uint8"):
        module(tf.cast(IMAGES, tf.uint8))
    with pytest.raises(TypeError, match="dense"):
        module(tf.sparse.from_dense(IMAGES))
    with pytest.raises(TypeError, match="str"):
        module("images")


def test_only_the_default_signature_of_other_writers_has_a_training_graph_in_tf2(tmp_path):
    root = tf.Module()
    spec = tf.TensorSpec([None, 8, 8, 3], tf.float32, "images")

    @tf.function
    def call(images, training=False):
        return tf.reduce_mean(images, [1, 2])

    for training in (False, True):
        call.get_concrete_function(spec, training=training)
    root.__call__ = call
    one = tf.function(lambda images: {"default": tf.reduce_mean(images, [1, 2])}).get_concrete_function(spec)
    tf.saved_model.save(root, str(tmp_path / "m"), signatures={"serving_default": one, "image_classification": one})
    module = hub.Module(tmp_path / "m", tags={"train"})
    with pytest.raises(ValueError, match="no training graph"):
        module(np.zeros([2, 8, 8, 3], "f"), signature="image_classification")


def test_archives_can_be_loaded(exported, tmp_path):
    wanted = hub.Module(exported / "tf2")(IMAGES)
    for name in ("m-tf2.tar.gz", "m-tf1-hub.tar.gz"):
        np.testing.assert_allclose(hub.Module(exported.parent / name)(IMAGES), wanted, rtol=1e-5)
    shutil.copytree(exported / "tf1-hub", tmp_path / "wrapped" / "inner")
    with zipfile.ZipFile(tmp_path / "m.zip", "w") as zipped:
        for file in (tmp_path / "wrapped").rglob("*"):
            zipped.write(file, file.relative_to(tmp_path / "wrapped"))
    np.testing.assert_allclose(hub.Module(tmp_path / "m.zip")(IMAGES), wanted, rtol=1e-5)


def test_paths_without_a_module_are_errors(tmp_path, exported):
    with pytest.raises(FileNotFoundError, match="no module here"):
        hub.load_module_spec(tmp_path / "none")
    with pytest.raises(ValueError, match=r"saved_model\.pb is missing"):
        hub.load_module_spec(tmp_path)
    (tmp_path / "text.tar.gz").write_text("no archive")
    with pytest.raises(ValueError, match="neither"):
        hub.load_module_spec(tmp_path / "text.tar.gz")
    shutil.copytree(exported / "tf2", tmp_path / "torn")
    (tmp_path / "torn" / "saved_model.pb").write_bytes(b"\x00\x01")
    with pytest.raises(ValueError, match="not a SavedModel"):
        hub.load_module_spec(tmp_path / "torn")
    with pytest.raises(ValueError, match="Unknown module spec type"):
        hub.Module(3)


def test_modules_of_the_original_library_run(data):
    for name in ("a_good_feature_vector", "b_good_classification"):
        module = hub.Module(data / name, trainable=True, tags={"train"})
        images = random_images(2, *hub.get_expected_image_size(module))
        before = {key: variable.numpy() for key, variable in module.variable_map.items()}
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(module(images)) + sum(module.regularization_losses)
        assert all(gradient is not None for gradient in tape.gradient(loss, module.trainable_variables))
        changed = {key for key, variable in module.variable_map.items() if np.any(variable.numpy() != before[key])}
        assert changed and all("moving_" in key for key in changed)


def test_tables_and_string_outputs_work(data):
    module = hub.Module(data / "x12_assets_and_table")
    images = random_images(2, *hub.get_expected_image_size(module))
    outputs = module(images, as_dict=True)
    assert {value.dtype for value in outputs.values()} == {tf.float32, tf.string}


@pytest.mark.shared
def test_the_original_librarys_own_test_modules_load(shared_modules):
    for path in sorted((shared_modules / "tf1-hub").iterdir()):
        spec = hub.load_module_spec(path)
        module = hub.Module(spec)
        signature = spec.signature()
        inputs = {}
        for key, tensor in signature.inputs.items():
            shape = [2 if dim is None else dim for dim in tensor.shape.dims or (2,)]
            zero = "" if tensor.dtype == "string" else 0
            value = tf.fill(shape, tf.cast(zero, tensor.dtype) if zero == 0 else zero)
            inputs[key] = tf.sparse.from_dense(value) if tensor.encoding == "sparse" else value
        assert set(module(inputs, as_dict=True)) == set(signature.outputs), path.name
