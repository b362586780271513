"""Describe in one line why a load or a call failed, from the messages of TensorFlow.

The messages are hostile input: they are cut to MAX_TEXT characters, and no pattern below takes more than linear time.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from hubcheck.probe.observations import Failure, FailureKind
from hubcheck.probe.wire.frames import MAX_TEXT
from hubcheck.util.locks import SNAPSHOT, UNPACKED

_MAX_LENGTH = 400
_NOISE = ("Detected at node ", "<stack traces unavailable>", 'File "')
_NODE = re.compile(r"\{\{(?:function_)?node ([^{}]{1,1000})\}\}")
_UNREGISTERED = re.compile(r"Op type not registered '([^']{1,200})'")
_NO_KERNEL_FOR = "No OpKernel was registered to support Op '"
_NO_KERNEL = re.compile(
    r"No OpKernel was registered to support Op '|Could not find device for node|Cannot assign a device for operation"
    r"|only supports? (?:the )?(?:NHWC|NDHWC|channels_last)|supports only the NHWC|only implemented on GPU"
    r"|platform \w{1,40} is not among the platforms"
    r"|CPU implementations do not yet support dilation|filter_size does not have enough elements"
    r"|[Nn]ot (?:yet )?(?:implemented|supported) (?:on|for) (?:the )?CPU|NCHW.{0,40}(?:on|for) (?:the )?CPU"
)
_NO_GRADIENT = re.compile(r"No gradient defined for operation ?'([^']{0,1000})' \(op type: (\w{1,200})\)")
_PREVENTED = "Gradient explicitly disabled. Reason: "
_PINNED = re.compile(
    r"was explicitly assigned to|explicit device specification '[^']{0,500}' because (?!no supported kernel for CPU)"
)
_KEYWORD = re.compile(r"'(\w{1,80})' is not a valid parameter name")
_SHARED = re.compile(r"TF_Output (\S{1,200}) appears more than once in the input list")
_PLACEHOLDER = re.compile(r"An output for signature '[^']{1,200}' depends on a placeholder which is not an input")
_PLACEHOLDER_NAME = re.compile(r"depends transitively on placeholder <tf.Operation '([^']{1,200})'")
_BY_MESSAGE: tuple[tuple[FailureKind, re.Pattern[str]], ...] = (
    ("reference", re.compile(r"has a reference type \w{1,20}_ref")),
    ("data", re.compile(r"Checksum does not match|DataLossError|[Dd]ata loss")),
    (
        "state",
        re.compile(
            r"[Uu]ninitialized value|Could not find variable|[Tt]able not initialized"
            r"|Error while reading resource variable|(?:Container|Resource) \S{1,200} does not exist"
        ),
    ),
)
_NO_MEMORY = re.compile(r"OOM when allocating|[Oo]ut of memory|bad_alloc|MemoryError|failed to allocate memory")
_NO_COMPILER = re.compile(
    r"No PTX compilation provider|Autotuner could not compile any configs|Couldn't get ptxas/nvlink version"
)
_PRIVATE_FOLDER = re.compile(rf"\S{{0,300}}/(?:{SNAPSHOT}|{UNPACKED})\w{{1,40}}/[^/]{{1,255}}/")
"""The path of the copy of a module that was run, which is another one in each run."""
_FUNCTION_NUMBER = re.compile(r"(\b__(?:inference|forward|backward)_\w{1,200}?)_\d{1,20}\b")
_NODE_MARK = re.compile(r"\{\{[^{}]{0,1000}\}\} ?")
_OP_MARK = re.compile(r" ?\[Op:[^\[\]]{0,1000}\](?: name: )?")
_REPLACED = ((_NODE_MARK, ""), (_OP_MARK, ""), (_PRIVATE_FOLDER, ""), (_FUNCTION_NUMBER, r"\1"))
"""What TensorFlow adds, and what differs from run to run."""


def one_line(text: str, longest: int = _MAX_LENGTH) -> str:
    """Return untrusted text as one line of limited length without control characters."""
    text = " ".join("".join(char if char.isprintable() else " " for char in text[:MAX_TEXT]).split())
    return text if len(text) <= longest else text[: longest - 1] + "…"


def failure_from_error(kind: str, message: str, device: str = "cpu") -> Failure:
    """Return the failure that an exception of TensorFlow describes, by the name of its type and its message.

    Only on a GPU, `device` "gpu", may XLA lack a compiler: the same words on a CPU are the module's own.
    """
    kind, message = kind[:MAX_TEXT], message[:MAX_TEXT]
    # A saver wraps every error in a text that blames the checkpoint.
    message = message.partition("Original error:")[2] or message
    node = _NODE.search(message)
    name = one_line(node[1], 200) if node else None
    op = _UNREGISTERED.search(message)
    if op:
        return Failure("op", f"the op {one_line(op[1], 80)} is not registered in stock TensorFlow", name)
    if "_UserObject' object has no attribute 'add_slot'" in message:
        return Failure("keras2", "a Keras 2 model saved with its optimizer loads only where tf_keras is installed")
    keyword, shared, placeholder = (p.search(message) for p in (_KEYWORD, _SHARED, _PLACEHOLDER))
    if keyword:
        return Failure("keyword", f'an input is called "{keyword[1]}", which is a keyword of Python')
    if shared:
        return Failure("shared", f"several inputs of one signature are the tensor {one_line(shared[1])}")
    if placeholder:
        fed = _PLACEHOLDER_NAME.search(message)
        # TensorFlow names one signature of several, not always the same.
        text = "a signature needs a placeholder that is not among its inputs"
        return Failure("placeholder", text, one_line(fed[1]) if fed else None)
    missing = _missing_kernel(message)
    if missing is not None:
        return Failure("kernel", missing, name)
    gradient = _NO_GRADIENT.search(message)
    if gradient:
        return Failure("gradient", f"the op {gradient[2]} has no gradient", one_line(gradient[1], 200))
    _, prevented, reason = message.partition(_PREVENTED)
    if prevented:
        reason = one_line(reason.removeprefix("b").strip("'\""), 200)
        return Failure("gradient", f"PreventGradient forbids it: {reason or 'no reason is given'}")
    text = _without_traceback(message)
    if _PINNED.search(message):
        return Failure("pinned", text, name)
    if _NO_KERNEL.search(message):
        return Failure("kernel", text, name)
    if kind in ("ResourceExhaustedError", "MemoryError") or _NO_MEMORY.search(message):
        hint = "; make it smaller, or raise memory-mb in the configuration"
        return Failure("memory", f"ran out of memory: {one_line(text, 300)}{hint}", name)
    if device == "gpu" and _NO_COMPILER.search(message):
        return Failure("compiler", "XLA cannot compile it for the GPU here: it has no ptxas that it may start", name)
    known = next((known for known, pattern in _BY_MESSAGE if pattern.search(f"{kind}: {message}")), None)
    return Failure(known or "error", f"{one_line(kind, 60)}: {text}", name)


def _missing_kernel(message: str) -> str | None:
    """Return which op has no kernel, and for which types, from "... Op 'Conv2D' ... with these attrs: [...]"."""
    _, found, rest = message.partition(_NO_KERNEL_FOR)
    op, quote, rest = rest.partition("'")
    _, attributes_follow, rest = rest.partition("with these attrs: [")
    attributes, end, _ = rest.partition("]\n")
    if not (found and quote and attributes_follow and end and op.isidentifier()):
        return None
    types = ", ".join(sorted(set(_types(attributes)))[:4])
    return f"the op {one_line(op, 80)} has no kernel for this device" + (f" with {types}" if types else "")


def _types(attributes: str) -> Iterator[str]:
    for attribute in attributes.split(", "):
        key, _, value = attribute.partition("=")
        if key.isidentifier() and value.startswith("DT_") and value.isidentifier():
            yield one_line(attribute, 60)


def _without_traceback(message: str) -> str:
    """Return what went wrong, without the stack traces and node names that TensorFlow adds."""
    lines = [line for line in message.split("\n\t [[", 1)[0].splitlines() if not _is_noise(line)]
    text = one_line(" ".join(lines) or message, MAX_TEXT)
    for pattern, replacement in _REPLACED:
        text = pattern.sub(replacement, text)
    return one_line(text)


def _is_noise(line: str) -> bool:
    line = line.strip()
    return line in ("", "Graph execution error:") or line.startswith(_NOISE) or line.endswith("Detected at node")
