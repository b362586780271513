"""How much of a module is read, at most: what is larger was made to wear its reader out."""

from __future__ import annotations

from dataclasses import dataclass

MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class ReadLimits:
    """Upper bounds, far above what exporters write. A finding that one of them causes names it.

    Each is a key of `[limits]` in the configuration, with `-` for `_`.

    Args:
        proto_bytes: of saved_model.pb; no protobuf message can have more.
        proto_fields: in saved_model.pb, at all depths; looked for in files above `unscanned_bytes` only.
        unscanned_bytes: of a proto that is small enough to be parsed as it is.
        text_bytes: of saved_model.pbtxt, which is read a hundred times slower.
        variants: MetaGraphs in a file.
        nodes: in all graphs and functions of a file.
        traces: of the callable.
        index_bytes: of the checkpoint's index, before and after it is decompressed.
        tensors: in the checkpoint's index.
        object_graph_bytes: of the object graph that a checkpoint carries.
        metadata_bytes: of keras_metadata.pb.
        asset_text_bytes: of all assets whose lines are counted.
        files: in the module's folder.
        archive_members: files and folders in an archive.
        archive_bytes: of an archive's files when they are unpacked.
        archive_ratio: how many times larger an archive may become, where it becomes larger than `archive_small`:
            weights that are all zero become a thousand times larger, but real ones hardly twice.
        archive_small: bytes of an unpacked archive, see there.
        function_depth: of functions that call functions.
        input_numbers: in one row of an input, such as an image, that a run feeds.
        fixed_batch: rows that a run feeds to a module that takes no other batch.
        remote_bytes: fetched from a server for one module.
        remote_seconds: that a server may take for the next bytes.
        cache_bytes: of what was fetched that are kept on disk; the oldest go first.
    """

    proto_bytes: int = (2 << 30) - 1
    proto_fields: int = 12_000_000
    unscanned_bytes: int = 8 * MIB
    text_bytes: int = 64 * MIB
    variants: int = 64
    nodes: int = 1_000_000
    traces: int = 256
    index_bytes: int = 64 * MIB
    tensors: int = 500_000
    object_graph_bytes: int = 64 * MIB
    metadata_bytes: int = 32 * MIB
    asset_text_bytes: int = 64 * MIB
    files: int = 100_000
    archive_members: int = 10_000
    archive_bytes: int = 16 << 30
    archive_ratio: int = 100
    archive_small: int = 1 << 30
    function_depth: int = 256
    input_numbers: int = 1 << 26
    fixed_batch: int = 256
    remote_bytes: int = 16 << 30
    remote_seconds: int = 60
    cache_bytes: int = 16 << 30


class LimitExceeded(ValueError):
    """A limit is hit; the message names it, and `fix` says how to raise it."""

    def __init__(self, limits: ReadLimits, name: str, unit: str) -> None:
        super().__init__(f"more than {getattr(limits, name):,} {unit}, the limit {key(name)}")
        self.fix = (
            f"If the module is meant to be so large, raise the limit: {key(name)} below [limits] in hubcheck.toml,"
            " or below [tool.hubcheck.limits] in pyproject.toml; else export it again."
        )


LIMITS = ReadLimits()


def key(name: str) -> str:
    """What a limit is called in the configuration."""
    return name.replace("_", "-")
