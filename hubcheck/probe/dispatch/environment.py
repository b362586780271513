"""The environment in which TensorFlow starts: one for each kind of device, without the user's secrets."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Mapping
from pathlib import Path

_KEPT = ("PATH", "LD_LIBRARY_PATH", "LANG", "LANGUAGE", "TZ", "VIRTUAL_ENV", "CONDA_PREFIX", "TMPDIR")
_KEPT_PREFIXES = ("LC_", "PYTHON", "CUDA_", "NVIDIA_")

_ALWAYS = {
    # Messages of INFO and WARNING level are noise; ERROR and FATAL tell why a worker aborted.
    "TF_CPP_MIN_LOG_LEVEL": "2",
    # numpy's own threads would make the server's fork unsafe.
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "PYTHONUNBUFFERED": "1",
    "GRPC_VERBOSITY": "NONE",
    # Memory that is freed goes back to the system sooner, so that the memory limit means something.
    "MALLOC_ARENA_MAX": "4",
}
_DEVICES = {
    # oneDNN hides ops that plain CPU kernels lack, and no GPU may answer for the CPU.
    "cpu": {"TF_ENABLE_ONEDNN_OPTS": "0", "CUDA_VISIBLE_DEVICES": "-1", "HIP_VISIBLE_DEVICES": "-1"},
    # TF32 rounds to 10 bits; growth leaves the rest of the GPU to others.
    "gpu": {
        "TF_ENABLE_ONEDNN_OPTS": "0",
        "NVIDIA_TF32_OVERRIDE": "0",
        "TF_FORCE_GPU_ALLOW_GROWTH": "true",
        "TF_CUDNN_USE_AUTOTUNE": "0",
    },
}


def environment(device: str, given: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment of a server for `device` ("cpu", "gpu"), from that of this process."""
    given = os.environ if given is None else given
    kept = {key: value for key, value in given.items() if key in _KEPT or key.startswith(_KEPT_PREFIXES)}
    return {**kept, **_ALWAYS, **_DEVICES[device]}


def tensorflow_missing() -> str | None:
    """Why no module can be run here, or None. Does not import TensorFlow."""
    if importlib.util.find_spec("tensorflow") is None:
        return "TensorFlow is not installed (pip install 'hubcheck[tensorflow]')"
    return None


def no_gpu() -> str | None:
    """Why TensorFlow cannot have a GPU here, as far as the system's device files tell; None: it may have one."""
    nodes = ("/dev/nvidia0", "/dev/nvidiactl", "/dev/dxg", "/dev/kfd")
    if not any(Path(node).exists() for node in nodes) and not list(Path("/dev").glob("nvidia[0-9]*")):
        return "no GPU is visible on this machine"
    return None
