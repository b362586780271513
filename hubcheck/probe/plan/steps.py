"""What to run of a module, decided from its facts: plain data that crosses to the worker as JSON."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from hubcheck.probe.observations import ProbeTarget, Purpose

Condition = Literal["always", "failed", "random", "unlike"]
"""When a call is made. failed: if the target's call for `pictures` did, for an even batch may run where an odd one does
not. random: if its results for the same pictures differed. unlike: if no other target gave the same result, so that
randomness may be why."""


@dataclass(frozen=True, slots=True)
class Feed:
    """One tensor to feed: filled with the named pictures, one a row, from `low` to `high`.

    `shape` is complete. `flag` is the value of a `training` argument, which is no picture.
    """

    dtype: str
    shape: tuple[int, ...]
    pictures: tuple[str, ...] = ()
    low: float = 0.0
    high: float = 1.0
    flag: bool | None = None


@dataclass(frozen=True, slots=True)
class LoadStep:
    """Restore the variant with these tags, by the object loader or by the session loader."""

    tags: tuple[str, ...]
    session: bool = False


@dataclass(frozen=True, slots=True)
class CallStep:
    """Call a target of what was loaded last.

    `keep` names the outputs whose values are wanted. An optional call is left out when time runs short.
    """

    target: ProbeTarget
    purpose: Purpose
    feeds: Mapping[str, Feed]
    keep: tuple[str, ...]
    batch: int
    size: tuple[int, ...] = ()
    optional: bool = False
    condition: Condition = "always"
    repeat: int = 1

    @property
    def pictures(self) -> tuple[str, ...]:
        """The pictures of the first fed tensor that has some: the rows of the batch."""
        return next((feed.pictures for feed in self.feeds.values() if feed.pictures), ())


Step = LoadStep | CallStep


@dataclass(frozen=True, slots=True)
class ProbePlan:
    """The steps of one worker on one module."""

    path: str
    steps: tuple[Step, ...]
    device: str = "cpu"
    seed: int = 0
    threads: int = 0
    soft_deadline: float = 0.0


def to_json(plan: ProbePlan) -> dict[str, Any]:
    """The plan as JSON values; `from_json` is the inverse."""
    steps = [
        {"step": "load" if isinstance(step, LoadStep) else "call", **dataclasses.asdict(step)} for step in plan.steps
    ]
    fields = {f.name: getattr(plan, f.name) for f in dataclasses.fields(plan) if f.name != "steps"}
    return {**fields, "steps": steps}


def from_json(data: Mapping[str, Any]) -> ProbePlan:
    """The plan that `to_json` wrote."""
    return ProbePlan(**{**data, "steps": tuple(_step(dict(step)) for step in data["steps"])})


def _step(data: dict[str, Any]) -> Step:
    if data.pop("step") == "load":
        return LoadStep(tuple(data["tags"]), data["session"])
    feeds = {
        key: Feed(**{**feed, "shape": tuple(feed["shape"]), "pictures": tuple(feed["pictures"])})
        for key, feed in data["feeds"].items()
    }
    lists = {name: tuple(data[name]) for name in ("keep", "size")}
    return CallStep(**{**data, **lists, "target": ProbeTarget(**data["target"]), "feeds": feeds})
