"""Publish a small image module with two signatures: a feature vector and a classification."""

import sys

import tensorflow as tf

from hubcheck import author

module = author.ImageModule("TinyNet", image_size=(64, 64))
convolution = tf.Variable(tf.random.stateless_normal([5, 5, 3, 16], seed=[1, 2], stddev=0.2), name="convolution")
dense = tf.Variable(tf.random.stateless_normal([16, 3], seed=[3, 4]), name="dense")


@module.feature_vector
def features(images, training):
    activations = tf.nn.relu(tf.nn.conv2d(images, convolution, strides=4, padding="SAME"))
    return author.Outputs(tf.reduce_mean(activations, axis=[1, 2]), hidden={"conv": activations})


@module.classification(classes=["cat", "dog", "neither"], activation="softmax")
def logits(features, training):
    return features @ dense


if __name__ == "__main__":
    module.export(sys.argv[1], default="image_feature_vector")
