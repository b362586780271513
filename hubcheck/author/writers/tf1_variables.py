"""Variables of a TF1 graph: the nodes and VariableDefs that tf.compat.v1.Variable would create.

Creating them one by one with tf.compat.v1.Variable would dominate the time of an export of hundreds of variables.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.core.framework import variable_pb2

from hubcheck.author.errors import AuthorError

_KEYS = tf.compat.v1.GraphKeys


@dataclass(frozen=True)
class Variables:
    """The variables of all graphs of a module, and a unique name for each."""

    variables: Sequence[tf.Variable]
    names: Sequence[str]

    def create(self) -> dict[int, tf.Tensor]:
        """Create them in the current, empty graph; return the handles by the id of the eager variable's handle.

        Raises:
            AuthorError: the graph cannot have both of two names.
        """
        graph_def = tf.compat.v1.GraphDef()
        graph_def.versions.producer = tf.version.GRAPH_DEF_VERSION
        for variable, name in zip(self.variables, self.names, strict=True):
            graph_def.node.extend(_nodes(variable, name))
        wanted = [f"{name}:0" for name in self.names]
        handles = tf.graph_util.import_graph_def(graph_def, return_elements=wanted, name="") if wanted else []
        for handle, name in zip(handles, self.names, strict=True):
            if handle.op.name != name:
                raise AuthorError(f"two variables or scopes of the module are named {name!r}: rename one of them")
        pairs = zip(self.variables, handles, strict=True)
        return {id(variable.handle): handle for variable, handle in pairs}

    def declare(self, meta: Any) -> None:
        """Add them to the collections of a MetaGraphDef."""
        for variable, name in zip(self.variables, self.names, strict=True):
            data = variable_pb2.VariableDef(
                variable_name=f"{name}:0",
                initializer_name=f"{name}/Assign",
                initial_value_name=f"{name}/Initializer/zeros:0",
                snapshot_name=f"{name}/Read/ReadVariableOp:0",
                is_resource=True,
                trainable=variable.trainable,
            ).SerializeToString()
            keys = [_KEYS.GLOBAL_VARIABLES, _KEYS.MODEL_VARIABLES]
            for key in [*keys, _KEYS.TRAINABLE_VARIABLES] if variable.trainable else keys:
                meta.collection_def[key].bytes_list.value.append(data)

    def save(self, folder: Path) -> None:
        """Write their values to a checkpoint, by name."""
        folder.mkdir()
        tf.raw_ops.SaveV2(
            prefix=str(folder / "variables"),
            tensor_names=list(self.names),
            shape_and_slices=[""] * len(self.names),
            tensors=[variable.read_value() for variable in self.variables],
        )


def _nodes(variable: tf.Variable, name: str) -> Iterator[Any]:
    dtype, shape = variable.dtype, variable.shape
    sizes = np.array(shape.as_list(), np.int32)
    # The initial values are never used, because loaders restore the checkpoint.
    zeros = f"{name}/Initializer/zeros"
    yield _const(f"{zeros}/shape_as_tensor", sizes, tf.int32)
    yield _const(f"{zeros}/Const", np.zeros([], dtype.as_numpy_dtype), dtype)
    yield _node(zeros, "Fill", f"{zeros}/shape_as_tensor", f"{zeros}/Const", T=dtype, index_type=tf.int32)
    handle = _node(name, "VarHandleOp", dtype=dtype)
    handle.attr["shape"].shape.CopyFrom(shape.as_proto())
    handle.attr["shared_name"].s = name.encode()
    yield handle
    yield _node(f"{name}/IsInitialized/VarIsInitializedOp", "VarIsInitializedOp", name)
    yield _node(f"{name}/Assign", "AssignVariableOp", name, zeros, dtype=dtype)
    yield _node(f"{name}/Read/ReadVariableOp", "ReadVariableOp", name, dtype=dtype)


def _node(name: str, op: str, *inputs: str, **types: tf.DType) -> Any:
    node = tf.compat.v1.NodeDef(name=name, op=op, input=inputs)
    for attribute, dtype in types.items():
        node.attr[attribute].type = dtype.as_datatype_enum
    return node


def _const(name: str, value: Any, dtype: tf.DType) -> Any:
    node = _node(name, "Const", dtype=dtype)
    node.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(value, dtype))
    return node
