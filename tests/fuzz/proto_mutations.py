"""Changes to a message that leave it a message: drop, duplicate, retarget, rename, retype, add.

Bytes changed at random seldom survive parsing; these reach what stands behind it.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

from google.protobuf.descriptor import FieldDescriptor as Field

from tests.fuzz import byte_mutations

NUMBERS = (0, 1, -1, 2, 3, 7, 20, 21, 99, 101, 107, 127, 128, 1 << 20, 2**31 - 1, -(2**31), 2**63 - 1, -(2**63))
FLOATS = (0.0, -0.0, 1.0, float("nan"), float("inf"), 1e308, 5e-324)
OPS = """
    Identity IdentityN Const Placeholder PlaceholderWithDefault PartitionedCall StatefulPartitionedCall If StatelessIf
    While StatelessWhile Case Switch Merge Enter Exit NextIteration LoopCond Mul AddV2 Sub Maximum SelectV2 RealDiv
    Mean Sum Max Reshape Transpose Squeeze ExpandDims ConcatV2 Split Pack Unpack StridedSlice GatherV2 Pad Tile Reverse
    ScatterNd BroadcastTo Einsum RandomUniform StatelessRandomUniformV2 GreaterEqual Cast Floor Shape Softmax MatMul
    Conv2D FusedBatchNormV3 BiasAdd VarHandleOp VariableV2 ReadVariableOp AssignVariableOp SaveV2 RestoreV2 WriteFile
    ReadFile StringJoin ShardedFilename MapDataset SymbolicGradient PyFunc PrintV2 NoOp Timestamp Multinomial FancyOp
""".split()  # noqa: SIM905
TEXTS = ("", ":", ":0", "^", "^a", "a:b:c", "..", "../x", "/etc/passwd", "\0", "x" * 300, "é", "images", "default",
         "training", "__call__", "variables", "0", "__saved_model_init_op", "serve", "/device:GPU:0")  # fmt: skip
_ATTRIBUTES = ("T", "N", "value", "shape", "dtype", "dtypes", "f", "body", "cond", "then_branch", "else_branch",
               "axis", "branches", "_output_shapes", "squeeze_dims", "keep_dims", "equation", "Tout")  # fmt: skip


class Mutator:
    """Changes messages of one kind.

    Args:
        rng: what decides; the same seed gives the same changes.
        message: an example, whose names are what others are renamed to.
    """

    def __init__(self, rng: random.Random, message: Any) -> None:
        self._rng = rng
        self._names = sorted(_names(message))

    def mutate(self, message: Any) -> None:
        """Make one to four changes in place."""
        for _ in range(self._rng.choice((1, 1, 2, 4))):
            if self._rng.random() < 0.4 and message.DESCRIPTOR.name == "SavedModel" and message.meta_graphs:
                self._change_graph(self._rng.choice(message.meta_graphs))
            else:
                self._change(self._descend(message))

    def _descend(self, message: Any) -> Any:
        """Return a random message inside; nested ones are as likely as others."""
        for _ in range(12):
            inner = [value for field, value in message.ListFields() if field.message_type is not None]
            if not inner or self._rng.random() < 0.12:
                break
            chosen = self._pick(self._rng.choice(inner))
            if chosen is None:
                break
            message = chosen
        return message

    def _pick(self, value: Any) -> Any | None:
        """A message of a field's value."""
        if hasattr(value, "DESCRIPTOR"):
            return value
        items = [value[key] for key in sorted(value)] if hasattr(value, "keys") else value
        found = self._rng.choice(items) if len(items) else None
        return found if hasattr(found, "DESCRIPTOR") else None

    def _change(self, message: Any) -> None:
        fields = message.ListFields()
        if not fields or self._rng.random() < 0.1:
            field = self._rng.choice(message.DESCRIPTOR.fields or [None])
        else:
            field, _ = self._rng.choice(fields)
        if field is None:
            return
        value = getattr(message, field.name)
        if self._rng.random() < 0.1:
            message.ClearField(field.name)
        elif hasattr(value, "keys"):
            self._change_map(field, value)
        elif hasattr(value, "append") or hasattr(value, "add"):
            self._change_list(field, value)
        elif field.message_type is not None:
            value.SetInParent()
            self._change(value)
        else:
            setattr(message, field.name, self._scalar(field, value))

    def _change_map(self, field: Any, values: Any) -> None:
        keys = sorted(values.keys(), key=str)
        if not keys or not isinstance(keys[0], str):
            return
        key, other = self._rng.choice(keys), self._text("")
        kind = field.message_type.fields_by_name["value"]
        if kind.message_type is None:
            values[self._rng.choice((key, other))] = self._scalar(kind, values[key])
        elif self._rng.random() < 0.5:
            values[other].CopyFrom(values[key])
        if self._rng.random() < 0.5:
            del values[key]

    def _change_list(self, field: Any, values: Any) -> None:
        if field.message_type is not None:
            if not len(values) or self._rng.random() < 0.05:
                values.add()
                return
            at = self._rng.randrange(len(values))
            match self._rng.randrange(4):
                case 0:
                    del values[at]
                case 1:
                    values.add().CopyFrom(values[at])
                case 2:
                    values[at].CopyFrom(values[self._rng.randrange(len(values))])
                case _:
                    self._change(values[at])
            return
        if not len(values) or self._rng.random() < 0.2:
            values.append(self._scalar(field, values[0] if len(values) else None))
            return
        at = self._rng.randrange(len(values))
        if self._rng.random() < 0.3:
            del values[at]
        else:
            values[at] = self._scalar(field, values[at])

    def _scalar(self, field: Any, value: Any) -> Any:
        if field.type == Field.TYPE_STRING:
            return self._text(value or "")
        if field.type == Field.TYPE_BYTES:
            other = self._rng.choice((b"", b"\0", b"x" * 300, b"bc,bc->bc"))
            return byte_mutations.mutated(self._rng, value or b"") if self._rng.random() < 0.6 else other
        if field.type == Field.TYPE_BOOL:
            return not value
        if field.type in (Field.TYPE_FLOAT, Field.TYPE_DOUBLE):
            found = self._rng.choice(FLOATS)
            return 3e38 if field.type == Field.TYPE_FLOAT and found == 1e308 else found
        if field.type == Field.TYPE_ENUM:
            return self._rng.choice((0, 1, 3, 7, 9, 10, 20, 21, 101, 120, 4242))
        value = value or 0
        return _fitting(field, self._rng.choice((*NUMBERS, value + 1, value - 1, self._rng.randrange(64))))

    def _text(self, text: str) -> str:
        match self._rng.randrange(5):
            case 0:
                return self._rng.choice(TEXTS)
            case 1 if text:
                return f"{text.partition(':')[0]}:{self._rng.choice((0, 1, 5, 2**40))}"
            case 2:
                return self._rng.choice(OPS)
            case _:
                return self._rng.choice(self._names or TEXTS)

    def _change_graph(self, meta: Any) -> None:
        """Make a change that random choices make too rarely: another op, edge or function."""
        functions = meta.graph_def.library.function
        bodies = [meta.graph_def.node, *(function.node_def for function in functions)]
        nodes: Sequence[Any] = self._rng.choice([body for body in bodies if len(body)] or [[]])
        if not nodes:
            return
        node, other = self._rng.choice(nodes), self._rng.choice(nodes)
        match self._rng.randrange(7):
            case 0:
                node.op = self._rng.choice((other.op, self._rng.choice(OPS)))
            case 1 if len(node.input):
                node.input[self._rng.randrange(len(node.input))] = other.name
            case 2:
                node.input.append(self._rng.choice((other.name, f"^{other.name}", f"{other.name}:1", node.name)))
            case 3:
                node.name = other.name
            case 4 if len(functions):
                node.op = self._rng.choice(("PartitionedCall", "StatefulPartitionedCall", "While", "If", "Case"))
                for name in ("f", "body", "cond", "then_branch", "else_branch"):
                    node.attr[name].func.name = self._rng.choice(functions).signature.name
            case 5:
                node.attr[self._rng.choice(_ATTRIBUTES)].CopyFrom(
                    other.attr[self._rng.choice(sorted(other.attr) or ["T"])]
                )
            case _:
                node.CopyFrom(other)


def _fitting(field: Any, number: int) -> int:
    bits = 32 if field.type in (Field.TYPE_INT32, Field.TYPE_UINT32, Field.TYPE_FIXED32, Field.TYPE_SFIXED32) else 64
    signed = field.cpp_type in (Field.CPPTYPE_INT32, Field.CPPTYPE_INT64)
    low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)
    return min(max(number, low), high)


def _names(message: Any) -> set[str]:
    found: set[str] = set()
    for meta in getattr(message, "meta_graphs", ()):
        found.update(node.name for node in meta.graph_def.node)
        found.update(meta.signature_def)
        for function in meta.graph_def.library.function:
            found.add(function.signature.name)
            found.update(node.name for node in function.node_def)
        for node in meta.object_graph_def.nodes:
            found.update(child.local_name for child in node.children)
    return found
