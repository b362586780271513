"""Select the devices that modules are run on, and say why the others are not used."""

from __future__ import annotations

import importlib.util
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from hubcheck.probe.observations import Device

_RELEASE = re.compile(r"(?:tensorflow|tf_nightly)(?:_cpu|_gpu|_intel|_macos|_rocm)?-(.+)\.dist-info")
DeviceRequest = Literal["cpu", "gpu", "auto", "all"]
"""The values of `--device`: auto uses a GPU if there is one, gpu and all require it."""


@dataclass(frozen=True, slots=True)
class DeviceSelection:
    """The devices to run on, those that are not used, and why a requested one is missing, if so."""

    devices: tuple[str, ...]
    absent: tuple[Device, ...] = ()
    missing: str | None = None


def select_devices(request: DeviceRequest) -> DeviceSelection:
    """Return the devices for a value of `--device`."""
    if request == "cpu":
        return DeviceSelection(("cpu",), (Device("gpu", False, "not requested"),))
    reason = no_gpu()
    if reason is None:
        return DeviceSelection(("gpu",) if request == "gpu" else ("cpu", "gpu"))
    absent = (Device("gpu", False, reason),)
    if request == "gpu":
        return DeviceSelection((), absent, reason)
    return DeviceSelection(("cpu",), absent, reason if request == "all" else None)


def no_gpu() -> str | None:
    """Return why TensorFlow cannot use a GPU here, judged by the system's device files, or None if it may."""
    nodes = ("/dev/nvidia0", "/dev/nvidiactl", "/dev/dxg", "/dev/kfd")
    if not any(Path(node).exists() for node in nodes) and not list(Path("/dev").glob("nvidia[0-9]*")):
        return "no GPU is visible on this machine"
    return None


def cannot_run(alternative: str = "") -> str | None:
    """Return why no module can be run here, or None. Does not import TensorFlow.

    Args:
        alternative: what else a user can do, such as "pass --static".
    """
    alternative = alternative and f", or {alternative}"
    if sys.platform != "linux":
        return "modules can be run on Linux only"
    if importlib.util.find_spec("tensorflow") is None:
        return f"TensorFlow is not installed (pip install tensorflow{alternative})"
    return None


def tensorflow_release() -> str | None:
    """Return the installed release of TensorFlow, or None if it is unknown. Does not import it."""
    found = importlib.util.find_spec("tensorflow")
    if found is None or found.origin is None:
        return None
    names = (info.name for info in Path(found.origin).parent.parent.glob("t*.dist-info"))
    return next((release[1] for name in names if (release := _RELEASE.fullmatch(name))), None)
