"""Resolve a handle of TF Hub with the original client."""

from __future__ import annotations

import importlib.util
import sys
import types

from hubcheck.remote.clients.confined import confined


def resolve(handle: str) -> object:
    """Return the folder of the downloaded module."""
    _provide_removed_modules()
    import tensorflow_hub

    return tensorflow_hub.resolve(handle)


def _provide_removed_modules() -> None:
    """Provide what the client imports and current environments lack: the base class of TensorFlow's estimator
    exporters, and the version parser of setuptools."""
    import tensorflow as tf

    if not hasattr(tf.compat.v1, "estimator"):
        estimator = types.ModuleType("tensorflow.compat.v1.estimator")
        estimator.Exporter = object  # type: ignore[attr-defined]
        tf.compat.v1.estimator = sys.modules[estimator.__name__] = estimator
    if importlib.util.find_spec("pkg_resources") is None:
        from packaging.version import parse

        versions = types.ModuleType("pkg_resources")
        versions.parse_version = parse  # type: ignore[attr-defined]
        sys.modules["pkg_resources"] = versions


if __name__ == "__main__":
    confined(resolve)
