"""What was seen when a module ran: frozen facts that probe predicates judge. No TensorFlow, no numpy at import."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

FailureKind = Literal["error", "op", "keras2", "kernel", "memory", "signal", "deadline", "protocol"]
"""Why something came to no result.

error: TensorFlow raised. op: an op that this TensorFlow does not register. keras2: the object needs `tf_keras`.
kernel: an op has no kernel for this device. memory, signal, deadline: how the worker ended. protocol: the
worker sent back what is no result.
"""

Purpose = Literal["pictures", "plain", "swapped", "alone", "again", "resized", "repeated", "loss"]
"""What a call is for; one call serves many rules.

pictures: a batch of different pictures. plain: black, a constant and a picture. swapped: two pictures of
`pictures` in other places and company. alone: the first of them, by itself. again: `pictures` once more,
after all others. resized: `pictures` at another height and width. repeated: one of many calls with the same
pictures, for statistics. loss: a regularization loss, which is fed nothing.
"""


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a load or a call came to no result, in one line; `node` is the graph node that TensorFlow blames."""

    kind: FailureKind
    message: str
    node: str | None = None


@dataclass(frozen=True, slots=True)
class ProbeTarget:
    """What can be called: a signature of a variant, or (`trace` is set) a trace of the TF2 object's `__call__`.

    `number` is the trace's place among the callable's traces, for names are not unique. `session` tells that
    TensorFlow's session loader ran it, the one that TensorFlow Serving uses. With neither signature nor trace it is
    the regularization loss of that number.
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


@dataclass(frozen=True, slots=True)
class Output:
    """One output of a call. `values` is a numpy array if asked for; of wide outputs, evenly spread columns."""

    dtype: str
    shape: tuple[int, ...]
    values: Any = None


@dataclass(frozen=True, slots=True)
class Load:
    """One attempt of TensorFlow to restore a variant."""

    variant: str
    device: str
    session: bool = False
    failure: Failure | None = None
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Run:
    """One call of a target. `pictures` names the rows that were fed; `size` is their height and width, if images."""

    target: ProbeTarget
    device: str
    purpose: Purpose
    batch: int
    pictures: tuple[str, ...]
    size: tuple[int, ...]
    seed: int
    outputs: Mapping[str, Output] = field(default_factory=dict)
    failure: Failure | None = None
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class NotRun:
    """A target (or, with None, the whole device) that was not run, and why."""

    target: ProbeTarget | None
    device: str
    reason: str
    purpose: Purpose | None = None


@dataclass(frozen=True, slots=True)
class Device:
    """Where the module ran, or why not there."""

    name: str
    ran: bool
    reason: str | None = None
    description: str = ""


@dataclass(frozen=True, slots=True)
class Observations:
    """Everything seen of one module. `sandbox` lists the protections in force, `unprotected` those that were not.

    `settings` are the options of `hubcheck replay` that make its calls these ones.
    """

    devices: tuple[Device, ...] = ()
    loads: tuple[Load, ...] = ()
    runs: tuple[Run, ...] = ()
    not_run: tuple[NotRun, ...] = ()
    sandbox: tuple[str, ...] = ()
    unprotected: tuple[str, ...] = ()
    peak_memory: int = 0
    seconds: float = 0.0
    settings: tuple[str, ...] = ()
    judged: str | None = None

    @property
    def device(self) -> str | None:
        """The device that the behaviour rules judge: the `judged` one, else the CPU unless only another one ran."""
        if self.judged is not None:
            return self.judged
        ran = [device.name for device in self.devices if device.ran]
        return "cpu" if "cpu" in ran else next(iter(ran), None)

    def calls(self, target: ProbeTarget, *purposes: Purpose, device: str | None = None) -> Iterator[Run]:
        """The runs of a target on a device (the judged one), in the order they happened, failed ones included."""
        device = device or self.device
        for run in self.runs:
            if run.target == target and run.device == device and (not purposes or run.purpose in purposes):
                yield run

    def values(self, target: ProbeTarget, purpose: Purpose, key: str, device: str | None = None) -> Any:
        """The values of one output of the (last) call with that purpose; None if there are none."""
        found = None
        for run in self.calls(target, purpose, device=device):
            if key in run.outputs:
                found = run.outputs[key].values
        return found
