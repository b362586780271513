"""Unusual but honest modules are told nothing, or no more than a note."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import keras
import pytest
import tensorflow as tf
import tf_keras

from hubcheck.module.proto import parse
from tests.checks.hostile import Honest, findings_of, save

pytestmark = pytest.mark.slow

v1 = tf.compat.v1


@pytest.fixture
def vocabulary(tmp_path: Path) -> str:
    file = tmp_path / "vocabulary.txt"
    file.write_text("cat\ndog\n")
    return str(file)


def with_table(path: Path, table: tf.lookup.StaticHashTable) -> Path:
    module = Honest()
    module.table = table

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
    def ids(words):
        return {"ids": module.table.lookup(words)}

    signatures = {"serving_default": module.features, "ids": ids}
    tf.saved_model.save(module, str(path), signatures=signatures)
    return path


def test_a_saver_that_signatures_run_on_paths_of_the_caller_is_one_note(tmp_path: Path) -> None:
    module = Honest()
    paths = [tf.TensorSpec([], tf.string)]

    @tf.function(input_signature=paths)
    def store(path):
        tf.raw_ops.SaveV2(prefix=path, tensor_names=["k"], shape_and_slices=[""], tensors=[tf.ones([2])])
        return {"path": path}

    def restore(path):
        names = {"tensor_names": ["k"], "shape_and_slices": [""], "dtypes": [tf.float32]}
        return {"k": tf.raw_ops.RestoreV2(prefix=path, **names)[0]}

    restoring = {f"restore_{number}": tf.function(restore, input_signature=paths) for number in range(5)}
    signatures = {"serving_default": module.features, "store": store, **restoring}
    tf.saved_model.save(module, str(tmp_path / "m"), signatures=signatures)
    (found,) = findings_of(tmp_path / "m")
    assert found.startswith("note safety/file-access")


def test_a_table_filled_from_an_asset(tmp_path: Path, vocabulary: str) -> None:
    whole, line = tf.lookup.TextFileIndex.WHOLE_LINE, tf.lookup.TextFileIndex.LINE_NUMBER
    filled = tf.lookup.TextFileInitializer(vocabulary, tf.string, whole, tf.int64, line)
    assert findings_of(with_table(tmp_path / "m", tf.lookup.StaticVocabularyTable(filled, 1))) == []


def test_a_table_filled_from_constants(tmp_path: Path) -> None:
    filled = tf.lookup.KeyValueTensorInitializer(["cat", "dog"], tf.constant([0, 1], tf.int64))
    assert findings_of(with_table(tmp_path / "m", tf.lookup.StaticHashTable(filled, -1))) == []


def test_a_table_filled_through_a_dataset_reads_its_asset_which_is_a_note(tmp_path: Path, vocabulary: str) -> None:
    class Module(Honest):
        def __init__(self):
            super().__init__()
            self.file = tf.saved_model.Asset(vocabulary)
            self.table = tf.lookup.experimental.MutableHashTable(tf.string, tf.int64, -1)

        @tf.function(input_signature=[])
        def fill(self):
            for word in tf.data.TextLineDataset(self.file.asset_path):
                self.table.insert(word, tf.constant(1, tf.int64))

    assert findings_of(save(Module(), tmp_path / "m")) == ["note safety/file-access TextLineDataset"]


def test_a_table_filled_from_a_file_that_stays_behind_is_found(tmp_path: Path, vocabulary: str) -> None:
    class Module(Honest):
        @tf.function(input_signature=[])
        def fill(self):
            table = tf.raw_ops.HashTableV2(key_dtype=tf.string, value_dtype=tf.int64)
            tf.raw_ops.InitializeTableFromTextFileV2(
                table_handle=table, filename=vocabulary, key_index=-2, value_index=-1
            )

    assert findings_of(save(Module(), tmp_path / "m")) == ["error safety/file-access InitializeTableFromTextFileV2"]


def test_images_decoded_from_bytes_resized_and_cropped(tmp_path: Path) -> None:
    module = Honest()

    def decode(data):
        image = tf.io.decode_image(data, channels=3, expand_animations=False)
        return tf.image.resize(tf.image.convert_image_dtype(image, tf.float32), [4, 4])

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
    def from_bytes(data):
        return module.features(tf.map_fn(decode, data, fn_output_signature=tf.float32))

    signatures = {"serving_default": module.features, "from_bytes": from_bytes}
    tf.saved_model.save(module, str(tmp_path / "m"), signatures=signatures)
    assert findings_of(tmp_path / "m") == []


def test_datasets_in_memory_and_prints_to_the_console(tmp_path: Path) -> None:
    module = Honest()

    def signature(images):
        tf.print("mean", tf.reduce_mean(images))
        dataset = tf.data.Dataset.from_tensor_slices(images).map(tf.image.per_image_standardization)
        total = dataset.cache().shuffle(3).batch(2).reduce(tf.zeros([3]), lambda a, x: a + tf.reduce_mean(x, [0, 1, 2]))
        return {"default": module.features(images)["default"] + tf.reduce_sum(total)}

    assert findings_of(save(module, tmp_path / "m", signature)) == []


def test_save_and_restore_signatures_take_their_path_from_the_caller_which_is_a_note(tmp_path: Path) -> None:
    module = Honest()
    checkpoint = tf.TensorSpec([], tf.string, name="checkpoint")

    @tf.function(input_signature=[checkpoint])
    def save_to(checkpoint):
        tf.raw_ops.Save(filename=checkpoint, tensor_names=["kernel"], data=[module.kernel.read_value()])
        return {"checkpoint": checkpoint}

    @tf.function(input_signature=[checkpoint])
    def restore_from(checkpoint):
        value = tf.raw_ops.Restore(file_pattern=checkpoint, tensor_name="kernel", dt=tf.float32)
        return {"kernel": module.kernel.assign(value)}

    signatures = {"serving_default": module.features, "save": save_to, "restore": restore_from}
    tf.saved_model.save(module, str(tmp_path / "m"), signatures=signatures)
    assert findings_of(tmp_path / "m") == ["note safety/file-access Restore"]


@pytest.mark.parametrize("from_file", [False, True])
@pytest.mark.parametrize("library", [keras, tf_keras])
def test_keras_layers_with_vocabularies_and_random_augmentation(
    library: object, from_file: bool, tmp_path: Path, vocabulary: str
) -> None:
    layers = library.layers
    words = library.Input([1], dtype="string", name="words")
    images = library.Input([4, 4, 3], name="images")
    ids = layers.StringLookup(vocabulary=vocabulary if from_file else ["cat", "dog"])(words)
    x = layers.Flatten()(layers.RandomFlip()(layers.Resizing(2, 2)(images)))
    x = layers.Concatenate()([layers.Dense(2)(x), layers.Flatten()(layers.Embedding(4, 2)(ids))])
    model = library.Model([images, words], x)
    export(model, tmp_path / "m")
    assert findings_of(tmp_path / "m") == []


def export(model: object, path: Path) -> None:
    if isinstance(model, tf_keras.Model):
        model.save(path)
    else:
        model.export(path)


def test_python_code_in_keras_metadata_is_a_warning_and_a_function_of_tensorflow_is_none(tmp_path: Path) -> None:
    inputs = tf_keras.Input([4])
    export(tf_keras.Model(inputs, tf.nn.relu(inputs + 1)), tmp_path / "ops")
    assert findings_of(tmp_path / "ops") == []
    export(tf_keras.Model(inputs, tf_keras.layers.Lambda(lambda x: x + 1)(inputs)), tmp_path / "code")
    assert findings_of(tmp_path / "code") == ["warning safety/host-code"]


def test_it_is_found_however_the_name_is_spelled(tmp_path: Path) -> None:
    inputs = tf_keras.Input([4])
    export(tf_keras.Model(inputs, tf_keras.layers.Lambda(lambda x: x + 1, name="code")(inputs)), tmp_path / "m")
    file = tmp_path / "m" / "keras_metadata.pb"
    metadata = parse("SavedMetadata", file.read_bytes())
    for node in metadata.nodes:
        node.metadata = node.metadata.replace('"Lambda"', '"\\u004cambda"')
    file.write_bytes(metadata.SerializeToString())
    assert findings_of(tmp_path / "m") == ["warning safety/host-code"]


def estimator_export(path: Path, vocabulary: str, change: Callable[[], None] = lambda: None) -> Path:
    """As TF1 estimators export: several savers, a vocabulary, a warm start from elsewhere, a train op."""
    with tf.Graph().as_default(), v1.Session() as session:
        images = v1.placeholder(tf.float32, [None, 4, 4, 3], name="images")
        kernel = v1.get_variable("kernel", [3, 2], use_resource=False)
        start = tf.raw_ops.RestoreV2(
            prefix="gs://old/model.ckpt", tensor_names=["k"], shape_and_slices=[""], dtypes=[tf.float32]
        )
        v1.add_to_collection("warm_start", tf.group(kernel.assign(start[0])))
        table = tf.lookup.StaticHashTable(
            tf.lookup.TextFileInitializer(
                vocabulary, tf.int64, tf.lookup.TextFileIndex.LINE_NUMBER, tf.string, tf.lookup.TextFileIndex.WHOLE_LINE
            ),
            "?",
        )
        logits = tf.reduce_mean(images, [1, 2]) @ kernel
        outputs = {"logits": logits, "names": table.lookup(tf.argmax(logits, 1))}
        for _ in range(3):
            v1.train.Saver(sharded=True)
        v1.add_to_collection(v1.GraphKeys.TRAIN_OP, v1.train.GradientDescentOptimizer(0.1).minimize(logits[0, 0]))
        change()
        session.run([v1.global_variables_initializer(), v1.tables_initializer()])
        builder = v1.saved_model.Builder(str(path))
        signature = v1.saved_model.predict_signature_def({"images": images}, outputs)
        builder.add_meta_graph_and_variables(
            session,
            ["serve"],
            signature_def_map={"serving_default": signature},
            assets_collection=v1.get_collection(v1.GraphKeys.ASSET_FILEPATHS),
            main_op=v1.tables_initializer(),
            saver=v1.train.Saver(sharded=True),
        )
        builder.save()
    return path


def test_an_estimator_with_leftover_savers_a_warm_start_and_a_vocabulary(tmp_path: Path, vocabulary: str) -> None:
    assert findings_of(estimator_export(tmp_path / "m", vocabulary)) == []


def test_the_same_with_a_table_from_a_file_that_is_no_asset_is_found(tmp_path: Path, vocabulary: str) -> None:
    def forget():
        v1.get_default_graph().clear_collection(v1.GraphKeys.ASSET_FILEPATHS)

    path = estimator_export(tmp_path / "m", vocabulary, forget)
    assert findings_of(path) == ["error safety/file-access InitializeTableFromTextFileV2"]


def test_a_loaded_module_saved_again(tmp_path: Path, vocabulary: str) -> None:
    loaded = tf.saved_model.load(estimator_export(tmp_path / "m", vocabulary))
    tf.saved_model.save(loaded, str(tmp_path / "again"), signatures=loaded.signatures)
    assert findings_of(tmp_path / "again") == []


@pytest.mark.shared
def test_modules_of_other_projects(shared_modules: Path) -> None:
    found = {str(module): findings_of(module) for module in shared_modules.glob("*/*") if not module.is_file()}
    assert {name: said for name, said in found.items() if said} == {}
