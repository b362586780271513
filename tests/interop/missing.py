"""What the original library imports and today's environment has no more; to be imported before it.

TensorFlow has lost `tensorflow.compat.v1.estimator`, of which the library wants a base class, and setuptools
`pkg_resources`, of which it wants a version parser.
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
