"""Steps of a worker: plain data that is sent to it as JSON."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from hubcheck.module.module_files import LinkedFile
from hubcheck.probe.observations import ProbeTarget, Purpose

_MAX_VALUES, _MAX_REPEATED = 1 << 20, 1 << 16

Condition = Literal["always", "failed", "refused", "fits", "first", "random", "unlike", "stateful"]
"""When a call is made.

failed: if a call of the target failed, since an even batch may work where an odd one does not. refused: if the target
failed with as many images, and never ran with as many. fits: if it ran with as many images, and no other call for this
purpose was made. first: if no other call for this purpose could be made. random: if its results for the same images
differed. unlike: if no other target had the same results, which randomness may explain. stateful: if the signatures of
what is loaded may change its state.
"""


@dataclass(frozen=True, slots=True)
class InputSpec:
    """One input tensor of a call: the named test images, one per row, with values from `low` to `high`.

    `shape` is fully defined. `value` is that of a scalar argument, such as `training`, which takes no images. `color`
    has a row for each channel: the weights of red, green and blue of the image, and what is added to their sum; it
    takes the place of `low` and `high`.
    """

    dtype: str
    shape: tuple[int, ...]
    images: tuple[str, ...] = ()
    low: float = 0.0
    high: float = 1.0
    value: bool | float | None = None
    color: tuple[tuple[float, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class LoadStep:
    """Load the variant with these tags, with the object loader or the session loader."""

    tags: tuple[str, ...]
    session: bool = False
    condition: Literal["always", "stateful"] = "always"


@dataclass(frozen=True, slots=True)
class CallStep:
    """Call a target of the variant that was loaded last.

    `keep` names the outputs whose values are sent back. An optional call is left out when time runs short.
    """

    target: ProbeTarget
    purpose: Purpose
    inputs: Mapping[str, InputSpec]
    keep: tuple[str, ...]
    batch: int
    size: tuple[int, ...] = ()
    optional: bool = False
    condition: Condition = "always"
    repeat: int = 1

    @property
    def images(self) -> tuple[str, ...]:
        """The images of the batch: those of the first input that has images."""
        return next((spec.images for spec in self.inputs.values() if spec.images), ())

    @property
    def max_values(self) -> int:
        """How many numbers of one output are sent back, about: of wider outputs, evenly spaced columns."""
        return _MAX_REPEATED if self.purpose == "repeated" else _MAX_VALUES

    def sampled(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Return the shape of what is sent of an output: [row, column] of one that is too wide."""
        size = math.prod(shape)
        if size <= self.max_values or not shape:
            return shape
        rows, columns = min(shape[0], self.max_values // 16), size // shape[0]
        return rows, -(-columns // -(-rows * columns // self.max_values))


Step = LoadStep | CallStep


@dataclass(frozen=True, slots=True)
class ProbePlan:
    """The steps of one worker on one module. Optional calls are left out after `soft_deadline` seconds.

    `linked` are the files outside of the module's folder that it may read, by their names in the folder.
    """

    path: str
    steps: tuple[Step, ...]
    device: str = "cpu"
    seed: int = 0
    threads: int = 0
    soft_deadline: float = 0.0
    linked: Mapping[str, LinkedFile] = field(default_factory=dict)


def to_json(plan: ProbePlan) -> dict[str, Any]:
    """Return the plan as JSON values; `from_json` is the inverse."""
    steps = [
        {"step": "load" if isinstance(step, LoadStep) else "call", **dataclasses.asdict(step)} for step in plan.steps
    ]
    fields = {field.name: getattr(plan, field.name) for field in dataclasses.fields(plan)}
    return {**fields, "steps": steps, "linked": {name: dataclasses.asdict(file) for name, file in plan.linked.items()}}


def from_json(data: Mapping[str, Any]) -> ProbePlan:
    """Return the plan that `to_json` wrote."""
    linked = {name: LinkedFile(**file) for name, file in data["linked"].items()}
    return ProbePlan(**{**data, "steps": tuple(_step(dict(step)) for step in data["steps"]), "linked": linked})


def _step(data: dict[str, Any]) -> Step:
    if data.pop("step") == "load":
        return LoadStep(**{**data, "tags": tuple(data["tags"])})
    inputs = {
        key: InputSpec(**{**spec, **{name: tuple(spec[name]) for name in ("shape", "images", "color")}})
        for key, spec in data["inputs"].items()
    }
    lists = {name: tuple(data[name]) for name in ("keep", "size")}
    return CallStep(**{**data, **lists, "target": ProbeTarget(**data["target"]), "inputs": inputs})
