"""What was called in a run: the targets, their places in findings, and the calls that were left out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from hubcheck.checks.context import Context
from hubcheck.checks.faults import Fault, Side, Skip, Where
from hubcheck.checks.judged import interface_of_target

if TYPE_CHECKING:
    from hubcheck.probe.observations import Failure, Observations, ProbeTarget, Purpose

_FIXES = {
    "op": "Export it without the library that adds the op, or have consumers import that library before loading.",
    "keras2": "Save it without its optimizer (`save(..., include_optimizer=False)` or `export`).",
    "keyword": 'Give the input another name: that of a common signature is "images".',
    "shared": "Export the tensor as one input, or give each input a placeholder of its own.",
    "placeholder": "Replace it by a constant or by tf.compat.v1.placeholder_with_default before the export.",
    "reference": "Export the value of the variable (tf.identity), or create it with use_resource=True.",
    "data": "Copy the whole folder again from where it was exported: the bytes of the weights are damaged.",
    "state": "Track every variable and table from the exported object, and run their initializers in the init op.",
    "protocol": "Remove the native or Python code that it brings along; a graph of TensorFlow's ops cannot do that.",
}


def place_of(target: ProbeTarget, side: Side | None = None, key: str | None = None) -> Where:
    """Return the place of a target, or of one of its tensors; traces belong to the object, not to a variant."""
    variant = target.variant if target.trace is None else None
    return Where(variant, target.trace, target.signature, side, key)


def replay_of(target: ProbeTarget, purposes: Sequence[str], *more: str) -> tuple[str, ...]:
    """Return the arguments of `hubcheck replay` that repeat calls of a target."""
    if target.trace is not None:
        name = ("--trace", target.trace)
    elif target.signature is not None:
        name = ("--signature", target.signature)
    else:
        name = ("--loss", str(target.number))
    loader = ("--session",) if target.session else ()
    variant = ("--variant", target.variant) if target.variant not in ("", "serve") else ()
    return (*variant, *name, *loader, "--calls", ",".join(dict.fromkeys(purposes)), *more)


def target_fault(
    context: Context,
    target: ProbeTarget,
    purposes: Sequence[str],
    found: str,
    wanted: str,
    *,
    side: Side | None = None,
    key: str | None = None,
    varies: bool = False,
    **more: Any,
) -> Fault:
    """Return a fault that calls of a target showed.

    Other targets usually are the same function as what the module is judged on in inference, and have the same fault:
    theirs are secondary.
    """
    is_judged = not is_for_training(context, target) and interface_of_target(context, target) is not None
    return Fault(
        place_of(target, side, key),
        found,
        wanted,
        replay=replay_of(target, purposes),
        group=("" if varies else found, wanted) if is_judged else "not judged in inference",
        secondary=not is_judged,
        varies=varies,
        **more,
    )


def failure_fault(where: Where, failure: Failure, wanted: str, replay: tuple[str, ...] = (), **more: Any) -> Fault:
    """Return the fault of a load or call that failed."""
    return Fault(where, failure_text(failure), wanted, replay=replay, fix=failure_fix(failure), **more)


def failure_text(failure: Failure) -> str:
    """Return the message of a failure, with the node that TensorFlow blames."""
    return failure.message + (f" (node {failure.node})" if failure.node else "")


def failure_fix(failure: Failure) -> str | None:
    """Return what to do about a failure, if that is known of its kind."""
    return _FIXES.get(failure.kind)


def called(observations: Observations) -> list[ProbeTarget]:
    """Return what was called by the object loader on the judged device, in order."""
    runs = (run for run in observations.runs if run.device == observations.device and not run.target.session)
    return list(dict.fromkeys(run.target for run in runs if run.purpose not in ("repeated", "loss", "gradients")))


def is_for_training(context: Context, target: ProbeTarget) -> bool:
    """Return whether a target is a trace with training=True, or of another variant than inference."""
    if target.trace is not None:
        return target.trace.endswith("True")
    inference = context.module.inference
    return inference is None or target.variant != inference.name


def called_in_inference(context: Context, observations: Observations) -> list[ProbeTarget]:
    """Return those of the called targets that are not for training."""
    return [target for target in called(observations) if not is_for_training(context, target)]


def not_called(
    observations: Observations,
    *purposes: Purpose,
    of: Callable[[ProbeTarget], bool] = lambda target: not target.session,
) -> Iterator[Skip]:
    """Yield a Skip if calls for these purposes were planned and left out, so that a check is incomplete.

    Args:
        observations: what was seen.
        purposes: those of the calls that the check looks at.
        of: whether the check looks at a target.
    """
    left_out = [
        entry
        for entry in observations.not_run
        if entry.purpose in purposes
        and entry.device == observations.device
        and entry.target is not None
        and of(entry.target)
    ]
    names = list(dict.fromkeys(str(entry.target) for entry in left_out))
    if names:
        shown = f"{names[0]} was" if len(names) == 1 else f"{names[0]} and {len(names) - 1} more were"
        yield Skip(f"{shown} not run for this check: {left_out[0].reason}", incomplete=True)


def unanswered(context: Context, observations: Observations, text: str, *, incomplete: bool = False) -> Skip:
    """Return the Skip of a check that had nothing to look at: `text`, and why, as far as that is known."""
    variants = context.module.variants
    reasons = [f"the variant {{{variant.name}}} is for a {variant.hardware} alone" for variant in variants]
    if any(variant.hardware is None for variant in variants):
        reasons = [entry.reason for entry in observations.not_run if entry.purpose is None]
        reasons += ["there is no inference variant"] if context.module.inference is None else []
        reasons += [failure_text(run.failure) for run in observations.runs if run.failure is not None]
    return Skip(": ".join([text, *reasons[:1]]), incomplete=incomplete)


def not_called_in_inference(context: Context, observations: Observations, *purposes: Purpose) -> Iterator[Skip]:
    """The same for the targets that are not for training."""
    yield from not_called(
        observations, *purposes, of=lambda target: not target.session and not is_for_training(context, target)
    )
