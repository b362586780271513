"""Hostile modules are found from their files, wherever they hide what they do."""

from __future__ import annotations

from pathlib import Path

import pytest
import tensorflow as tf
from tensorflow.distribute.experimental.rpc.kernels import gen_rpc_ops

from tests.checks.hostile import PLACES, findings_of, in_signature

pytestmark = pytest.mark.slow

raw = tf.raw_ops
NOWHERE = "/tmp/hubcheck-never-written"


def write():
    return tf.io.write_file(NOWHERE, "x")


def sql():
    return raw.SqlDataset(
        driver_name="sqlite", data_source_name=NOWHERE, query="", output_types=[tf.int32], output_shapes=[[]]
    )


def csv():
    return raw.CSVDatasetV2(
        filenames=[NOWHERE],
        compression_type="",
        buffer_size=1,
        header=False,
        field_delim=",",
        use_quote_delim=True,
        na_value="",
        select_cols=tf.constant([], tf.int64),
        record_defaults=[tf.constant([0])],
        exclude_cols=tf.constant([], tf.int64),
        output_shapes=[[]],
    )


def remote():
    return raw.RemoteCall(
        target="/job:other/task:0", args=[tf.constant(1.0)], Tout=[tf.float32],
        f=tf.function(lambda x: x).get_concrete_function(tf.TensorSpec([], tf.float32)),
    )  # fmt: skip


def rpc():
    return gen_rpc_ops.rpc_client(server_address="127.0.0.1:1", timeout_in_ms=1)


def data_service():
    return raw.RegisterDatasetV2(
        dataset=tf.data.Dataset.range(1)._variant_tensor, address="127.0.0.1:1", protocol="grpc",
        external_state_policy=1, element_spec="", requested_dataset_id="", metadata="",
    )  # fmt: skip


def save_to_constant_path():
    return raw.SaveV2(prefix=NOWHERE, tensor_names=["x"], shape_and_slices=[""], tensors=[tf.constant(1.0)])


def summary():
    writer = raw.SummaryWriter()
    return raw.CreateSummaryFileWriter(writer=writer, logdir=NOWHERE, max_queue=1, flush_millis=1, filename_suffix="")


PAYLOADS = {
    "ReadFile": (lambda: tf.io.read_file("/etc/passwd"), "file-access"),
    "WriteFile": (write, "file-access"),
    "MatchingFiles": (lambda: tf.io.matching_files("/home/*"), "file-access"),
    "TextLineDataset": (lambda: tf.data.TextLineDataset("/etc/passwd")._variant_tensor, "file-access"),
    "TFRecordDataset": (
        lambda: raw.TFRecordDataset(filenames="/etc/passwd", compression_type="", buffer_size=0),
        "file-access",
    ),
    "CSVDatasetV2": (csv, "file-access"),
    "SqlDataset": (sql, "file-access"),
    "SaveV2": (save_to_constant_path, "file-access"),
    "RestoreV2": (
        lambda: raw.RestoreV2(prefix="/x", tensor_names=["x"], shape_and_slices=[""], dtypes=[tf.float32]),
        "file-access",
    ),
    "MergeV2Checkpoints": (
        lambda: raw.MergeV2Checkpoints(checkpoint_prefixes=["/x"], destination_prefix="/y", delete_old_dirs=True),
        "file-access",
    ),
    "ImmutableConst": (
        lambda: raw.ImmutableConst(dtype=tf.uint8, shape=[1], memory_region_name="/etc/passwd"),
        "file-access",
    ),
    "PrintV2": (lambda: raw.PrintV2(input="x", output_stream=f"file://{NOWHERE}"), "file-access"),
    "CreateSummaryFileWriter": (summary, "file-access"),
    "TextLineReaderV2": (raw.TextLineReaderV2, "file-access"),
    "CacheDatasetV2": (lambda: tf.data.Dataset.range(1).cache(NOWHERE)._variant_tensor, "file-access"),
    "PyFunc": (lambda: tf.compat.v1.py_func(lambda: 1.0, [], tf.float64), "host-code"),
    "EagerPyFunc": (lambda: tf.py_function(lambda: 1.0, [], tf.float32), "host-code"),
    "DatasetFromGraph": (lambda: raw.DatasetFromGraph(graph_def="hidden"), "host-code"),
    "RpcClient": (rpc, "network"),
    "RemoteCall": (remote, "network"),
    "RegisterDatasetV2": (data_service, "network"),
}


@pytest.fixture(scope="module")
def arsenal(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The findings of one module that has all payloads."""
    path = tmp_path_factory.mktemp("arsenal") / "m"
    return findings_of(in_signature(path, lambda: [payload() for payload, _ in PAYLOADS.values()]))


@pytest.mark.parametrize("op", PAYLOADS)
def test_an_op_that_does_more_than_compute_is_found(op: str, arsenal: list[str]) -> None:
    assert f"error safety/{PAYLOADS[op][1]} {op}" in arsenal


def test_nothing_else_is_found(arsenal: list[str]) -> None:
    assert len(arsenal) == len(PAYLOADS)


@pytest.mark.parametrize("place", PLACES)
def test_a_write_is_found_wherever_it_hides(place: str, tmp_path: Path) -> None:
    assert set(findings_of(PLACES[place](tmp_path / "m", write))) == {"error safety/file-access WriteFile"}


@pytest.mark.parametrize("place", PLACES)
def test_so_is_a_read(place: str, tmp_path: Path) -> None:
    found = findings_of(PLACES[place](tmp_path / "m", lambda: tf.io.read_file("/etc/passwd")))
    assert set(found) == {"error safety/file-access ReadFile"}


@pytest.mark.parametrize("url, rule", [("grpc://127.0.0.1:1", "network"), ("file:///tmp/x", "file-access")])
def test_a_debug_op_is_judged_by_where_it_sends(url: str, rule: str, tmp_path: Path) -> None:
    debug = raw.DebugIdentityV2
    path = in_signature(tmp_path / "m", lambda: debug(input=tf.constant(1.0), debug_urls=[url]))
    assert findings_of(path) == [f"error safety/{rule} DebugIdentityV2"]
