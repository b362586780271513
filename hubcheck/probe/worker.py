"""Inside a worker: load and call one module as a plan says. The only checker code that calls TensorFlow.

Runs in a process forked for this module, after the sandbox is up. What it says crosses the socket as frames.
"""

from __future__ import annotations

import socket
import time
import traceback
from typing import Any

from hubcheck.probe import feeds
from hubcheck.probe.frames import encode
from hubcheck.probe.plan import CallStep, LoadStep, Plan

_MAX_VALUES = 1 << 22
"""At most so many numbers of one output are sent; of wider outputs, evenly spread columns."""


class Worker:
    """Runs the steps of a plan, and reports each: before it begins and when it is done."""

    def __init__(self, channel: socket.socket, plan: Plan) -> None:
        self._channel = channel
        self._plan = plan
        self._started = time.monotonic()
        self._loaded: Any = None
        self._tags: tuple[str, ...] = ()

    def run(self) -> None:
        """All steps. After a load that failed, the calls of that variant are left out."""
        import tensorflow as tf

        if self._plan.threads:
            tf.config.threading.set_intra_op_parallelism_threads(self._plan.threads)
            tf.config.threading.set_inter_op_parallelism_threads(self._plan.threads)
        # The graph runs as it was written: rewriting it takes longer than running it, and hides what it needs.
        tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
        seconds: dict[Any, float] = {}
        for number, step in enumerate(self._plan.steps):
            if isinstance(step, LoadStep):
                self._load(number, step)
                continue
            if self._loaded is None:
                continue
            if step.optional and self._too_late(seconds.get(step.target, 0.0) * step.repeat):
                self._send({"kind": "late", "step": number, "seconds": seconds.get(step.target, 0.0)})
                continue
            for _ in range(step.repeat):
                seconds[step.target] = self._call(number, step)
        self._send({"kind": "done"})

    def _too_late(self, needed: float) -> bool:
        limit = self._plan.soft_deadline
        return limit > 0 and time.monotonic() - self._started + needed > limit

    def _load(self, number: int, step: LoadStep) -> None:
        import tensorflow as tf

        self._send({"kind": "begin", "step": number})
        self._loaded, self._tags = None, step.tags
        start, error = time.monotonic(), None
        try:
            # The tags are told apart from none at all: without them TensorFlow refuses files with several variants.
            self._loaded = tf.saved_model.load(self._plan.path, tags=list(step.tags))
        except Exception as problem:
            error = _error(problem)
        self._send({"kind": "load", "step": number, "seconds": time.monotonic() - start, "error": error})

    def _call(self, number: int, step: CallStep) -> float:
        self._send({"kind": "begin", "step": number})
        start, error, outputs = time.monotonic(), None, {}
        try:
            arrays = {key: feeds.make(feed, self._plan.seed) for key, feed in step.feeds.items()}
            results = self._function(step)(arrays)
            for key, tensor in results.items():
                outputs[key] = self._output(number, key, tensor, keep=key in step.keep)
        except Exception as problem:
            error, outputs = _error(problem), {}
        seconds = time.monotonic() - start
        self._send({"kind": "run", "step": number, "seconds": seconds, "error": error, "outputs": outputs})
        return seconds

    def _function(self, step: CallStep) -> Any:
        target = step.target
        if target.trace is None:
            return _signature(self._loaded.signatures[target.signature], step)
        return _trace(self._loaded.__call__.concrete_functions[target.number], step)

    def _output(self, number: int, key: str, tensor: Any, *, keep: bool) -> dict[str, Any]:
        import tensorflow as tf

        if not isinstance(tensor, tf.Tensor):
            return {"dtype": type(tensor).__name__, "shape": [], "kept": False}
        kept = keep and (tensor.dtype.is_floating or tensor.dtype.is_integer or tensor.dtype.is_bool)
        if kept:
            if tensor.dtype in (tf.bfloat16, tf.float16):
                tensor_values = tf.cast(tensor, tf.float32).numpy()
            else:
                tensor_values = tensor.numpy()
            self._send({"kind": "array", "step": number, "key": key}, _bounded(tensor_values))
        return {"dtype": tensor.dtype.name, "shape": tensor.shape.as_list(), "kept": kept}

    def _send(self, message: dict[str, Any], array: Any = None) -> None:
        self._channel.sendall(encode(message, array))


def _signature(function: Any, step: CallStep) -> Any:
    import tensorflow as tf

    def call(arrays: dict[str, Any]) -> dict[str, Any]:
        tensors = {key: tf.constant(array, dtype=step.feeds[key].dtype) for key, array in arrays.items()}
        results = function(**tensors)
        return dict(results) if isinstance(results, dict) else {"": results}

    return call


def _trace(function: Any, step: CallStep) -> Any:
    """A call of one trace itself: calling the object would look for a trace that fits, or fail to."""
    import tensorflow as tf

    def call(arrays: dict[str, Any]) -> dict[str, Any]:
        given = [tf.constant(array, dtype=step.feeds[key].dtype) for key, array in arrays.items()]
        pictures = [tensor for tensor in given if tensor.dtype != tf.bool or tensor.shape.rank]
        flags = [tensor for tensor in given if tensor.dtype == tf.bool and not tensor.shape.rank]

        def fill(spec: Any) -> Any:
            if not isinstance(spec, tf.TensorSpec):
                return spec
            return flags[0] if flags and spec.dtype == tf.bool and spec.shape.rank == 0 else pictures[0]

        args, kwargs = tf.nest.map_structure(fill, function.structured_input_signature)
        results = function(*args, **kwargs)
        if isinstance(results, tf.Tensor):
            return {"": results}
        return {"/".join(map(str, path)): leaf for path, leaf in _leaves(results)}

    return call


def _leaves(value: Any, path: tuple[Any, ...] = ()) -> Any:
    if isinstance(value, dict):
        items: Any = value.items()
    elif isinstance(value, list | tuple):
        items = enumerate(value)
    else:
        yield path, value
        return
    for key, item in items:
        yield from _leaves(item, (*path, key))


def _bounded(values: Any) -> Any:
    """At most _MAX_VALUES numbers, by leaving out columns: always the same ones for the same width."""
    if values.size <= _MAX_VALUES or values.ndim == 0:
        return values
    flat = values.reshape(len(values), -1) if len(values) else values.reshape(1, -1)
    rows = flat[: _MAX_VALUES // 16]
    step = -(-rows.size // _MAX_VALUES)
    return rows[:, ::step]


def _error(problem: Exception) -> dict[str, str]:
    return {"type": type(problem).__name__, "message": str(problem)[:20_000]}


def work(channel: socket.socket, plan: Plan) -> None:
    """Run the plan; an error of hubcheck's own is sent as such, never as a fault of the module."""
    worker = Worker(channel, plan)
    try:
        worker.run()
    except (BrokenPipeError, ConnectionResetError):
        pass
    except Exception:
        channel.sendall(encode({"kind": "crash", "traceback": traceback.format_exc()[-8000:]}))
