"""The checkpoint index is read as TensorFlow reads it."""

from __future__ import annotations

import itertools
import shutil
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubcheck.module import leveldb_table
from hubcheck.module.checkpoint import CheckpointError, read_index, uncovered
from hubcheck.module.reader import read
from tests.paths import modules_at_hand

WITH_WEIGHTS = [path for path in modules_at_hand() if (path / "variables" / "variables.index").exists()]


@pytest.mark.parametrize("path", WITH_WEIGHTS, ids=lambda path: path.name)
def test_names_dtypes_and_shapes_are_those_that_tensorflow_reads(path):
    import tensorflow as tf

    reader = tf.train.load_checkpoint(str(path / "variables" / "variables"))
    index = read_index(path / "variables" / "variables.index")
    shapes, dtypes = reader.get_variable_to_shape_map(), reader.get_variable_to_dtype_map()
    assert sorted(index.entries) == sorted(shapes)
    for name, entry in index.entries.items():
        assert list(entry.shape.dims or ()) == shapes[name]
        assert entry.dtype == dtypes[name].name


@pytest.mark.parametrize("path", [path for path in WITH_WEIGHTS if "cases" not in path.parts], ids=lambda p: p.name)
def test_every_variable_of_an_intact_module_is_in_its_checkpoint(path):
    module = read(path)
    assert not module.problems
    for variant in module.variants:
        for variable in variant.variables:
            assert variable.checkpoint_key in module.checkpoint.entries, variable


def test_a_big_checkpoint_of_many_blocks_is_read_whole(tmp_path):
    import tensorflow as tf

    names = [f"block_{i}/layer_{i % 7}/kernel_{i}" for i in range(3000)]
    prefix = str(tmp_path / "big")
    tf.raw_ops.SaveV2(
        prefix=prefix,
        tensor_names=names,
        shape_and_slices=[""] * len(names),
        tensors=[tf.fill([i % 5 + 1], float(i)) for i in range(len(names))],
    )
    index = read_index(tmp_path / "big.index")
    assert sorted(index.entries) == sorted(names)
    assert {name: index.entries[name].elements for name in names} == {n: i % 5 + 1 for i, n in enumerate(names)}


def test_a_flipped_byte_in_an_index_is_detected_or_harmless(tmp_path):
    """Nothing but a TableError is raised."""
    source = WITH_WEIGHTS[0] / "variables" / "variables.index"
    data = source.read_bytes()
    whole = dict(leveldb_table.entries(data))
    for position in range(len(data)):
        damaged = bytearray(data)
        damaged[position] ^= 0x55
        try:
            assert dict(leveldb_table.entries(bytes(damaged))) == whole
        except leveldb_table.TableError:
            continue


@pytest.mark.parametrize("length", [0, 1, 47, 48, 100])
def test_a_truncated_index_is_reported(tmp_path, length):
    copy = tmp_path / "variables.index"
    shutil.copy(WITH_WEIGHTS[0] / "variables" / "variables.index", copy)
    copy.write_bytes(copy.read_bytes()[:length])
    with pytest.raises(CheckpointError, match="checkpoint index"):
        read_index(copy)


@given(st.binary(max_size=300))
def test_bytes_that_are_not_a_table_raise_a_table_error(data):
    magic = struct.pack("<Q", 0xDB4775248B80FB57)
    for candidate in (data, data + magic, data + b"\0" * 40 + magic):
        try:
            list(leveldb_table.entries(candidate))
        except leveldb_table.TableError:
            continue


@given(st.binary(max_size=300))
def test_bytes_that_are_not_a_snappy_stream_raise_a_table_error(data):
    try:
        assert len(leveldb_table.decompress(data, 1 << 20)) <= 1 << 20
    except leveldb_table.TableError:
        return


def test_snappy_copies_may_overlap_what_they_write():
    assert leveldb_table.decompress(bytes([10, 1 << 2 | 0]) + b"ab" + bytes([(8 - 4) << 2 | 1, 2]), 10) == b"ab" * 5


def test_parts_of_a_partitioned_variable_are_found_whatever_their_numbers(tmp_path):
    import tensorflow as tf

    cuts = {"a": [0, 63, 64, 127, 128, 4096, 5000], "b\xff/\u20ac": [0, 8191, 8192, 8193, 1_048_576, 1_048_580]}
    parts = [(name, start, end) for name, at in cuts.items() for start, end in itertools.pairwise(at)]
    tf.raw_ops.SaveV2(
        prefix=str(tmp_path / "x"),
        tensor_names=[name for name, _, _ in parts],
        shape_and_slices=[f"{cuts[name][-1]} 2 {start},{end - start}:-" for name, start, end in parts],
        tensors=[tf.zeros([end - start, 2], tf.int8) for _, start, end in parts],
    )
    index = read_index(tmp_path / "x.index")
    for name, at in cuts.items():
        entry = index.entries[name]
        assert entry.size == 2 * at[-1]
        assert [(part[0][0], stored.size) for part, stored in entry.slices if stored is not None] == [
            (start, 2 * (end - start)) for start, end in itertools.pairwise(at)
        ]


extents = st.lists(st.integers(1, 40), min_size=1, max_size=6)


@given(extents, extents, st.data())
def test_what_tensorflow_restores_of_a_partitioned_variable_is_covered_and_nothing_else(rows, columns, data):
    grid = [
        ((sum(rows[:i]), height), (sum(columns[:j]), width))
        for i, height in enumerate(rows)
        for j, width in enumerate(columns)
    ]
    there = [part for part in grid if data.draw(st.booleans())]
    (top, height), (left, width) = wanted = data.draw(st.sampled_from([((0, sum(rows)), (0, sum(columns))), *grid]))
    cells = {(y, x) for (a, m), (b, n) in there for y in range(a, a + m) for x in range(b, b + n)}
    complete = all((y, x) in cells for y in range(top, top + height) for x in range(left, left + width))
    assert uncovered([wanted], there) == ([] if complete else [wanted])
