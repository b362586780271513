"""Run a plan in a worker: load and call one module, and send what is observed as frames.

The process was forked for this module and has entered the sandbox.
"""

from __future__ import annotations

import socket
import time
import traceback
from collections.abc import Sequence
from typing import Any

from hubcheck.probe.inputs import make_input
from hubcheck.probe.observations import ProbeTarget
from hubcheck.probe.plan.steps import CallStep, LoadStep, ProbePlan
from hubcheck.probe.tolerances import SAME_ANSWER
from hubcheck.probe.wire.frames import MAX_KEY, MAX_TEXT
from hubcheck.probe.wire.framing import MAX_JSON, encode
from hubcheck.probe.worker.loaders import Arrays, Gradient, LoadedModule, ObjectModule, SessionModule
from hubcheck.util.numbers import difference

_GRADIENT_FACTOR = 10.0
"""How much longer than a call gradients take, most of it to build their graph."""

_MAX_VARIABLES = 5_000
"""Variables whose gradients are described."""

_MAX_DESCRIBED = MAX_JSON - 200_000
"""Bytes of JSON that describe the outputs of a call; an error message may take the rest."""


class PlanRunner:
    """Runs the steps of a plan and reports each of them before it begins and when it is done."""

    def __init__(self, channel: socket.socket, plan: ProbePlan) -> None:
        self._channel = channel
        self._plan = plan
        self._started = time.monotonic()
        self._loaded: LoadedModule | None = None
        self._seconds: dict[ProbeTarget, tuple[float, int]] = {}
        self._sizes: dict[ProbeTarget, dict[int, bool]] = {}
        self._done: set[tuple[ProbeTarget, str]] = set()
        self._results: dict[ProbeTarget, dict[str, Any]] = {}
        self._random: set[ProbeTarget] = set()
        self._failed: set[ProbeTarget] = set()

    def run(self) -> None:
        """Run all steps. If a load fails, the calls that follow it are left out."""
        steps = self._plan.steps if self._set_up_tensorflow() else ()
        for number, step in enumerate(steps):
            if isinstance(step, LoadStep):
                if step.condition == "always" or self._is_stateful():
                    self._load(number, step)
            elif self._loaded is not None and self._wanted(step):
                self._done.add((step.target, step.purpose))
                if step.optional and self._too_late(step):
                    self._send({"kind": "left out", "step": number, "seconds": self._needed(step)})
                    continue
                for _ in range(step.repeat):
                    self._call(number, step)
        self._send({"kind": "done"})

    def _set_up_tensorflow(self) -> bool:
        """Configure TensorFlow, whose runtime starts with the first call; return whether the device is there."""
        import tensorflow as tf

        if self._plan.threads:
            tf.config.threading.set_intra_op_parallelism_threads(self._plan.threads)
            tf.config.threading.set_inter_op_parallelism_threads(self._plan.threads)
        # Run the graph as it is: optimizing it takes longer than running it, and hides which kernels it needs.
        tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
        if self._plan.device != "gpu":
            return True
        tf.config.experimental.enable_tensor_float_32_execution(False)
        if tf.config.list_physical_devices("GPU"):
            return True
        self._send({"kind": "device", "absent": "TensorFlow sees no GPU"})
        return False

    def _wanted(self, step: CallStep) -> bool:
        if step.condition == "failed":
            return step.target in self._failed
        if step.condition == "refused":
            return self._sizes.get(step.target, {}).get(step.batch) is False
        if step.condition == "fits":
            fits = self._sizes.get(step.target, {}).get(step.batch, False)
            return fits and (step.target, step.purpose) not in self._done
        if step.condition == "first":
            return (step.target, step.purpose) not in self._done
        if step.condition == "random":
            return step.target in self._random
        if step.condition == "stateful":
            return self._is_stateful()
        if step.condition == "unlike":
            own = self._results.get(step.target, {})
            others = [results for target, results in self._results.items() if target != step.target]
            return not any(_equal(a, b) for results in others for a in own.values() for b in results.values())
        return True

    def _is_stateful(self) -> bool:
        return self._loaded is not None and self._loaded.may_change_state()

    def _too_late(self, step: CallStep) -> bool:
        limit, needed = self._plan.soft_deadline, self._needed(step) * step.repeat
        return limit > 0 and time.monotonic() - self._started + needed > limit

    def _needed(self, step: CallStep) -> float:
        """Return how many seconds one call probably takes: what the last one took, or more for more images."""
        seconds, batch = self._seconds.get(step.target, (0.0, step.batch))
        factor = _GRADIENT_FACTOR if step.purpose == "gradients" else 1.0
        return seconds * factor * max(1.0, step.batch / max(1, batch))

    def _load(self, number: int, step: LoadStep) -> None:
        self._send({"kind": "begin", "step": number})
        self._loaded, self._results = None, {}
        start, error = time.monotonic(), None
        try:
            if step.session:
                self._loaded = SessionModule(self._plan.path, step.tags, threads=self._plan.threads)
            else:
                self._loaded = ObjectModule(self._plan.path, step.tags)
        except Exception as problem:
            error = _error(problem)
        self._send({"kind": "load", "step": number, "seconds": time.monotonic() - start, "error": error})

    def _call(self, number: int, step: CallStep) -> None:
        self._send({"kind": "begin", "step": number})
        start, error = time.monotonic(), None
        outputs: dict[str, Any] = {}
        kept: dict[str, Any] = {}
        try:
            arrays = {key: make_input(spec, self._plan.seed) for key, spec in step.inputs.items()}
            assert self._loaded is not None
            if step.purpose == "gradients":
                outputs = _described_gradients(self._gradients(self._loaded, step, arrays))
            results = self._loaded.call(step, arrays) if step.purpose != "gradients" else {}
            for key, tensor in results.items():
                outputs[key], values = _describe(tensor, keep=key in step.keep)
                if values is not None:
                    kept[key] = values
        except Exception as problem:
            error, outputs, kept = _error(problem), {}, {}
            self._failed.add(step.target)
        seconds = time.monotonic() - start
        self._seconds[step.target] = seconds, step.batch
        sizes = self._sizes.setdefault(step.target, {})
        sizes[step.batch] = sizes.get(step.batch, False) or error is None
        if step.purpose == "pictures":
            self._results[step.target] = kept
        elif step.purpose == "again" and not _all_equal(kept, self._results.get(step.target, {})):
            self._random.add(step.target)
        outputs = _bounded(outputs, step.keep)
        for key, values in kept.items():
            if key in outputs:
                self._send({"kind": "array", "step": number, "key": key}, _subsample(values, step))
        self._send({"kind": "run", "step": number, "seconds": seconds, "error": error, "outputs": outputs})

    def _gradients(self, loaded: LoadedModule, step: CallStep, arrays: Arrays) -> list[Gradient]:
        """Return the gradients; none if the target does not run with these images, which is another rule's fault."""
        try:
            return loaded.gradients(step, arrays)
        except Exception:
            try:
                loaded.call(step, arrays)
            except Exception:
                self._done.discard((step.target, step.purpose))
                return []
            raise

    def _send(self, message: dict[str, Any], array: Any = None) -> None:
        self._channel.sendall(encode(message, array))


def _describe(tensor: Any, *, keep: bool) -> tuple[dict[str, Any], Any]:
    """Return dtype and shape of a result (a tensor, or a session's array), and its values as a numpy array or None."""
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
        if values.dtype.kind not in "biuf" or dtype == tf.float16:  # numpy knows no bfloat16, float8 or int4
            values = values.astype(np.float32)
    return {"dtype": dtype.name, "shape": shape}, values


def _described_gradients(gradients: list[tuple[str, Any, Any]]) -> dict[str, Any]:
    """Return the variables by name, with "none", "finite" or "not finite" as the dtype of their gradient."""
    described: dict[str, Any] = {}
    for name, shape, finite in gradients[:_MAX_VARIABLES]:
        short = name[:200]
        unique = short if short not in described else f"{short} ({len(described)})"
        dtype = "none" if finite is None else "finite" if finite else "not finite"
        described[unique] = {"dtype": dtype, "shape": list(shape)}
    return described


def _equal(one: Any, other: Any) -> bool:
    return one.shape == other.shape and difference(one, other) <= SAME_ANSWER


def _all_equal(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return one.keys() == other.keys() and all(_equal(values, other[key]) for key, values in one.items())


def _subsample(values: Any, step: CallStep) -> Any:
    """Leave out columns of what is too wide, always the same ones for the same shape."""
    shape = step.sampled(values.shape)
    if shape == values.shape:
        return values
    rows = values.reshape(len(values), -1)[: shape[0]]
    return rows[:, :: -(-rows.size // step.max_values)]


def _bounded(outputs: dict[str, Any], kept: Sequence[str]) -> dict[str, Any]:
    """Return the outputs whose description fits in a frame: those that are kept first."""
    room, fitting = _MAX_DESCRIBED, set[str]()
    for key in sorted(outputs, key=lambda key: key not in kept):
        room -= 6 * len(key) + 24 * len(outputs[key]["shape"]) + 100
        if room < 0:
            break
        if len(key) <= MAX_KEY:
            fitting.add(key)
    return {key: described for key, described in outputs.items() if key in fitting}


def _error(problem: Exception) -> dict[str, str]:
    return {"type": type(problem).__name__, "message": str(problem)[:MAX_TEXT]}


def work(channel: socket.socket, plan: ProbePlan) -> None:
    """Run the plan; report an error in hubcheck's own code as such, not as a failure of the module."""
    try:
        PlanRunner(channel, plan).run()
    except (BrokenPipeError, ConnectionResetError):
        pass
    except Exception:
        channel.sendall(encode({"kind": "crash", "traceback": traceback.format_exc()[-8000:]}))
