"""Observations made by hand, for tests of what the checks of runs conclude from them."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Any

import numpy as np

from hubcheck.checks.context import Context
from hubcheck.checks.faults import Checked, CheckItem, Fault, Skip, Where
from hubcheck.checks.grouping import distinct
from hubcheck.module.reader import read
from hubcheck.module.types import Module
from hubcheck.probe import test_images
from hubcheck.probe.observations import Device, Failure, Load, Observations, Output, ProbeTarget, Purpose, Run
from hubcheck.rulebook.contract import load_contracts
from tests.paths import DATA

FEATURES = ProbeTarget("", "image_feature_vector")
TRAINING = ProbeTarget("train", "image_feature_vector")

_BATCHES: dict[str, tuple[str, ...]] = {
    "pictures": test_images.batch(5),
    "again": test_images.batch(5),
    "three": test_images.THREE,
    "black": ("black", "black"),
    "gray": ("gray", "gray"),
    "white": ("white", "white"),
    "many": test_images.batch(33),
    "swapped": (test_images.batch(5)[-1], test_images.batch(5)[0]),
    "alone": test_images.batch(1),
    "copies": test_images.batch(1) * 3,
    "resized": test_images.batch(2),
    "repeated": test_images.batch(4),
    "before": test_images.THREE[:2],
    "reloaded": test_images.batch(5),
}


def run(
    purpose: Purpose,
    values: Any = None,
    *,
    target: ProbeTarget = FEATURES,
    device: str = "cpu",
    failure: Failure | None = None,
    key: str = "default",
) -> Run:
    """One call with the images that are planned for it."""
    rows = _BATCHES[purpose]
    outputs = {}
    if values is not None:
        array = np.asarray(values, np.float32)
        outputs[key] = Output("float32", array.shape, array)
    return Run(target, device, purpose, len(rows), rows, (32, 24), 0, outputs, failure)


def observations(*runs: Run, devices: tuple[str, ...] = ("cpu",), loads: tuple[Load, ...] = ()) -> Observations:
    return Observations(tuple(Device(name, True) for name in devices), loads or (Load("", "cpu"),), runs)


@cache
def _module(name: str) -> Module:
    return read(DATA / name)


def context(module: str = "a_good_feature_vector", *found_in_files: Where) -> Context:
    return Context(_module(module), load_contracts(), found_in_files=found_in_files)


def faults(items: Iterable[CheckItem]) -> list[Fault]:
    """The faults, one for each cause."""
    return [item for item in answer(items) if isinstance(item, Fault)]


def answer(items: Iterable[CheckItem]) -> list[Fault | Skip]:
    """What counts of a check's items: a plain Skip does only where nothing was checked."""
    kept = list(distinct(items, _module("a_good_feature_vector")))
    return [
        item
        for item in kept
        if isinstance(item, Fault)
        or (isinstance(item, Skip) and (item.undecided or item.incomplete or Checked() not in kept))
    ]


def skips(items: Iterable[CheckItem]) -> list[str]:
    return [item.reason for item in answer(items) if isinstance(item, Skip)]


def is_sound(items: Iterable[CheckItem]) -> bool:
    """Whether something was checked, without a fault and without an open question."""
    found = list(items)
    return Checked() in found and not answer(found)
