"""A model of another library, and how it is made into a module."""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

EXAMPLES: dict[str, Registered] = {}
"""The models by name, in the order of the table."""


@dataclass(frozen=True)
class Example:
    """A model.

    Args:
        size: height and width in pixels.
        how: the call by which users of the library export a model.
        plain: does that, to a folder.
        module: makes a module; it gets the folder of the plain export.
        features, logits: what the model computes for images in [0, 1]; None if it has no such output.
        activation: the function that `logits` has applied to them.
    """

    size: tuple[int, int]
    how: str
    plain: Callable[[Path], Any]
    module: Callable[[Path], Any]
    features: Callable[[Any], Any] | None = None
    logits: Callable[[Any], Any] | None = None
    activation: Callable[[Any], Any] | None = None

    @property
    def lines(self) -> int:
        """How many lines of code it takes to make the module and to export it."""
        body = textwrap.dedent(inspect.getsource(self.module)).splitlines()[1:]
        return sum(bool(line.strip()) for line in body) + 1


@dataclass(frozen=True)
class Registered:
    """Where a model comes from.

    Args:
        packages: those whose releases the table states.
        environment: the one that has them.
        build: builds the model.
        written_in: a second environment, in which the model is written.
    """

    packages: tuple[str, ...]
    environment: str
    build: Callable[[], Example]
    written_in: str | None = None


def example(
    name: str, *packages: str, environment: str = "exporters", written_in: str | None = None
) -> Callable[[Callable[[], Example]], Any]:
    """Decorate a function that builds a model."""

    def add(build: Callable[[], Example]) -> Callable[[], Example]:
        EXAMPLES[name] = Registered(packages, environment, build, written_in)
        return build

    return add
