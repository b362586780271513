"""Messages of failed runs, from what TensorFlow says."""

from __future__ import annotations

import pytest

from hubcheck.probe.dispatch.failures import failure_from_error


@pytest.mark.parametrize(
    ("kind", "text", "message"),
    [
        (
            "DataLossError",
            "TensorBundle at /tmp/x/hubcheck-module-lfu3c_/m v1/variables/variables shard 0: it is damaged",
            "DataLossError: TensorBundle at variables/variables shard 0: it is damaged",
        ),
        (
            "InvalidArgumentError",
            "Output 0 has a reference type float_ref, in function '__inference_pruned_73'",
            "InvalidArgumentError: Output 0 has a reference type float_ref, in function '__inference_pruned'",
        ),
        (
            "ValueError",
            "An output for signature 'serving_default' depends on a placeholder which is not an input",
            "a signature needs a placeholder that is not among its inputs",
        ),
    ],
)
def test_what_differs_from_run_to_run_is_left_out(kind: str, text: str, message: str) -> None:
    assert failure_from_error(kind, text).message == message
