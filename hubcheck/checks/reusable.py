"""Whether the object that a TF2 SavedModel restores can be called, trained and regularized."""

from __future__ import annotations

from collections.abc import Iterator

from hubcheck.checks.context import Context
from hubcheck.checks.faults import Checked, CheckItem, Fault, Skip, Where
from hubcheck.module.types import ObjectGraph, Tensor, Trace
from hubcheck.util.text import listed, plural

_CALL = "__call__(images, training=False)"


def reusable(context: Context) -> Iterator[CheckItem]:
    """The root is callable with training on and off, and its lists of variables and losses are valid."""
    objects = context.module.objects
    if objects is None:
        yield Skip("only a TF2 SavedModel restores an object")
        return
    yield Checked()
    if not objects.callable:
        yield Fault(Where(), "no __call__", _CALL, message="the restored object is not callable")
    elif objects.traces and not any(_takes_images(trace) for trace in objects.traces):
        found = ", ".join(f"{name}: {tensor}" for name, tensor in objects.traces[0].tensors.items()) or "no tensor"
        message = "the callable takes {found}, not one batch of images"
        yield Fault(Where(None, objects.traces[0].name), found, _CALL, message=message)
    else:
        yield from _training(objects)
    yield from _variables(objects)
    for i, counts in enumerate(objects.regularization_losses or ()):
        if 0 not in counts:
            found = "not a function" if not counts else f"takes {plural(min(counts), 'argument')}"
            message = f"regularization loss {i} cannot be called without arguments"
            yield Fault(Where(), found, "a function of no arguments", message=message)


def _takes_images(trace: Trace) -> bool:
    """Return whether a trace takes one tensor of images, outside of lists and dictionaries."""
    found = trace.image_argument
    return found is not None and "/" not in found[0]


def _training(objects: ObjectGraph) -> Iterator[Fault]:
    """Yield a fault unless both values of `training` were traced; if it is a tensor, one trace has both."""
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
        wanted = "attributes of the object with these names"
        message = "consumers cannot know which variables to train: the object has {found}"
        yield Fault(Where(), found, wanted, message=message, level="note")
    if not trainable:
        return
    outside = trainable - (every or frozenset())
    if outside:
        names = sorted(objects.proto.nodes[i].variable.name for i in outside)
        yield Fault(
            Where(),
            listed(names),
            "all of trainable_variables in variables",
            message=f"{plural(len(outside), 'trainable variable')} not in `variables`",
        )
