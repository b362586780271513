"""Bounds on what is read of a module, so that a hostile one cannot exhaust memory, disk or time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

GIB = 1 << 30
_SMALL = 1 << 20

_DERIVED = {
    "proto_fields": ("nodes", 12, _SMALL),
    "text_bytes": ("nodes", 64, _SMALL),
    "metadata_bytes": ("nodes", 64, _SMALL),
    "variants": ("nodes", 1e-4, 64),
    "traces": ("nodes", 1e-3, 256),
    "index_bytes": ("tensors", 256, _SMALL),
    "object_graph_bytes": ("tensors", 256, _SMALL),
    "archive_members": ("files", 1, 0),
    "archive_list_bytes": ("files", 160, _SMALL),
}
"""Further bounds: the key that each follows from, how many of it each unit of the key allows, and the least bound."""


class Limit(NamedTuple):
    """A bound, and the key of `[limits]` in the configuration that sets it."""

    value: int
    key: str


@dataclass(frozen=True, slots=True)
class ReadLimits:
    """The bounds that a user can set, far above what exporters write. A finding that one of them causes names it.

    Each is a key of `[limits]` in the configuration, with `-` for `_`.

    Args:
        proto_bytes: bytes of saved_model.pb; protobuf itself allows 2 GiB.
        nodes: nodes in all graphs and functions. Also bounds the fields of the proto, the bytes of saved_model.pbtxt
            and keras_metadata.pb, and the numbers of variants and traces.
        tensors: tensors in the checkpoint. Also bounds the bytes of its index and of the object graph in it.
        files: files in the module's folder; files and folders in an archive.
        archive_bytes: bytes of an archive's files, unpacked.
        archive_ratio: how many times larger than the archive its files may be, beyond 1 GiB. Weights that are all zero
            become a thousand times larger, trained ones less than twice.
        remote_bytes: bytes that are downloaded for one module.
        remote_seconds: seconds that a server may take for the next bytes.
        cache_bytes: bytes of downloads that are kept on disk; the oldest are removed first.
    """

    proto_bytes: int = 2 * GIB - 1
    nodes: int = 1_000_000
    tensors: int = 500_000
    files: int = 100_000
    archive_bytes: int = 16 * GIB
    archive_ratio: int = 100
    remote_bytes: int = 16 * GIB
    remote_seconds: int = 60
    cache_bytes: int = 16 * GIB

    def limit(self, name: str) -> Limit:
        """Return the bound of this name: one of the fields, or one that follows from a field."""
        key, factor, least = _DERIVED.get(name, (name, 1, 0))
        return Limit(max(int(getattr(self, key) * factor), least), key.replace("_", "-"))


class LimitExceeded(ValueError):
    """There is more of something than a limit allows. The message names the limit, `fix` says how to raise it."""

    def __init__(self, limit: Limit, excess: str) -> None:
        super().__init__(f"more than {limit.value:,} {excess}, as set by the limit {limit.key}")
        self.fix = (
            f"If the module is meant to be this large, raise the limit: {limit.key} below [limits] in hubcheck.toml,"
            " or below [tool.hubcheck.limits] in pyproject.toml. Otherwise export it again."
        )


LIMITS = ReadLimits()
