"""One function for each kind of file that is mutated. Each returns the files that replace those of its seed."""

from __future__ import annotations

import gzip
import io
import random
import tarfile
import zipfile
from collections.abc import Callable
from typing import Any

from google.protobuf import text_format
from google.protobuf.descriptor_pool import DescriptorPool

from hubcheck.module import leveldb_table
from hubcheck.module.checkpoint import OBJECT_GRAPH_KEY
from hubcheck.module.proto import DecodeError, message_class, parse
from tests.fuzz import tables
from tests.fuzz.byte_mutations import mutated
from tests.fuzz.proto_mutations import Mutator
from tests.fuzz.seeds import Seed

Files = dict[str, bytes]
Target = Callable[[random.Random, Seed], Files]

MODEL, INDEX, MARKER, KERAS = "saved_model.pb", "variables/variables.index", "tfhub_module.pb", "keras_metadata.pb"
SHARD = "variables/variables.data-00000-of-00001"


def structure(rng: random.Random, seed: Seed) -> Files:
    """The SavedModel, changed as a message."""
    return {MODEL: _changed_message(rng, "SavedModel", seed.files[MODEL])}


def proto_bytes(rng: random.Random, seed: Seed) -> Files:
    """The bytes of saved_model.pb."""
    return {MODEL: mutated(rng, seed.files[MODEL])}


def proto_text(rng: random.Random, seed: Seed) -> Files:
    """The module as saved_model.pbtxt: changed as a message, then as text."""
    message = parse("SavedModel", seed.files[MODEL])
    for meta in message.meta_graphs:
        # Text is read a hundred times slower than bytes, and a few nodes show as much as many.
        del meta.graph_def.node[rng.randrange(20) :]
        del meta.graph_def.library.function[1:]
        del meta.object_graph_def.nodes[10:]
    Mutator(rng, message).mutate(message)
    return {"saved_model.pbtxt": mutated(rng, _text(message)), MODEL: b""}


def _text(message: Any) -> bytes:
    """The message as text. The messages packed in it are looked up in its own pool: whether TensorFlow's stand in the
    default one depends on what else this process has imported."""
    try:
        text = text_format.MessageToString(message, descriptor_pool=message.DESCRIPTOR.file.pool)
    except DecodeError:
        text = text_format.MessageToString(message, descriptor_pool=DescriptorPool())
    return text.encode("utf-8", "surrogateescape")


def marker(rng: random.Random, seed: Seed) -> Files:
    """tfhub_module.pb."""
    return {MARKER: mutated(rng, seed.files.get(MARKER, b"\x08\x03"))}


def attachments(rng: random.Random, seed: Seed) -> Files:
    """Messages within collections: attachments, variables, assets."""
    message = parse("SavedModel", seed.files[MODEL])
    for meta in message.meta_graphs:
        meta.collection_def["hub_module_attachments"].bytes_list.value.append(
            mutated(rng, b"\x0a\x11image_module_info\x12\x06\x0a\x04\x08\x20\x10\x18")
        )
        for name in sorted(meta.collection_def):
            collection = meta.collection_def[name]
            values = collection.bytes_list.value
            if len(values):
                at = rng.randrange(len(values))
                values[at] = mutated(rng, values[at])
            for packed in collection.any_list.value:
                packed.value = mutated(rng, packed.value)
    return {MODEL: message.SerializeToString(deterministic=True)}


def index(rng: random.Random, seed: Seed) -> Files:
    """The checkpoint's index: its bytes, its bytes with valid checksums, or its entries."""
    if INDEX not in seed.files:
        return {INDEX: mutated(rng, tables.written([(b"", b"\x08\x01"), (b"w", b"\x08\x01\x12\x00\x20\x00\x28\x04")]))}
    data = seed.files[INDEX]
    kind = rng.randrange(3)
    if kind == 0:
        return {INDEX: mutated(rng, data)}
    if kind == 1:
        return {INDEX: tables.sealed(mutated(rng, data))}
    entries = list(leveldb_table.entries(data))
    for _ in range(rng.choice((1, 3))):
        at = rng.randrange(len(entries))
        key, value = entries[at]
        name = "BundleEntryProto" if key else "BundleHeaderProto"
        entries[at] = (
            mutated(rng, key) if rng.random() < 0.2 else key,
            mutated(rng, value) if rng.random() < 0.3 else _changed_message(rng, name, value),
        )
    return {INDEX: tables.written(entries)}


def object_graph(rng: random.Random, seed: Seed) -> Files:
    """The object graph in a TF2 checkpoint."""
    if INDEX not in seed.files or SHARD not in seed.files:
        return structure(rng, seed)
    entries = dict(leveldb_table.entries(seed.files[INDEX]))
    if OBJECT_GRAPH_KEY.encode() not in entries:
        return structure(rng, seed)
    entry = parse("BundleEntryProto", entries[OBJECT_GRAPH_KEY.encode()])
    shard = seed.files[SHARD]
    stored = shard[entry.offset : entry.offset + entry.size]
    start = next(i for i, byte in enumerate(stored) if byte < 0x80) + 5
    changed = (
        mutated(rng, stored)
        if rng.random() < 0.3
        else stored[:start] + _changed_message(rng, "TrackableObjectGraph", stored[start:])
    )
    entry.size = len(changed)
    entry.offset = len(shard)
    entries[OBJECT_GRAPH_KEY.encode()] = entry.SerializeToString(deterministic=True)
    return {SHARD: shard + changed, INDEX: tables.written(sorted(entries.items()))}


def keras_metadata(rng: random.Random, seed: Seed) -> Files:
    """keras_metadata.pb, with JSON in it."""
    message: Any = message_class("SavedMetadata")()
    if KERAS in seed.files:
        message.ParseFromString(seed.files[KERAS])
    else:
        message.nodes.add().metadata = '{"class_name": "Lambda", "config": {"name": "l", "function": ["4wE="]}}'
    node = rng.choice(message.nodes)
    node.metadata = mutated(rng, node.metadata.encode()).decode("utf-8", "replace")
    data = message.SerializeToString(deterministic=True)
    return {KERAS: data if rng.random() < 0.7 else mutated(rng, data)}


def archive(rng: random.Random, seed: Seed) -> Files:
    """The module in an archive: damaged before it is compressed, or after."""
    packed = io.BytesIO()
    if rng.random() < 0.5:
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as made:
            for name, data in seed.files.items():
                made.writestr(zipfile.ZipInfo(name), data[:_PACKED], zipfile.ZIP_DEFLATED)
        return {"module.zip": mutated(rng, packed.getvalue())}
    with tarfile.open(fileobj=packed, mode="w", format=rng.choice((tarfile.GNU_FORMAT, tarfile.PAX_FORMAT))) as tar:
        for name, data in seed.files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data[:_PACKED])
            info.pax_headers = {"comment": "x"}
            tar.addfile(info, io.BytesIO(data[:_PACKED]))
    data = packed.getvalue()
    if rng.random() < 0.7:
        at = rng.randrange(len(data) // 512) * 512
        data = _with_checksum(data[:at] + mutated(rng, data[at : at + 512]).ljust(512, b"\0") + data[at + 512 :], at)
    data = gzip.compress(data, 1, mtime=0)
    return {"module.tar.gz": data if rng.random() < 0.7 else mutated(rng, data)}


def _with_checksum(data: bytes, at: int) -> bytes:
    """Return a tar file with a valid checksum in the header at this position."""
    header = bytearray(data[at : at + 512])
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    return data[:at] + bytes(header) + data[at + 512 :]


_PACKED = 2_000
"""Bytes of each file in an archive: more would take longer to compress."""

TARGETS: dict[str, tuple[Target, int]] = {
    "structure": (structure, 10),
    "object_graph": (object_graph, 2),
    "proto_bytes": (proto_bytes, 3),
    "proto_text": (proto_text, 1),
    "attachments": (attachments, 1),
    "index": (index, 2),
    "marker": (marker, 1),
    "archive": (archive, 2),
    "keras_metadata": (keras_metadata, 1),
}
"""Each target with its share of a run."""


def _changed_message(rng: random.Random, name: str, data: bytes) -> bytes:
    try:
        message = parse(name, data)
    except DecodeError:
        return mutated(rng, data)
    Mutator(rng, message).mutate(message)
    return message.SerializeToString(deterministic=True)
