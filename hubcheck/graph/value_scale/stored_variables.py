"""The values of small variables, which stand in the checkpoint."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cached_property
from typing import Literal

from hubcheck.graph.dataflow.body import ARGUMENT
from hubcheck.graph.dataflow.constants import MAX_ELEMENTS, Constant, constant_from_bytes
from hubcheck.graph.dataflow.execution import Execution
from hubcheck.graph.dataflow.frame import MAX_SEARCH, CallFrame, Value
from hubcheck.graph.dataflow.inlining import InlinedGraph
from hubcheck.graph.dataflow.state import READS, VARIABLES, changes_state, states_of
from hubcheck.module.checkpoint import stored_bytes
from hubcheck.module.dtypes import NUMBERS
from hubcheck.module.tensors import Slice
from hubcheck.module.types import Module, Variant
from hubcheck.module.v1_variables import parse_slice
from hubcheck.util.walk import closure

Stored = Constant | Literal["large", "unknown"]
"""A variable's value; "large" if it has more elements than statistics have, "unknown" if it cannot be told."""

StoredKey = tuple[str, Slice | None]
"""The name of a variable in the checkpoint, and which part of it if it is partitioned."""

_ASSIGNMENTS = frozenset({"AssignVariableOp", "Assign"})
_STEPS = frozenset({"AssignAddVariableOp", "AssignSubVariableOp", "AssignAdd", "AssignSub"})
_COPIES = frozenset({"Identity", "Reshape", "Cast", "EnsureShape"})


class StoredVariables:
    """The variables of a variant as they are restored; `execution` returns what runs of it, training included."""

    def __init__(
        self, module: Module, variant: Variant, graph: InlinedGraph, execution: Callable[[], Execution]
    ) -> None:
        self._module, self._variant, self._graph, self._execution = module, variant, graph, execution
        self._values: dict[StoredKey, Stored] = {}

    def read_by(self, frame: CallFrame, node: int) -> Stored | None:
        """Return the value of the variable that a node reads, None if the node reads none."""
        op = frame.op(node)
        if op not in VARIABLES and op not in READS:
            return None
        state = next(states_of(self._graph, frame, node), None)
        key = self._key(state) if state is not None else None
        if key is None or state is None:
            return "large" if _is_large(state) else "unknown"
        if key not in self._values:
            self._values[key] = self._stored(key)
        return self._values[key]

    def _stored(self, key: StoredKey) -> Stored:
        checkpoint, (name, part) = self._module.checkpoint, key
        entry = checkpoint.entries.get(name) if checkpoint is not None else None
        if entry is not None and part is not None:
            entry = dict(entry.slices).get(part)
        if entry is None or key in self._assigned:
            return "unknown"
        if entry.elements > MAX_ELEMENTS:
            return "large"
        content = stored_bytes(self._module, entry)
        dims = tuple(dim or 0 for dim in entry.shape.dims or ())
        found = constant_from_bytes(NUMBERS.get(entry.dtype, 0), dims, content) if content is not None else None
        return found or "unknown"

    def _key(self, state: Value) -> StoredKey | None:
        """Return where a variable is in the checkpoint, from its handle."""
        frame, node, _ = state
        if frame is self._graph.main:
            return self._restored.get(node)
        objects = self._module.objects
        if frame.op(node) != ARGUMENT or frame.caller is not None or objects is None:
            return None
        functions, name = objects.proto.concrete_functions, frame.body.function or ""
        bound = functions[name].bound_inputs if name in functions else ()
        position = node - (frame.body.arguments - len(bound))
        return self._keys_of_objects.get(bound[position]) if 0 <= position < len(bound) else None

    @cached_property
    def _keys_of_objects(self) -> dict[int, StoredKey]:
        return {
            v.node: (v.checkpoint_key, None) for v in self._variant.variables if v.node is not None and v.checkpoint_key
        }

    @cached_property
    def _restored(self) -> dict[int, StoredKey]:
        """Where the variables of the main graph are in the checkpoint: as the restore op assigns them."""
        main, keys = self._graph.main, dict[int, StoredKey]()
        # In TF1 Hub format there is no restore op, and the names are those of the variables.
        for variable in self._variant.variables if self._module.format == "tf1-hub" else ():
            index = main.body.find(variable.name)
            if index is not None and variable.checkpoint_key is not None and not variable.slices:
                keys[index] = (variable.checkpoint_key, None)
        restore = main.body.find(self._variant.saver.restore_op_name.partition(":")[0])
        if restore is not None:
            run = Execution(self._graph, [(main, restore, 0)])
            for frame, node in run.nodes(_ASSIGNMENTS.__contains__):
                for state_frame, handle, _ in states_of(self._graph, frame, node):
                    key = self._restored_by(frame, node)
                    if state_frame is main and key is not None:
                        keys[handle] = key
        return keys

    def _restored_by(self, frame: CallFrame, node: int) -> StoredKey | None:
        """Return where an assignment's value is in the checkpoint; None if it is not read from there."""
        inputs = frame.inputs(node)
        value = self._graph.see_through(inputs[1]) if len(inputs) > 1 else None
        while value is not None and value[0].op(value[1]) in _COPIES and value[0].inputs(value[1]):
            value = self._graph.see_through(value[0].inputs(value[1])[0])
        if value is None or value[0].op(value[1]) != "RestoreV2":
            return None
        name, part = (self._text(value, operand) for operand in (1, 2))
        return (name.decode("utf-8", "backslashreplace"), parse_slice(part or b"")[1]) if name is not None else None

    def _text(self, restored: Value, operand: int) -> bytes | None:
        """Return what a restore op is given for one of its results: the name is operand 1, the slice operand 2."""
        frame, node, number = restored
        source = frame.body.input(node, operand)
        content = frame.body.attribute(source[0], "value") if source is not None else None
        texts = content.tensor.string_val if content is not None else ()
        return texts[number] if number < len(texts) else None

    @cached_property
    def _assigned(self) -> frozenset[StoredKey]:
        """The variables that change in inference, or that training sets to more than a moving average of themselves."""
        assigned: set[StoredKey] = set()
        objects = self._module.objects
        training = {trace.function for trace in objects.traces if trace.may_train} if objects is not None else set()
        for frame, node in self._execution().nodes(changes_state):
            trains = self._variant is not self._module.inference or frame.outermost.body.function in training
            is_step = frame.op(node) in _STEPS
            for state in states_of(self._graph, frame, node):
                key = self._key(state)
                if key is not None and not (trains and (is_step or self._is_average(frame, node, state))):
                    assigned.add(key)
        return frozenset(assigned)

    def _is_average(self, frame: CallFrame, node: int, state: Value) -> bool:
        """Return whether a variable is assigned what was made of its own value."""
        assigned = frame.inputs(node)[1:2] if frame.op(node) in _ASSIGNMENTS else []
        made_of = closure(assigned, self._graph.sources, most=MAX_SEARCH)
        reads = (value[:2] for value in made_of if value[0].op(value[1]) in READS | VARIABLES)
        return any(state in states_of(self._graph, *place) for place in reads)


def _is_large(state: Value | None) -> bool:
    """Return whether a variable states a shape with more elements than statistics have."""
    shape = state[0].body.attribute(state[1], "shape") if state is not None else None
    return shape is not None and math.prod(max(dim.size, 0) for dim in shape.shape.dim) > MAX_ELEMENTS
