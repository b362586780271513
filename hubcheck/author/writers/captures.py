"""What traced functions capture: variables, and the regularizers and lookup tables that belong to them."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import tensorflow as tf

from hubcheck.author.definition import ModuleDefinition
from hubcheck.author.errors import AuthorError

_MAX_DEPTH = 12
"""How deeply objects are searched: objects that create attributes on access, such as mocks, have no end."""
_OPAQUE = ("tensorflow", "numpy", "builtins")
"""Packages whose objects are not searched, unless they are known to contain variables."""


def captured_variables(*functions: Any) -> list[tf.Variable]:
    """Return the variables that traced functions read or write, each once, in the order of first use."""
    variables: dict[int, tf.Variable] = {}
    for function in functions:
        by_handle = {id(variable.handle): variable for variable in function.graph.variables}
        for tensor in function.captured_inputs:
            if id(tensor) in by_handle:
                variables.setdefault(id(tensor), by_handle[id(tensor)])
    return list(variables.values())


def variables_of(function: Any, output: Any) -> list[tf.Variable]:
    """Return the variables that one output of a traced function depends on, in the order of first use."""
    captures = {placeholder.op: index for index, placeholder in enumerate(function.graph.internal_captures)}
    seen, stack = set(), [output.op]
    while stack:
        op = stack.pop()
        if op not in seen:
            seen.add(op)
            stack.extend(tensor.op for tensor in op.inputs)
    handles = {id(function.graph.external_captures[captures[op]]) for op in seen if op in captures}
    return [variable for variable in captured_variables(function) if id(variable.handle) in handles]


def unique_names(variables: Iterable[tf.Variable]) -> dict[str, tf.Variable]:
    """Return variables by unique names, which name-based checkpoints require: their own, numbered if taken."""
    taken: set[str] = set()
    named = {}
    for variable in variables:
        base = _op_name(variable.name.partition(":")[0])
        name, count = base, 0
        # Graphs compare names without case.
        while name.lower() in taken:
            count += 1
            name = f"{base}_{count}"
        taken.add(name.lower())
        named[name] = variable
    return named


def regularizers(module: ModuleDefinition, variables: Iterable[tf.Variable]) -> list[Callable[[], Any]]:
    """Return functions without arguments that compute the regularization losses.

    These are the publisher's own ones, then those of Keras layers that regularize one of the variables.
    """
    ours = {id(variable) for variable in variables}
    losses: dict[Any, Callable[[], Any]] = {}
    for thing in _reachable(_roots(module)):
        if _is_keras3_variable(thing) and thing.regularizer is not None and id(thing.value) in ours:
            losses.setdefault(id(thing), _bound(thing.regularizer, thing))
        # tf_keras keeps a list of closures over the variables in each layer.
        for loss in getattr(thing, "_callable_losses", ()):
            if any(id(part) in ours for part in _reachable([loss])):
                losses.setdefault(id(loss), loss)
    return [*module.regularizers, *losses.values()]


def resources(module: ModuleDefinition, *functions: Any) -> list[Any]:
    """Return the lookup tables and similar resources that traced functions use.

    Raises:
        AuthorError: the object of a resource cannot be reached from the module's functions.
    """
    variables = {id(variable.handle) for variable in captured_variables(*functions)}
    captured = [tensor for function in functions for tensor in function.captured_inputs if tensor.dtype == tf.resource]
    needed = {id(tensor) for tensor in captured} - variables
    objects = {}
    for thing in _reachable(_roots(module)) if needed else ():
        handle = getattr(thing, "resource_handle", None)
        if id(handle) in needed:
            objects[id(handle)] = thing
    if needed - set(objects):
        raise AuthorError(
            "the module uses a lookup table or another resource that cannot be reached from its functions: "
            "keep it in a variable, or in an attribute of an object, that they use"
        )
    return list(objects.values())


def _bound(regularizer: Callable[[Any], Any], variable: Any) -> Callable[[], Any]:
    return lambda: regularizer(variable)


def _roots(module: ModuleDefinition) -> list[Any]:
    return [*module.models, *(task.function for task in module.tasks.values())]


def _reachable(roots: Iterable[Any]) -> Iterator[Any]:
    """Yield the objects that can be reached from the roots through closures, globals, attributes and containers."""
    seen: set[int] = set()
    stack = [(root, 0) for root in roots]
    while stack:
        thing, depth = stack.pop()
        # A class has the attributes of its objects as properties: it contains nothing.
        if id(thing) in seen or depth > _MAX_DEPTH or isinstance(thing, type):
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
    package = type(thing).__module__.partition(".")[0]
    return vars(thing).values() if hasattr(thing, "__dict__") and package not in _OPAQUE else ()


def _cells(function: Any) -> list[Any]:
    """Return what a function's body refers to: closure variables, and globals other than modules and classes."""
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


def _op_name(name: str) -> str:
    """Return the name with characters replaced that names of graph nodes cannot have."""
    clean = "".join(char if char.isascii() and (char.isalnum() or char in "_.-/") else "_" for char in name).strip("/")
    return clean if clean[:1].isalnum() or clean[:1] == "." else f"v{clean}" if clean else "Variable"
