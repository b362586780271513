"""Whether the object that a TF2 SavedModel restores can be called, trained and regularized."""

from __future__ import annotations

from collections.abc import Iterator

from hubcheck.checks.context import Context
from hubcheck.checks.faults import Checked, CheckItem, Fault, Skip, Where
from hubcheck.module.types import ObjectGraph, Tensor, Trace


def reusable(context: Context) -> Iterator[CheckItem]:
    """The root is callable with training on and off, and carries lists of its variables and losses that fit."""
    objects = context.module.objects
    if objects is None:
        yield Skip("only a TF2 SavedModel restores an object")
        return
    yield Checked()
    if not objects.callable:
        yield Fault(
            Where(), "no __call__", "__call__(images, training=False)", message="the restored object is not callable"
        )
    elif objects.traces and not any(_takes_images(trace) for trace in objects.traces):
        found = ", ".join(f"{name}: {tensor}" for name, tensor in objects.traces[0].tensors.items()) or "no tensor"
        message = "the callable takes {found}, not one batch of images"
        yield Fault(Where(None, objects.traces[0].name), found, "__call__(images, training=False)", message=message)
    else:
        yield from _training(objects)
    yield from _variables(objects)
    for i, counts in enumerate(objects.regularization_losses or ()):
        if 0 not in counts:
            found = "not a function" if not counts else f"takes {min(counts)} arguments"
            message = f"regularization loss {i} cannot be called without arguments"
            yield Fault(Where(), found, "a function of no arguments", message=message)


def _takes_images(trace: Trace) -> bool:
    """Whether a trace takes a tensor by itself, in no list or dictionary and with no other."""
    found = trace.image_argument
    return found is not None and "/" not in found[0]


def _training(objects: ObjectGraph) -> Iterator[Fault]:
    """Both values of `training` were traced; a trace that takes it as a tensor serves for both."""
    if any(isinstance(trace.arguments.get("training"), Tensor) for trace in objects.traces):
        return
    traced = {trace.training for trace in objects.traces}
    missing = [value for value in (False, True) if value not in traced]
    if missing:
        found = ", ".join(sorted({trace.name for trace in objects.traces})) or "no trace"
        wanted = "training=False and training=True"
        names = " or ".join(f"training={value}" for value in missing)
        yield Fault(Where(), found, wanted, message=f"the callable was not traced for {names}")


def _variables(objects: ObjectGraph) -> Iterator[Fault]:
    trainable, every = objects.trainable_variables, objects.variables
    if objects.callable and trainable is None and any(node.variable.trainable for node in objects.proto.nodes):
        found = "no trainable_variables" if every is not None else "neither variables nor trainable_variables"
        wanted = "lists of these names on the object"
        message = "nobody can tell which variables to train: the object has {found}"
        yield Fault(Where(), found, wanted, message=message, level="note")
    if not trainable:
        return
    outside = trainable - (every or frozenset())
    if outside:
        names = sorted(objects.proto.nodes[i].variable.name for i in outside)
        yield Fault(
            Where(),
            ", ".join(names[:3]) + (", ..." if len(names) > 3 else ""),
            "every one of trainable_variables in variables",
            message=f"{len(outside)} of trainable_variables are not in variables",
        )
