"""Describe in one line why a load or a call failed, from the messages of TensorFlow or the kernel."""

from __future__ import annotations

import re
import signal
from collections.abc import Mapping
from typing import Any

from hubcheck.probe.observations import Failure

_MAX_LENGTH = 400
_NOISE = re.compile(
    r"^(Graph execution error:?|Detected at node .*|<stack traces unavailable>|\s*File \".*|.*Detected at node|\s*)$"
)
_NODE = re.compile(r"\{\{(?:function_)?node ([^}]+)\}\}")
_UNREGISTERED = re.compile(r"Op type not registered '([^']+)'")
_MISSING_KERNEL = re.compile(r"No OpKernel was registered to support Op '(\w+)'.*?with these attrs: \[(.*?)\]\n", re.S)
_NO_KERNEL = re.compile(
    r"No OpKernel was registered to support Op '|Could not find device for node|Cannot assign a device for operation"
    r"|only supports? (?:the )?(?:NHWC|NDHWC|channels_last)|supports only the NHWC|only implemented on GPU"
    r"|platform \w+ is not among the platforms"
    r"|[Nn]ot (?:yet )?(?:implemented|supported) (?:on|for) (?:the )?CPU|NCHW.{0,40}(?:on|for) (?:the )?CPU"
)
_NO_GRADIENT = re.compile(r"No gradient defined for operation ?'([^']*)' \(op type: (\w+)\)")
_PREVENTED = re.compile(r"Gradient explicitly disabled. Reason: b?['\"]?(.*?)['\"]?$", re.S)
_PINNED = re.compile(
    r"was explicitly assigned to|explicit device specification '[^']*' because (?!no supported kernel for CPU)"
)
_NO_MEMORY = re.compile(r"OOM when allocating|[Oo]ut of memory|bad_alloc|MemoryError|failed to allocate memory")
_FATAL = re.compile(r"^(?:F\d{4} .*|.*Check failed:.*|terminate called.*|.*what\(\):.*|Fatal Python error:.*)$", re.M)
_LOG_PREFIX = re.compile(r"^[FEWI]\d{4,8} [\d:. ]+\d+ ([\w./-]+:\d+)\] ")


def one_line(text: str, longest: int = _MAX_LENGTH) -> str:
    """Return untrusted text as one line of limited length without control characters."""
    text = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    return text if len(text) <= longest else text[: longest - 1] + "…"


def failure_from_error(error: Mapping[str, Any]) -> Failure:
    """Return the failure that an exception of TensorFlow describes; `error` holds its type and message."""
    kind, message = str(error.get("type", "")), str(error.get("message", ""))
    node = _NODE.search(message)
    name = one_line(node[1], 200) if node else None
    op = _UNREGISTERED.search(message)
    if op:
        return Failure("op", f"the op {one_line(op[1], 80)} is not registered in stock TensorFlow", name)
    if "_UserObject' object has no attribute 'add_slot'" in message:
        return Failure("keras2", "a Keras 2 model saved with its optimizer loads only after `import tf_keras`")
    missing = _MISSING_KERNEL.search(message)
    if missing:
        types = ", ".join(sorted(set(re.findall(r"\w+=DT_\w+", missing[2])))[:4])
        text = f"the op {missing[1]} has no kernel for this device" + (f" with {types}" if types else "")
        return Failure("kernel", text, name)
    missing = _NO_GRADIENT.search(message)
    if missing:
        return Failure("gradient", f"the op {missing[2]} has no gradient", one_line(missing[1], 200))
    prevented = _PREVENTED.search(message)
    if prevented:
        return Failure("gradient", f"PreventGradient forbids it: {one_line(prevented[1], 200) or 'no reason is given'}")
    text = _without_traceback(message)
    if _PINNED.search(message):
        return Failure("pinned", text, name)
    if _NO_KERNEL.search(message):
        return Failure("kernel", text, name)
    if kind in ("ResourceExhaustedError", "MemoryError") or _NO_MEMORY.search(message):
        return Failure("memory", f"ran out of memory: {text}", name)
    return Failure("error", f"{one_line(kind, 60)}: {text}", name)


def failure_at_end(cause: str, code: int, log: str, *, timeout: float, memory: int) -> Failure:
    """Return why a worker ended before its plan did.

    Args:
        cause: why the server ended it ("deadline", "memory", "disk"), "protocol", "signal" or "exit".
        code: its exit status, or minus the number of the signal.
        log: the end of what it printed.
        timeout: its deadline in seconds.
        memory: its memory limit in bytes.
    """
    fatal = _FATAL.findall(log)
    message = f": {one_line(_LOG_PREFIX.sub('', fatal[-1]))}" if fatal else ""
    limit = f"its limit of {memory / 2**30:.1f} GiB"
    match cause:
        case "deadline":
            return Failure("deadline", f"the worker was stopped at its deadline of {timeout:g} s")
        case "memory":
            return Failure("memory", f"the worker ran out of memory: it was stopped at {limit}")
        case "disk":
            return Failure("error", "the worker was stopped because it filled its scratch folder")
        case "protocol":
            return Failure("protocol", "the worker sent an invalid result")
        case "signal" if "bad_alloc" in log:
            return Failure("memory", f"the worker ran out of memory at {limit}")
        case "signal":
            hint = ", perhaps by the kernel for lack of memory" if -code == signal.SIGKILL else ""
            return Failure("signal", f"the worker crashed with signal {_signal_name(-code)}{hint}{message}")
        case _:
            return Failure("signal", f"the worker exited with status {code}{message}")


def _without_traceback(message: str) -> str:
    """Return what went wrong, without the stack traces and node names that TensorFlow adds."""
    lines = [line for line in message.split("\n\t [[", 1)[0].splitlines() if not _NOISE.match(line)]
    text = " ".join(lines) or message
    text = re.sub(r"\{\{[^}]*\}\}\s*", "", text)
    return one_line(re.sub(r"\s*\[Op:[^\]]*\]( name: )?", "", text))


def _signal_name(number: int) -> str:
    try:
        return f"{number} ({signal.Signals(number).name})"
    except ValueError:
        return str(number)
