"""The original TF Hub library can use our modules, in the releases that consumers have."""

from __future__ import annotations

import importlib

import numpy as np
import pytest

from hubcheck import author
from tests.author.networks import HEIGHT, WIDTH, keras_model, plain_module, random_images
from tests.interop.originals import run

LAST_WITH_MODULE, NEWEST = "0.15.0", "0.16.1"
IMAGES = random_images()


def plain():
    module, _ = plain_module()
    features = module.tasks["image_feature_vector"].function(IMAGES, training=False).default
    return module, features.numpy(), module.tasks["image_classification"].function(features).numpy()


def of_keras(name: str):
    library = importlib.import_module(name)
    model = keras_model(library)
    module = author.from_keras(model, architecture="Net", features="pool", logits="logits", pixels=(0, 1))
    both = library.Model(model.input, [model.get_layer(layer).output for layer in ("pool", "logits")])
    return module, *(values.numpy() for values in both(IMAGES, training=False))


BUILDERS = {"plain": plain, "keras": lambda: of_keras("keras"), "tf_keras": lambda: of_keras("tf_keras")}


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """By builder, the folder of its modules, and the features and logits of the images."""
    made = {}
    for name, builder in BUILDERS.items():
        folder = tmp_path_factory.mktemp("interop")
        np.save(folder / "images.npy", IMAGES)
        module, features, logits = builder()
        module.export(folder / "m", default="image_feature_vector", format=("tf2", "tf1-hub"), probe=False)
        made[name] = str(folder), features, logits
    return made


@pytest.fixture(scope="module")
def seen_by_hub_module(exported):
    return run("consume_tf1.py", LAST_WITH_MODULE, *(folder for folder, _, _ in exported.values()))


@pytest.fixture(scope="module")
def seen_by_hub_load(exported):
    return run("consume_tf2.py", NEWEST, *(folder for folder, _, _ in exported.values()))


def assert_close(actual, wanted, rtol=1e-5):
    np.testing.assert_allclose(np.array(actual), wanted, rtol=rtol, atol=1e-6)


@pytest.mark.parametrize("builder", BUILDERS)
def test_hub_module_loads_trains_and_exports_a_tf1_module_again(builder, exported, seen_by_hub_module):
    folder, features, logits = exported[builder]
    seen = seen_by_hub_module[folder]
    assert (seen["size"], seen["channels"], seen["tags"]) == ([HEIGHT, WIDTH], 3, [[], ["train"]])
    assert seen["signatures"] == ["default", "image_classification", "image_feature_vector"]
    assert_close(seen["values"]["call default"], features)
    assert_close(seen["values"]["image_feature_vector default"], features)
    assert_close(seen["values"]["image_classification default"], logits)
    training = seen["training"]
    assert training["with gradient"] >= 1 and training["regularization losses"] >= 1 and training["updates"] >= 1
    assert training["unchanged without updates"] and training["changed by updates"]
    assert np.all(np.isfinite(training["losses"]))
    assert seen["reexported"].keys() == seen["values"].keys()
    assert not np.allclose(seen["reexported"]["call default"], features), "it was exported after training"


@pytest.mark.parametrize("builder", BUILDERS)
def test_hub_load_and_keras_layer_load_and_train_a_tf2_module(builder, exported, seen_by_hub_load):
    folder, features, logits = exported[builder]
    seen = seen_by_hub_load[folder]
    for actual in (seen["values"], seen["layer"], seen["signatures"]["serving_default"]):
        assert_close(actual, features)
    assert_close(seen["signatures"]["image_feature_vector"], features)
    assert_close(seen["signatures"]["image_classification"], logits)
    assert seen["frozen"] == 0 and seen["trainable"] >= 1
    assert seen["trainable"] - seen["changed"] == 1, (
        "fine-tuning the features changes every weight but the classifier's"
    )
    assert seen["regularization losses"] >= 1
    assert np.all(np.isfinite(seen["losses"]))
