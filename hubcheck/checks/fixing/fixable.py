"""The findings that `hubcheck fix` fixes once it has a plan for the module."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from hubcheck.checks.context import Context
from hubcheck.checks.faults import Where
from hubcheck.graph.entry_points import DEFAULT
from hubcheck.graph.op_tables import elementwise as ew

if TYPE_CHECKING:
    from hubcheck.checks.fixing.plan import FixPlan

_SHAPED = frozenset({"Reshape", "BroadcastTo"})
_REMOVABLE = frozenset({"Softmax", "LogSoftmax", "Sigmoid"})
_BY_REBUILDING = frozenset(
    {
        "module/task-signature",
        "module/default-signature",
        "module/image-size",
        "module/reference-variables",
        "module/duplicate-weights",
        "module/unused-weights",
        "image-input/name",
        "image-input/sole",
        "image-input/dtype",
        "image-input/image-size",
        "image-input/channels",
        "image-input/value-range",
        "output/default-key",
        "output/dtype",
        "output/rank",
        "output/key-prefix",
        "device/pinned",
    }
)
"""What the rebuilt module has right whatever was wrong, because there is no plan where it cannot."""


def may_fix(rule: str) -> bool:
    """Return whether there are findings of a rule that a rebuilt module lacks."""
    return rule in _BY_REBUILDING or rule in _IF


def fixes(context: Context, plan: FixPlan, rule: str, where: Where) -> bool:
    """Return whether the module that is built by a plan lacks a finding of the source."""
    return rule in _BY_REBUILDING or (rule in _IF and _IF[rule](context, plan, where))


def _ends_in_activation(context: Context, plan: FixPlan, where: Where) -> bool:
    """Return whether the activation on the scores is one op, with nothing after it that changes values."""
    variant, key = context.module.inference, where.signature
    if variant is None or key is None:
        return where.trace is not None
    analysis = context.analysis_of(variant, [key])
    value = next(entry.outputs[DEFAULT] for entry in analysis.entries if entry.signature == key)
    while True:
        frame, node, _ = value = analysis.graph.see_through(value)
        if frame.op(node) in _REMOVABLE:
            return True
        if frame.op(node) not in ew.SAME or not frame.inputs(node):
            return False
        value = frame.inputs(node)[0]


def _in_training(context: Context, plan: FixPlan, where: Where) -> bool:
    return where.trace == "training=True" or (where.variant is not None and "train" in where.variant.split(","))


def _opens_batch(context: Context, plan: FixPlan, where: Where) -> bool:
    """Return whether nothing but the input fixes the batch size: no shape with it between images and result."""
    variant = context.module.inference
    if variant is None or where.signature not in plan.hidden:
        return False
    source = next(source for source in plan.tasks.values() if source.signature == where.signature)
    (batch, *_) = variant.signatures[source.signature].inputs[source.input].shape.dims or (None,)
    analysis = context.analysis_of(variant, [source.signature])
    waiting = [value for entry in analysis.entries if entry.signature for value in entry.outputs.values()]
    seen = set(waiting)
    while waiting:
        value = waiting.pop()
        frame, node, _ = value
        shape = frame.inputs(node)[1:2] if frame.op(node) in _SHAPED else []
        constant = analysis.graph.constant(shape[0]) if shape else None
        if constant is not None and constant.values[:1] == (batch,):
            return False
        for other in analysis.graph.sources(value):
            if other not in seen and analysis.dependence.images(other):
                seen.add(other)
                waiting.append(other)
    return True


def _has_good_losses(context: Context, plan: FixPlan, where: Where) -> bool:
    """Return whether the regularization losses, which are kept, can be called without arguments and give one number."""
    objects = context.module.objects
    losses = objects.regularization_losses if objects is not None else None
    return all(
        loss is not None
        and not loss.required
        and all(tensor.shape.dims == () for trace in loss.traces for tensor in trace.outputs.values())
        for loss in losses or ()
    )


_IF: Mapping[str, Callable[[Context, FixPlan, Where], bool]] = {
    "classification/logits": _ends_in_activation,
    "image-input/batch-size": _opens_batch,
    "module/callable": _has_good_losses,
    "output/no-dropout": _in_training,
}
