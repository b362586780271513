"""What was observed when a module ran: frozen facts for the probe checks. Imports neither TensorFlow nor numpy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import field
from typing import Any, Literal

from hubcheck.util.record import record

FailureKind = Literal[
    "error",
    "op",
    "keras2",
    "keyword",
    "shared",
    "placeholder",
    "reference",
    "data",
    "state",
    "kernel",
    "pinned",
    "gradient",
    "crash",
    "protocol",
    "memory",
    "compiler",
    "deadline",
    "killed",
    "internal",
]
"""Why a load or a call has no result.

error: TensorFlow raised. op: an op that this TensorFlow does not register. keras2: the object needs `tf_keras`.
keyword: an input is named like a Python keyword. shared: one tensor is several inputs. placeholder: one is no input of
the signature that needs it. reference: an output is a TF1 reference. data: the weights are damaged. state: a variable
or table was not initialized.
kernel: an op has no kernel for this device. pinned: an op is pinned to a device that is not here. gradient: an op has
no gradient. crash: the module's code ended the worker. protocol: the worker sent what no worker sends. memory,
compiler, deadline, killed, internal: those of LIMITS.
"""

LIMITS: frozenset[FailureKind] = frozenset({"memory", "compiler", "deadline", "killed", "internal"})
"""What says nothing about the module: it ran out of memory or time, XLA has no compiler for the GPU here, something
ended its worker, or a check failed."""

Purpose = Literal[
    "pictures",
    "three",
    "swapped",
    "alone",
    "copies",
    "black",
    "gray",
    "white",
    "many",
    "again",
    "resized",
    "repeated",
    "before",
    "reloaded",
    "loss",
    "gradients",
]
"""What a call is for, as `hubcheck replay --calls` names it; one call serves many rules.

pictures: a batch of different images. three: three other images. swapped: two images of `pictures` at other positions
of another batch. alone: the first of them, as a batch of one. copies: that image as often as a batch that failed has
images. black, gray, white: batches of one constant image. many: a large batch. again: `pictures` once more, after all
others. resized: `pictures` at another height and width. repeated: one of many calls with the same images, for
statistics. before: other images, the first that a second load is asked. reloaded: `pictures`, asked after these.
loss: a regularization loss, which has no inputs. gradients: those of the result for the variables, on black, white and
other images; its outputs are the variables, whose dtype says whether the gradient is "finite", "not finite" or "none".
"""

CONSTANT: tuple[Purpose, ...] = ("black", "gray", "white")
"""The calls with batches of one constant image."""


@record
class Failure:
    """Why a load or a call failed, in one line; `node` is the graph node that TensorFlow blames."""

    kind: FailureKind
    message: str
    node: str | None = None


@record
class ProbeTarget:
    """What can be called: a signature of a variant, a trace of the TF2 object's `__call__`, or a regularization loss.

    `number` is the index of the trace among the callable's traces, whose names are not unique, or that of the loss,
    which has neither `signature` nor `trace`. `session` says that TensorFlow's session loader loads it, as TensorFlow
    Serving does.
    """

    variant: str
    signature: str | None = None
    trace: str | None = None
    number: int = 0
    session: bool = False

    def __str__(self) -> str:
        if self.trace is None and self.signature is None:
            return f"regularization loss {self.number}"
        name = f"the callable ({self.trace})" if self.trace is not None else str(self.signature)
        return f"{name} of variant {self.variant}" if self.variant not in ("", "serve") else name


@record
class Output:
    """One output of a call. `values` is a numpy array if requested; of a wide output, evenly spaced columns."""

    dtype: str
    shape: tuple[int, ...]
    values: Any = None


@record
class Load:
    """One attempt of TensorFlow to load a variant."""

    variant: str
    device: str
    session: bool = False
    failure: Failure | None = None
    seconds: float = 0.0


@record
class Run:
    """One call of a target. `images` names the rows of the batch; `size` their height and width in pixels, if any."""

    target: ProbeTarget
    device: str
    purpose: Purpose
    batch: int
    images: tuple[str, ...]
    size: tuple[int, ...]
    seed: int
    outputs: Mapping[str, Output] = field(default_factory=dict)
    failure: Failure | None = None
    seconds: float = 0.0


@record
class NotRun:
    """A target (None: everything on the device) that was not run, and why."""

    target: ProbeTarget | None
    device: str
    reason: str
    purpose: Purpose | None = None


@record
class Device:
    """A device, whether the module ran on it, and why not."""

    name: str
    ran: bool
    reason: str | None = None


@record
class Observations:
    """Everything observed of one module.

    `sandbox` lists the protections that were enforced, `sandbox_missing` the others, with reasons. `settings` are the
    options of `hubcheck replay` that repeat its calls. `seconds` is how long the runs took, without the time in which
    they waited for other modules.
    """

    devices: tuple[Device, ...] = ()
    loads: tuple[Load, ...] = ()
    runs: tuple[Run, ...] = ()
    not_run: tuple[NotRun, ...] = ()
    sandbox: tuple[str, ...] = ()
    sandbox_missing: tuple[str, ...] = ()
    settings: tuple[str, ...] = ()
    judged: str | None = None
    seconds: float = 0.0

    @property
    def device(self) -> str | None:
        """The device whose calls the behaviour rules judge: `judged` if set, else the CPU if it ran, else another."""
        if self.judged is not None:
            return self.judged
        ran = [device.name for device in self.devices if device.ran]
        return "cpu" if "cpu" in ran else next(iter(ran), None)

    def calls(self, target: ProbeTarget, *purposes: Purpose, device: str | None = None) -> Iterator[Run]:
        """Yield the runs of a target on a device, by default the judged one, in order and including failed ones."""
        device = device or self.device
        for run in self.runs:
            if run.target == target and run.device == device and (not purposes or run.purpose in purposes):
                yield run

    def values(self, target: ProbeTarget, purpose: Purpose, key: str, device: str | None = None) -> Any:
        """Return the values of one output of the last call with that purpose, or None."""
        runs = [run for run in self.calls(target, purpose, device=device) if key in run.outputs]
        return runs[-1].outputs[key].values if runs else None
