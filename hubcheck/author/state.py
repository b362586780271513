"""What the traced functions keep between calls: their variables, in order, and the regularization losses."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import tensorflow as tf

from hubcheck.author.builder import ImageModule
from hubcheck.author.errors import AuthorError

_DEPTH = 12


def captured_variables(*functions: Any) -> list[tf.Variable]:
    """The variables that traced functions read or write, each once, in the order of their use."""
    found: dict[int, tf.Variable] = {}
    for function in functions:
        by_handle = {id(variable.handle): variable for variable in function.graph.variables}
        for tensor in function.captured_inputs:
            if id(tensor) in by_handle:
                found.setdefault(id(tensor), by_handle[id(tensor)])
    return list(found.values())


def variables_of(function: Any, output: Any) -> list[tf.Variable]:
    """The variables that one output of a traced function is computed from, in the order of their use."""
    captures = {placeholder.op: index for index, placeholder in enumerate(function.graph.internal_captures)}
    seen, stack = set(), [output.op]
    while stack:
        op = stack.pop()
        if op not in seen:
            seen.add(op)
            stack.extend(tensor.op for tensor in op.inputs)
    handles = {id(function.graph.external_captures[captures[op]]) for op in seen if op in captures}
    return [variable for variable in captured_variables(function) if id(variable.handle) in handles]


def unique_names(variables: Iterable[tf.Variable]) -> list[str]:
    """A name for each variable, its own where no other has it: name-based checkpoints need them to differ."""
    taken: set[str] = set()
    names = []
    for variable in variables:
        base = _op_name(variable.name.partition(":")[0])
        name, count = base, 0
        # Names are told apart without case, as graphs do; and none may be another one's scope.
        while name.lower() in taken:
            count += 1
            name = f"{base}_{count}"
        taken.add(name.lower())
        names.append(name)
    return names


def regularizers(module: ImageModule, variables: Iterable[tf.Variable]) -> list[Callable[[], Any]]:
    """Functions without arguments that give the regularization losses.

    They are the publisher's own, and those of the Keras layers that the module's functions use, where they
    concern one of the variables.
    """
    ours = {id(variable) for variable in variables}
    found: dict[Any, Callable[[], Any]] = {}
    for thing in _reachable([*module.sources, *(task.function for task in module.tasks.values())]):
        if _is_keras3_variable(thing) and thing.regularizer is not None and id(thing.value) in ours:
            found.setdefault(id(thing), _bound(thing.regularizer, thing))
        # tf_keras keeps them as closures over the variables, one list for each layer.
        for loss in getattr(thing, "_callable_losses", ()):
            if any(id(part) in ours for part in _reachable([loss])):
                found.setdefault(id(loss), loss)
    return [*module.regularizers, *found.values()]


def resources(module: ImageModule, *functions: Any) -> list[Any]:
    """The lookup tables and the like that traced functions use, where the publisher's functions lead to them.

    Raises:
        AuthorError: they use one that cannot be found.
    """
    variables = {id(variable.handle) for variable in captured_variables(*functions)}
    captured = [tensor for function in functions for tensor in function.captured_inputs if tensor.dtype == tf.resource]
    needed = {id(tensor) for tensor in captured} - variables
    found = {}
    for thing in _reachable([*module.sources, *(task.function for task in module.tasks.values())]) if needed else ():
        handle = getattr(thing, "resource_handle", None)
        if id(handle) in needed:
            found[id(handle)] = thing
    if needed - set(found):
        raise AuthorError(
            "the module uses a lookup table or another resource that its functions do not lead to: "
            "keep it in a variable, or in an attribute of an object, that they refer to"
        )
    return list(found.values())


def _bound(regularizer: Callable[[Any], Any], variable: Any) -> Callable[[], Any]:
    return lambda: regularizer(variable)


def _reachable(roots: Iterable[Any]) -> Iterator[Any]:
    """Layers, modules and variables that functions lead to, through closures, globals, attributes and containers."""
    seen: set[int] = set()
    stack = [(root, 0) for root in roots]
    while stack:
        thing, depth = stack.pop()
        if id(thing) in seen or depth > _DEPTH:
            continue
        seen.add(id(thing))
        yield thing
        stack.extend((child, depth + 1) for child in _children(thing))


def _children(thing: Any) -> Iterable[Any]:
    if isinstance(thing, list | tuple | set):
        return thing
    if isinstance(thing, dict):
        return thing.values()
    if _is_keras3_variable(thing):
        return ()
    if _is_keras3_layer(thing):
        return list(thing.variables)
    if isinstance(thing, tf.Module):
        return (*thing.submodules, *(value for value in vars(thing).values() if _is_keras3_layer(value)))
    if inspect.isfunction(thing) or inspect.ismethod(thing):
        return (*_cells(thing), *([thing.__self__] if inspect.ismethod(thing) else ()))
    if hasattr(thing, "python_function"):
        return (thing.python_function,)
    if hasattr(thing, "func") and hasattr(thing, "keywords"):
        return (thing.func, *thing.args, *thing.keywords.values())
    return vars(thing).values() if _is_plain_object(thing) else ()


def _cells(function: Any) -> list[Any]:
    """What a function's body refers to: enclosed variables, and globals other than modules."""
    try:
        names = inspect.getclosurevars(inspect.unwrap(function))
    except (TypeError, ValueError):
        return []
    values = [*names.nonlocals.values(), *names.globals.values()]
    return [value for value in values if not inspect.ismodule(value) and not inspect.isclass(value)]


def _is_keras3_variable(thing: Any) -> bool:
    return hasattr(thing, "regularizer") and hasattr(thing, "path") and hasattr(thing, "value")


def _is_keras3_layer(thing: Any) -> bool:
    layer = hasattr(thing, "non_trainable_variables") and hasattr(thing, "dtype_policy")
    return layer and not isinstance(thing, tf.Module)


def _is_plain_object(thing: Any) -> bool:
    home = type(thing).__module__.partition(".")[0]
    return hasattr(thing, "__dict__") and home not in ("tensorflow", "numpy", "builtins")


def _op_name(name: str) -> str:
    """The name with what graph nodes may not have replaced."""
    clean = "".join(char if char.isascii() and (char.isalnum() or char in "_.-/") else "_" for char in name).strip("/")
    return clean if clean[:1].isalnum() or clean[:1] == "." else f"v{clean}" if clean else "Variable"
