"""Variables of a written module have names that tell them apart."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from hubcheck import author, hub
from tests.author.networks import HEIGHT, WIDTH, random_images

IMAGES = random_images()


def twins(*, named: bool) -> tuple[author.ImageModule, object]:
    """A module whose two variables have the same name, and its function."""

    class Layer(tf.Module):
        def __init__(self, value):
            super().__init__()
            self.w = tf.Variable(tf.fill([3, 3], value), name="weights" if named else None)

    layers = [Layer(2.0), Layer(5.0)]
    assert layers[0].w.name == layers[1].w.name
    module = author.ImageModule("Twins", (HEIGHT, WIDTH))

    @module.feature_vector
    def features(images):
        return tf.reduce_mean(images, [1, 2]) @ layers[0].w @ layers[1].w

    return module, features


@pytest.mark.parametrize("named", [False, True])
def test_variables_with_the_same_name_are_named_after_their_paths(tmp_path, named):
    module, features = twins(named=named)
    made = module.export(tmp_path / "m", format=("tf2", "tf1-hub"), probe=False)
    for folder in made.modules.values():
        loaded = hub.Module(folder)
        np.testing.assert_allclose(loaded(IMAGES), features(IMAGES), rtol=1e-5)
        assert [variable.name for variable in loaded.variables] == ["layers/0/w:0", "layers/1/w:0"]


def test_variables_in_a_closure_are_named_after_it(tmp_path):
    first, second = (tf.Variable(tf.fill([3, 3], value)) for value in (2.0, 5.0))
    module = author.ImageModule("Twins", (HEIGHT, WIDTH))
    module.feature_vector(lambda images: tf.reduce_mean(images, [1, 2]) @ first @ second)
    made = module.export(tmp_path / "m", format=("tf2", "tf1-hub"), probe=False)
    for folder in made.modules.values():
        assert [variable.name for variable in hub.Module(folder).variables] == ["first:0", "second:0"]
    assert first.name == second.name == "Variable:0"


def test_variables_of_keras_layers_have_their_paths(tmp_path):
    import keras

    layers = [keras.layers.Conv2D(4, 3, name="one"), keras.layers.Conv2D(4, 3, name="two")]
    pool = keras.layers.GlobalMaxPooling2D(name="pool")
    model = keras.Sequential([keras.Input((HEIGHT, WIDTH, 3)), *layers, pool], name="net")
    module = author.from_keras(model, architecture="Net", features="pool", pixels=(0, 1))
    made = module.export(tmp_path / "m", format=("tf2", "tf1-hub"), probe=False)
    for folder in made.modules.values():
        names = {variable.name for variable in hub.Module(folder).variables}
        assert names == {"net/one/kernel:0", "net/one/bias:0", "net/two/kernel:0", "net/two/bias:0"}


def test_a_consumers_keras_model_can_be_saved_as_hdf5(tmp_path):
    tf_keras = pytest.importorskip("tf_keras")
    module, _ = twins(named=False)
    made = module.export(tmp_path / "m", probe=False)

    class Reused(tf_keras.layers.Layer):
        """Adds the variables of a module as weights, as hub.KerasLayer does."""

        def __init__(self):
            super().__init__()
            self._module = tf.saved_model.load(str(made.path))
            self._trainable_weights.extend(self._module.trainable_variables)

        def call(self, images):
            return self._module(images)

    model = tf_keras.Sequential([tf_keras.Input((HEIGHT, WIDTH, 3)), Reused(), tf_keras.layers.Dense(2)])
    model.save_weights(tmp_path / "weights.h5")
    model.save(tmp_path / "m.h5")
