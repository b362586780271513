"""Repeat some calls of a module with the same images, for `hubcheck replay`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hubcheck.module.types import Module
from hubcheck.probe.observations import Observations, ProbeTarget, Run
from hubcheck.probe.options import ProbeOptions
from hubcheck.probe.plan.module_steps import ModuleSteps
from hubcheck.probe.plan.planning import plan_steps
from hubcheck.probe.plan.steps import CallStep
from hubcheck.probe.pool import Pool
from hubcheck.rulebook.contract import SignatureContract
from hubcheck.rulebook.convention import DEFAULT_CONVENTION, Convention
from hubcheck.util.errors import UserError
from hubcheck.util.numbers import difference
from hubcheck.util.text import printable


class NoSuchCall(UserError):
    """The module has no such target or call; the message lists those that it has."""


@dataclass(frozen=True, slots=True)
class CallRequest:
    """What to call: a signature, a trace of the callable by its name, or a regularization loss by its number.

    With none of them, the variants are loaded and nothing is called. `calls` are purposes, as findings name them;
    `keep` are further outputs whose values are wanted, besides those that the convention names.
    """

    variant: str | None = None
    signature: str | None = None
    trace: str | None = None
    loss: int | None = None
    session: bool = False
    calls: tuple[str, ...] = ("pictures",)
    keep: tuple[str, ...] = ()


def replay(
    module: Module,
    contracts: Mapping[str, SignatureContract],
    request: CallRequest,
    *,
    pool: Pool,
    options: ProbeOptions | None = None,
    convention: Convention = DEFAULT_CONVENTION,
) -> Observations:
    """Make the requested calls.

    Raises:
        NoSuchCall: the module has no such call.
        ProbeError: modules cannot be run here.
    """
    options = options or ProbeOptions()
    steps = plan_steps(module, contracts, larger_batch=options.larger_batch, convention=convention)
    selected = steps.select(_target(steps, request), request.calls, keep=request.keep)
    return pool.submit_steps(module, selected, options).result()


def _target(steps: ModuleSteps, request: CallRequest) -> ProbeTarget | None:
    if request.signature is None and request.trace is None and request.loss is None:
        return None
    calls = [step for step in steps.for_one_worker() if isinstance(step, CallStep)]
    for call in calls:
        if _matches(call.target, request) and call.purpose in request.calls:
            return call.target
    available = sorted({f"{call.target} ({call.purpose})" for call in calls})
    raise NoSuchCall(f"this module has no such call; its calls are: {printable(', '.join(available)) or 'none'}")


def _matches(target: ProbeTarget, request: CallRequest) -> bool:
    if target.variant not in (("", "serve") if request.variant is None else (request.variant,)):
        return False
    if request.loss is not None:
        return target.signature is None and target.trace is None and target.number == request.loss
    return (target.signature, target.trace, target.session) == (request.signature, request.trace, request.session)


def describe(observations: Observations) -> Iterator[str]:
    """Yield lines that describe the observations."""
    for device in observations.devices:
        if not device.ran:
            yield f"{device.name}: not run: {device.reason}"
    for load in observations.loads:
        loader = "session loader" if load.session else "loader"
        outcome = load.failure.message if load.failure is not None else f"loaded in {load.seconds:.2f} s"
        yield f"{load.device}  variant {{{load.variant}}}  {loader}: {outcome}"
    repeated: dict[tuple[str, str], list[Run]] = {}
    for run in observations.runs:
        if run.purpose == "repeated":
            repeated.setdefault((run.device, str(run.target)), []).append(run)
        else:
            yield from _run_lines(observations, run)
    for runs in repeated.values():
        yield from _repeated_lines(runs)
    for entry in observations.not_run:
        yield f"{entry.device}  {entry.target or 'load'}  {entry.purpose or ''}: not run: {entry.reason}"


def _run_lines(observations: Observations, run: Run) -> Iterator[str]:
    images = f"  {run.batch} x {', '.join(run.images)}" if run.images else ""
    size = f"  {'x'.join(map(str, run.size))} pixels" if run.size else ""
    yield f"{run.device}  {run.target}  {run.purpose}{images}{size}  seed {run.seed}  {run.seconds:.3f} s"
    if run.failure is not None:
        yield f"    failed: {run.failure.message}" + (f" (node {run.failure.node})" if run.failure.node else "")
    for key, output in run.outputs.items():
        shape = "[" + ", ".join(map(str, output.shape)) + "]"
        yield f"    {printable(key) or 'result'}  {output.dtype} {shape}{_statistics(output.values)}"
        yield from (f"      {line}" for line in _comparisons(observations, run, key, output.values))


def _statistics(values: Any) -> str:
    import numpy

    if values is None or not values.size:
        return ""
    finite = values[numpy.isfinite(values)]
    text = f"  from {finite.min():.6g} to {finite.max():.6g}, mean {finite.mean():.6g}" if finite.size else ""
    return text + (f"  {values.size - finite.size} not finite" if finite.size < values.size else "")


def _comparisons(observations: Observations, run: Run, key: str, values: Any) -> Iterator[str]:
    """Yield how far each row is from the same image's row in the target's first call on the same device."""
    first = next(iter(observations.calls(run.target, device=run.device)), None)
    if first is None or first is run or values is None or key not in first.outputs or run.size != first.size:
        return
    others = first.outputs[key].values
    if others is None or values.shape[1:] != others.shape[1:]:
        return
    if values.shape[:1] != (run.batch,) or others.shape[:1] != (first.batch,):
        return
    for row, name in enumerate(run.images):
        if name in first.images:
            apart = difference(values[row], others[first.images.index(name)])
            yield f"{name}: differs by {apart:.3g} of its largest value from `{first.purpose}`"


def _repeated_lines(runs: Sequence[Run]) -> Iterator[str]:
    import numpy

    yield f"{runs[0].device}  {runs[0].target}  repeated {len(runs)} times  seed {runs[0].seed}"
    for failure in dict.fromkeys(run.failure for run in runs if run.failure is not None):
        yield f"    failed: {failure.message}"
    for key in runs[0].outputs:
        outputs = [run.outputs[key].values for run in runs if key in run.outputs]
        results = [values for values in outputs if values is not None]
        if len(results) == len(runs) and len({values.shape for values in results}) == 1:
            stacked = numpy.stack(results)
            zeros = (stacked == 0).mean()
            changing = (stacked != stacked[0]).any(axis=0).mean()
            shares = f"{100 * changing:.0f} % of the values change, {100 * zeros:.0f} % are 0"
            yield f"    {printable(key) or 'result'}  {shares}"
