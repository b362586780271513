"""Replacements for what tensorflow-hub imports but current environments lack; import this file before it.

TensorFlow no longer has `tensorflow.compat.v1.estimator`, which the library takes a base class from, and setuptools no
longer has `pkg_resources`, which it takes a version parser from.
"""

from __future__ import annotations

import sys
import types

import tensorflow as tf
from packaging.version import parse

estimator = types.ModuleType("tensorflow.compat.v1.estimator")
estimator.Exporter = object  # type: ignore[attr-defined]
tf.compat.v1.estimator = sys.modules[estimator.__name__] = estimator
resources = types.ModuleType("pkg_resources")
resources.parse_version = parse  # type: ignore[attr-defined]
sys.modules["pkg_resources"] = resources
