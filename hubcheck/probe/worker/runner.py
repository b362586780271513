"""Inside a worker: load and call one module as a plan says.

Runs in a process forked for this module, after the sandbox is up. What it says crosses the socket as frames.
"""

from __future__ import annotations

import socket
import time
import traceback
from typing import Any

from hubcheck.probe import inputs as feeds
from hubcheck.probe.observations import ProbeTarget
from hubcheck.probe.plan.steps import CallStep, LoadStep, ProbePlan
from hubcheck.probe.wire.framing import encode
from hubcheck.probe.worker.loaders import Loaded, RestoredObject, ServedModel
from hubcheck.util.numbers import difference

_MAX_VALUES = 1 << 22
_MAX_REPEATED = 1 << 16
"""At most so many numbers of one output are sent; of wider outputs, evenly spread columns."""

_ALIKE = 1e-4
"""Results that differ by no more than this part of the largest value are taken for the same."""


class Worker:
    """Runs the steps of a plan, and reports each: before it begins and when it is done."""

    def __init__(self, channel: socket.socket, plan: ProbePlan) -> None:
        self._channel = channel
        self._plan = plan
        self._started = time.monotonic()
        self._loaded: Loaded | None = None
        self._seconds: dict[ProbeTarget, float] = {}
        self._results: dict[ProbeTarget, dict[str, Any]] = {}
        self._random: set[ProbeTarget] = set()
        self._failed: set[ProbeTarget] = set()

    def run(self) -> None:
        """All steps. After a load that failed, the calls of that variant are left out."""
        steps = self._plan.steps if self._prepare() else ()
        for number, step in enumerate(steps):
            if isinstance(step, LoadStep):
                self._load(number, step)
            elif self._loaded is not None and self._wanted(step):
                if step.optional and self._too_late(step):
                    self._send({"kind": "late", "step": number, "seconds": self._seconds.get(step.target, 0.0)})
                    continue
                for _ in range(step.repeat):
                    self._call(number, step)
        self._send({"kind": "done"})

    def _prepare(self) -> bool:
        """Set TensorFlow up, which starts its runtime with the first call. False if the device is not there."""
        import tensorflow as tf

        if self._plan.threads:
            tf.config.threading.set_intra_op_parallelism_threads(self._plan.threads)
            tf.config.threading.set_inter_op_parallelism_threads(self._plan.threads)
        # The graph runs as it was written: rewriting it takes longer than running it, and hides what it needs.
        tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
        if self._plan.device != "gpu":
            return True
        tf.config.experimental.enable_tensor_float_32_execution(False)
        found = tf.config.list_physical_devices("GPU")
        if not found:
            self._send({"kind": "device", "present": False, "description": "TensorFlow sees no GPU"})
            return False
        details = tf.config.experimental.get_device_details(found[0])
        self._send({"kind": "device", "present": True, "description": str(details.get("device_name", found[0].name))})
        return True

    def _wanted(self, step: CallStep) -> bool:
        if step.condition == "failed":
            return step.target in self._failed
        if step.condition == "random":
            return step.target in self._random
        if step.condition == "unlike":
            mine = self._results.get(step.target, {})
            others = [results for target, results in self._results.items() if target != step.target]
            return not any(_alike(a, b) for results in others for a in mine.values() for b in results.values())
        return True

    def _too_late(self, step: CallStep) -> bool:
        limit, needed = self._plan.soft_deadline, self._seconds.get(step.target, 0.0) * step.repeat
        return limit > 0 and time.monotonic() - self._started + needed > limit

    def _load(self, number: int, step: LoadStep) -> None:
        self._send({"kind": "begin", "step": number})
        self._loaded, self._results = None, {}
        start, error = time.monotonic(), None
        try:
            if step.session:
                self._loaded = ServedModel(self._plan.path, step.tags, threads=self._plan.threads)
            else:
                self._loaded = RestoredObject(self._plan.path, step.tags)
        except Exception as problem:
            error = _error(problem)
        self._send({"kind": "load", "step": number, "seconds": time.monotonic() - start, "error": error})

    def _call(self, number: int, step: CallStep) -> None:
        self._send({"kind": "begin", "step": number})
        start, error = time.monotonic(), None
        outputs: dict[str, Any] = {}
        kept: dict[str, Any] = {}
        try:
            arrays = {key: feeds.make(feed, self._plan.seed) for key, feed in step.feeds.items()}
            results = self._loaded.call(step, arrays) if self._loaded is not None else {}
            for key, tensor in results.items():
                outputs[key], values = _described(tensor, keep=key in step.keep)
                if values is not None:
                    kept[key] = values
        except Exception as problem:
            error, outputs, kept = _error(problem), {}, {}
            self._failed.add(step.target)
        self._seconds[step.target] = seconds = time.monotonic() - start
        if step.purpose == "pictures":
            self._results[step.target] = kept
        elif step.purpose == "again" and not _all_alike(kept, self._results.get(step.target, {})):
            self._random.add(step.target)
        most = _MAX_REPEATED if step.purpose == "repeated" else _MAX_VALUES
        for key, values in kept.items():
            self._send({"kind": "array", "step": number, "key": key}, _bounded(values, most))
        self._send({"kind": "run", "step": number, "seconds": seconds, "error": error, "outputs": outputs})

    def _send(self, message: dict[str, Any], array: Any = None) -> None:
        self._channel.sendall(encode(message, array))


def _described(tensor: Any, *, keep: bool) -> tuple[dict[str, Any], Any]:
    """Dtype and shape of a result (a tensor, or a session's array), and its values as numpy has them, or None."""
    import numpy as np
    import tensorflow as tf

    if isinstance(tensor, tf.Tensor):
        dtype, shape = tensor.dtype, tensor.shape.as_list()
    elif isinstance(tensor, np.ndarray | np.generic):
        dtype, shape = tf.as_dtype(tensor.dtype) if tensor.dtype != object else tf.string, list(tensor.shape)
    else:
        return {"dtype": type(tensor).__name__, "shape": []}, None
    values = None
    if keep and (dtype.is_floating or dtype.is_integer or dtype.is_bool):
        values = np.asarray(tensor)
        if dtype in (tf.bfloat16, tf.float16):
            values = values.astype(np.float32)
    return {"dtype": dtype.name, "shape": shape}, values


def _alike(one: Any, other: Any) -> bool:
    return one.shape == other.shape and difference(one, other) <= _ALIKE


def _all_alike(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return one.keys() == other.keys() and all(_alike(values, other[key]) for key, values in one.items())


def _bounded(values: Any, most: int) -> Any:
    """At most `most` numbers, by leaving out columns: always the same ones for the same shape."""
    if values.size <= most or values.ndim == 0 or not len(values):
        return values
    flat = values.reshape(len(values), -1)
    rows = flat[: max(1, most // 16)]
    return rows[:, :: -(-rows.size // most)]


def _error(problem: Exception) -> dict[str, str]:
    return {"type": type(problem).__name__, "message": str(problem)[:20_000]}


def work(channel: socket.socket, plan: ProbePlan) -> None:
    """Run the plan; an error of hubcheck's own is sent as such, never as a fault of the module."""
    try:
        Worker(channel, plan).run()
    except (BrokenPipeError, ConnectionResetError):
        pass
    except Exception:
        channel.sendall(encode({"kind": "crash", "traceback": traceback.format_exc()[-8000:]}))
