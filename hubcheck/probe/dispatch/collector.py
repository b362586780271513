"""Turn the frames of one worker into observations. The frames are hostile input; unexpected ones are refused."""

from __future__ import annotations

from typing import Any

from hubcheck.probe.dispatch.failures import failure_from_error, one_line
from hubcheck.probe.observations import Failure, Load, NotRun, Output, Run
from hubcheck.probe.plan.steps import CallStep, LoadStep, ProbePlan, Step
from hubcheck.probe.wire.framing import BadFrame, decode_array

_MAX_OUTPUTS = 10_000
_MAX_SECONDS = 1e9


class Collector:
    """Follows one worker through its plan and holds what it observed.

    `enforced` and `missing` are the protections of the worker. `absent` is why its device cannot be used, if so, and
    `crash` the traceback of an error in hubcheck's own code.

    Raises (from `take`):
        BadFrame: a worker that follows its plan does not send this frame.
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
        self.enforced: tuple[str, ...] = ()
        self.missing: tuple[str, ...] = ()
        self.absent: str | None = None
        self.crash: str | None = None
        self.done = False

    @property
    def ran_out_of_memory(self) -> bool:
        """Whether a load or a call failed for lack of memory."""
        failures = [load.failure for load in self.loads] + [run.failure for run in self.runs]
        return any(failure is not None and failure.kind == "memory" for failure in failures)

    def take(self, message: dict[str, Any], data: bytes) -> None:
        """Process one frame."""
        if self.done or self.crash is not None:
            raise BadFrame("a frame after the end")
        match message.get("kind"):
            case "sandbox":
                self.enforced, self.missing = _names(message.get("enforced")), _names(message.get("missing"))
            case "device":
                self.absent = one_line(str(message.get("absent")), 200)
            case "begin":
                self._begin(message)
            case "array":
                self._array(message, data)
            case "load":
                self._load(message)
            case "run":
                self._run(message)
            case "left out":
                self._left_out(message)
            case "done":
                self.done = True
            case "crash":
                self.crash = str(message.get("traceback", ""))[:8000]
            case _:
                raise BadFrame("an unknown kind of frame")

    def fail(self, failure: Failure) -> None:
        """Record that the worker ended before its plan did: its current step failed, later ones were not run."""
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
        reason = f"the worker had ended: {failure.message}"
        for later in self._plan.steps[number + 1 :]:
            target, purpose = (later.target, later.purpose) if isinstance(later, CallStep) else (None, None)
            self.not_run.append(NotRun(target, device, reason, purpose))

    def _can_run(self, number: int) -> bool:
        """Return whether a step is a load, or a call of what was loaded without failure."""
        if isinstance(self._plan.steps[number], LoadStep):
            return True
        return not self.loads or self.loads[-1].failure is None

    def _number(self, message: dict[str, Any]) -> int:
        number = message.get("step")
        if type(number) is not int or not 0 <= number < len(self._plan.steps):
            raise BadFrame("a step that is not in the plan")
        return number

    def _begin(self, message: dict[str, Any]) -> None:
        number = self._number(message)
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

    def _current_step(self, message: dict[str, Any]) -> Step:
        if self._current is None or message.get("step") != self._current:
            raise BadFrame("a result of a step that has not begun")
        return self._plan.steps[self._current]

    def _array(self, message: dict[str, Any], data: bytes) -> None:
        step, key = self._current_step(message), message.get("key")
        if not isinstance(step, CallStep) or key not in step.keep or key in self._arrays:
            raise BadFrame("an array that is not wanted")
        self._arrays[key] = decode_array(data)

    def _load(self, message: dict[str, Any]) -> None:
        step = self._current_step(message)
        if not isinstance(step, LoadStep):
            raise BadFrame("a load for another step")
        failure, seconds = _failure(message), _seconds(message)
        self.loads.append(Load(",".join(step.tags), self._plan.device, step.session, failure, seconds))
        self._current = None

    def _run(self, message: dict[str, Any]) -> None:
        step = self._current_step(message)
        outputs = message.get("outputs")
        if not isinstance(step, CallStep) or not isinstance(outputs, dict) or len(outputs) > _MAX_OUTPUTS:
            raise BadFrame("an invalid run")
        described = {one_line(key, 500): self._output(key, value) for key, value in outputs.items()}
        self.runs.append(self._run_of(step, described, _failure(message), _seconds(message)))
        self._current = None

    def _run_of(self, step: CallStep, outputs: dict[str, Output], failure: Failure | None, seconds: float) -> Run:
        return Run(
            target=step.target,
            device=self._plan.device,
            purpose=step.purpose,
            batch=step.batch,
            images=step.images,
            size=step.size,
            seed=self._plan.seed,
            outputs=outputs,
            failure=failure,
            seconds=seconds,
        )

    def _output(self, key: str, value: Any) -> Output:
        if not isinstance(value, dict):
            raise BadFrame("an invalid output")
        dtype, shape = value.get("dtype"), value.get("shape")
        if not isinstance(dtype, str) or not isinstance(shape, list) or len(shape) > 254:
            raise BadFrame("an output without dtype or shape")
        if not all(isinstance(dim, int) and 0 <= dim < 1 << 62 for dim in shape):
            raise BadFrame("an output of an impossible shape")
        return Output(one_line(dtype, 40), tuple(map(int, shape)), self._arrays.get(key))

    def _left_out(self, message: dict[str, Any]) -> None:
        step = self._plan.steps[self._number(message)]
        if not isinstance(step, CallStep) or not step.optional or len(self.not_run) > len(self._plan.steps):
            raise BadFrame("only optional calls may be left out")
        reason, seconds = "the time limit was near", _seconds(message)
        if seconds:
            needed = f"{step.repeat} of them do" if step.repeat > 1 else "another one does"
            reason = f"one call takes {seconds:.1f} s: {needed} not fit in the time limit"
        reason += "; raise it with --timeout"
        self.not_run.append(NotRun(step.target, self._plan.device, reason, step.purpose))


def _failure(message: dict[str, Any]) -> Failure | None:
    error = message.get("error")
    if error is None:
        return None
    if not isinstance(error, dict):
        raise BadFrame("an invalid error")
    return failure_from_error(error)


def _seconds(message: dict[str, Any]) -> float:
    seconds = message.get("seconds")
    if not isinstance(seconds, int | float) or not 0 <= seconds < _MAX_SECONDS:
        raise BadFrame("an invalid time")
    return float(seconds)


def _names(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or len(value) > 50:
        raise BadFrame("an invalid list")
    return tuple(one_line(str(name), 200) for name in value)
