"""Loading graphs of TensorFlow 1, of either format."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import tensorflow as tf
from google.protobuf import text_format
from tensorflow.core.protobuf import saved_model_pb2


class LoadedGraph:
    """One graph of a module, with its variables restored: functions can be cut out of it.

    TensorFlow's loader makes a function of every signature, which takes longer than all else and fails where an
    input is called `in`. So it is given the module without signatures, from a folder that stands in for the module's.
    """

    def __init__(self, folder: Path, tags: Iterable[str]) -> None:
        wanted = set(tags)
        whole = _parse(folder)
        part = saved_model_pb2.SavedModel(saved_model_schema_version=whole.saved_model_schema_version)
        part.meta_graphs.extend(meta for meta in whole.meta_graphs if set(meta.meta_info_def.tags) == wanted)
        for meta in part.meta_graphs:
            meta.ClearField("signature_def")
        # It lives as long as the graph, which may read its assets at any time.
        self._stand_in = tempfile.TemporaryDirectory(prefix="hubcheck-")
        place = Path(self._stand_in.name)
        (place / "saved_model.pb").write_bytes(part.SerializeToString())
        for name in ("variables", "assets", "assets.extra"):
            if (folder / name).exists():
                (place / name).symlink_to((folder / name).resolve())
        self._loaded = tf.saved_model.load(str(place), tags=sorted(wanted))

    @property
    def graph(self) -> Any:
        return self._loaded.graph

    @property
    def variables(self) -> list[Any]:
        """The resource variables; the loader does not list those of the older kind."""
        return list(self._loaded.variables)

    def prune(self, feeds: list[str], fetches: Any) -> Any:
        """The part of the graph between tensors, as a function."""
        return self._loaded.prune(feeds, fetches)


def _parse(folder: Path) -> Any:
    binary = folder / "saved_model.pb"
    if binary.exists():
        return saved_model_pb2.SavedModel.FromString(binary.read_bytes())
    text = (folder / "saved_model.pbtxt").read_text(encoding="utf-8")
    return text_format.Parse(text, saved_model_pb2.SavedModel())
