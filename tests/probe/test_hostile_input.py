"""Any bytes, messages and texts of workers and servers: they are what they may be, or raise the decoder's own error."""

from __future__ import annotations

import contextlib
import json
import signal
import socket
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubcheck.probe.dispatch.endings import Ending, failure_at_end
from hubcheck.probe.dispatch.failures import failure_from_error
from hubcheck.probe.observations import LIMITS
from hubcheck.probe.wire import control
from hubcheck.probe.wire.arrays import decode_array
from hubcheck.probe.wire.frames import FIELDS_OF_KINDS, decode_frame
from hubcheck.probe.wire.framing import BadFrame

KINDS = st.sampled_from(sorted(FIELDS_OF_KINDS))
FIELDS = sorted({field for _, fields in FIELDS_OF_KINDS.values() for field in fields})
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | KINDS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["dtype", "shape", "a"]), inner),
    max_leaves=8,
)
PACKETS = st.dictionaries(st.sampled_from(["event", "id", "cause", "code", "log", "reason"]), VALUES).map(
    lambda message: json.dumps(message).encode()
)
PARTS = (
    *("No OpKernel was registered to support Op '", "with these attrs: [", "]", "\n", "{{node ", "{{", "}}", "[Op:"),
    *("{{function_node ", " \t", "Op type not registered '", "explicit device specification '", "' because ", "NCHW"),
    *("No gradient defined for operation '", "Gradient explicitly disabled. Reason: ", 'File "', "platform ", "a", "'"),
    *("Detected at node", "F0000 00:00:00.000000 1 ", "1 ", ":", "Check failed:", "what():", "I0000 ", "\x1b[2J\u202e"),
)


@given(
    KINDS | VALUES,
    st.dictionaries(st.sampled_from(FIELDS), VALUES),
    st.binary(),
)
def test_any_message_is_a_frame_or_raises_bad_frame(kind, fields, data):
    try:
        frame = decode_frame({"kind": kind, **fields}, data)
    except BadFrame as error:
        assert str(error).isprintable()
    else:
        assert type(frame) is FIELDS_OF_KINDS[kind][0]


@given(st.binary(max_size=300), st.text(alphabet="0123456789, ()TrueFalse'<>|fbiuOV{}:descr", max_size=80))
def test_any_bytes_are_an_array_of_real_numbers_or_raise_bad_frame(body, header):
    text = f"{{'descr': {header}, }}\n".encode()
    for data in (body, b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + body):
        with contextlib.suppress(BadFrame):
            assert decode_array(data).dtype.kind in "biuf"


@given(st.binary(min_size=1, max_size=400) | PACKETS)
def test_any_packet_of_a_server_is_an_event_or_raises_bad_packet(packet):
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs:
        theirs.send(packet)
        try:
            event = control.receive_event(ours)
        except control.BadPacket:
            return
        assert isinstance(event, control.Ready | control.Fatal | control.Ended)


def test_a_machine_without_a_compiler_for_its_gpu_tells_nothing_of_the_module():
    text = "Autotuner could not compile any configs for HLO: %cudnn-conv.2 = (f32[5,16,16,8]) custom-call(%pad)"
    assert failure_from_error("InternalError", text, "gpu").kind in LIMITS
    assert failure_from_error("InternalError", text, "cpu").kind not in LIMITS


@pytest.mark.parametrize("character", ["x", "\x01", "\ud800", "é", "\U0001f600"])
def test_a_packet_is_cut_after_it_is_encoded(character):
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs:
        log = character * 100_000 + "the end"
        control.send(theirs, {"event": "ended", "id": 1, "cause": "exit", "code": 1, "log": log})
        event = control.receive_event(ours)
    assert isinstance(event, control.Ended)
    assert event.log.endswith("the end")


@given(st.lists(st.sampled_from(PARTS), min_size=1, max_size=4), st.sampled_from(PARTS), st.text(max_size=30))
def test_any_error_text_is_described_in_one_line_and_in_linear_time(repeated, last, kind):
    text = "".join(repeated) * (1_000_000 // len("".join(repeated))) + last
    began = time.process_time()
    failures = (
        failure_from_error(kind, text),
        failure_from_error(kind, text[:19_000] + last),
        failure_at_end(Ending("signal", -signal.SIGABRT, text[-8_192:]), timeout=1.0, memory=1),
        failure_at_end(Ending(kind, 3, text[-8_192:]), timeout=1.0, memory=1),
    )
    assert time.process_time() - began < 2.0
    for failure in failures:
        assert len(failure.message) < 1_000
        assert failure.message.isprintable()
        assert (failure.node or "").isprintable()


@pytest.mark.parametrize(
    ("ending", "kind"),
    [
        *((Ending("signal", -number, ""), "crash") for number in (signal.SIGABRT, signal.SIGSEGV, signal.SIGFPE)),
        *((Ending("signal", -number, ""), "crash") for number in (signal.SIGILL, signal.SIGBUS)),
        *((Ending("signal", -number, ""), "killed") for number in (signal.SIGKILL, signal.SIGTERM, signal.SIGHUP)),
        (Ending("signal", -signal.SIGABRT, "terminate called after std::bad_alloc"), "memory"),
        (Ending("signal", -signal.SIGXCPU, ""), "deadline"),
        (Ending("deadline", -9, ""), "deadline"),
        (Ending("memory", -9, ""), "memory"),
        (Ending("disk", -9, ""), "error"),
        (Ending("threads", -9, ""), "error"),
        (Ending("exit", 0, ""), "crash"),
        (Ending("exit", 70, ""), "crash"),
        (Ending("signal", -200, ""), "killed"),
    ],
)
def test_crashes_are_the_modules_and_kills_and_limits_are_not(ending, kind):
    failure = failure_at_end(ending, timeout=1.0, memory=1 << 30)
    assert failure.kind == kind
    assert (failure.kind in LIMITS) == (kind in ("killed", "memory", "deadline"))
