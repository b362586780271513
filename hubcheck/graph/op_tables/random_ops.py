"""The ops of stock TensorFlow that make random values, from `rules/data/random-ops.tsv`; `make tables` writes it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Literal

from hubcheck.util import resources

Randomness = Literal["stateful", "stateless"]

CLOCKS = frozenset({"Timestamp"})
"""Ops that are not random, but return another value each time they run."""


@cache
def random_ops() -> Mapping[str, Randomness]:
    """Return the random ops: `stateful` ones differ from run to run, `stateless` ones follow from their inputs."""
    lines = (resources.folder("rules") / "data" / "random-ops.tsv").read_text(encoding="utf-8").splitlines()
    rows = (line.split("\t") for line in lines[1:])
    return {op: "stateful" if kind == "stateful" else "stateless" for op, kind in rows}
