"""Device rules on real modules."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import keras
import pytest
import tensorflow as tf
import tf_keras

from hubcheck.engine.findings import Finding
from hubcheck.run.validate import validate

pytestmark = pytest.mark.slow

v1 = tf.compat.v1
SIZE = 8


def findings(path: Path) -> list[Finding]:
    (module,) = validate(path, static=True, select=["device"]).modules
    assert [o.reason for o in module.outcomes if o.status == "broken"] == []
    return list(module.findings)


def findings_of(path: Path) -> list[str]:
    return sorted(f"{finding.level} {finding.rule} {finding.found}" for finding in findings(path))


def published(path: Path, network: Callable[[tf.Tensor, tf.Variable], tf.Tensor]) -> Path:
    """A module whose one signature is a function of images and a kernel."""
    module = tf.Module()
    module.kernel = tf.Variable(tf.ones([3, 3, 3, 4]))
    spec = tf.TensorSpec([None, SIZE, SIZE, 3], tf.float32, name="images")
    signature = tf.function(lambda images: {"default": network(images, module.kernel)}, input_signature=[spec])
    tf.saved_model.save(module, str(path), signatures={"serving_default": signature})
    return path


def pooled(x: tf.Tensor) -> tf.Tensor:
    return tf.reduce_mean(x, [1, 2])


def normalised_first(x: tf.Tensor, _: tf.Variable) -> tf.Tensor:
    ones, zeros = tf.ones([3]), tf.zeros([3])
    first = tf.transpose(x, [0, 3, 1, 2])
    return tf.reduce_mean(
        tf.raw_ops.FusedBatchNormV3(
            x=first, scale=ones, offset=zeros, mean=zeros, variance=ones, data_format="NCHW", is_training=False
        )[0],
        [2, 3],
    )


def classes_as_text(x: tf.Tensor, _: tf.Variable) -> tf.Tensor:
    names = tf.strings.as_string(tf.argmax(pooled(x), 1))
    return pooled(x) + tf.cast(tf.strings.length(names), tf.float32)[:, None]


def host_step_for_nobody(x: tf.Tensor, _: tf.Variable) -> tf.Tensor:
    tf.image.resize(x, [5, 5], "bicubic")
    return pooled(x)


def first_elsewhere(x: tf.Tensor, _: tf.Variable) -> tf.Tensor:
    constant = tf.nn.max_pool(tf.ones([1, 3, 4, 4]), 2, 2, "SAME", "NCHW")
    return pooled(x) + tf.reduce_mean(constant)


def by_shape(x: tf.Tensor, _: tf.Variable) -> tf.Tensor:
    tiled = tf.tile(x, [1, tf.shape(x)[1] // 4, 1, 1])
    return tf.reshape(tiled, [tf.shape(x)[0], -1])


QUIET = {
    "a convolution": lambda x, k: pooled(tf.nn.conv2d(x, k, 1, "SAME")),
    "a bilinear resize": lambda x, _: pooled(tf.image.resize(x, [5, 5])),
    "shapes": by_shape,
    "batch normalisation with channels first": normalised_first,
    "names of classes as text": classes_as_text,
    "a host step that no output needs": host_step_for_nobody,
    "a layout that is not on the way": first_elsewhere,
}


@pytest.mark.parametrize("name", QUIET)
def test_nothing_is_reported_for(name: str, tmp_path: Path) -> None:
    assert findings_of(published(tmp_path / "m", QUIET[name])) == []


LOUD = {
    "a bicubic resize": (
        lambda x, k: pooled(tf.image.resize(x, [5, 5], "bicubic")),
        "warning device/gpu-kernels ResizeBicubic of float32",
    ),
    "a dtype without a kernel": (
        lambda x, k: tf.cast(pooled(tf.raw_ops.ResizeBilinear(images=tf.cast(x, tf.int16), size=[4, 4])), tf.float32),
        "warning device/gpu-kernels ResizeBilinear of int16",
    ),
    "a convolution with channels first": (
        lambda x, k: tf.reduce_mean(tf.nn.conv2d(tf.transpose(x, [0, 3, 1, 2]), k, 1, "SAME", "NCHW"), [2, 3]),
        "error device/channels-last Conv2D with data_format NCHW",
    ),
    "pooling with channels first": (
        lambda x, k: tf.reduce_mean(tf.nn.max_pool(tf.transpose(x, [0, 3, 1, 2]), 2, 2, "SAME", "NCHW"), [2, 3]),
        "error device/channels-last MaxPool with data_format NCHW",
    ),
    "a GPU": (lambda x, _: pooled_on(x, "GPU:0"), "error device/pinned /device:GPU:0"),
    "another machine": (
        lambda x, _: pooled_on(x, "/job:worker/task:1/cpu:0"),
        "error device/pinned /job:worker/task:1/device:CPU:0",
    ),
    "the CPU": (lambda x, _: pooled_on(x, "CPU:0"), "note device/pinned /device:CPU:0"),
}


def pooled_on(x: tf.Tensor, device: str) -> tf.Tensor:
    with tf.device(device):
        return pooled(x)


@pytest.mark.parametrize("name", LOUD)
def test_a_finding_is_reported_for(name: str, tmp_path: Path) -> None:
    network, wanted = LOUD[name]
    assert findings_of(published(tmp_path / "m", network)) == [wanted]


def test_the_finding_names_the_first_node_its_function_and_how_many_there_are(tmp_path: Path) -> None:
    def network(x, k):
        return pooled(tf.image.resize(tf.image.resize(x, [5, 5], "bicubic"), [6, 6], "bicubic"))

    (finding,) = findings(published(tmp_path / "m", network))
    assert finding.where.node is not None
    assert finding.where.node.op == "ResizeBicubic"
    assert finding.where.node.name.startswith("resize") and finding.where.node.function is not None
    assert "2 nodes" in finding.message


def test_a_polymorphic_function_is_checked_by_the_type_that_its_caller_gives(tmp_path: Path) -> None:
    for dtype, wanted in ((tf.float32, []), (tf.int16, ["warning device/gpu-kernels ResizeBilinear of int16"])):
        path = published(
            tmp_path / dtype.name,
            lambda x, k: pooled(tf.raw_ops.ResizeBilinear(images=tf.cast(x, dtype), size=[4, 4])),  # noqa: B023
        )
        make_polymorphic(path)
        assert findings_of(path) == wanted


def make_polymorphic(path: Path) -> None:
    """Move a node's type to the nodes that call its function, as TF1's Defun did."""
    from tensorflow.core.protobuf import saved_model_pb2

    file = path / "saved_model.pb"
    proto = saved_model_pb2.SavedModel.FromString(file.read_bytes())
    graph = proto.meta_graphs[0].graph_def
    for function in graph.library.function:
        for node in function.node_def:
            if node.op == "ResizeBilinear":
                number = node.attr["T"].type
                node.attr["T"].placeholder = "T"
                name = function.signature.name
    for nodes in [graph.node, *(function.node_def for function in graph.library.function)]:
        for node in nodes:
            if node.attr["f"].func.name == name:
                node.attr["f"].func.attr["T"].type = number
    file.write_bytes(proto.SerializeToString())


def test_a_tf1_variable_on_a_gpu_is_pinned(tmp_path: Path) -> None:
    with tf.Graph().as_default(), v1.Session(config=v1.ConfigProto(allow_soft_placement=True)) as session:
        images = v1.placeholder(tf.float32, [None, SIZE, SIZE, 3])
        with tf.device("/gpu:0"):
            kernel = v1.get_variable("kernel", [3, 2], use_resource=False)
        outputs = {"default": pooled(images) @ kernel}
        session.run(v1.global_variables_initializer())
        signature = v1.saved_model.predict_signature_def({"images": images}, outputs)
        builder = v1.saved_model.Builder(str(tmp_path / "m"))
        builder.add_meta_graph_and_variables(session, ["serve"], signature_def_map={"serving_default": signature})
        builder.save()
    assert findings_of(tmp_path / "m") == ["error device/pinned /device:GPU:0"]


def test_a_module_without_a_way_from_images_to_an_output_is_skipped(tmp_path: Path) -> None:
    module = tf.Module()
    module.v = tf.Variable(1.0)
    tf.saved_model.save(module, str(tmp_path / "m"))
    (report,) = validate(tmp_path / "m", static=True, select=["device"]).modules
    reasons = {o.rule: o.reason for o in report.outcomes if o.status == "skipped"}
    assert {"device/gpu-kernels", "device/channels-last"} <= set(reasons)


@pytest.mark.parametrize("library", [keras, tf_keras])
def test_lookups_and_recurrent_layers_that_keras_itself_pins_have_no_finding(library, tmp_path: Path) -> None:
    images = library.Input([SIZE, SIZE, 3], name="images")
    words = library.Input([1], dtype="string", name="words")
    ids = library.layers.StringLookup(vocabulary=["cat", "dog"])(words)
    rows = library.layers.LSTM(2)(library.layers.Reshape([SIZE, SIZE * 3])(images))
    both = library.layers.Concatenate()([rows, library.layers.Flatten()(library.layers.Embedding(4, 2)(ids))])
    library.Model([images, words], both).export(str(tmp_path / "m"))
    assert findings_of(tmp_path / "m") == []


FAMILIES = {
    "keras MobileNetV2": lambda: keras.applications.MobileNetV2((32, 32, 3), 0.35, weights=None, classes=3),
    "tf_keras MobileNet": lambda: tf_keras.applications.MobileNet((32, 32, 3), 0.25, weights=None, classes=3),
}


@pytest.mark.parametrize("name", FAMILIES)
def test_networks_that_many_publish_have_no_finding(name: str, tmp_path: Path) -> None:
    FAMILIES[name]().export(str(tmp_path / "m"))
    (report,) = validate(tmp_path / "m", static=True, select=["device", "safety"]).modules
    assert list(report.findings) == []
