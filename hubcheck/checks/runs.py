"""Whether a module loads and runs, at any batch size, and with the shapes that it declares."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from hubcheck.checks.context import Context
from hubcheck.checks.faults import Checked, CheckItem, Fault, Skip, Where
from hubcheck.checks.judged import interface_of_target
from hubcheck.checks.pins import pinned
from hubcheck.checks.reusable import loss_faults
from hubcheck.checks.targets import (
    called,
    failure_fault,
    failure_fix,
    failure_text,
    not_called,
    replay_of,
    target_fault,
    unanswered,
)
from hubcheck.module.tensors import Shape, Tensor
from hubcheck.probe.observations import CONSTANT, Failure, Observations, ProbeTarget, Purpose, Run
from hubcheck.util.text import conjunction

_FIX_CONSTANT = (
    "Remove the assertion, or guard the operation, that fails on images without contrast: real data has them."
)

_VARIED: tuple[Purpose, ...] = (
    *("pictures", "three", "swapped", "alone", "copies", "many", "again", "repeated", "before", "reloaded"),
)
"""All calls with images of the expected size that are not constant."""

_ROUNDING = 1e-5
"""The share of its range by which a rounded value may leave it."""


def runs(context: Context, observations: Observations) -> Iterator[CheckItem]:
    """The signatures and the callable run at one batch size at least, a second time, and on constant images."""
    for target in called(observations):
        yield Checked()
        failed = _failures_of_images(observations, target)
        if not failed:
            continue
        failure = failed[0].failure
        assert failure is not None
        need = _need(context, target, failure)
        if need is not None:
            yield Skip(f"needs {need}", undecided=True, needs=need)
            continue
        if failure.kind == "kernel":
            yield Skip(f"the {observations.device} lacks a kernel: {failure.message}", undecided=True)
            continue
        constant = [run.purpose for run in failed if run.purpose in CONSTANT]
        message = (
            f"it does not run on {conjunction(constant)} images: {{found}}" if len(constant) == len(failed) else None
        )
        yield target_fault(
            context,
            target,
            [run.purpose for run in failed],
            failure_text(failure),
            "a result for images in [0, 1]",
            message=message,
            fix=_FIX_CONSTANT if message is not None else failure_fix(failure),
        )
    yield from not_called(observations, "pictures", *CONSTANT)
    yield unanswered(context, observations, "nothing of it was run")


def _need(context: Context, target: ProbeTarget, failure: Failure) -> str | None:
    """Return the rule about the files whose fault is why a target does not run, if there is one."""
    if _fixes_output_batch(context, target):
        return "output/batch-size"
    is_fault = (isinstance(item, Fault) and item.level in (None, "error") for item in pinned(context))
    return "device/pinned" if failure.kind == "pinned" and any(is_fault) else None


def _failures_of_images(observations: Observations, target: ProbeTarget) -> list[Run]:
    """Return the failed calls of a target that its batch size does not explain.

    What runs with as many images another time does not fail because of their number.
    """
    calls = list(observations.calls(target, *_VARIED, *CONSTANT))
    good = {run.batch for run in calls if run.failure is None}
    return [run for run in calls if run.failure is not None and (not good or run.batch in good or _was_cut_short(run))]


def _fixes_output_batch(context: Context, target: ProbeTarget) -> bool:
    """Return whether a target takes any batch and returns one of a fixed size, which breaks output/batch-size.

    The callable and the default signature usually are the same function as a task signature, and share its fault.
    """
    judged = [each.signature for each in context.judged() if each.variant.name == target.variant]
    own = [signature for signature in judged if signature.key == target.signature]
    return any(
        _batch(next(iter(signature.inputs.values()), None)) is None
        and _batch(signature.outputs.get("default")) is not None
        for signature in own or judged
    )


def _batch(tensor: Tensor | None) -> int | None:
    return tensor.shape.dims[0] if tensor is not None and tensor.shape.dims else None


def batch_size(context: Context, observations: Observations) -> Iterator[CheckItem]:
    """What runs at one batch size runs at all of them."""
    for target in called(observations):
        calls = list(observations.calls(target, *_VARIED))
        if len({run.batch for run in calls}) > 1:
            yield Checked()
        good = list(dict.fromkeys(run.batch for run in calls if run.failure is None))
        bad = [run for run in calls if run.failure is not None and run.batch not in good and not _was_cut_short(run)]
        if bad and good and bad[0].failure is not None:
            yield target_fault(
                context,
                target,
                [run.purpose for run in bad],
                failure_text(bad[0].failure),
                "any batch size",
                details={
                    "sizes": conjunction([str(size) for size in sorted({run.batch for run in bad})]),
                    "good": _images(good),
                },
                fix=failure_fix(bad[0].failure),
            )
    yield from not_called(observations, "pictures", "three", "swapped", "alone", "many")
    yield unanswered(context, observations, "it was run at no more than one batch size")


def _was_cut_short(run: Run) -> bool:
    """Return whether one of many calls failed for another reason than its input: it crashed."""
    return run.purpose == "repeated" and run.failure is not None and run.failure.kind != "error"


def declared_shape(context: Context, observations: Observations) -> Iterator[CheckItem]:
    """Real dtypes and shapes are as declared; what the input leaves open changes only the batch of the result."""
    for target in called(observations):
        declared = _declared(context, target)
        for run in observations.calls(target):
            if run.purpose == "gradients":
                continue
            yield Checked()
            if run.failure is None:
                faults = [*_differences(context, run, declared), *_out_of_range(context, run)]
                yield from faults
                if faults:
                    break
            elif run.purpose == "resized":
                found = f"at {_size(run)} pixels: {run.failure.message}"
                wanted = "images of any height and width, as declared"
                yield target_fault(context, target, ["resized"], found, wanted, details={"key": "default"})
    yield from not_called(observations, "pictures", "resized")
    yield unanswered(context, observations, "nothing of it was run")


def _differences(context: Context, run: Run, declared: dict[str, Tensor]) -> Iterator[Fault]:
    promised = _promised(context, run.target)
    for key, tensor in declared.items():
        output = run.outputs.get(key)
        if output is None or tensor.encoding != "dense":
            continue
        shape = Shape(output.shape)
        found = f"{output.dtype} {shape}" + (f" for images of {_size(run)}" if run.purpose == "resized" else "")
        if output.dtype != tensor.dtype or not shape.compatible(tensor.shape):
            wanted = str(tensor)
        elif (key or "default") in promised and output.shape[:1] != (run.batch,):
            found += f" for a batch of {run.batch}"
            wanted = f"{tensor.dtype} {Shape((run.batch, *(tensor.shape.dims or (None, None))[1:]))}"
        else:
            continue
        details = {"key": key or "result"}
        yield target_fault(
            context, run.target, [run.purpose], found, wanted, side="outputs", key=key or None, details=details
        )


def _out_of_range(context: Context, run: Run) -> Iterator[Fault]:
    interface = interface_of_target(context, run.target)
    for key, promised in interface.contract.outputs.items() if interface is not None else ():
        output = run.outputs.get(key if run.target.trace is None else "")
        if promised.low is None or promised.high is None or output is None or output.values is None:
            continue
        if output.dtype in ("string", "bool") or not output.values.size:
            continue
        low, high = float(output.values.min()), float(output.values.max())
        margin = _ROUNDING * (promised.high - promised.low)
        if low < promised.low - margin or high > promised.high + margin:
            found, wanted = f"values in [{low:.4g}, {high:.4g}]", f"[{promised.low:g}, {promised.high:g}]"
            message = f'the output "{key}" has {{found}}; they must be in {{wanted}}'
            fix, source = f"Keep the values of the output within {wanted}.", promised.source
            yield target_fault(
                context,
                run.target,
                [run.purpose],
                found,
                wanted,
                side="outputs",
                key=key,
                message=message,
                fix=fix,
                source=source,
            )


def _promised(context: Context, target: ProbeTarget) -> set[str]:
    """Return the outputs of which a contract says that they have a row for each row of the input."""
    interface = interface_of_target(context, target)
    return {
        key
        for contract in ([interface.contract] if interface is not None else context.contracts.values())
        for key, output in contract.outputs.items()
        if any(output.shape[:1] == given.shape[:1] for given in contract.inputs.values())
    }


def _declared(context: Context, target: ProbeTarget) -> dict[str, Tensor]:
    if target.trace is not None:
        objects = context.module.objects
        return dict(objects.traces[target.number].outputs) if objects is not None else {}
    for variant in context.module.variants:
        signature = variant.signatures.get(target.signature or "")
        if variant.name == target.variant and signature is not None:
            return dict(signature.outputs)
    return {}


def losses(context: Context, observations: Observations) -> Iterator[CheckItem]:
    """The regularization losses of the object can be called, and return one number each."""
    objects = context.module.objects
    declared = objects.regularization_losses if objects is not None else None
    for run in observations.runs:
        number = run.target.number
        if (
            run.purpose != "loss"
            or run.device != observations.device
            or any(loss_faults(number, (declared or ())[number]))
        ):
            continue
        yield Checked()
        replay, name = replay_of(run.target, ["loss"]), f"regularization loss {run.target.number}"
        if run.failure is not None:
            message = f"{name} cannot be called: {{found}}"
            yield failure_fault(Where(), run.failure, "a number", replay, message=message)
            continue
        for output in run.outputs.values():
            if output.shape != () or not output.dtype.startswith(("float", "bfloat")):
                found = f"{output.dtype} {Shape(output.shape)}"
                message = f"{name} returns {{found}}, not one number"
                yield Fault(Where(), found, "float32 []", message=message, replay=replay)
    yield from not_called(observations, "loss")
    yield Skip("no regularization loss was called")


def _size(run: Run) -> str:
    return "x".join(map(str, run.size))


def _images(sizes: Iterable[int]) -> str:
    """Return "1 image" or "1, 2 and 5 images"."""
    ordered = sorted(set(sizes))
    return "1 image" if ordered == [1] else f"{conjunction([str(size) for size in ordered])} images"
