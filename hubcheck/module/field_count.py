"""Counting the fields of a protobuf message before it is parsed.

A parsed message takes up to 45 times the memory of its bytes, so a file of a gigabyte of tiny fields would use up all
memory.
"""

from __future__ import annotations

from functools import cache, lru_cache
from typing import Any

from hubcheck.module.limits import LimitExceeded, ReadLimits
from hubcheck.module.proto import message_class, parse

_VARINT, _LENGTH = 0, 2
_FIXED = {1: 8, 5: 4, 3: 0, 4: 0}
"""Bytes of the values of the other wire types. Groups (3 and 4) have none; their fields follow."""
_UNCOUNTED_BYTES = 8 << 20
"""Messages up to this size are parsed without counting."""
_FIELD_BYTES = 2
"""The least size of a field: its tag, and a value or a length."""
_SMALL_BYTES = 64


def more_fields(name: str, data: bytes, count: int) -> bool:
    """Return whether the bytes, as message `tensorflow.<name>`, have more than `count` fields at all depths.

    A string, or packed numbers, are one field of any size. Bytes that are not such a message are counted as far as they
    can be read; the parser will report what is wrong with them.
    """
    return _fields(data, message_class(name).DESCRIPTOR, count) > count


def _fields(data: bytes, descriptor: Any, most: int) -> int:
    """Return the number of fields at all depths; if there are more than `most`, any larger number than that."""
    count = 0
    waiting = [(0, len(data), descriptor)]
    while waiting:
        position, end, descriptor = waiting.pop()
        inner = _messages(descriptor)
        while position < end:
            count += 1
            if count > most:
                return count
            tag = data[position]
            position += 1
            if tag > 0x7F:
                tag, position = _varint(data, position, tag & 0x7F)
            kind = tag & 7
            if kind == _LENGTH:
                if position >= end:
                    break
                size = data[position]
                position += 1
                if size > 0x7F:
                    size, position = _varint(data, position, size & 0x7F)
                below = inner.get(tag >> 3)
                if below is not None and 0 < size <= _SMALL_BYTES:
                    count += _fields_of_small(data[position : min(position + size, end)], below)
                elif below is not None and size:
                    waiting.append((position, min(position + size, end), below))
                position += size
            elif kind == _VARINT:
                while position < end and data[position] > 0x7F:
                    position += 1
                position += 1
            elif kind in _FIXED:
                position += _FIXED[kind]
            else:
                break  # not a wire type: the parser stops here, too
    return count


@lru_cache(maxsize=1 << 16)
def _fields_of_small(data: bytes, descriptor: Any) -> int:
    """Return the number of fields of a small message: those of a graph's nodes are mostly the same few attributes."""
    return _fields(data, descriptor, len(data))


def parse_within(name: str, data: bytes, limits: ReadLimits) -> Any:
    """Parse wire bytes as message `tensorflow.<name>`.

    Raises:
        LimitExceeded: it has too many fields.
        DecodeError: the bytes are not such a message.
    """
    limit = limits.limit("proto_fields")
    if len(data) > max(_UNCOUNTED_BYTES, _FIELD_BYTES * limit.value) and more_fields(name, data, limit.value):
        raise LimitExceeded(limit, f"fields are in the {name}")
    return parse(name, data)


@cache
def _messages(descriptor: Any) -> dict[int, Any]:
    """Return the types of the fields that are messages themselves, by field number."""
    return {field.number: field.message_type for field in descriptor.fields if field.message_type is not None}


def _varint(data: bytes, position: int, result: int) -> tuple[int, int]:
    shift = 7
    while position < len(data) and shift < 70:
        byte = data[position]
        position += 1
        result |= (byte & 0x7F) << shift
        if byte < 0x80:
            break
        shift += 7
    return result, position
