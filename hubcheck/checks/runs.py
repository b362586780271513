"""What a run showed of loading and calling: does it load, does it run, at any batch size, in the shapes it declares."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace

from hubcheck.checks.context import Context
from hubcheck.checks.faults import Checked, CheckItem, Fault, Side, Skip, Where
from hubcheck.module.types import Shape, Tensor
from hubcheck.probe.observations import Failure, Observations, ProbeTarget, Run

NOTHING_RAN = "nothing of it was run"
_FIXES = {
    "op": "Export it without the library that adds the op, or have consumers import that library before loading.",
    "keras2": "Save it without its optimizer (`save(..., include_optimizer=False)` or `export`).",
    "memory": "Make it smaller, or give the check more memory.",
    "deadline": "If it is slow but sound, give it more time with --timeout.",
}


def where(target: ProbeTarget, side: Side | None = None, key: str | None = None) -> Where:
    """The place that a target is: traces belong to the object, not to a variant."""
    variant = target.variant if target.trace is None else None
    return Where(variant, target.trace, target.signature, side, key)


def replay(target: ProbeTarget, *purposes: str) -> tuple[str, ...]:
    """The arguments of `hubcheck replay` that make these calls again."""
    if target.trace is not None:
        name = ("--trace", target.trace)
    elif target.signature is not None:
        name = ("--signature", target.signature)
    else:
        name = ("--loss", str(target.number))
    loader = ("--session",) if target.session else ()
    variant = ("--variant", target.variant) if target.variant not in ("", "serve") else ()
    return (*variant, *name, *loader, "--calls", ",".join(dict.fromkeys(purposes)))


def once(check: Callable[[Context], Iterator[CheckItem]]) -> Callable[[Context], Iterator[CheckItem]]:
    """A check that tells a fault of the task signatures in inference, and of the rest only what those do not have.

    The default signature, the callable and other variants mostly are the same function, and have the same fault.
    """

    @functools.wraps(check)
    def told_once(context: Context) -> Iterator[CheckItem]:
        told: set[tuple[str, str]] = set()
        for item in check(context):
            if isinstance(item, Fault):
                first = item.where.signature in context.contracts and _in_inference(context, item.where)
                if (told and not first) or (item.found, item.wanted) in told:
                    continue
                told.add((item.found, item.wanted))
            yield item

    return told_once


def _in_inference(context: Context, place: Where) -> bool:
    inference = context.module.inference
    return inference is not None and place.variant == inference.name


def targets(observations: Observations) -> list[ProbeTarget]:
    """What was called by the object loader on the judged device, in order."""
    return list(
        dict.fromkeys(
            run.target
            for run in observations.runs
            if run.device == observations.device and not run.target.session and run.purpose not in ("repeated", "loss")
        )
    )


def missed(
    context: Context, *purposes: str, of: Callable[[ProbeTarget], bool] = lambda target: not target.session
) -> Iterator[Skip]:
    """Why a check cannot say that all is well: calls for these purposes that were planned and left out.

    Args:
        context: with what was seen.
        purposes: of the calls that the check looks at.
        of: the targets that it looks at.
    """
    seen: Observations = context.observations
    left = [
        entry
        for entry in seen.not_run
        if entry.purpose in purposes and entry.device == seen.device and entry.target is not None and of(entry.target)
    ]
    names = list(dict.fromkeys(str(entry.target) for entry in left))
    if names:
        told = f"{names[0]} was" if len(names) == 1 else f"{names[0]} and {len(names) - 1} more were"
        yield Skip(f"{told} not run for it: {left[0].reason}", incomplete=True)


def loads(context: Context) -> Iterator[CheckItem]:
    """TensorFlow's object loader restored every variant, on every device that was tried."""
    seen: Observations = context.observations
    attempts = [load for load in seen.loads if not load.session]
    for load in attempts:
        yield Checked()
        if load.failure is not None and load.device == seen.device:
            again = ("--variant", load.variant, "--calls", "load")
            yield failed(Where(load.variant), load.failure, "a module that loads", again=again)
    yield Skip("it was not loaded")


@once
def runs(context: Context) -> Iterator[CheckItem]:
    """The signatures and the callable run at some batch size at least, and a second time."""
    seen: Observations = context.observations
    for target in targets(seen):
        yield Checked()
        calls = list(seen.calls(target, "pictures", "plain", "swapped", "alone", "again", "repeated"))
        # What runs with as many pictures another time is not to blame on their number.
        good = {run.batch for run in calls if run.failure is None}
        calls = [run for run in calls if run.failure is not None and (not good or run.batch in good)]
        failure = calls[0].failure if calls else None
        if failure is None:
            continue
        if failure.kind == "kernel":
            yield Skip(f"the {seen.device} lacks a kernel: {failure.message}", undecided=True)
        else:
            again = replay(target, calls[0].purpose)
            yield failed(where(target), failure, "a result for images in [0, 1]", again=again)
    yield from missed(context, "pictures")
    yield _nothing(seen)


@once
def batch_size(context: Context) -> Iterator[CheckItem]:
    """What runs at one batch size runs at all of them."""
    seen: Observations = context.observations
    for target in targets(seen):
        calls = list(seen.calls(target, "pictures", "plain", "swapped", "alone", "again", "repeated"))
        if len({run.batch for run in calls}) > 1:
            yield Checked()
        good = list(dict.fromkeys(run.batch for run in calls if run.failure is None))
        bad = [run for run in calls if run.failure is not None and run.batch not in good and not _is_late(run)]
        if bad and good and bad[0].failure is not None:
            sizes = _listed(sorted(run.batch for run in bad))
            details = {"sizes": sizes, "good": _listed(good)}
            again = replay(target, *dict.fromkeys(run.purpose for run in bad))
            yield failed(where(target), bad[0].failure, "any batch size", details, again=again)
    yield from missed(context, "pictures", "plain", "swapped", "alone")
    yield Skip("it was run at no more than one batch size")


def _is_late(run: Run) -> bool:
    """Whether one of many calls failed for another reason than what it was fed, such as time."""
    return run.purpose == "repeated" and run.failure is not None and run.failure.kind != "error"


@once
def declared_shape(context: Context) -> Iterator[CheckItem]:
    """Real dtypes and shapes are as declared; what is open in the input changes the batch of the result alone."""
    seen: Observations = context.observations
    for target in targets(seen):
        declared = _declared(context, target)
        for run in seen.calls(target):
            yield Checked()
            if run.failure is not None:
                if run.purpose == "resized":
                    size = "x".join(map(str, run.size))
                    found = f"at {size} pixels: {run.failure.message}"
                    wanted = "images of any height and width, as declared"
                    again = replay(target, "resized")
                    yield Fault(where(target), found, wanted, {"key": "default"}, replay=again)
                continue
            faults = list(_unlike(context, run, declared))
            yield from faults
            if faults:
                break
    yield from missed(context, "pictures", "resized")
    yield _nothing(seen)


def _unlike(context: Context, run: Run, declared: dict[str, Tensor]) -> Iterator[Fault]:
    promised = {key for contract in context.contracts.values() for key in contract.outputs}
    for key, tensor in declared.items():
        output = run.outputs.get(key)
        if output is None or tensor.encoding != "dense":
            continue
        shape, details = Shape(output.shape), {"key": key or "result"}
        again = replay(run.target, run.purpose)
        place = where(run.target, "outputs", key or None)
        size = f" for images of {'x'.join(map(str, run.size))}" if run.purpose == "resized" else ""
        found = f"{output.dtype} {shape}{size}"
        if output.dtype != tensor.dtype or not shape.compatible(tensor.shape):
            yield Fault(place, found, str(tensor), details, replay=again)
        elif key in (promised if run.target.trace is None else {""}) and output.shape[:1] != (run.batch,):
            wanted = f"{tensor.dtype} {Shape((run.batch, *(tensor.shape.dims or (None, None))[1:]))}"
            yield Fault(place, f"{found} for a batch of {run.batch}", wanted, details, replay=again)


def _declared(context: Context, target: ProbeTarget) -> dict[str, Tensor]:
    if target.trace is not None:
        objects = context.module.objects
        return dict(objects.traces[target.number].outputs) if objects is not None else {}
    for variant in context.module.variants:
        signature = variant.signatures.get(target.signature or "")
        if variant.name == target.variant and signature is not None:
            return dict(signature.outputs)
    return {}


def failed(
    place: Where,
    failure: Failure,
    wanted: str,
    details: Mapping[str, object] | None = None,
    *,
    again: tuple[str, ...] = (),
) -> Fault:
    """The fault that a failure is."""
    node = f" (node {failure.node})" if failure.node else ""
    return Fault(place, failure.message + node, wanted, details or {}, fix=_FIXES.get(failure.kind), replay=again)


def losses(context: Context) -> Iterator[CheckItem]:
    """The regularization losses of the object can be called, and give one number each."""
    seen: Observations = context.observations
    found = [run for run in seen.runs if run.purpose == "loss" and run.device == seen.device]
    for run in found:
        yield Checked()
        again, number = replay(run.target, "loss"), run.target.number
        if run.failure is not None:
            message = f"regularization loss {number} cannot be called: {{found}}"
            yield replace(failed(Where(), run.failure, "a number", again=again), message=message)
            continue
        for output in run.outputs.values():
            if output.shape != () or not output.dtype.startswith(("float", "bfloat")):
                result = f"{output.dtype} {Shape(output.shape)}"
                message = f"regularization loss {number} gives {{found}}, not one number"
                yield Fault(Where(), result, "float32 []", message=message, replay=again)
    yield from missed(context, "loss")
    yield Skip("no regularization loss was called")


def _nothing(seen: Observations) -> Skip:
    reasons = [entry.reason for entry in seen.not_run if entry.target is not None]
    return Skip(f"{NOTHING_RAN}: {reasons[0]}" if reasons else NOTHING_RAN)


def _listed(values: Iterable[int]) -> str:
    return ", ".join(str(value) for value in dict.fromkeys(values))
