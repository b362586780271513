"""Names of TensorFlow's dtypes by their number in `types.proto`."""

from __future__ import annotations

from typing import Final

_NAMES: Final = (
    *("unspecified", "float32", "float64", "int32", "uint8", "int16", "int8", "string", "complex64", "int64", "bool"),
    *("qint8", "quint8", "qint32", "bfloat16", "qint16", "quint16", "uint16", "complex128", "float16", "resource"),
    *("variant", "uint32", "uint64", "float8_e5m2", "float8_e4m3fn", "float8_e4m3fnuz"),
    *("float8_e4m3b11fnuz", "float8_e5m2fnuz", "int4", "uint4", "int2", "uint2", "float4_e2m1fn"),
)
NUMBERS: Final = {name: number for number, name in enumerate(_NAMES)}
DTYPES: Final = frozenset(_NAMES[1:])
"""Every dtype that a tensor can have."""


def dtype_name(number: int) -> str:
    """Return the name of a `DataType` number: "float32", also of a reference to it, or "dtype 99" for an unknown one.

    Numbers above 100 are the types of TF1 variables, which hold references to tensors: callers read plain tensors.
    """
    base = number - 100 if number > 100 else number
    return _NAMES[base] if 0 <= base < len(_NAMES) else f"dtype {number}"
