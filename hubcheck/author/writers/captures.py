"""What traced functions capture: variables, and the regularizers and lookup tables that belong to them."""

from __future__ import annotations

import inspect
from collections import deque
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


def variables_of(function: Any, outputs: Iterable[tf.Tensor]) -> list[tf.Variable]:
    """Return the variables that outputs of a traced function depend on, in the order of first use."""
    captures = {placeholder.op: index for index, placeholder in enumerate(function.graph.internal_captures)}
    seen, stack = set(), [output.op for output in outputs]
    while stack:
        op = stack.pop()
        if op not in seen:
            seen.add(op)
            stack.extend(tensor.op for tensor in op.inputs)
    handles = {id(function.graph.external_captures[captures[op]]) for op in seen if op in captures}
    return [variable for variable in captured_variables(function) if id(variable.handle) in handles]


def unique_names(module: ModuleDefinition, variables: Iterable[tf.Variable]) -> dict[str, tf.Variable]:
    """Return variables by unique names, which name-based checkpoints and HDF5 files require.

    A variable keeps its name, and a Keras variable its path. One that was given no name, or one that others have too,
    is named after the attributes that lead to it; what is still taken is numbered.
    """
    variables = list(variables)
    own = [variable.name.partition(":")[0] for variable in variables]
    paths = _paths(module, variables)
    taken: set[str] = set()
    named = {}
    for variable, given in zip(variables, own, strict=True):
        keras_path, path = paths.get(id(variable), (None, None))
        is_vague = given == "Variable" or own.count(given) > 1
        base = name = _op_name(keras_path or (path if is_vague and path else given))
        count = 0
        # Graphs compare names without case.
        while name.lower() in taken:
            count += 1
            name = f"{base}_{count}"
        taken.add(name.lower())
        named[name] = variable
    return named


def _paths(module: ModuleDefinition, variables: Iterable[tf.Variable]) -> dict[int, tuple[str | None, str]]:
    """Return, by the id of a variable, its path in Keras 3, if it has one, and that through attributes."""
    ours = {id(variable) for variable in variables}
    paths: dict[int, tuple[str | None, str]] = {}
    for thing, path in _reachable(_roots(module)):
        if id(thing) in ours:
            paths.setdefault(id(thing), (None, path))
        elif _is_keras3_variable(thing) and id(thing.value) in ours:
            paths[id(thing.value)] = (thing.path, path)
    return paths


def regularizers(module: ModuleDefinition, variables: Iterable[tf.Variable]) -> list[Callable[[], Any]]:
    """Return functions without arguments that compute the regularization losses.

    These are the publisher's own ones, then those of Keras layers that regularize one of the variables.
    """
    ours = {id(variable) for variable in variables}
    losses: dict[Any, Callable[[], Any]] = {}
    for thing, _ in _reachable(_roots(module)):
        if _is_keras3_variable(thing) and thing.regularizer is not None and id(thing.value) in ours:
            losses.setdefault(id(thing), _bound(thing.regularizer, thing))
        # tf_keras keeps a list of closures over the variables in each layer.
        for loss in getattr(thing, "_callable_losses", ()):
            if any(id(part) in ours for part, _ in _reachable([loss])):
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
    for thing, _ in _reachable(_roots(module)) if needed else ():
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


def _reachable(roots: Iterable[Any]) -> Iterator[tuple[Any, str]]:
    """Yield the objects that can be reached from the roots through closures, globals, attributes and containers.

    With each of them the shortest path to it: the names that lead there, joined by slashes.
    """
    seen: set[int] = set()
    queue = deque((root, "", 0) for root in roots)
    while queue:
        thing, path, depth = queue.popleft()
        # A class has the attributes of its objects as properties: it contains nothing.
        if id(thing) in seen or depth > _MAX_DEPTH or isinstance(thing, type):
            continue
        seen.add(id(thing))
        yield thing, path
        for name, child in _children(thing):
            queue.append((child, "/".join(filter(None, (path, str(name).strip("_")))), depth + 1))


def _children(thing: Any) -> Iterable[tuple[Any, Any]]:
    if isinstance(thing, list | tuple | set):
        return enumerate(thing)
    if isinstance(thing, dict):
        return thing.items()
    if _is_keras3_variable(thing) or isinstance(thing, tf.Variable):
        return ()
    if _is_keras3_layer(thing):
        return [(variable.name, variable) for variable in thing.variables]
    if isinstance(thing, tf.Module):
        modules = [(module.name, module) for module in thing.submodules]
        # The attributes of tf_keras layers are too many; its variables have paths for names.
        return modules if hasattr(thing, "_flatten_layers") else [*vars(thing).items(), *modules]
    if inspect.isfunction(thing) or inspect.ismethod(thing):
        return (*_cells(thing), *([("", thing.__self__)] if inspect.ismethod(thing) else ()))
    if hasattr(thing, "python_function"):
        return (("", thing.python_function),)
    if hasattr(thing, "func") and hasattr(thing, "keywords"):
        return (("", thing.func), *enumerate(thing.args), *thing.keywords.items())
    package = type(thing).__module__.partition(".")[0]
    return vars(thing).items() if hasattr(thing, "__dict__") and package not in _OPAQUE else ()


def _cells(function: Any) -> list[tuple[str, Any]]:
    """Return what a function's body refers to: closure variables, and globals other than modules and classes."""
    try:
        names = inspect.getclosurevars(inspect.unwrap(function))
    except (TypeError, ValueError):
        return []
    values = [*names.nonlocals.items(), *names.globals.items()]
    return [(name, value) for name, value in values if not inspect.ismodule(value) and not inspect.isclass(value)]


def _is_keras3_variable(thing: Any) -> bool:
    return hasattr(thing, "regularizer") and hasattr(thing, "path") and hasattr(thing, "value")


def _is_keras3_layer(thing: Any) -> bool:
    layer = hasattr(thing, "non_trainable_variables") and hasattr(thing, "dtype_policy")
    return layer and not isinstance(thing, tf.Module)


def _op_name(name: str) -> str:
    """Return the name with characters replaced that names of graph nodes cannot have."""
    clean = "".join(char if char.isascii() and (char.isalnum() or char in "_.-/") else "_" for char in name).strip("/")
    return clean if clean[:1].isalnum() or clean[:1] == "." else f"v{clean}" if clean else "Variable"
