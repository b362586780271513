"""A module that exceeds a limit gets one finding that names it, within seconds and without much memory."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hubcheck.checks.context import Context
from hubcheck.checks.faults import Fault
from hubcheck.checks.readable import readable
from hubcheck.module.field_count import more_fields
from hubcheck.module.limits import LIMITS, Limit, ReadLimits
from hubcheck.module.open_module import open_module
from hubcheck.module.proto import message_class
from tests.fuzz import tables
from tests.paths import DATA

GOOD = DATA / "a_good_feature_vector"
INDEX = "variables/variables.index"
Damage = Callable[[Path], object]


def fields(module: Path) -> None:
    """Write more of the smallest fields than a file may have."""
    (module / "saved_model.pb").write_bytes(b"\x08\x01" * (5 << 20))


def text(module: Path) -> None:
    (module / "saved_model.pb").unlink()
    (module / "saved_model.pbtxt").write_text("#" * (2 << 20))


def edited(change: Callable[[Any], object]) -> Damage:
    def damage(module: Path) -> None:
        file = module / "saved_model.pb"
        message = message_class("SavedModel").FromString(file.read_bytes())
        change(message)
        file.write_bytes(message.SerializeToString())

    return damage


def variants(message: Any) -> None:
    for _ in range(100):
        message.meta_graphs.add().CopyFrom(message.meta_graphs[0])


def traces(message: Any) -> None:
    nodes = message.meta_graphs[0].object_graph_def.nodes
    nodes.add().children.add(node_id=1, local_name="__call__")
    nodes.add().function.concrete_functions.extend(["f"] * 300)


def index_of(count: int) -> Damage:
    entries = [(b"", b"\x08\x01"), *((f"v{i:06}".encode(), b"\x08\x01\x12\x00\x28\x04") for i in range(count))]
    return lambda module: (module / INDEX).write_bytes(tables.written(entries))


def files(module: Path) -> None:
    for number in range(20):
        (module / f"{number}.txt").touch()


def metadata(module: Path) -> None:
    (module / "keras_metadata.pb").write_bytes(bytes(2 << 20))


def index_bytes(module: Path) -> None:
    os.truncate(module / INDEX, 2 << 20)


HITS: dict[str, tuple[str, ReadLimits, Damage]] = {
    "proto_bytes": ("proto-bytes", replace(LIMITS, proto_bytes=5000), lambda module: None),
    "proto_fields": ("nodes", replace(LIMITS, nodes=1000), fields),
    "text_bytes": ("nodes", replace(LIMITS, nodes=1000), text),
    "variants": ("nodes", LIMITS, edited(variants)),
    "nodes": ("nodes", replace(LIMITS, nodes=20), lambda module: None),
    "traces": ("nodes", replace(LIMITS, nodes=1000), edited(traces)),
    "index_bytes": ("tensors", replace(LIMITS, tensors=1000), index_bytes),
    "tensors": ("tensors", replace(LIMITS, tensors=20), index_of(30)),
    "files": ("files", replace(LIMITS, files=10), files),
    "metadata_bytes": ("nodes", replace(LIMITS, nodes=1000), metadata),
}
"""For each bound, the key that sets it, limits, and a module that exceeds them."""


@pytest.mark.parametrize("bound", HITS)
def test_exceeding_a_limit_is_one_finding_that_names_its_key(tmp_path: Path, bound: str) -> None:
    key, limits, damage = HITS[bound]
    module = Path(shutil.copytree(GOOD, tmp_path / "module"))
    damage(module)
    with open_module(module, limits) as read:
        faults = [item for item in readable(Context(read, {})) if isinstance(item, Fault)]
    (fault,) = faults
    assert fault.message is not None
    assert fault.message.endswith(f"the limit {key}")
    assert f"more than {limits.limit(bound).value:,} " in fault.message
    assert f"raise the limit: {key} below [limits]" in (fault.fix or "")


def test_large_modules_stay_below_every_bound() -> None:
    """A module of a million nodes, with the sizes that exporters write for each of them."""
    for name, needed in (("proto_fields", 10), ("text_bytes", 60), ("metadata_bytes", 60)):
        assert LIMITS.limit(name).value >= needed * LIMITS.nodes
    assert LIMITS.limit("object_graph_bytes").value >= 200 * LIMITS.tensors
    assert LIMITS.limit("index_bytes").value >= 100 * LIMITS.tensors
    assert LIMITS.limit("archive_members").value >= LIMITS.files


def test_a_block_counts_each_time_that_the_index_names_it() -> None:
    data = tables.written([(b"k", b"v" * 1000)])
    one = list(tables.leveldb_table.entries(data))
    assert len(one) == 1
    with pytest.raises(ValueError, match="the limit tensors"):
        list(tables.leveldb_table.entries(tables.repeated(data, 50), Limit(20_000, "tensors")))


@pytest.mark.parametrize("path", sorted(DATA.glob("*/saved_model.pb")), ids=lambda path: path.parent.name)
def test_fields_are_counted_as_the_parser_reads_them(path: Path) -> None:
    data = path.read_bytes()
    count = _count(message_class("SavedModel").FromString(data))
    # Fields that the schema leaves out are in the bytes, but not in the message; packed numbers are one field.
    assert more_fields("SavedModel", data, count - 1)
    assert not more_fields("SavedModel", data, 2 * count)


def _count(message: Any) -> int:
    total = 0
    for field, value in message.ListFields():
        if field.message_type is None:
            total += 1
        elif hasattr(value, "keys"):
            nested = field.message_type.fields_by_name["value"].message_type is not None
            total += sum(3 + (_count(value[key]) if nested else 0) for key in value)
        else:
            items = [value] if hasattr(value, "DESCRIPTOR") else value
            total += sum(1 + _count(item) for item in items)
    return total


@pytest.mark.parametrize("data", [b"", b"\xff", b"\x0b" * 50, b"\x12" + b"\xff" * 9 + b"\x7f", b"\x0f\x0f"])
def test_bytes_that_are_not_a_message_are_counted_to_their_end(data: bytes) -> None:
    assert not more_fields("SavedModel", data, 1000)
