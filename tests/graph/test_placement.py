"""Device strings, as TF1 and TF2 write them."""

from __future__ import annotations

import pytest

from hubcheck.graph.devices.placement import Placement, read_placement


@pytest.mark.parametrize(
    "text, kind, elsewhere",
    [
        ("", None, False),
        ("/device:CPU:0", "CPU", False),
        ("/device:CPU:*", "CPU", False),
        ("/cpu:0", "CPU", False),
        ("/gpu:1", "GPU", False),
        ("/GPU:0", "GPU", False),
        ("/device:XLA_GPU:0", "XLA_GPU", False),
        ("/job:localhost/replica:0/task:0/device:GPU:0", "GPU", False),
        ("/job:localhost/replica:0/task:0", None, False),
        ("/job:worker/task:0/device:CPU:0", "CPU", True),
        ("/job:localhost/task:3", None, True),
        ("/job:tpu_worker/device:TPU:0", "TPU", True),
        ("/task:1", None, True),
    ],
)
def test_a_device_string_names_a_type_and_perhaps_another_machine(text, kind, elsewhere):
    assert read_placement(text) == Placement(kind, elsewhere)
