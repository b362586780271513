"""Whether the object that a TF2 SavedModel restores can be called, trained and regularized: Reusable SavedModels."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from hubcheck.checks.context import Context
from hubcheck.checks.faults import Checked, CheckItem, Fault, Skip, Where
from hubcheck.module.tensors import Tensor
from hubcheck.module.types import Function, ObjectGraph, Trace
from hubcheck.rulebook.interfaces import called_with_images, takes_images
from hubcheck.util.text import conjunction, listed, plural

_CALL = "__call__(images, training=False)"
_REFUSES = "hub.KerasLayer(path) refuses it"
_FAILS = "a call of hub.KerasLayer(path) fails"
_PART = r"/part_\d+$"
_NO_TUNING = "it cannot be fine-tuned"
_LIST = "Put every variable of {} into the list `variables` of the object before it is saved."


def reusable(context: Context) -> Iterator[CheckItem]:
    """The root can be called with images, in training and in inference; its lists of variables and losses are valid."""
    objects = context.module.objects
    is_interface = context.convention == "saved-model-api"
    if objects is None and not is_interface:
        yield Skip("only a TF2 SavedModel restores an object")
        return
    yield Checked()
    if objects is None:
        is_hub = context.module.format == "tf1-hub"
        found = "a module in TF1 Hub format" if is_hub else "a TF1 SavedModel"
        cost = _NO_TUNING if is_hub else f"{_REFUSES} without a signature; {_NO_TUNING}"
        yield Fault(Where(), found, _CALL, message=f"{{found}} has no object to call: {cost}")
        return
    if objects.call is None:
        message = f"the restored object is not callable: {_REFUSES} without a signature; {_NO_TUNING}"
        yield Fault(Where(), "no __call__", _CALL, message=message)
    else:
        faults = list(_images(objects, objects.call))
        yield from faults or _arguments(objects, objects.call)
        if is_interface and not faults:
            yield from _result(objects)
    yield from _variables(objects, is_interface=is_interface)
    for number, loss in enumerate(objects.regularization_losses or ()):
        yield from loss_faults(number, loss)


def _images(objects: ObjectGraph, call: Function) -> Iterator[Fault]:
    """Yield a fault if the callable does not take the images as its one positional argument."""
    if objects.traces and not any(map(takes_images, objects.traces)):
        found = ", ".join(f"{name}: {tensor}" for name, tensor in objects.traces[0].tensors.items()) or "no tensor"
        message = f"the callable takes {{found}}, not one batch of images; {_FAILS} with images; {_NO_TUNING}"
        yield Fault(Where(None, objects.traces[0].name), found, _CALL, message=message)
    elif call.parameters is not None and not call.parameters.positional and call.parameters.keyword:
        found = conjunction([f'"{name}"' for name in call.parameters.keyword])
        message = f"the callable takes no positional argument, only the keywords {{found}}; {_FAILS}; {_NO_TUNING}"
        yield Fault(Where(), found, _CALL, message=message)


def _arguments(objects: ObjectGraph, call: Function) -> Iterator[Fault]:
    """Yield faults of the arguments beside the images: their default values, and what was traced of them."""
    parameters = call.parameters
    if parameters is not None:
        also = [name for name in parameters.required if name not in parameters.positional[:1]]
        if also:
            found = conjunction([f'"{name}"' for name in also])
            # hub.KerasLayer passes `training` alone.
            cost = "a call with images alone fails" if also == ["training"] else _FAILS
            message = f"a call needs {{found}} beside the images: {cost}"
            fix = "Give every argument beside the images a default value, `training` the value False."
            yield Fault(Where(), found, "a default value for each", message=message, fix=fix)
        elif "training" in (*parameters.positional, *parameters.keyword):
            default = parameters.defaults.get("training")
            is_tensor = any("training" in trace.tensors for trace in call.traces)
            if default != 0 and not is_tensor:
                message = "the default is {found}, so that a call with images alone is not inference"
                yield Fault(Where(), f"training={default}", "training=False", message=message, fix=f"Write {_CALL}.")
    yield from _training(objects)


def _training(objects: ObjectGraph) -> Iterator[Fault]:
    """Yield faults unless both values of `training` were traced, with the same other keyword arguments.

    A tensor for `training` has both values. A callable without the argument is fine if there is nothing to train.
    """
    if any("training" in trace.tensors for trace in objects.traces):
        return
    traced = {trace.training for trace in objects.traces}
    missing = [value for value in (False, True) if value not in traced]
    if missing == [False, True] and not _trainable(objects):
        return
    if missing:
        found = ", ".join(sorted({trace.name for trace in objects.traces})) or "no trace"
        cost = _FAILS if missing == [False] else _NO_TUNING
        if len(missing) == 2:
            cost = "fine-tuning runs it as in inference"
        names = " or ".join(f"training={value}" for value in missing)
        message = f"the callable was not traced for {names}: {cost}"
        yield Fault(Where(), found, "training=False and training=True", message=message)
        return
    chosen = {value: [_keywords(trace) for trace in objects.traces if trace.training is value] for value in traced}
    for value in (True, False):
        alone = next((each for each in chosen[not value] if not any(_covers(o, each) for o in chosen[value])), None)
        if alone is not None:
            shown = ", ".join(f"{name}={'a tensor' if v is Tensor else repr(v)}" for name, v in alone.items())
            found = f"training={not value} alone"
            message = f"the callable was traced with {shown or 'no other argument'} for {{found}}: a call with "
            message += f"training={value} fails"
            yield Fault(Where(), found, "both values of training", message=message)


def _keywords(trace: Trace) -> dict[str, Any]:
    """Return the arguments of a trace beside the images and `training`: a value, or `Tensor` for a tensor."""
    images = trace.image_argument[0] if trace.image_argument is not None else None
    arguments = {name: value for name, value in trace.arguments.items() if name not in (images, "training")}
    return {name: Tensor if isinstance(value, Tensor) else value for name, value in arguments.items()}


def _covers(traced: Mapping[str, Any], called: Mapping[str, Any]) -> bool:
    """Return whether a trace serves a call with these keyword arguments: TensorFlow converts numbers to tensors."""
    return all(
        name in traced and (traced[name] == value or (traced[name] is Tensor and isinstance(value, int | float)))
        for name, value in called.items()
    )


def _result(objects: ObjectGraph) -> Iterator[Fault]:
    """Yield a fault if the callable that consumers use has another result than one tensor."""
    for trace in called_with_images(objects):
        if set(trace.outputs) != {""}:
            found = ", ".join(f"{path}: {tensor}" for path, tensor in trace.outputs.items()) or "nothing"
            fix = "Return only the features (or logits) from __call__, and the rest as outputs of a signature."
            where = Where(None, trace.name, None, "outputs")
            yield Fault(where, found, "one tensor", message="the callable returns {found}, not one tensor", fix=fix)
            return


def _trainable(objects: ObjectGraph) -> bool:
    return any(node.variable.trainable for node in objects.proto.nodes)


def _variables(objects: ObjectGraph, *, is_interface: bool) -> Iterator[Fault]:
    trainable, every, nodes = objects.trainable_variables, objects.variables, objects.proto.nodes
    if objects.callable and trainable is None and _trainable(objects):
        found = "no trainable_variables" if every is not None else "neither variables nor trainable_variables"
        wanted = "attributes of the object with these names"
        message = f"consumers cannot know which variables to train: the object has {{found}}; {_NO_TUNING}"
        yield Fault(Where(), found, wanted, message=message, level=None if is_interface else "note")
    if trainable:
        outside = [nodes[i].variable.name for i in sorted(trainable - (every or frozenset()))]
        if outside:
            message = f"{plural(len(outside), 'trainable variable')} not in `variables`"
            wanted, fix = "all of trainable_variables in variables", _LIST.format("trainable_variables")
            yield Fault(Where(), listed(sorted(outside)), wanted, message=message, fix=fix)
        fixed = sorted(nodes[i].variable.name for i in trainable if not nodes[i].variable.trainable)
        if fixed:
            message = f"{plural(len(fixed), 'variable')} in `trainable_variables` with trainable=False: gradient tapes "
            message += "do not watch them"
            yield Fault(Where(), listed(fixed), "trainable=True for each", message=message)
    if every is not None and objects.callable:
        listed_names = {nodes[i].variable.name for i in every | (trainable or frozenset())}
        sharded = {re.sub(_PART, "", name) for name in listed_names if re.search(_PART, name)}
        read = [nodes[i].variable.name for i in _read(objects) - every - (trainable or frozenset())]
        # A sharded variable is stored as a whole and in parts, and may be listed as either.
        unlisted = sorted(name for name in read if name not in sharded and not _is_part(name, listed_names))
        if unlisted:
            message = f"{plural(len(unlisted), 'variable')} that a call reads not in `variables`: consumers neither "
            message += "train nor save them"
            wanted, fix = "every variable that a trace reads in `variables`", _LIST.format("a call")
            yield Fault(Where(), listed(unlisted), wanted, message=message, fix=fix)


def _is_part(name: str, wholes: Collection[str]) -> bool:
    return re.search(_PART, name) is not None and re.sub(_PART, "", name) in wholes


def _read(objects: ObjectGraph) -> frozenset[int]:
    """Return the variables that a trace of the callable reads, as node ids."""
    functions = objects.proto.concrete_functions
    bound = {number for trace in objects.traces for number in functions[trace.function].bound_inputs}
    nodes = objects.proto.nodes
    return frozenset(i for i in bound if 0 <= i < len(nodes) and nodes[i].WhichOneof("kind") == "variable")


def loss_faults(number: int, loss: Function | None) -> Iterator[Fault]:
    """Yield a fault if a regularization loss does not give one float scalar for a call without arguments."""
    if loss is None:
        message = f"regularization loss {number} is no function: {_REFUSES}"
        yield Fault(Where(), "not a function", "a function of no arguments", message=message)
        return
    if not loss.traces:
        message = f"regularization loss {number} was never traced, so a call fails: {_NO_TUNING}"
        yield Fault(Where(), "no trace", "a function of no arguments", message=message)
        return
    if loss.required:
        found = f"takes {plural(len(loss.required), 'argument')}"
        message = f"regularization loss {number} cannot be called without arguments: {_NO_TUNING}"
        yield Fault(Where(), found, "a function of no arguments", message=message)
        return
    without = [trace for trace in loss.traces if not trace.tensors] or loss.traces
    results = list(without[0].outputs.items())
    is_scalar = [path == "" and tensor.shape.dims in (None, ()) for path, tensor in results] == [True]
    if not is_scalar or not results[0][1].dtype.startswith(("float", "bfloat")):
        found = ", ".join(f"{tensor}" for _, tensor in results) or "nothing"
        message = f"regularization loss {number} returns {{found}}, not one float number"
        yield Fault(Where(), found, "float32 []", message=message if is_scalar else f"{message}: {_NO_TUNING}")
