"""Load a module with either of TensorFlow's loaders and call it. Imports TensorFlow on use."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

from hubcheck.probe.plan.steps import CallStep

Arrays = dict[str, Any]
Gradient = tuple[str, tuple[int, ...], bool | None]
"""A variable's name and shape, () if that is open, and whether its gradient is finite; None if it has none."""


class LoadedModule(Protocol):
    """A loaded variant of a module."""

    def call(self, step: CallStep, arrays: Arrays) -> Arrays:
        """Call a step's target with arrays by input key; return tensors or arrays by output key."""

    def gradients(self, step: CallStep, arrays: Arrays) -> list[Gradient]:
        """Differentiate the result of a target; return the gradients of the trainable variables that it reads."""

    def may_change_state(self) -> bool:
        """Return whether a signature has an op that may write what a later call reads."""


_READERS = """
Assert Case HashTable HashTableV2 If LookupTableFind LookupTableFindV2 LookupTableSize LookupTableSizeV2 Placeholder
Print PrintV2 ReadVariableOp ResourceGather ResourceGatherNd StatefulPartitionedCall VarHandleOp VarIsInitializedOp
Variable VariableV2 While
"""
_READS_ONLY = frozenset(_READERS.split())
"""Ops that TensorFlow calls stateful, but that change no state. Of other ones that is not known."""
_OPTIMIZATIONS = """
arithmetic_optimization auto_mixed_precision constant_folding debug_stripper dependency_optimization
function_optimization implementation_selector layout_optimizer loop_optimization pin_to_host_optimization remapping
scoped_allocator_optimization shape_optimization
""".split()  # noqa: SIM905
_PRUNING = {"disable_meta_optimizer": False, "disable_model_pruning": False}
"""The functions that TensorFlow makes of a TF1 graph keep what computes a fed tensor otherwise; to prune them keeps it
from running."""


CONVOLUTIONS_WITHOUT_GRADIENT = (
    "CPU implementations do not yet support dilation rates larger than 1",
    "filter_size does not have enough elements",
    "Gradients for grouped convolutions are not supported on CPU",
)
"""What TensorFlow says of gradients that oneDNN, XLA and GPUs compute, but a CPU without these does not."""


class ObjectModule:
    """A variant loaded with `tf.saved_model.load`: signatures and, for TF2, perhaps a callable and losses."""

    def __init__(self, path: str, tags: tuple[str, ...]) -> None:
        import tensorflow as tf

        self._object = tf.saved_model.load(path, tags=list(tags))
        if hasattr(self._object, "prune"):  # made of a TF1 graph
            tf.config.optimizer.set_experimental_options(dict.fromkeys(_OPTIMIZATIONS, False) | _PRUNING)

    def call(self, step: CallStep, arrays: Arrays) -> Arrays:
        import tensorflow as tf

        target = step.target
        tensors = {key: tf.constant(array, dtype=step.inputs[key].dtype) for key, array in arrays.items()}
        if target.signature is not None:
            results = self._object.signatures[target.signature](**tensors)
            return dict(results) if isinstance(results, dict) else {"": results}
        if target.trace is None:
            return {"": self._object.regularization_losses[target.number]()}
        return _call_trace(self._object.__call__.concrete_functions[target.number], list(tensors.values()))

    def gradients(self, step: CallStep, arrays: Arrays) -> list[Gradient]:
        import tensorflow as tf

        function = self._object.__call__.concrete_functions[step.target.number]
        everything = [*(getattr(self._object, "trainable_variables", None) or ()), *function.graph.variables]
        variables = list({id(v): v for v in everything if isinstance(v, tf.Variable) and v.trainable}.values())
        if not variables:
            return []

        def differentiated() -> list[Any]:
            with tf.GradientTape() as tape:
                floats = [result for result in self.call(step, arrays).values() if result.dtype.is_floating]
                loss = tf.add_n([tf.reduce_sum(tf.cast(result, tf.float32)) for result in floats]) if floats else None
            found = tape.gradient(loss, variables) if loss is not None else [None] * len(variables)
            return [None if gradient is None else _is_finite(gradient) for gradient in found]

        try:
            finite = differentiated()
        except tf.errors.InvalidArgumentError as error:
            if not any(text in error.message for text in CONVOLUTIONS_WITHOUT_GRADIENT):
                raise
            try:
                finite = tf.function(differentiated, autograph=False, jit_compile=True)()
            except Exception:
                raise error from None
        return [
            (variable.name, _shape(variable), None if is_finite is None else bool(is_finite))
            for variable, is_finite in zip(variables, finite, strict=True)
        ]

    def may_change_state(self) -> bool:
        from tensorflow.python.framework import op_def_registry  # public nowhere

        for function in self._object.signatures.values():
            graph = function.graph.as_graph_def()
            for nodes in (graph.node, *(body.node_def for body in graph.library.function)):
                for op in {node.op for node in nodes} - _READS_ONLY:
                    definition = op_def_registry.get(op)
                    if definition is not None and definition.is_stateful:
                        return True
        return False


class SessionModule:
    """A variant loaded into a session, as TensorFlow Serving does."""

    def __init__(self, path: str, tags: tuple[str, ...], *, threads: int) -> None:
        import tensorflow as tf

        v1 = tf.compat.v1
        config = v1.ConfigProto(intra_op_parallelism_threads=threads, inter_op_parallelism_threads=threads)
        config.graph_options.rewrite_options.disable_meta_optimizer = True
        config.graph_options.optimizer_options.opt_level = v1.OptimizerOptions.L0
        self._session = v1.Session(graph=tf.Graph(), config=config)
        with self._session.graph.as_default():
            self._meta_graph = v1.saved_model.load(self._session, list(tags), path)
            if not tags:
                # In TF1 Hub format, the loader does not initialize tables; hub.Module does.
                self._session.run(v1.tables_initializer())

    def call(self, step: CallStep, arrays: Arrays) -> Arrays:
        signature = self._meta_graph.signature_def[step.target.signature]
        feeds = {signature.inputs[key].name: array for key, array in arrays.items()}
        fetches = {key: info.name for key, info in signature.outputs.items() if info.WhichOneof("encoding") == "name"}
        return dict(self._session.run(fetches, feeds))

    def gradients(self, step: CallStep, arrays: Arrays) -> list[Gradient]:
        import tensorflow as tf

        v1 = tf.compat.v1
        with self._session.graph.as_default():
            v1.tables_initializer().run(session=self._session)
            variables = v1.trainable_variables()
            signature = self._meta_graph.signature_def[step.target.signature]
            results = [self._session.graph.get_tensor_by_name(info.name) for info in signature.outputs.values()]
            found = v1.gradients([result for result in results if result.dtype.is_floating], variables)
            finite = {i: _is_finite(gradient) for i, gradient in enumerate(found) if gradient is not None}
            feeds = {signature.inputs[key].name: array for key, array in arrays.items()}
            values = self._session.run(finite, feeds)
        return [
            (variable.op.name, _shape(variable), None if i not in values else bool(values[i]))
            for i, variable in enumerate(variables)
        ]

    def may_change_state(self) -> bool:
        return True


def _shape(variable: Any) -> tuple[int, ...]:
    """Return the shape of a variable, () if it leaves a dimension open."""
    return tuple(variable.shape) if variable.shape.is_fully_defined() else ()


def _is_finite(gradient: Any) -> Any:
    import tensorflow as tf

    values = gradient.values if isinstance(gradient, tf.IndexedSlices) else gradient
    return tf.reduce_all(tf.math.is_finite(tf.cast(values, tf.float32)))


def _call_trace(function: Any, tensors: list[Any]) -> Arrays:
    """Call one trace directly, since calling the object would select a trace by its arguments.

    Args:
        function: the trace.
        tensors: what it takes, in the order of its signature.
    """
    import tensorflow as tf

    given = iter(tensors)
    structure = function.structured_input_signature
    leaves = [next(given) if isinstance(leaf, tf.TypeSpec) else leaf for leaf in tf.nest.flatten(structure)]
    args, kwargs = tf.nest.pack_sequence_as(structure, leaves)
    results = function(*args, **kwargs)
    return {"/".join(map(str, path)): leaf for path, leaf in _leaves(results)}


def _leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Any]]:
    if isinstance(value, dict):
        items: Any = value.items()
    elif isinstance(value, list | tuple):
        items = enumerate(value)
    else:
        yield path, value
        return
    for key, item in items:
        yield from _leaves(item, (*path, key))
