"""Device rules on real modules."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import keras
import pytest
import tensorflow as tf
import tf_keras
from tensorflow.core.protobuf import saved_model_pb2

from hubcheck.engine.findings import Finding
from hubcheck.run.validate import validate
from tests.paths import DATA

pytestmark = pytest.mark.slow

v1 = tf.compat.v1
SIZE = 8
SOFT = v1.ConfigProto(allow_soft_placement=True)
"""Runs what is pinned to a device that is not there."""


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
    "branches that are not taken": lambda x, k: branches(x, k, tf.constant(False)),
    "branches that no argument takes": lambda x, k: tf.function(lambda on: branches(x, k, on))(tf.constant(False)),
    "branches that no training flag takes": lambda x, k: branches(
        x, k, v1.placeholder_with_default(tf.constant(False), [])
    ),
}


def branches(x: tf.Tensor, k: tf.Variable, predicate: tf.Tensor) -> tf.Tensor:
    """A network for GPUs, pinned and channels first, or one for every device."""

    def for_gpu():
        with tf.device("GPU:0"):
            rows = tf.transpose(tf.image.resize(x, [5, 5], "bicubic"), [0, 3, 1, 2])
            return tf.reduce_mean(tf.nn.conv2d(rows, k, 1, "SAME", "NCHW"), [2, 3])

    return tf.cond(predicate, for_gpu, lambda: pooled(tf.nn.conv2d(x, k, 1, "SAME")))


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
    "blocks with channels first": (
        lambda x, _: tf.reduce_mean(tf.nn.space_to_depth(tf.transpose(x, [0, 3, 1, 2]), 2, "NCHW"), [2, 3]),
        "error device/channels-last SpaceToDepth with data_format NCHW",
    ),
    "a GPU": (lambda x, _: pooled_on(x, "GPU:0"), "error device/pinned /device:GPU:0"),
    "another machine": (
        lambda x, _: pooled_on(x, "/job:worker/task:1/cpu:0"),
        "error device/pinned /job:worker/task:1/device:CPU:0",
    ),
    "the CPU": (lambda x, _: pooled_on(x, "CPU:0"), "note device/pinned /device:CPU:0"),
    "a kernel that only GPUs have": (
        lambda x, _: tf.cast(pooled(tf.raw_ops.AdjustSaturation(images=tf.cast(x, tf.float16), scale=2.0)), tf.float32),
        "error device/cpu AdjustSaturation of float16 has no CPU kernel",
    ),
}


def pooled_on(x: tf.Tensor, device: str) -> tf.Tensor:
    with tf.device(device):
        return pooled(x)


@pytest.mark.parametrize("name", LOUD)
def test_a_finding_is_reported_for(name: str, tmp_path: Path) -> None:
    network, wanted = LOUD[name]
    assert findings_of(published(tmp_path / "m", network)) == [wanted]


def test_branches_that_are_taken_or_that_the_images_choose_count(tmp_path: Path) -> None:
    wanted = [
        "error device/channels-last Conv2D with data_format NCHW",
        "error device/pinned /device:GPU:0",
        "warning device/gpu-kernels ResizeBicubic of float32",
    ]
    taken = published(tmp_path / "taken", lambda x, k: branches(x, k, tf.constant(True)))
    chosen = published(tmp_path / "chosen", lambda x, k: branches(x, k, tf.reduce_max(x) > 0.5))
    assert findings_of(taken) == wanted
    assert findings_of(chosen) == wanted


def test_branches_of_tf1_count_if_they_are_taken(tmp_path: Path) -> None:
    def network(flag: bool) -> None:
        v1.disable_control_flow_v2()
        try:
            with tf.Graph().as_default(), v1.Session(config=SOFT) as session:
                images = v1.placeholder(tf.float32, [None, SIZE, SIZE, 3])
                kernel = v1.get_variable("kernel", [3, 3, 3, 4], use_resource=True)
                outputs = {"default": branches(images, kernel, v1.placeholder_with_default(flag, []))}
                signature = v1.saved_model.predict_signature_def({"images": images}, outputs)
                builder = v1.saved_model.Builder(str(tmp_path / str(flag)))
                session.run(v1.global_variables_initializer())
                builder.add_meta_graph_and_variables(session, ["serve"], {"serving_default": signature})
                builder.save()
        finally:
            v1.enable_control_flow_v2()

    network(False)
    network(True)
    assert findings_of(tmp_path / "False") == []
    assert "error device/channels-last Conv2D with data_format NCHW" in findings_of(tmp_path / "True")
    assert "error device/pinned /device:GPU:0" in findings_of(tmp_path / "True")


@pytest.mark.parametrize("tags", [["train"], []])
def test_pins_of_updates_count_in_training_alone(tags: list[str], tmp_path: Path) -> None:
    path = tmp_path / "m"
    with tf.Graph().as_default(), v1.Session(config=SOFT) as session:
        images = v1.placeholder(tf.float32, [None, SIZE, SIZE, 3])
        mean = v1.get_variable("mean", [3], use_resource=True)
        with tf.device("/gpu:0"):
            update = mean.assign_sub(0.1 * tf.reduce_mean(images, [0, 1, 2])).op
        v1.add_to_collection(v1.GraphKeys.UPDATE_OPS, update)
        signature = v1.saved_model.predict_signature_def({"images": images}, {"default": pooled(images) - mean})
        session.run(mean.initializer)
        builder = v1.saved_model.Builder(str(path))
        builder.add_meta_graph_and_variables(session, tags, {"default": signature})
        builder.save()
    (path / "tfhub_module.pb").write_bytes(b"\x08\x03")
    wanted = ["error device/pinned /device:GPU:0"] if tags else []
    assert [text for text in findings_of(path) if "pinned" in text] == wanted


def test_programs_for_one_platform_fail_on_the_others(tmp_path: Path) -> None:
    def compiled_for(*platforms: str) -> list[str]:
        path = tmp_path / ("for " + "-".join(platforms))
        shutil.copytree(DATA / "cases" / "opaque_cpu_only", path)
        proto = saved_model_pb2.SavedModel.FromString((path / "saved_model.pb").read_bytes())
        for function in proto.meta_graphs[0].graph_def.library.function:
            for node in function.node_def:
                if node.op == "XlaCallModule":
                    node.attr["platforms"].list.s[:] = [platform.encode() for platform in platforms]
        (path / "saved_model.pb").write_bytes(proto.SerializeToString())
        return findings_of(path)

    assert compiled_for("CPU") == ["warning device/gpu-kernels CPU"]
    assert compiled_for("CUDA") == ["error device/cpu XlaCallModule was compiled for CUDA only"]
    assert compiled_for("CPU", "CUDA", "TPU") == []
    assert compiled_for() == []


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
    with tf.Graph().as_default(), v1.Session(config=SOFT) as session:
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
