"""Load graphs of TensorFlow 1, from both formats."""

from __future__ import annotations

import tempfile
import weakref
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import tensorflow as tf
from google.protobuf import text_format
from tensorflow.core.protobuf import saved_model_pb2


def load_v1_graph(folder: Path, tags: Iterable[str]) -> Any:
    """Load one graph of a module and restore its variables.

    TensorFlow's loader makes a function of every signature, which takes longer than all else and fails if an input is
    called `in`. So it loads a copy of the proto without signatures, beside links to the module's other files.

    Returns:
        What `tf.saved_model.load` returns for graphs of TensorFlow 1. It has `graph`, `variables` (resource variables
        only) and `prune`, which makes a function of a part of the graph.
    """
    wanted = set(tags)
    proto = _read_proto(folder)
    kept = [meta for meta in proto.meta_graphs if set(meta.meta_info_def.tags) == wanted]
    for meta in kept:
        meta.ClearField("signature_def")
    copy = tempfile.TemporaryDirectory(prefix="hubcheck-")
    root = Path(copy.name)
    version = proto.saved_model_schema_version
    part = saved_model_pb2.SavedModel(saved_model_schema_version=version, meta_graphs=kept)
    (root / "saved_model.pb").write_bytes(part.SerializeToString())
    for name in ("variables", "assets", "assets.extra"):
        if (folder / name).exists():
            (root / name).symlink_to((folder / name).resolve())
    loaded = tf.saved_model.load(str(root), tags=sorted(wanted))
    weakref.finalize(loaded, copy.cleanup)  # the graph may read its assets at any time
    return loaded


def _read_proto(folder: Path) -> Any:
    binary = folder / "saved_model.pb"
    if binary.exists():
        return saved_model_pb2.SavedModel.FromString(binary.read_bytes())
    text = (folder / "saved_model.pbtxt").read_text(encoding="utf-8")
    return text_format.Parse(text, saved_model_pb2.SavedModel())
