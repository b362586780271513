"""Keras models with and without dropout on the output when they train, for Keras 3 and for tf_keras alike."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.graph.constructions import CHANNELS, HEIGHT, WIDTH

Layers = Callable[[Any, Any], Any]


@dataclass(frozen=True)
class KerasConstruction:
    """What comes after a convolution: `layers(k, x)` for the namespace of layers `k`."""

    name: str
    layers: Layers
    masked: bool
    layer: str | None = None

    def model(self, keras: Any) -> Any:
        """The model in one of the two Keras packages."""
        inputs = keras.Input([HEIGHT, WIDTH, 3])
        x = keras.layers.Conv2D(CHANNELS, 3, padding="same", activation="relu")(inputs)
        return keras.Model(inputs, self.layers(keras.layers, x))


def pooled(k: Any, x: Any) -> Any:
    return k.GlobalAveragePooling2D()(x)


def dropped(k: Any, x: Any) -> Any:
    return k.Dropout(0.5)(pooled(k, x))


def residual(k: Any, x: Any) -> Any:
    return k.Add()([x, k.SpatialDropout2D(0.5)(k.Conv2D(CHANNELS, 1)(x))])


def attention(k: Any, x: Any) -> Any:
    x = k.Reshape([HEIGHT * WIDTH, CHANNELS])(x)
    return k.GlobalAveragePooling1D()(k.Add()([x, k.MultiHeadAttention(2, 4, dropout=0.5)(x, x)]))


def excitation(k: Any, x: Any) -> Any:
    gate = k.Dense(CHANNELS, activation="sigmoid")(k.Dropout(0.5)(pooled(k, x)))
    return pooled(k, k.Multiply()([x, k.Reshape([1, 1, CHANNELS])(gate)]))


CONSTRUCTIONS = [
    KerasConstruction("dropout", dropped, True),
    KerasConstruction("named dropout", lambda k, x: k.Dropout(0.5, name="drop_top")(pooled(k, x)), True, "drop_top"),
    KerasConstruction("gaussian dropout", lambda k, x: k.GaussianDropout(0.5)(pooled(k, x)), True),
    KerasConstruction("alpha dropout", lambda k, x: k.AlphaDropout(0.5)(pooled(k, x)), True),
    KerasConstruction("spatial dropout then pooling", lambda k, x: pooled(k, k.SpatialDropout2D(0.5)(x)), True),
    KerasConstruction(
        "spatial dropout then max pooling", lambda k, x: k.GlobalMaxPooling2D()(k.SpatialDropout2D(0.5)(x)), True
    ),
    KerasConstruction("dropout then flatten", lambda k, x: k.Flatten()(k.Dropout(0.5)(x)), True),
    KerasConstruction(
        "dropout then permute and reshape",
        lambda k, x: k.Reshape([HEIGHT * WIDTH * CHANNELS])(k.Permute([3, 1, 2])(k.Dropout(0.5)(x))),
        True,
    ),
    KerasConstruction("dropout then relu", lambda k, x: k.ReLU()(dropped(k, x)), True),
    KerasConstruction("dropout then prelu", lambda k, x: k.PReLU()(dropped(k, x)), True),
    KerasConstruction("dropout then swish", lambda k, x: k.Activation("swish")(dropped(k, x)), True),
    KerasConstruction("dropout then gelu", lambda k, x: k.Activation("gelu")(dropped(k, x)), True),
    KerasConstruction("dropout then elu", lambda k, x: k.ELU()(dropped(k, x)), True),
    KerasConstruction("dropout then batch norm", lambda k, x: k.BatchNormalization()(dropped(k, x)), True),
    KerasConstruction("dropout then layer norm", lambda k, x: k.LayerNormalization()(dropped(k, x)), True),
    KerasConstruction("dropout then group norm", lambda k, x: k.GroupNormalization(2)(dropped(k, x)), True),
    KerasConstruction("dropout then unit norm", lambda k, x: k.UnitNormalization()(dropped(k, x)), True),
    KerasConstruction("dropout then rescaling", lambda k, x: k.Rescaling(2.0, 1.0)(dropped(k, x)), True),
    KerasConstruction("dropout then noise", lambda k, x: k.GaussianNoise(0.5)(dropped(k, x)), True),
    KerasConstruction("dropout then regularisation", lambda k, x: k.ActivityRegularization(0.5)(dropped(k, x)), True),
    KerasConstruction("dropout of one part", lambda k, x: k.Concatenate()([pooled(k, x), dropped(k, x)]), True),
    KerasConstruction(
        "dropout in every time step",
        lambda k, x: k.Flatten()(k.TimeDistributed(k.Dropout(0.5))(k.Reshape([HEIGHT, WIDTH * CHANNELS])(x))),
        True,
    ),
    KerasConstruction("dropout in half precision", lambda k, x: k.Dropout(0.5, dtype="float16")(pooled(k, x)), True),
    KerasConstruction(
        "dropout then cropping and padding",
        lambda k, x: k.Flatten()(k.ZeroPadding2D(1)(k.Cropping2D(1)(k.Dropout(0.5)(x)))),
        True,
    ),
    KerasConstruction("dropout repeated", lambda k, x: k.Flatten()(k.RepeatVector(2)(dropped(k, x))), True),
    KerasConstruction("dropout then dense", lambda k, x: k.Dense(4)(dropped(k, x)), False),
    KerasConstruction("dropout then pooling", lambda k, x: pooled(k, k.Dropout(0.5)(x)), False),
    KerasConstruction("dropout then max pooling", lambda k, x: k.GlobalMaxPooling2D()(k.Dropout(0.5)(x)), False),
    KerasConstruction("dropout then convolution", lambda k, x: pooled(k, k.Conv2D(4, 1)(k.Dropout(0.5)(x))), False),
    KerasConstruction(
        "dropout then depthwise convolution", lambda k, x: pooled(k, k.DepthwiseConv2D(3)(k.Dropout(0.5)(x))), False
    ),
    KerasConstruction("noise", lambda k, x: k.GaussianNoise(0.5)(pooled(k, x)), False),
    KerasConstruction("residual with dropout", lambda k, x: pooled(k, residual(k, x)), False),
    KerasConstruction("residual on features", lambda k, x: residual_on_features(k, pooled(k, x)), False),
    KerasConstruction("attention with dropout", attention, False),
    KerasConstruction("squeeze and excite with dropout", excitation, False),
    KerasConstruction(
        "recurrence with dropout",
        lambda k, x: k.LSTM(4, dropout=0.5, recurrent_dropout=0.5)(k.Reshape([HEIGHT, WIDTH * CHANNELS])(x)),
        False,
    ),
    KerasConstruction("softmax of dropout", lambda k, x: k.Softmax()(dropped(k, x)), False),
]


def residual_on_features(k: Any, x: Any) -> Any:
    return k.Add()([x, k.Dropout(0.5)(k.Dense(CHANNELS)(x))])
