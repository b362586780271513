"""Which devices a module is run on, by the user's word, and why not on others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from hubcheck.probe.dispatch.environment import no_gpu
from hubcheck.probe.observations import Device

DeviceRequest = Literal["cpu", "gpu", "auto", "all"]


@dataclass(frozen=True, slots=True)
class DeviceSelection:
    """The devices to run on, those not run on with the reason, and what was asked for and cannot be had."""

    devices: tuple[str, ...]
    absent: tuple[Device, ...] = ()
    missing: str | None = None


def choose(wish: DeviceRequest) -> DeviceSelection:
    """The devices for `--device`: "auto" takes a GPU if there is one, "gpu" and "all" insist on it."""
    if wish == "cpu":
        return DeviceSelection(("cpu",), (Device("gpu", False, "not asked for"),))
    reason = no_gpu()
    if reason is None:
        return DeviceSelection(("gpu",) if wish == "gpu" else ("cpu", "gpu"))
    absent = (Device("gpu", False, reason),)
    if wish == "gpu":
        return DeviceSelection((), absent, reason)
    return DeviceSelection(("cpu",), absent, reason if wish == "all" else None)
