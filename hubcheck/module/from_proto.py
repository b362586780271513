"""Converting protobuf messages to facts: of a MetaGraph, and what TF1 Hub modules attach to one by key."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from hubcheck.module.dtypes import dtype_name
from hubcheck.module.proto import DecodeError, parse, parse_collection
from hubcheck.module.tensors import Shape, Tensor
from hubcheck.module.types import Problem, Signature

UNKNOWN_RANK = Shape(None)
_INIT_OP = "__saved_model_init_op"
"""A pseudo-signature in which TF2 exporters store the init op; consumers do not call it."""
ATTACHMENTS = "hub_module_attachments"
IMAGE_MODULE_INFO = "image_module_info"


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
        if key != _INIT_OP
    }


def init_op(proto: Any) -> str | None:
    """Return what the init-op pseudo-signature of a MetaGraphDef names."""
    outputs = proto.signature_def[_INIT_OP].outputs if _INIT_OP in proto.signature_def else {}
    return str(outputs[_INIT_OP].name) if _INIT_OP in outputs else None


def structured(value: Any, path: str = "") -> Iterator[tuple[str, Tensor | bool | int | float | str | None]]:
    """Yield the leaves of a StructuredValue with their paths: "" for a lone leaf, "a/0" inside structures."""
    kind = value.WhichOneof("kind")
    below: Iterable[tuple[str, Any]] = ()
    match kind:
        case "tensor_spec_value" | "bounded_tensor_spec_value":
            spec = getattr(value, kind)
            yield path, Tensor(dtype_name(spec.dtype), shape(spec.shape))
        case "type_spec_value":
            yield path, _composite(value.type_spec_value)
        case "list_value" | "tuple_value":
            below = ((str(i), item) for i, item in enumerate(getattr(value, kind).values))
        case "dict_value":
            below = sorted(value.dict_value.fields.items())
        case "named_tuple_value":
            below = ((pair.key, pair.value) for pair in value.named_tuple_value.values)
        case "bool_value" | "int64_value" | "float64_value" | "string_value":
            yield path, getattr(value, kind)
        case _:
            yield path, None
    for name, item in below:
        yield from structured(item, f"{path}/{name}" if path else name)


def _composite(spec: Any) -> Tensor:
    dtype, static = "unspecified", UNKNOWN_RANK
    state = spec.type_state.WhichOneof("kind")
    for item in getattr(spec.type_state, state).values if state in ("tuple_value", "list_value") else ():
        if item.WhichOneof("kind") == "tensor_dtype_value":
            dtype = dtype_name(item.tensor_dtype_value)
        elif item.WhichOneof("kind") == "tensor_shape_value":
            static = shape(item.tensor_shape_value)
    sparse = "SparseTensorSpec" in spec.type_spec_class_name or spec.type_spec_class == 1
    return Tensor(dtype, static, "sparse" if sparse else "composite")


def read_attachments(meta: Any, variant: str, problems: list[Problem]) -> dict[str, bytes]:
    """Return the attached messages, serialized, by their keys."""
    attached = {}
    for attachment in parse_collection(meta.collection_def, ATTACHMENTS, "ModuleAttachment"):
        if attachment is None:
            message = f"an entry of collection {ATTACHMENTS} is not a ModuleAttachment"
            fix = "Attach messages with the library that writes the module; do not edit the collection."
            problems.append(Problem(message, fix, variant))
        else:
            attached[attachment.key] = attachment.value
    return attached


def image_size(attachments: dict[str, bytes], variant: str, problems: list[Problem]) -> tuple[int, int] | None:
    """Return the height and width in the attached ImageModuleInfo, or None."""
    if IMAGE_MODULE_INFO not in attachments:
        return None
    try:
        size = parse("ImageModuleInfo", attachments[IMAGE_MODULE_INFO]).default_image_size
    except DecodeError:
        fix = "Attach an ImageModuleInfo message with the module's height and width."
        problems.append(Problem(f"attachment {IMAGE_MODULE_INFO} is not an ImageModuleInfo", fix, variant))
        return None
    return (size.height, size.width)
