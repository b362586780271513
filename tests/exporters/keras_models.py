"""Models of Keras 3 and tf_keras, and of the libraries that build on them."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from tests.exporters.example import Example, example

CLASSES = 7


def of_keras(keras: Any, model: Any, *, features: str, logits: str, pixels: Any, activation: Any = None) -> Example:
    """A model of Keras 3 or tf_keras, cut at two layers."""
    import tensorflow as tf

    from hubcheck import author
    from hubcheck.author.sources.pixels import as_pixels

    height, width = model.input_shape[1:3]
    convert = as_pixels(pixels).convert
    both = keras.Model(model.inputs, [_value(model, features), model.output])
    is_keras2 = keras.__name__ == "tf_keras"

    def plain(path: Path) -> None:
        model.save(path, save_format="tf") if is_keras2 else model.export(path, verbose=False)

    def module(path: Path) -> Any:
        return author.from_keras(model, architecture="Net", features=features, logits=logits, pixels=pixels)

    def pooled(images: Any) -> Any:
        return tf.reshape(both(convert(images), training=False)[0], [len(images), -1])

    def scores(images: Any) -> Any:
        return both(convert(images), training=False)[1]

    how = "model.save" if is_keras2 else "model.export"
    return Example((height, width), how, plain, module, pooled, scores, activation)


def _value(model: Any, features: str) -> Any:
    """The tensor of a layer's output, or with ".input" of its input."""
    layer = model.get_layer(features.removesuffix(".input"))
    return layer.input if features.endswith(".input") else layer.output


def application(name: str, pixels: Any, features: str, size: int, **options: Any) -> Example:
    import keras
    import tensorflow as tf

    keras.utils.set_random_seed(3)
    keras.backend.clear_session()
    model = getattr(keras.applications, name)(input_shape=(size, size, 3), weights=None, classes=CLASSES, **options)
    layers = [layer.name for layer in model.layers if features in layer.name]
    return of_keras(
        keras, model, features=layers[-1], logits=model.layers[-1].name, pixels=pixels, activation=tf.nn.softmax
    )


APPLICATIONS: dict[str, tuple[Any, ...]] = {
    "ConvNeXtTiny": ((0, 255), "head_layernorm", 32),
    "DenseNet121": ("torch", "avg_pool", 32),
    "EfficientNetB0": ((0, 255), "avg_pool", 32),
    "EfficientNetV2B0": ((0, 255), "avg_pool", 32),
    "InceptionResNetV2": ("tf", "avg_pool", 75),
    "InceptionV3": ("tf", "avg_pool", 75),
    "MobileNet": ("tf", "global_average_pooling2d", 32),
    "MobileNetV2": ("tf", "global_average_pooling2d", 32),
    "MobileNetV3Small": ((0, 255), "global_average_pooling2d", 32),
    "NASNetMobile": ("tf", "global_average_pooling2d", 32),
    "ResNet50": ("caffe", "avg_pool", 32),
    "ResNet50V2": ("tf", "avg_pool", 32),
    "VGG16": ("caffe", "fc2", 32),
    "Xception": ("tf", "avg_pool", 71),
}
for _name, _arguments in APPLICATIONS.items():
    example(f"keras.applications {_name}", "keras")(partial(application, _name, *_arguments))


def classifier(backbone: Any, converter: Any, features: str) -> Example:
    """A classifier of keras-hub with an image converter, by which pixels in 0 to 255 become what it takes."""
    import keras
    import keras_hub

    kind = type(backbone).__name__.removesuffix("Backbone")
    model = getattr(keras_hub.models, f"{kind}ImageClassifier")(backbone=backbone, num_classes=CLASSES, activation=None)

    def pixels(images: Any) -> Any:
        return converter(images * 255)

    return of_keras(keras, model, features=features, logits="predictions", pixels=pixels)


@example("keras-hub ResNet", "keras-hub", "keras")
def keras_hub_resnet() -> Example:
    import keras_hub

    backbone = keras_hub.models.ResNetBackbone(
        input_conv_filters=[64],
        input_conv_kernel_sizes=[7],
        stackwise_num_filters=[64, 64],
        stackwise_num_blocks=[2, 2],
        stackwise_num_strides=[1, 2],
        block_type="basic_block",
        image_shape=(64, 64, 3),
    )
    mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    scale, offset = [1 / 255 / one for one in std], [-a / b for a, b in zip(mean, std, strict=True)]
    converter = keras_hub.layers.ResNetImageConverter(image_size=(64, 64), scale=scale, offset=offset)
    return classifier(backbone, converter, "pooler")


@example("keras-hub ViT", "keras-hub", "keras")
def keras_hub_vit() -> Example:
    import keras_hub

    backbone = keras_hub.models.ViTBackbone(
        image_shape=(64, 64, 3), patch_size=16, num_layers=2, num_heads=2, hidden_dim=16, mlp_dim=32, dropout_rate=0.1
    )
    converter = keras_hub.layers.ViTImageConverter(image_size=(64, 64), scale=1 / 127.5, offset=-1)
    return classifier(backbone, converter, "output_dropout.input")


@example("keras-hub EfficientNet", "keras-hub", "keras")
def keras_hub_efficientnet() -> Example:
    import keras_hub

    backbone = keras_hub.models.EfficientNetBackbone(
        stackwise_width_coefficients=[1.0] * 2,
        stackwise_depth_coefficients=[1.0] * 2,
        stackwise_kernel_sizes=[3, 3],
        stackwise_num_repeats=[1, 2],
        stackwise_input_filters=[8, 8],
        stackwise_output_filters=[8, 16],
        stackwise_expansion_ratios=[1, 4],
        stackwise_strides=[1, 2],
        stackwise_squeeze_and_excite_ratios=[0.25, 0.25],
        stackwise_block_types=["v1", "v1"],
        input_shape=(64, 64, 3),
    )
    converter = keras_hub.layers.EfficientNetImageConverter(image_size=(64, 64), scale=1 / 255)
    return classifier(backbone, converter, "pooler")


@example("efficientnet EfficientNetB0", "efficientnet", "tf_keras")
def efficientnet() -> Example:
    import efficientnet.tfkeras as efn
    import tensorflow as tf
    import tf_keras

    model = efn.EfficientNetB0(weights=None, input_shape=(64, 64, 3), classes=CLASSES)

    def pixels(images: Any) -> Any:
        return efn.preprocess_input(images * 255)

    return of_keras(tf_keras, model, features="avg_pool", logits="probs", pixels=pixels, activation=tf.nn.softmax)


@example("image-classifiers ResNet18", "image-classifiers", "tf_keras")
def image_classifiers() -> Example:
    import tensorflow as tf
    import tf_keras
    from classification_models.tfkeras import Classifiers

    build, preprocess = Classifiers.get("resnet18")
    model = build((64, 64, 3), weights=None, classes=CLASSES)

    def pixels(images: Any) -> Any:
        return preprocess(images * 255)

    return of_keras(tf_keras, model, features="pool1", logits="softmax", pixels=pixels, activation=tf.nn.softmax)


@example("vit-keras ViT", "vit-keras", "keras")
def vit_keras() -> Example:
    import keras
    from vit_keras import vit

    model = vit.build_model(
        64, patch_size=16, num_layers=2, hidden_size=16, num_heads=2, name="vit", mlp_dim=32, classes=CLASSES
    )
    return of_keras(keras, model, features="ExtractToken", logits="head", pixels="tf")


@example("tf-models-official ResNet", "tf-models-official", "tf_keras", environment="official")
def official_resnet() -> Example:
    import tf_keras
    from official.vision.modeling import backbones, classification_model

    specs = tf_keras.layers.InputSpec(shape=[None, 64, 64, 3])
    model = classification_model.ClassificationModel(
        backbone=backbones.ResNet(model_id=18, input_specs=specs),
        num_classes=CLASSES,
        input_specs=specs,
        dropout_rate=0.2,
    )
    return of_keras(tf_keras, model, features="dropout.input", logits=model.layers[-1].name, pixels="torch")


@example("tf_keras subclassed", "tf_keras")
def subclassed() -> Example:
    import tensorflow as tf
    import tf_keras

    from hubcheck import author

    layers = tf_keras.layers

    class Net(tf_keras.Model):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.stem = layers.Conv2D(8, 3, strides=2, use_bias=False, kernel_regularizer="l2")
            self.norm = layers.BatchNormalization()
            self.pool = layers.GlobalAveragePooling2D(name="pool")
            self.drop = layers.Dropout(0.3)
            self.head = layers.Dense(CLASSES, name="head")

        def call(self, images: Any, training: bool = False) -> Any:
            x = self.pool(tf.nn.relu(self.norm(self.stem(images), training=training)))
            return self.head(self.drop(x, training=training))

    model = Net()
    model(tf.zeros([2, 48, 48, 3]))

    def module(path: Path) -> Any:
        return author.from_keras(
            model, architecture="Net", features="pool", logits="head", pixels=(0, 1), image_size=(48, 48)
        )

    def pooled(images: Any) -> Any:
        return model.pool(tf.nn.relu(model.norm(model.stem(images), training=False)))

    return Example((48, 48), "model.save", partial(model.save, save_format="tf"), module, pooled, model)
