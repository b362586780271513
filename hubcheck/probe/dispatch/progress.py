"""How far a worker has come in its plan: it answers the steps in their order, and leaves out none that it must do."""

from __future__ import annotations

from collections.abc import Sequence

from hubcheck.probe.plan.steps import CallStep, LoadStep, Step
from hubcheck.probe.wire.framing import BadFrame


class PlanProgress:
    """The place of a worker in the steps of its plan. `next` is the number of the first step that has not begun.

    Only the conditions of steps are the worker's to judge: it may leave out a step that has one, and calls of a variant
    that did not load.

    Raises (from all methods that say what the worker did):
        BadFrame: a worker that follows the plan does not do that.
    """

    def __init__(self, steps: Sequence[Step]) -> None:
        self._steps = steps
        self._running: int | None = None
        self._repeats_left = 0
        self._loaded = False
        self.next = 0

    def begin(self, number: int) -> None:
        """A step begins: another one, or the last one again."""
        if self._running is not None:
            raise BadFrame("a step that begins before the last one has ended")
        if not (self._repeats_left and number == self.next - 1):
            step = self._advance(number)
            self._repeats_left = step.repeat if isinstance(step, CallStep) else 1
        self._running = number

    def current(self, number: int) -> Step:
        """Return the step that is running, of which the worker says its number."""
        if number != self._running:
            raise BadFrame("a result of a step that has not begun")
        return self._steps[number]

    def end(self, *, loaded: bool | None = None) -> None:
        """The step that is running has ended; `loaded` is whether a load succeeded."""
        self._running = None
        self._repeats_left -= 1
        self._loaded = self._loaded if loaded is None else loaded

    def leave_out(self, number: int) -> CallStep:
        """An optional call is left out."""
        if self._running is not None:
            raise BadFrame("a call that is left out while another one runs")
        step = self._advance(number)
        if not isinstance(step, CallStep) or not step.optional:
            raise BadFrame("a call that is left out and must not be")
        return step

    def finish(self, *, absent: bool) -> None:
        """All steps are done, or none where the device is absent."""
        if self._running is not None:
            raise BadFrame("an end before the last step has ended")
        if not absent:
            self._pass_over(len(self._steps))
        elif self.next:
            raise BadFrame("steps on a device that is absent")

    def unfinished(self) -> int | None:
        """Return the step that a worker was at when it ended, or was to begin; None if none was left."""
        if self._running is not None:
            return self._running
        return next((i for i in range(self.next, len(self._steps)) if self._can_run(self._steps[i])), None)

    def _advance(self, number: int) -> Step:
        if not self.next <= number < len(self._steps):
            raise BadFrame("a step out of order")
        self._pass_over(number)
        if not self._can_run(self._steps[number]):
            raise BadFrame("a call of what was not loaded")
        self.next = number + 1
        return self._steps[number]

    def _pass_over(self, end: int) -> None:
        """Check that the steps from the next one to `end` may be left out."""
        if self._repeats_left or any(
            step.condition == "always" and self._can_run(step) for step in self._steps[self.next : end]
        ):
            raise BadFrame("fewer calls than were asked for")

    def _can_run(self, step: Step) -> bool:
        return isinstance(step, LoadStep) or self._loaded
