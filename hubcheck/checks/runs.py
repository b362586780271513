"""What a run showed of loading and calling: does it load, does it run, at any batch size, in the shapes it declares."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from hubcheck.checks.context import Context
from hubcheck.findings import Fault, Side, Skip, Where
from hubcheck.module.types import Shape, Tensor
from hubcheck.observations import Failure, Observations, Run, Target

NOTHING_RAN = "nothing of it was run"
_FIXES = {
    "op": "Export it without the library that adds the op, or have consumers import that library before loading.",
    "keras2": "Save it without its optimizer (`save(..., include_optimizer=False)` or `export`).",
    "memory": "Make it smaller, or give the check more memory.",
    "deadline": "If it is slow but sound, give it more time with --timeout.",
}


def where(target: Target, side: Side | None = None, key: str | None = None) -> Where:
    """The place that a target is: traces belong to the object, not to a variant."""
    variant = target.variant if target.trace is None else None
    return Where(variant, target.trace, target.signature, side, key)


def targets(observations: Observations) -> list[Target]:
    """What was called by the object loader on the judged device, in order."""
    return list(
        dict.fromkeys(
            run.target
            for run in observations.runs
            if run.device == observations.device and not run.target.session and run.purpose not in ("repeated", "loss")
        )
    )


def loads(context: Context) -> Iterator[Fault | Skip]:
    """TensorFlow's object loader restored every variant, on every device that was tried."""
    seen: Observations = context.observations
    attempts = [load for load in seen.loads if not load.session]
    if not attempts:
        yield Skip("it was not loaded")
    for load in attempts:
        if load.failure is not None and load.device == seen.device:
            yield _fault(Where(load.variant), load.failure, "a module that loads")


def runs(context: Context) -> Iterator[Fault | Skip]:
    """The signatures and the callable run at some batch size at least, and a second time."""
    seen: Observations = context.observations
    found = targets(seen)
    for target in found:
        calls = list(seen.calls(target, "pictures", "plain", "swapped", "alone"))
        if calls and not all(run.failure for run in calls):
            # What ran once and then, with the same pictures, does not, has broken itself.
            calls = [run for run in seen.calls(target, "again") if calls[0].failure is None]
            calls = [run for run in calls if run.failure]
        failure = calls[0].failure if calls else None
        if failure is not None:
            yield _fault(where(target), failure, "a result for images in [0, 1]")
    if not found:
        yield _nothing(seen)


def batch_size(context: Context) -> Iterator[Fault | Skip]:
    """What runs at one batch size runs at all of them."""
    seen: Observations = context.observations
    looked = False
    for target in targets(seen):
        calls = list(seen.calls(target, "pictures", "plain", "swapped", "alone"))
        looked = looked or len({run.batch for run in calls}) > 1
        bad = [run for run in calls if run.failure is not None]
        good = [run.batch for run in calls if run.failure is None]
        if bad and good and bad[0].failure is not None:
            sizes = _listed(sorted(run.batch for run in bad))
            details = {"sizes": sizes, "good": _listed(good)}
            yield _fault(where(target), bad[0].failure, "any batch size", details)
    if not looked:
        yield Skip("it was run at no more than one batch size")


def declared_shape(context: Context) -> Iterator[Fault | Skip]:
    """Real dtypes and shapes are as declared; what is open in the input changes the batch of the result alone."""
    seen: Observations = context.observations
    looked = False
    for target in targets(seen):
        declared = _declared(context, target)
        for run in seen.calls(target):
            looked = True
            if run.failure is not None:
                if run.purpose == "resized":
                    size = "x".join(map(str, run.size))
                    found = f"at {size} pixels: {run.failure.message}"
                    yield Fault(where(target), found, "images of any height and width, as declared", {"key": "default"})
                continue
            faults = list(_unlike(context, run, declared))
            yield from faults
            if faults:
                break
    if not looked:
        yield _nothing(seen)


def _unlike(context: Context, run: Run, declared: dict[str, Tensor]) -> Iterator[Fault]:
    promised = {key for contract in context.contracts.values() for key in contract.outputs}
    for key, tensor in declared.items():
        output = run.outputs.get(key)
        if output is None or tensor.encoding != "dense":
            continue
        shape, details = Shape(output.shape), {"key": key or "result"}
        place = where(run.target, "outputs", key or None)
        size = f" for images of {'x'.join(map(str, run.size))}" if run.purpose == "resized" else ""
        found = f"{output.dtype} {shape}{size}"
        if output.dtype != tensor.dtype or not shape.compatible(tensor.shape):
            yield Fault(place, found, str(tensor), details)
        elif key in (promised if run.target.trace is None else {""}) and output.shape[:1] != (run.batch,):
            wanted = f"{tensor.dtype} {Shape((run.batch, *(tensor.shape.dims or (None, None))[1:]))}"
            yield Fault(place, f"{found} for a batch of {run.batch}", wanted, details)


def _declared(context: Context, target: Target) -> dict[str, Tensor]:
    if target.trace is not None:
        objects = context.module.objects
        return dict(objects.traces[target.number].outputs) if objects is not None else {}
    for variant in context.module.variants:
        signature = variant.signatures.get(target.signature or "")
        if variant.name == target.variant and signature is not None:
            return dict(signature.outputs)
    return {}


def _fault(place: Where, failure: Failure, wanted: str, details: Mapping[str, object] | None = None) -> Fault:
    node = f" (node {failure.node})" if failure.node else ""
    return Fault(place, failure.message + node, wanted, details or {}, fix=_FIXES.get(failure.kind))


def _nothing(seen: Observations) -> Skip:
    reasons = [entry.reason for entry in seen.not_run if entry.target is not None]
    return Skip(f"{NOTHING_RAN}: {reasons[0]}" if reasons else NOTHING_RAN)


def _listed(values: Iterable[int]) -> str:
    return ", ".join(str(value) for value in dict.fromkeys(values))
