"""From a worker's frames to facts. The frames are hostile input: what is not expected is no result."""

from __future__ import annotations

import math
from typing import Any

from hubcheck.probe.dispatch.failures import from_error, one_line
from hubcheck.probe.observations import Failure, Load, NotRun, Output, Run
from hubcheck.probe.plan.steps import CallStep, LoadStep, ProbePlan
from hubcheck.probe.wire.framing import BadFrame, decode_array

_MOST_OUTPUTS = 10_000


class Collector:
    """Follows one worker through its plan.

    Raises (from `take`):
        BadFrame: a frame that a worker which keeps to its plan does not send.
    """

    def __init__(self, plan: ProbePlan) -> None:
        self._plan = plan
        self._current: int | None = None
        self._next = 0
        self._arrays: dict[str, Any] = {}
        self._repeats = 0
        self.loads: list[Load] = []
        self.runs: list[Run] = []
        self.not_run: list[NotRun] = []
        self.sandbox: tuple[str, ...] = ()
        self.unprotected: tuple[str, ...] = ()
        self.absent: str | None = None
        self.description = ""
        self.crash: str | None = None
        self.done = False

    def take(self, message: dict[str, Any], data: bytes) -> None:
        """One frame."""
        kind = message.get("kind")
        if self.done or self.crash is not None:
            raise BadFrame("more after the end")
        if kind == "sandbox":
            self.sandbox, self.unprotected = _names(message.get("active")), _names(message.get("missing"))
        elif kind == "device":
            self.absent = None if message.get("present") is True else one_line(str(message.get("description")), 200)
            self.description = one_line(str(message.get("description")), 200)
        elif kind == "begin":
            self._begin(message)
        elif kind == "array":
            self._array(message, data)
        elif kind == "load":
            self._load(message)
        elif kind == "run":
            self._run(message)
        elif kind == "late":
            self._late(message)
        elif kind == "done":
            self.done = True
        elif kind == "crash":
            self.crash = str(message.get("traceback", ""))[:8000]
        else:
            raise BadFrame("an unknown kind of frame")

    def fail(self, failure: Failure) -> None:
        """The worker ended before its plan did: what it was doing failed, what comes after was not run."""
        number = self._current
        if number is None:
            number = next((i for i in range(self._next, len(self._plan.steps)) if self._can_run(i)), None)
        if number is None:
            return
        step, device = self._plan.steps[number], self._plan.device
        if isinstance(step, LoadStep):
            self.loads.append(Load(",".join(step.tags), device, step.session, failure))
        else:
            self.runs.append(self._run_of(step, {}, failure, 0.0))
        for later in self._plan.steps[number + 1 :]:
            if isinstance(later, CallStep):
                reason = f"the worker had ended: {failure.message}"
                self.not_run.append(NotRun(later.target, device, reason, later.purpose))
            else:
                self.not_run.append(NotRun(None, device, f"the worker had ended: {failure.message}"))

    def _can_run(self, number: int) -> bool:
        """Whether the loader that this step depends on has succeeded (a load depends on nothing)."""
        if isinstance(self._plan.steps[number], LoadStep):
            return True
        return not self.loads or self.loads[-1].failure is None

    def _begin(self, message: dict[str, Any]) -> None:
        number = message.get("step")
        if not isinstance(number, int) or isinstance(number, bool) or not 0 <= number < len(self._plan.steps):
            raise BadFrame("a step that is not in the plan")
        if self._current is not None:
            raise BadFrame("a step out of order")
        step = self._plan.steps[number]
        again = number == self._next - 1 and isinstance(step, CallStep) and self._repeats < step.repeat
        if not again:
            if number < self._next:
                raise BadFrame("a step out of order")
            self._repeats = 0
        self._repeats += 1
        self._current, self._next, self._arrays = number, number + 1, {}

    def _step(self, message: dict[str, Any]) -> Any:
        if self._current is None or message.get("step") != self._current:
            raise BadFrame("a result of a step that has not begun")
        return self._plan.steps[self._current]

    def _array(self, message: dict[str, Any], data: bytes) -> None:
        step, key = self._step(message), message.get("key")
        if not isinstance(step, CallStep) or key not in step.keep or key in self._arrays:
            raise BadFrame("an array that was not asked for")
        self._arrays[key] = decode_array(data)

    def _load(self, message: dict[str, Any]) -> None:
        step = self._step(message)
        if not isinstance(step, LoadStep):
            raise BadFrame("a load that is none")
        failure, seconds = _failure(message), _seconds(message)
        self.loads.append(Load(",".join(step.tags), self._plan.device, step.session, failure, seconds))
        self._current = None

    def _run(self, message: dict[str, Any]) -> None:
        step = self._step(message)
        outputs = message.get("outputs")
        if not isinstance(step, CallStep) or not isinstance(outputs, dict) or len(outputs) > _MOST_OUTPUTS:
            raise BadFrame("a run that is none")
        seen = {one_line(key, 500): self._output(key, value) for key, value in outputs.items()}
        self.runs.append(self._run_of(step, seen, _failure(message), _seconds(message)))
        self._current = None

    def _run_of(self, step: CallStep, outputs: dict[str, Output], failure: Failure | None, seconds: float) -> Run:
        return Run(
            target=step.target,
            device=self._plan.device,
            purpose=step.purpose,
            batch=step.batch,
            pictures=step.pictures,
            size=step.size,
            seed=self._plan.seed,
            outputs=outputs,
            failure=failure,
            seconds=seconds,
        )

    def _output(self, key: str, value: Any) -> Output:
        if not isinstance(value, dict):
            raise BadFrame("an output that is none")
        dtype, shape = value.get("dtype"), value.get("shape")
        if not isinstance(dtype, str) or not isinstance(shape, list) or len(shape) > 254:
            raise BadFrame("an output without dtype or shape")
        if not all(isinstance(dim, int) and 0 <= dim < 1 << 62 for dim in shape):
            raise BadFrame("an output with an impossible shape")
        return Output(one_line(dtype, 40), tuple(map(int, shape)), self._arrays.get(key))

    def _late(self, message: dict[str, Any]) -> None:
        number = message.get("step")
        if not isinstance(number, int) or not 0 <= number < len(self._plan.steps):
            raise BadFrame("a step that is not in the plan")
        step = self._plan.steps[number]
        if not isinstance(step, CallStep) or not step.optional or len(self.not_run) > len(self._plan.steps):
            raise BadFrame("a step that may not be left out")
        took, more = _seconds(message), f"{step.repeat} of them do" if step.repeat > 1 else "another one does"
        reason = f"one call takes {took:.1f} s: {more} not fit in the time limit" if took else "the time limit was near"
        reason += "; give it more with --timeout"
        self.not_run.append(NotRun(step.target, self._plan.device, reason, step.purpose))


def _failure(message: dict[str, Any]) -> Failure | None:
    error = message.get("error")
    if error is None:
        return None
    if not isinstance(error, dict):
        raise BadFrame("an error that is none")
    return from_error(error)


def _seconds(message: dict[str, Any]) -> float:
    seconds = message.get("seconds")
    if not isinstance(seconds, int | float) or not math.isfinite(seconds):
        raise BadFrame("a time that is none")
    return float(seconds)


def _names(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or len(value) > 50:
        raise BadFrame("a list that is none")
    return tuple(one_line(str(name), 200) for name in value)
