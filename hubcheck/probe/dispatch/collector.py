"""Turn the frames of one worker into observations. The frames are hostile input; unexpected ones are refused."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hubcheck.probe.dispatch.failures import failure_from_error, one_line
from hubcheck.probe.dispatch.progress import PlanProgress
from hubcheck.probe.observations import LIMITS, Failure, Load, NotRun, Output, Run
from hubcheck.probe.plan.steps import CallStep, LoadStep, ProbePlan, Step
from hubcheck.probe.wire import frames
from hubcheck.probe.wire.framing import BadFrame

_SENT_AS_THEY_ARE = frozenset(
    {"bool", "float32", "float64", *(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64))}
)
"""Dtypes whose values are sent as they are; those of other numbers, such as float16, are sent as float32."""


class Collector:
    """Follows one worker through its plan and holds what it observed.

    `enforced` and `missing` are the protections of the worker, from its first frame: before the module runs. `absent`
    is why its device cannot be used, if so. `limits` are the failures that say nothing about the module.

    Raises (from `take`):
        BadFrame: a worker that follows its plan does not send this frame.
    """

    def __init__(self, plan: ProbePlan) -> None:
        self._plan = plan
        self._progress = PlanProgress(plan.steps)
        self._arrays: dict[str, Any] = {}
        self._crash: str | None = None
        self.loads: list[Load] = []
        self.runs: list[Run] = []
        self.not_run: list[NotRun] = []
        self.limits: list[Failure] = []
        self.enforced: tuple[str, ...] | None = None
        self.missing: tuple[str, ...] = ()
        self.absent: str | None = None
        self.done = False

    @property
    def module_was_loaded(self) -> bool:
        """Whether code of the module may have run: what is sent from then on may be the module's own invention."""
        return self._progress.next > 0

    @property
    def crash(self) -> str | None:
        """The traceback of an error in hubcheck's own code, if there was one before the module was loaded."""
        return None if self.module_was_loaded else self._crash

    def take(self, message: Mapping[str, Any], data: bytes) -> None:
        """Process one frame."""
        frame = frames.decode_frame(message, data)
        if self.done or self._crash is not None:
            raise BadFrame("a frame after the end")
        if self.enforced is None and not isinstance(frame, frames.SandboxFrame | frames.CrashFrame):
            raise BadFrame("a frame before the sandbox was entered")
        match frame:
            case frames.SandboxFrame():
                self._before_the_module(again=self.enforced is not None)
                self.enforced, self.missing = _lines(frame.enforced), _lines(frame.missing)
            case frames.DeviceFrame():
                self._before_the_module(again=self.absent is not None)
                self.absent = one_line(frame.absent, 200)
            case frames.BeginFrame():
                self._begin(frame)
            case frames.ArrayFrame():
                self._array(frame)
            case frames.LoadFrame():
                self._load(frame)
            case frames.RunFrame():
                self._run(frame)
            case frames.LeftOutFrame():
                self._left_out(frame)
            case frames.DoneFrame():
                self._progress.finish(absent=self.absent is not None)
                self.done = True
            case frames.CrashFrame():
                self._crash = frame.traceback

    def fail(self, failure: Failure) -> None:
        """Record that the worker ended before its plan did: its current step failed, later ones were not run."""
        number = self._progress.unfinished()
        if self._crash is not None:
            last = one_line((self._crash.splitlines() or [""])[-1], 200)
            failure = Failure("internal", f"the check failed in the worker that runs the module: {last}")
        if failure.kind == "protocol":
            # Whatever step it was, the module has shown that nothing that its worker sends can be believed.
            self.loads.append(Load(self._variant(number), self._plan.device, False, failure))
        elif number is None:
            return
        else:
            self._failed(self._plan.steps[number], failure)
        reason = failure.message if failure.kind in LIMITS else f"the worker had ended: {failure.message}"
        for later in self._plan.steps[number + 1 :] if number is not None else ():
            self._not_run(later, reason)

    def _before_the_module(self, *, again: bool) -> None:
        if again or self.module_was_loaded:
            raise BadFrame("a frame that is sent once, before the module is loaded")

    def _variant(self, number: int | None) -> str:
        """Return the variant that a step is about: that of the load before it."""
        steps = self._plan.steps[: None if number is None else number + 1]
        return next((",".join(step.tags) for step in reversed(steps) if isinstance(step, LoadStep)), "")

    def _failed(self, step: Step, failure: Failure) -> None:
        """Record the failure of a step; one that says nothing about the module leaves the step as one not run."""
        if failure.kind in LIMITS:
            self.limits.append(failure)
            self._not_run(step, failure.message)
        elif isinstance(step, LoadStep):
            self.loads.append(Load(",".join(step.tags), self._plan.device, step.session, failure))
        else:
            self._record(step, {}, failure, 0.0)

    def _not_run(self, step: Step, reason: str) -> None:
        target, purpose = (step.target, step.purpose) if isinstance(step, CallStep) else (None, None)
        self.not_run.append(NotRun(target, self._plan.device, reason, purpose))

    def _begin(self, frame: frames.BeginFrame) -> None:
        self._progress.begin(frame.step)
        self._arrays = {}

    def _array(self, frame: frames.ArrayFrame) -> None:
        step = self._progress.current(frame.step)
        if not isinstance(step, CallStep) or frame.key not in step.keep or frame.key in self._arrays:
            raise BadFrame("an array that was not asked for")
        self._arrays[frame.key] = frame.values

    def _load(self, frame: frames.LoadFrame) -> None:
        step = self._progress.current(frame.step)
        if not isinstance(step, LoadStep):
            raise BadFrame("a load in place of a call")
        failure = failure_from_error(*frame.error, self._plan.device) if frame.error is not None else None
        self._progress.end(loaded=failure is None)
        if failure is not None:
            self._failed(step, failure)
        else:
            tags = ",".join(step.tags)
            self.loads.append(Load(tags, self._plan.device, step.session, None, frame.seconds))

    def _run(self, frame: frames.RunFrame) -> None:
        step = self._progress.current(frame.step)
        if not isinstance(step, CallStep):
            raise BadFrame("a call in place of a load")
        failure = failure_from_error(*frame.error, self._plan.device) if frame.error is not None else None
        if (failure is not None and frame.outputs) or not self._arrays.keys() <= frame.outputs.keys():
            raise BadFrame("an array without its output")
        outputs = {key: self._output(key, described, step) for key, described in frame.outputs.items()}
        self._progress.end()
        if failure is not None:
            self._failed(step, failure)
        else:
            self._record(step, outputs, None, frame.seconds)

    def _record(self, step: CallStep, outputs: dict[str, Output], failure: Failure | None, seconds: float) -> None:
        run = Run(
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
        self.runs.append(run)

    def _output(self, key: str, described: frames.Described, step: CallStep) -> Output:
        values = self._arrays.get(key)
        if values is not None:
            dtype = described.dtype if described.dtype in _SENT_AS_THEY_ARE else "float32"
            if values.dtype.name != dtype or values.shape != step.sampled(described.shape):
                raise BadFrame("values that are not those of the output")
        return Output(described.dtype, described.shape, values)

    def _left_out(self, frame: frames.LeftOutFrame) -> None:
        step = self._progress.leave_out(frame.step)
        reason = "the time limit was near"
        if frame.seconds:
            needed = f"{step.repeat} of them do" if step.repeat > 1 else "another one does"
            reason = f"one call takes {frame.seconds:.1f} s: {needed} not fit in the time limit"
        self._not_run(step, f"{reason}; raise it with --timeout")


def _lines(names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(one_line(name, 200) for name in names)
