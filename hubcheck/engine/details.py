"""What a report for people shows beside the findings: records, which `hubcheck.report.details.build` makes."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Step:
    """A step on the way from the images to the outputs, as text: a node, or (`opened`) a scope around the next ones.

    `marks` are the findings on it, in brief; `outputs` the keys of the outputs that it computes, `sources` the
    numbers of the steps whose results it takes.
    """

    depth: int
    name: str
    ops: str
    shape: str
    marks: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    sources: tuple[int, ...] = ()
    opened: bool = False


@dataclass(frozen=True, slots=True)
class Declared:
    """One signature of a variant, or a trace of its callable: its tensors by key, as text, and the way through it."""

    variant: str
    signature: str | None
    trace: str | None
    inputs: tuple[tuple[str, str], ...]
    outputs: tuple[tuple[str, str], ...]
    steps: tuple[Step, ...] = ()


@dataclass(frozen=True, slots=True)
class Histogram:
    """How often values between `low` and `high` came; `dead` is the share of entries that never changed."""

    signature: str
    device: str
    low: float
    high: float
    counts: tuple[int, ...]
    dead: float


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture that was fed, as a PNG file."""

    name: str
    png: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Exhibits:
    """What a report for people shows beside the findings."""

    declared: tuple[Declared, ...] = ()
    histograms: tuple[Histogram, ...] = ()
    pictures: tuple[Picture, ...] = ()
