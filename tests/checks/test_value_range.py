"""In which range pixels reach the first layer."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow.compat.v1 as tf1

import hubcheck
from hubcheck.checks.context import Context
from hubcheck.checks.faults import Fault, Skip
from hubcheck.checks.value_range import value_range
from hubcheck.module.reader import read
from hubcheck.rulebook.contract import load_contracts
from tests.graph.graphs import graph_of, images, module_of, variant_of

CONTRACTS = load_contracts()
MEANS, DEVIATIONS = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
MEAN_IMAGE = np.full([48, 48, 3], 117.0, np.float32) + np.linspace(-1, 1, 48, dtype=np.float32)[:, None, None]
CAFFE = [103.939, 116.779, 123.68]
DIAGONAL = np.eye(3, dtype=np.float32)


def found(preprocess: Callable[[tf.Tensor], tf.Tensor], *, v1_control_flow: bool = False) -> list[str]:
    """The ranges that the rule objects to, with a convolution after `preprocess`."""

    def build() -> None:
        x = preprocess(images(shape=(None, 12, 10, 3)))
        kernel = tf1.get_variable("kernel", [3, 3, 3, 4], use_resource=True)
        tf.reduce_mean(tf.nn.conv2d(x, kernel, 1, "SAME"), [1, 2], name="output")

    graph_def = graph_of(build, v1_control_flow=v1_control_flow)
    module = module_of(variant_of(graph_def, {"default": "output:0"}))
    faults = value_range(Context(module, CONTRACTS), least_scale=0.02, most_offset=16.0)
    return [item.found for item in faults if isinstance(item, Fault)]


def in_channels(x: tf.Tensor) -> tf.Tensor:
    """The VGG preprocessing of TF1: colours apart, a mean from each, blue first."""
    red, green, blue = tf.split(x, 3, axis=3)
    return tf.concat([blue - CAFFE[0], green - CAFFE[1], red - CAFFE[2]], 3)


def normalised(x: tf.Tensor) -> tf.Tensor:
    scale = tf1.get_variable("scale", [3], use_resource=True)
    return x * scale


def depthwise(x: tf.Tensor, factors: float | list[float], *, size: int = 1) -> tf.Tensor:
    kernel = np.broadcast_to(np.array(factors, np.float32).reshape(1, 1, -1, 1), [size, size, 3, 1])
    return tf.nn.depthwise_conv2d(x, kernel, [1, 1, 1, 1], "SAME")


@pytest.mark.parametrize(
    ("preprocess", "arrives"),
    {
        "divided": (lambda x: x / 255.0, "[0, 0.003922]"),
        "scaled": (lambda x: x * (1 / 255), "[0, 0.003922]"),
        "to -1..1": (lambda x: (x - 127.5) / 127.5, "[-1, -0.9922]"),
        "means of 0..255": (lambda x: x - CAFFE, "[-114.8, -113.8]"),
        "means of each channel": (in_channels, "[-114.8, -113.8]"),
        "reversed channels": (lambda x: x[..., ::-1] - CAFFE, "[-114.8, -113.8]"),
        "gathered channels": (lambda x: tf.gather(x, [2, 1, 0], axis=3) - CAFFE, "[-114.8, -113.8]"),
        "means and deviations of 0..255": (lambda x: (x - CAFFE) / 57.4, "[-2, -1.983]"),
        "in a function": (tf.function(lambda x: tf.function(lambda y: y / 255.0)(x) - 0.5), "[-0.5, -0.4961]"),
        "Rescaling": (keras.layers.Rescaling(1 / 127.5, -1), "[-1, -0.9922]"),
        "padded and resized": (
            lambda x: tf.image.resize(tf.pad(x, [[0, 0], [1, 1], [1, 1], [0, 0]]) / 255.0, [9, 9]),
            "[0, 0.003922]",
        ),
        "less a mean image": (lambda x: tf.image.resize(x, [48, 48]) - MEAN_IMAGE, "[-117, -116]"),
        "means in the graph's own order": (lambda x: x - tf.constant(CAFFE)[::-1], "[-114.8, -113.8]"),
        "means put together": (lambda x: x - tf.concat([CAFFE[:1], CAFFE[1:]], 0), "[-114.8, -113.8]"),
        "one mean for all": (lambda x: x - tf.fill([3], 117.0), "[-117, -116]"),
        "one mean, repeated": (lambda x: x - tf.tile([117.0], [3]), "[-117, -116]"),
        "one mean, broadcast": (lambda x: x - tf.broadcast_to(117.0, [12, 10, 3]), "[-117, -116]"),
        "ones times a mean": (lambda x: x - tf.ones_like(tf.constant(CAFFE)) * 117.0, "[-117, -116]"),
        "a mean for each pixel": (lambda x: x - tf.fill(tf.shape(x), 117.0), "[-117, -116]"),
        "ones for each pixel, times a mean": (lambda x: x - tf.ones_like(x) * 117.0, "[-117, -116]"),
        "means for each pixel": (lambda x: x - tf.broadcast_to(CAFFE, tf.shape(x)), "[-114.8, -113.8]"),
        "a power of two": (lambda x: x / (tf.pow(2.0, 8.0) - 1.0), "[0, 0.003922]"),
        "pooled": (
            lambda x: tf.nn.max_pool2d(tf.nn.avg_pool2d(x / 255.0, 2, 1, "SAME"), 2, 1, "SAME"),
            "[0, 0.003922]",
        ),
        "cut to bytes": (lambda x: tf.cast(tf.cast(x, tf.uint8), tf.float32) / 255.0, "[0, 1]"),
        "for each image": (lambda x: tf.map_fn(lambda image: image / 255.0, x), "[0, 0.003922]"),
        "by a depthwise kernel": (lambda x: depthwise(x, 1 / 255), "[0, 0.003922]"),
        "by a kernel": (lambda x: tf.nn.conv2d(x, DIAGONAL[None, None] / 255.0, 1, "SAME"), "[0, 0.003922]"),
        "by a matrix": (lambda x: tf.einsum("bhwc,cd->bhwd", x, DIAGONAL / 255.0) - 0.5, "[-0.5, -0.4961]"),
        "where not zero": (lambda x: tf.math.xdivy(x, 255.0), "[0, 0.003922]"),
        "quantised": (lambda x: tf.quantization.fake_quant_with_min_max_args(x, 0, 255), "[0, 1]"),
        "quantised by tensors": (lambda x: tf.quantization.fake_quant_with_min_max_vars(x, -128, 127), "[0, 1]"),
    }.values(),
)
def test_preprocessing_for_0_to_255_is_found(preprocess: Callable[[tf.Tensor], tf.Tensor], arrives: str) -> None:
    assert found(preprocess) == [arrives]


@pytest.mark.parametrize(
    "preprocess",
    {
        "none": tf.identity,
        "to -1..1": lambda x: x * 2.0 - 1.0,
        "standardised": lambda x: (x - MEANS) / DEVIATIONS,
        "to 0..255 and back": lambda x: x * 255.0 / 255.0,
        "to 0..255, then for 0..255": lambda x: (x * 255.0 - 127.5) / 127.5,
        "to 0..255 for a network without scaling": lambda x: x * 255.0,
        "to 0..255 less the means": lambda x: in_channels(x * 255.0),
        "Rescaling of what was 0..255": lambda x: keras.layers.Rescaling(1 / 255)(x * 255.0),
        "each image on its own": tf.image.per_image_standardization,
        "with variables": normalised,
        "a random contrast": lambda x: tf.image.random_contrast(x, 0.5, 1.5),
        "clipped": lambda x: tf.clip_by_value(x, 0.0, 1.0),
        "inverted": lambda x: 1.0 - x,
        "to 0..255 and back by a kernel": lambda x: depthwise(x * 255.0, 1 / 255),
        "a constant depthwise layer": lambda x: depthwise(x, 0.001, size=3),
        "a constant layer": lambda x: tf.nn.conv2d(x, np.full([1, 1, 3, 3], 0.001, np.float32), 1, "SAME"),
        "constant weights of both signs": lambda x: depthwise(x, [0.001, -0.001, 0.002]),
        "quantised to 256 values": lambda x: tf.quantization.fake_quant_with_min_max_args(x, 0, 1),
        "quantised as 0..255": lambda x: tf.quantization.fake_quant_with_min_max_args(x * 255.0, 0, 255),
        "quantised to 4 values": lambda x: tf.quantization.fake_quant_with_min_max_args(x, 0, 1, num_bits=2),
        "inverted, one for each pixel": lambda x: tf.ones_like(x) - x,
        "to -1..1, a half for each pixel": lambda x: (x - tf.fill(tf.shape(x), 0.5)) * 2.0,
        "divided where it is not": lambda x: tf.cond(tf.reduce_max(x) > 1.5, lambda: x / 255.0, lambda: x),
        "to bytes and back": lambda x: tf.cast(tf.cast(x * 255.0, tf.uint8), tf.float32) / 255.0,
        "to bytes and back by TensorFlow": lambda x: tf.image.convert_image_dtype(
            tf.image.convert_image_dtype(x, tf.uint8), tf.float32
        ),
        "zeros of the same shape": lambda x: x + x * 0.0,
    }.values(),
)
def test_preprocessing_for_0_to_1_is_accepted(preprocess: Callable[[tf.Tensor], tf.Tensor]) -> None:
    assert found(preprocess) == []


def test_branches_of_tf1_are_followed() -> None:
    def branch(x: tf.Tensor) -> tf.Tensor:
        return tf1.cond(tf1.placeholder(tf.bool, []), lambda: x / 255.0, lambda: x / 255.0)

    assert found(branch, v1_control_flow=True) == ["[0, 0.003922]"]


def test_each_mistake_is_reported_once() -> None:
    assert found(lambda x: tf.concat([x / 255.0, x / 255.0], 0)) == ["[0, 0.003922]"]


Layers = Callable[[tf.Module, tf.Tensor], tf.Tensor]


def published(path: Path, values: dict[str, list[float]], layers: Layers) -> Path:
    """A module whose layers, before the first convolution, use variables of these values."""

    class Published(tf.Module):
        def __init__(self) -> None:
            super().__init__()
            self.kernel = tf.Variable(tf.ones([3, 3, 3, 4]))
            for name, value in values.items():
                # All of one name, as in TensorFlow 1 and in eager code: names do not lead to the checkpoint.
                setattr(self, name, tf.Variable(tf.constant(value), name="variable"))

        @tf.function(input_signature=[tf.TensorSpec([None, 12, 10, 3], tf.float32, name="images")])
        def features(self, images: tf.Tensor) -> dict[str, tf.Tensor]:
            return {"default": tf.reduce_mean(tf.nn.conv2d(layers(self, images), self.kernel, 1, "SAME"), [1, 2])}

    module = Published()
    signatures = {"serving_default": module.features, "image_feature_vector": module.features}
    tf.saved_model.save(module, str(path), signatures=signatures)
    return path


def said(path: Path) -> list[str]:
    """What the rule finds in a module, or why it is skipped."""
    (module,) = hubcheck.validate(path, static=True, select=["image-input/value-range"]).modules
    (outcome,) = (outcome for outcome in module.outcomes if outcome.rule == "image-input/value-range")
    return [finding.found for finding in module.findings] or [outcome.reason or outcome.status]


FAR, NEAR = [120.0, 120.0, 120.0], [0.5, 0.5, 0.5]
VARIANCES, ONES = [3600.0, 3600.0, 3600.0], [1.0, 1.0, 1.0]


def batch_norm(m: tf.Module, x: tf.Tensor) -> tf.Tensor:
    return tf.nn.batch_normalization(x, m.mean, m.variance, m.shift, m.gain, 1e-3)


@pytest.mark.parametrize(
    ("values", "layers", "wanted"),
    [
        ({"mean": FAR}, lambda m, x: x - m.mean, "[-120, -119]"),
        ({"mean": FAR}, lambda m, x: x - tf.reshape(tf.identity(m.mean), [1, 1, 1, 3]), "[-120, -119]"),
        ({"mean": NEAR}, lambda m, x: x - m.mean, "passed"),
        ({"most": [255.0]}, lambda m, x: x / m.most, "[0, 0.003922]"),
        ({"most": [255.0]}, lambda m, x: x * 255.0 / m.most, "passed"),
        ({"gain": [0.01, -0.01, 0.005]}, lambda m, x: x * m.gain, "passed"),
        (
            {"mean": FAR, "variance": VARIANCES, "gain": [1e-3, 1e-3, 1e-3], "shift": [9.0, 9.0, 9.0]},
            batch_norm,
            "[-2, -1.983]",
        ),
        (
            {"mean": NEAR, "variance": [0.06, 0.06, 0.06], "gain": [1e-3, 1e-3, 1e-3], "shift": [9.0, 9.0, 9.0]},
            batch_norm,
            "passed",
        ),
        (
            {"mean": FAR, "variance": VARIANCES},
            lambda m, x: tf.nn.batch_normalization(x, m.mean, m.variance, None, None, 1e-3),
            "[-2, -1.983]",
        ),
        (
            {"mean": FAR},
            lambda m, x: x - m.mean.assign_add([1.0, 1.0, 1.0]),
            "the images are combined with variables in sub, whose values the files do not tell",
        ),
    ],
)
def test_small_variables_are_constants_of_the_checkpoint(
    values: dict[str, list[float]], layers: Layers, wanted: str, tmp_path: Path
) -> None:
    assert said(published(tmp_path / "m", values, layers)) == [wanted]


def test_variables_whose_values_are_not_there_leave_it_undecided(tmp_path: Path) -> None:
    path = published(tmp_path / "m", {"mean": FAR}, lambda m, x: x - m.mean)
    (path / "variables" / "variables.data-00000-of-00001").write_bytes(b"")
    module = read(path)
    answers = list(value_range(Context(module, CONTRACTS), least_scale=0.02, most_offset=16.0))
    assert [type(item) for item in answers] == [Skip]
    assert "values the files do not tell" in answers[0].reason


@pytest.mark.parametrize(("means", "expected"), [([123.68, 116.779, 103.939], ["[-114.8, -113.8]"]), (MEANS, [])])
def test_a_partitioned_variable_is_read_from_its_parts(means: list[float], expected: list[str], tmp_path: Path) -> None:
    with tf.Graph().as_default(), tf1.Session() as session:
        x = tf1.placeholder(tf.float32, [None, 24, 32, 3])
        mean = tf1.get_variable(
            "mean",
            shape=[1, 3],
            initializer=lambda shape, dtype, partition_info: tf.constant([means[partition_info.var_offset[1] :][:1]]),
            partitioner=tf1.fixed_size_partitioner(3, axis=1),
            use_resource=True,
        )
        kernel = tf1.get_variable("kernel", [3, 3, 3, 4], use_resource=True)
        features = tf.reduce_mean(tf.nn.conv2d(x - tf.convert_to_tensor(mean), kernel, 1, "SAME"), [1, 2])
        session.run(tf1.global_variables_initializer())
        signature = tf1.saved_model.predict_signature_def({"images": x}, {"default": features})
        builder = tf1.saved_model.Builder(str(tmp_path / "m"))
        builder.add_meta_graph_and_variables(session, ["serve"], {"image_feature_vector": signature})
        builder.save()
    (module,) = hubcheck.validate([tmp_path / "m"], static=True, select=["image-input"]).modules
    outcome = next(outcome for outcome in module.outcomes if outcome.rule == "image-input/value-range")
    assert outcome.status == ("failed" if expected else "passed"), outcome.reason
    assert [f.found for f in module.findings if f.rule == "image-input/value-range"] == expected


@pytest.mark.parametrize("dtype", [tf.float16, tf.bfloat16])
def test_pixels_are_followed_through_coarser_types(dtype: tf.DType) -> None:
    def half(x: tf.Tensor) -> tf.Tensor:
        scaled = (tf.cast(x, dtype) - tf.constant([123.0, 117.0, 104.0], dtype)) / tf.constant(58.0, dtype)
        return tf.cast(scaled, tf.float32)

    assert len(found(half)) == 1
    assert found(lambda x: tf.cast((tf.cast(x, dtype) - tf.constant(0.5, dtype)) * 2, tf.float32)) == []
