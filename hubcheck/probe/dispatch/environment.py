"""Environment variables of a probe server: where its programs and GPUs are, and TensorFlow's settings for a device.

Of the user's variables only those of the first kind pass. TensorFlow's own (TF_*, XLA_*, OMP_*, ONEDNN_*) would make
verdicts depend on who checks, and others may be secrets.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

_KEPT = ("PATH", "LD_LIBRARY_PATH", "LANG", "LANGUAGE", "TZ", "VIRTUAL_ENV", "CONDA_PREFIX", "TMPDIR")
_KEPT_PREFIXES = ("LC_", "PYTHON", "CUDA_", "NVIDIA_", "ROCM_", "ROCR_", "HIP_", "HSA_")

_ALWAYS = {
    # Messages of INFO and WARNING level are noise; those of ERROR and FATAL level say why a worker aborted.
    "TF_CPP_MIN_LOG_LEVEL": "2",
    # numpy's own threads would make the server's fork unsafe.
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "PYTHONUNBUFFERED": "1",
    "GRPC_VERBOSITY": "NONE",
    # With fewer arenas freed memory is returned sooner, so that the memory limit counts what is in use.
    "MALLOC_ARENA_MAX": "4",
}
_DEVICES = {
    # oneDNN provides ops that plain CPU kernels lack; a visible GPU could run ops in place of the CPU.
    "cpu": {"TF_ENABLE_ONEDNN_OPTS": "0", "CUDA_VISIBLE_DEVICES": "-1", "HIP_VISIBLE_DEVICES": "-1"},
    # TF32 rounds to 10 bits; without growth TensorFlow would take all of the GPU's memory.
    "gpu": {
        "TF_ENABLE_ONEDNN_OPTS": "0",
        "NVIDIA_TF32_OVERRIDE": "0",
        "TF_FORCE_GPU_ALLOW_GROWTH": "true",
        "TF_CUDNN_USE_AUTOTUNE": "0",
        # A worker starts no program, so XLA cannot start ptxas; the driver compiles, too.
        "XLA_FLAGS": "--xla_gpu_unsafe_fallback_to_driver_on_ptxas_not_found=true",
    },
}


def environment(device: str, inherited: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the environment of a server for `device` ("cpu" or "gpu"), from that of this process."""
    inherited = os.environ if inherited is None else inherited
    kept = {key: value for key, value in inherited.items() if key in _KEPT or key.startswith(_KEPT_PREFIXES)}
    return {**kept, **_ALWAYS, **_DEVICES[device]}
