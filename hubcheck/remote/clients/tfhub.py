"""Resolve a handle of TF Hub with the original client."""

from __future__ import annotations

import importlib.util
import json
import resource
import sys
import types


def stand_in() -> None:
    """Put in place what the client imports and newer environments have no more: a base class of TensorFlow's
    estimators, and setuptools' version parser."""
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


def main() -> None:
    """Resolve the first argument."""
    handle, largest = sys.argv[1], int(sys.argv[2])
    resource.setrlimit(resource.RLIMIT_FSIZE, (largest, largest))
    stand_in()
    import tensorflow_hub

    try:
        folder = tensorflow_hub.resolve(handle)
    except Exception as error:
        sys.exit(" ".join(f"{type(error).__name__}: {error}".split()))
    print(json.dumps({"folder": folder}))


if __name__ == "__main__":
    main()
