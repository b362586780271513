"""Resolve a handle with the client of its hub, in a process that can write only small enough files to some folders.

The last line of the output is JSON, {"folder": PATH} of the module. If the client fails, the last line of standard
error is the reason.
"""

from __future__ import annotations

import importlib.util
import json
import sys
import types

from hubcheck.sandbox.enforce import enforce
from hubcheck.sandbox.policy import SandboxPolicy


def main(client: str, handle: str, max_bytes: str, *folders: str) -> None:
    """Resolve a handle and print the result.

    Args:
        client: "tensorflow_hub" or "kagglehub".
        handle: as the client takes it.
        max_bytes: the largest file that may be written.
        folders: where files may be written.
    """
    policy = SandboxPolicy(
        read=["/"],
        write=[*folders, "/dev/null"],
        network=True,
        keep_user=True,
        omit={"seccomp": "clients open sockets", "bubblewrap": "clients read their settings anywhere"},
        file_bytes=int(max_bytes),
    )
    enforce(policy)
    try:
        if client == "tensorflow_hub":
            folder = _tfhub(handle)
        else:
            import kagglehub

            folder = kagglehub.model_download(handle)
    except Exception as error:
        sys.exit(" ".join(f"{type(error).__name__}: {error}".split()))
    print(f"\n{json.dumps({'folder': str(folder)})}")


def _tfhub(handle: str) -> object:
    """Call the original client, with what it imports and current environments lack: the base class of TensorFlow's
    estimator exporters, and the version parser of setuptools."""
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
    import tensorflow_hub

    return tensorflow_hub.resolve(handle)


if __name__ == "__main__":
    main(*sys.argv[1:])
