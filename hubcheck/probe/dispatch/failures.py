"""Why a load or a call failed, in one line, from what TensorFlow or the kernel said."""

from __future__ import annotations

import re
import signal
from collections.abc import Mapping
from typing import Any

from hubcheck.probe.observations import Failure

_LONGEST = 400
_NOISE = re.compile(
    r"^(Graph execution error:?|Detected at node .*|<stack traces unavailable>|\s*File \".*|.*Detected at node|\s*)$"
)
_NODE = re.compile(r"\{\{(?:function_)?node ([^}]+)\}\}")
_UNREGISTERED = re.compile(r"Op type not registered '([^']+)'")
_MISSING_KERNEL = re.compile(r"No OpKernel was registered to support Op '(\w+)'.*?with these attrs: \[(.*?)\]\n", re.S)
_NO_KERNEL = re.compile(
    r"No OpKernel was registered to support Op '|Could not find device for node|Cannot assign a device for operation"
    r"|only supports? (?:the )?(?:NHWC|NDHWC|channels_last)|supports only the NHWC|only implemented on GPU"
    r"|[Nn]ot (?:yet )?(?:implemented|supported) (?:on|for) (?:the )?CPU|NCHW.{0,40}(?:on|for) (?:the )?CPU"
)
_NO_MEMORY = re.compile(r"OOM when allocating|[Oo]ut of memory|bad_alloc|MemoryError|failed to allocate memory")
_FATAL = re.compile(r"^(?:F\d{4} .*|.*Check failed:.*|terminate called.*|.*what\(\):.*|Fatal Python error:.*)$", re.M)
_LOG_PREFIX = re.compile(r"^[FEWI]\d{4,8} [\d:. ]+\d+ ([\w./-]+:\d+)\] ")


def one_line(text: str, longest: int = _LONGEST) -> str:
    """Text from a stranger made fit to print: one line, no control characters, not too long."""
    text = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    return text if len(text) <= longest else text[: longest - 1] + "…"


def from_error(error: Mapping[str, Any]) -> Failure:
    """What an exception of TensorFlow tells: `error` holds its type and message."""
    kind, message = str(error.get("type", "")), str(error.get("message", ""))
    node = _NODE.search(message)
    name = one_line(node[1], 200) if node else None
    op = _UNREGISTERED.search(message)
    if op:
        return Failure("op", f"the op {one_line(op[1], 80)} is not registered in stock TensorFlow", name)
    if "_UserObject' object has no attribute 'add_slot'" in message:
        found = "it is a Keras 2 model saved with its optimizer, which loads only after `import tf_keras`"
        return Failure("keras2", found)
    missing = _MISSING_KERNEL.search(message)
    if missing:
        types = ", ".join(sorted(set(re.findall(r"\w+=DT_\w+", missing[2])))[:4])
        return Failure(
            "kernel", f"the op {missing[1]} has no kernel for it" + (f" with {types}" if types else ""), name
        )
    text = _essence(message)
    if _NO_KERNEL.search(message):
        return Failure("kernel", text, name)
    if kind in ("ResourceExhaustedError", "MemoryError") or _NO_MEMORY.search(message):
        return Failure("memory", f"it ran out of memory: {text}", name)
    return Failure("error", f"{one_line(kind, 60)}: {text}", name)


def from_end(cause: str, code: int, tail: str, *, timeout: float, memory: int) -> Failure:
    """What the end of a worker tells that did not finish its plan. `tail` is the end of its standard error."""
    fatal = _FATAL.findall(tail)
    said = f": {one_line(_LOG_PREFIX.sub('', fatal[-1]))}" if fatal else ""
    match cause:
        case "deadline":
            return Failure("deadline", f"it was stopped at its deadline of {timeout:g} s")
        case "memory":
            return Failure("memory", f"it ran out of memory: it was stopped at its limit of {_gigabytes(memory)}")
        case "disk":
            return Failure("error", "it was stopped because it filled its scratch folder")
        case "protocol":
            return Failure("protocol", "it sent back what is no result")
        case "signal" if "bad_alloc" in tail:
            return Failure("memory", f"it ran out of memory at a limit of {_gigabytes(memory)}")
        case "signal":
            hint = ", perhaps by the kernel because memory ran out" if -code == signal.SIGKILL else ""
            return Failure("signal", f"the worker died by signal {_signal_name(-code)}{hint}{said}")
        case _:
            return Failure("signal", f"the worker ended with status {code}{said}")


def _essence(message: str) -> str:
    """The sentence that says what went wrong, out of TensorFlow's pages."""
    lines = [line for line in message.split("\n\t [[", 1)[0].splitlines() if not _NOISE.match(line)]
    text = " ".join(lines) or message
    text = re.sub(r"\{\{[^}]*\}\}\s*", "", text)
    return one_line(re.sub(r"\s*\[Op:[^\]]*\]( name: )?", "", text))


def _signal_name(number: int) -> str:
    try:
        return f"{number} ({signal.Signals(number).name})"
    except ValueError:
        return str(number)


def _gigabytes(count: int) -> str:
    return f"{count / 2**30:.1f} GiB"
