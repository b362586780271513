"""Converting protobuf messages to facts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from hubcheck.module.dtypes import dtype_name
from hubcheck.module.types import INIT_OP_SIGNATURE, Shape, Signature, Tensor

UNKNOWN_RANK = Shape(None)


def shape(proto: Any) -> Shape:
    """Convert a TensorShapeProto; a negative size is an unknown one."""
    if proto.unknown_rank:
        return UNKNOWN_RANK
    return Shape(tuple(dim.size if dim.size >= 0 else None for dim in proto.dim))


def tensor(info: Any) -> Tensor:
    """Convert a TensorInfo."""
    encoding = info.WhichOneof("encoding")
    static = shape(info.tensor_shape) if info.HasField("tensor_shape") else UNKNOWN_RANK
    dtype = dtype_name(info.dtype)
    if encoding == "coo_sparse":
        sparse = info.coo_sparse
        triple = (sparse.values_tensor_name, sparse.indices_tensor_name, sparse.dense_shape_tensor_name)
        return Tensor(dtype, static, "sparse", triple)
    if encoding == "composite_tensor":
        parts = tuple(name for part in info.composite_tensor.components for name in tensor(part).components)
        spec = _composite(info.composite_tensor.type_spec)
        named = dtype if info.dtype else spec.dtype
        return Tensor(named, static if info.HasField("tensor_shape") else spec.shape, "composite", parts)
    return Tensor(dtype, static, "dense", (info.name,))


def signatures(proto: Any) -> dict[str, Signature]:
    """Return the signatures of a MetaGraphDef, sorted by key."""
    return {
        key: Signature(
            key=key,
            method_name=definition.method_name,
            inputs={name: tensor(info) for name, info in sorted(definition.inputs.items())},
            outputs={name: tensor(info) for name, info in sorted(definition.outputs.items())},
            defaults=frozenset(definition.defaults),
        )
        for key, definition in sorted(proto.signature_def.items())
        if key != INIT_OP_SIGNATURE
    }


def init_op(proto: Any) -> str | None:
    """Return what the init-op pseudo-signature of a MetaGraphDef names."""
    if INIT_OP_SIGNATURE not in proto.signature_def:
        return None
    outputs = proto.signature_def[INIT_OP_SIGNATURE].outputs
    return str(outputs[INIT_OP_SIGNATURE].name) if INIT_OP_SIGNATURE in outputs else None


def structured(value: Any, path: str = "") -> Iterator[tuple[str, Tensor | bool | int | float | str | None]]:
    """Yield the leaves of a StructuredValue with their paths: "" for a lone leaf, "a/0" inside structures."""
    kind = value.WhichOneof("kind")
    match kind:
        case "tensor_spec_value" | "bounded_tensor_spec_value":
            spec = getattr(value, kind)
            yield path, Tensor(dtype_name(spec.dtype), shape(spec.shape))
        case "type_spec_value":
            yield path, _composite(value.type_spec_value)
        case "list_value" | "tuple_value":
            for i, item in enumerate(getattr(value, kind).values):
                yield from structured(item, _join(path, str(i)))
        case "dict_value":
            for key, item in sorted(value.dict_value.fields.items()):
                yield from structured(item, _join(path, key))
        case "named_tuple_value":
            for pair in value.named_tuple_value.values:
                yield from structured(pair.value, _join(path, pair.key))
        case "bool_value" | "int64_value" | "float64_value" | "string_value":
            yield path, getattr(value, kind)
        case _:
            yield path, None


def _join(path: str, name: str) -> str:
    return f"{path}/{name}" if path else name


def _composite(spec: Any) -> Tensor:
    dtype, static = "unspecified", UNKNOWN_RANK
    for item in _type_state(spec.type_state):
        if item.WhichOneof("kind") == "tensor_dtype_value":
            dtype = dtype_name(item.tensor_dtype_value)
        elif item.WhichOneof("kind") == "tensor_shape_value":
            static = shape(item.tensor_shape_value)
    sparse = "SparseTensorSpec" in spec.type_spec_class_name or spec.type_spec_class == 1
    return Tensor(dtype, static, "sparse" if sparse else "composite")


def _type_state(state: Any) -> list[Any]:
    kind = state.WhichOneof("kind")
    return list(getattr(state, kind).values) if kind in ("tuple_value", "list_value") else []
