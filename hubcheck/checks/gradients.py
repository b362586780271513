"""Whether what consumers train can be differentiated."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from hubcheck.checks.context import Context
from hubcheck.checks.corroboration import corroborating
from hubcheck.checks.faults import Checked, CheckItem, Fault, Skip
from hubcheck.checks.judged import without_callable
from hubcheck.checks.places import node_of, where_in
from hubcheck.checks.targets import failure_fault, not_called, place_of, replay_of
from hubcheck.graph.gradients import blocking_nodes
from hubcheck.util.text import listed, plural

if TYPE_CHECKING:
    from hubcheck.probe.observations import Observations, Run

_NO_VARIABLES = Skip("there is no variable to train")


def differentiable(context: Context, *, blocking: Sequence[str]) -> Iterator[CheckItem]:
    """No op without a gradient is on the way from the callable's result to the images or a variable.

    That the graph has none of them does not show that a gradient can be computed.

    Args:
        context: the module.
        blocking: the ops for which TensorFlow has no gradient.
    """
    yield from without_callable(context)
    inference, objects = context.module.inference, context.module.objects
    if inference is None or objects is None:
        yield Skip("only a run shows whether gradients can be computed", undecided=True)
        return
    if not any(node.variable.trainable for node in objects.proto.nodes):
        yield _NO_VARIABLES
        return
    analysis = context.analysis(inference)
    for entry in analysis.entries:
        if entry.trace is None:
            continue
        for frame, node in blocking_nodes(analysis.graph, entry.outputs.values(), entry.images, blocking):
            place = node_of(frame, node)
            yield Fault(
                where_in(inference, entry, place),
                f"{place.op} has no gradient",
                "ops that have a gradient",
                group=(place.name, place.op),
            )
    yield Skip("only a run shows whether gradients can be computed", undecided=True)


@corroborating
def computed(context: Context, observations: Observations, **_: object) -> Iterator[CheckItem]:
    """Gradients can be computed, some variable has one, and all are finite."""
    for run in observations.runs:
        if run.purpose != "gradients" or run.device != observations.device:
            continue
        if run.failure is not None and run.failure.kind == "kernel":
            yield Skip(f"the {run.device} lacks a kernel for its gradients: {run.failure.message}", undecided=True)
        elif run.failure is not None:
            yield Checked()
            replay, group = replay_of(run.target, ["gradients"]), run.failure.message
            yield failure_fault(place_of(run.target), run.failure, "gradients of its variables", replay, group=group)
        elif run.outputs:
            yield Checked()
            yield from _gradients(run)
    inference = context.module.inference
    name = inference.name if inference is not None else None
    differentiated = lambda target: target.trace is not None or target.variant != name  # noqa: E731
    yield from not_called(observations, "pictures", "gradients", of=differentiated)
    yield _NO_VARIABLES


def _gradients(run: Run) -> Iterator[Fault]:
    infinite = [name for name, gradient in run.outputs.items() if gradient.dtype == "not finite"]
    replay, where = replay_of(run.target, ["gradients"]), place_of(run.target)
    if infinite:
        found = f"gradients that are not finite: {listed(infinite)}"
        fix = (
            "Guard square roots, divisions and logarithms: their gradients can be infinite where their values are not."
        )
        wanted = "finite gradients on black, white and random images"
        message = "training it breaks on black, white and random images: {found}"
        yield Fault(where, found, wanted, message=message, fix=fix, level="warning", replay=replay)
    elif all(gradient.dtype == "none" for gradient in run.outputs.values()):
        found = f"no gradient for any of {plural(len(run.outputs), 'variable')}"
        fix = "Remove tf.stop_gradient and integer casts between the variables and the result."
        message = "it cannot be fine-tuned: {found}"
        yield Fault(where, found, "a gradient for some", message=message, fix=fix, level="warning", replay=replay)
