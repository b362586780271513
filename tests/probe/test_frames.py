"""Frames of a worker are hostile input: invalid ones are refused and have no effect."""

from __future__ import annotations

import io
import json
import struct

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from hubcheck.probe.dispatch.collector import Collector
from hubcheck.probe.observations import Failure, ProbeTarget
from hubcheck.probe.plan.steps import CallStep, InputSpec, LoadStep, ProbePlan, from_json, to_json
from hubcheck.probe.wire.arrays import decode_array
from hubcheck.probe.wire.framing import MAX_ARRAY, MAX_JSON, BadFrame, Decoder, encode

NUMBERS = st.sampled_from(["float32", "float64", "int32", "int64", "uint8", "bool"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@given(st.data())
def test_arrays_arrive_unchanged_however_the_stream_is_split(data):
    dtype = data.draw(NUMBERS)
    sent = data.draw(arrays.arrays(dtype, arrays.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=5)))
    stream = encode({"key": "é"}, sent) + encode({"then": 1})
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=5)))
    decoder, found = Decoder(), []
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        found += list(decoder.feed(stream[start:end]))
    (first, array), (second, nothing) = found
    assert (first, second, nothing) == ({"key": "é"}, {"then": 1}, b"")
    got = decode_array(array)
    assert (got.dtype, got.shape) == (sent.dtype, sent.shape)
    np.testing.assert_array_equal(got, sent)


@given(st.binary(max_size=400))
def test_any_bytes_are_frames_or_raise_bad_frame(stream):
    try:
        for message, array in Decoder().feed(stream):
            assert isinstance(message, dict)
            decode_array(array)
    except BadFrame:
        pass


@pytest.mark.parametrize("lengths", [(MAX_JSON + 1, 0), (2, MAX_ARRAY + 1), (2**32 - 1, 2**32 - 1)])
def test_a_frame_that_is_too_large_is_refused_before_it_arrives(lengths):
    with pytest.raises(BadFrame):
        list(Decoder().feed(struct.pack(">II", *lengths)))


@pytest.mark.parametrize(
    "text",
    [
        *(b"[]", b"1", b'"x"', b"{", b"\xff", b"[" * 100_000, b'{"a":' * 100_000),
        *(b'{"a": 1e400}', b'{"a": NaN}', b'{"a": -Infinity}', b'{"a": 1, "a": 2}'),
        *(b'{"a": ' + b"9" * 4_000 + b"}", b'{"a": ' + b"9" * 100_000 + b"}", '{"a": 1}'.encode("utf-16")),
    ],
)
def test_a_message_that_is_not_a_json_object_is_refused(text):
    with pytest.raises(BadFrame):
        list(Decoder().feed(struct.pack(">II", len(text), 0) + text))


def npy(header: str, body: bytes = b"") -> bytes:
    text = header.encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + body


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"garbage",
        npy("{'descr': '|O', 'fortran_order': False, 'shape': (1,)}", b"\x80\x04."),
        npy("{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000000,)}", b"1234"),
        npy("{'descr': '<f4', 'fortran_order': False, 'shape': (2,)}", b"1234"),
        npy("{'descr': '<f4', 'fortran_order': False, 'shape': (-1,)}", b"1234"),
        npy("{'descr': '<M8[s]', 'fortran_order': False, 'shape': (1,)}", b"12345678"),
        npy("{'descr': [('a', '|O')], 'fortran_order': False, 'shape': (1,)}", b"12345678"),
        npy("{'descr': '<f4', 'fortran_order': False, 'shape': (" + "1," * 40 + ")}", b"1234"),
        npy("{'descr': '<f4', 'fortran_order': False, 'shape': (0, " + "1" + "0" * 300 + "), }"),
        npy("{'descr': '<f4', 'fortran_order': False, 'shape': (0, 999999999999999, 999999999999999), }"),
        npy("{'descr': '<f4', 'fortran_order': False, 'shape': (True,), }", b"1234"),
        npy("{'descr': '<f4', 'fortran_order': True, 'shape': (1,), }", b"1234"),
        npy("{'descr': '>f4', 'fortran_order': False, 'shape': (1,), }", b"1234"),
        npy("{'descr': '<c8', 'fortran_order': False, 'shape': (1,), }", b"12345678"),
        npy("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,), }", b"1234"),
        npy("{'descr': '<f4', 'fortran_order': False, 'shape': (1,), }" + " " * 60_000, b"1234"),
        npy("{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }", b"1234"),
        npy("{'descr': '|b1', 'fortran_order': False, 'shape': (1,), }", b"1234"),
        npy("__import__('os').system('false')"),
        npy("(" * 500),
    ],
)
def test_bytes_that_are_not_an_array_of_numbers_are_refused(data):
    with pytest.raises(BadFrame):
        decode_array(data)


def test_an_array_of_objects_cannot_be_sent():
    with pytest.raises(ValueError, match="pickle"):
        encode({}, np.array([object()]))


PLAN = ProbePlan(
    path="/m",
    steps=(
        LoadStep(("serve",)),
        CallStep(
            ProbeTarget("serve", "image_feature_vector"),
            "pictures",
            {"images": InputSpec("float32", (2, 4, 4, 3), ("black", "white"))},
            ("default",),
            2,
            (4, 4),
        ),
        CallStep(ProbeTarget("serve", None, "training=True"), "repeated", {}, ("",), 2, (), True, "always", 3),
        LoadStep(("serve",), session=True),
    ),
)


def test_a_plan_is_the_same_after_json():
    assert from_json(json.loads(json.dumps(to_json(PLAN)))) == PLAN


def honest() -> list[tuple[dict[str, object], bytes]]:
    """Return the frames of a worker that follows the plan."""
    buffer = io.BytesIO()
    np.save(buffer, np.ones((2, 3), np.float32))
    outputs = {"default": {"dtype": "float32", "shape": [2, 3]}}
    loaded = {"kind": "load", "seconds": 0.1, "error": None}
    run = {"kind": "run", "seconds": 0.1, "error": None}
    again = [
        ({"kind": "begin", "step": 2}, b""),
        ({**run, "step": 2, "outputs": {"": {"dtype": "float32", "shape": []}}}, b""),
    ]
    return [
        ({"kind": "sandbox", "enforced": ["files"], "missing": []}, b""),
        ({"kind": "begin", "step": 0}, b""),
        ({**loaded, "step": 0}, b""),
        ({"kind": "begin", "step": 1}, b""),
        ({"kind": "array", "step": 1, "key": "default"}, buffer.getvalue()),
        ({**run, "step": 1, "outputs": outputs}, b""),
        *again * 3,
        ({"kind": "begin", "step": 3}, b""),
        ({**loaded, "step": 3, "error": {"type": "OpError", "message": "no"}}, b""),
        ({"kind": "done"}, b""),
    ]


def test_the_frames_of_an_honest_worker_become_observations():
    collector = Collector(PLAN)
    for message, data in honest():
        collector.take(message, data)
    assert collector.done
    assert [load.session for load in collector.loads] == [False, True]
    assert collector.loads[1].failure == Failure("error", "OpError: no")
    assert [run.purpose for run in collector.runs] == ["pictures", *["repeated"] * 3]
    np.testing.assert_array_equal(collector.runs[0].outputs["default"].values, np.ones((2, 3)))


@pytest.mark.parametrize(
    ("seconds", "words"), [(12.5, "one call takes 12.5 s: 3 of them"), (0.0, "time limit was near")]
)
def test_a_call_that_was_left_out_is_reported_with_the_reason(seconds, words):
    collector = Collector(PLAN)
    for message, data in honest()[:6]:
        collector.take(message, data)
    collector.take({"kind": "left out", "step": 2, "seconds": seconds}, b"")
    (left,) = collector.not_run
    assert (left.purpose, words in left.reason) == ("repeated", True), left


def test_a_call_that_is_not_optional_cannot_be_left_out():
    collector = Collector(PLAN)
    for message, data in honest()[:3]:
        collector.take(message, data)
    with pytest.raises(BadFrame, match="must not be"):
        collector.take({"kind": "left out", "step": 1, "seconds": 1.0}, b"")


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_altered_frames_are_refused_or_observed_but_never_add_results(data):
    """One frame of an honest worker is left out, duplicated or changed in one value."""
    frames = honest()
    place = data.draw(st.integers(0, len(frames) - 1))
    message, array = frames[place]
    match data.draw(st.sampled_from(["leave out", "duplicate", "change", "other array"])):
        case "leave out":
            del frames[place]
        case "duplicate":
            frames.insert(place, frames[place])
        case "change":
            key = data.draw(st.sampled_from(sorted(message)))
            frames[place] = ({**message, key: data.draw(JSON)}, array)
        case "other array":
            frames[place] = (message, data.draw(st.binary(max_size=100)))
    collector = Collector(PLAN)
    try:
        for frame in frames:
            collector.take(*frame)
    except BadFrame:
        pass
    assert len(collector.loads) <= 2
    assert len(collector.runs) <= 4


@pytest.mark.parametrize(("after", "loads", "runs", "left"), [(1, 1, 0, 3), (2, 1, 1, 2), (4, 1, 1, 2), (12, 2, 4, 0)])
def test_the_current_step_fails_if_the_worker_ends_early(after, loads, runs, left):
    collector = Collector(PLAN)
    for message, data in honest()[: after + 1]:
        collector.take(message, data)
    collector.fail(Failure("crash", "it died"))
    assert (len(collector.loads), len(collector.runs), len(collector.not_run)) == (loads, runs, left)
    last = collector.loads[-1] if after in (1, 12) else collector.runs[-1]
    assert last.failure == Failure("crash", "it died")
