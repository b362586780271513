"""TensorFlow's protobuf messages, without TensorFlow.

The schema has a descriptor pool of its own: in protobuf's default pool, its `tensorflow.*` names would make a later
`import tensorflow` fail with "duplicate symbol". Generated code would tie hubcheck to one protobuf release.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from google.protobuf.internal import api_implementation
from google.protobuf.message import DecodeError, Message

__all__ = ["DecodeError", "Message", "message_class", "parse", "parse_collection", "parse_text"]

_DESCRIPTORS = Path(__file__).with_name("saved_model.desc")


# protobuf's own factory imports thirty modules for the implementation in Python, which is seldom the one in use.
_upb: Any = api_implementation.__dict__["_c_module"] if api_implementation.Type() == "upb" else None


@cache
def _pool() -> Any:
    if _upb is not None:
        pool = _upb.DescriptorPool()
    else:
        from google.protobuf.descriptor_pool import DescriptorPool

        pool = DescriptorPool()
    for file in _files(_DESCRIPTORS.read_bytes()):
        pool.AddSerializedFile(file)
    return pool


def _files(data: bytes) -> Iterator[bytes]:
    """Yield the files of a FileDescriptorSet: for each a tag of one byte, its length, and its bytes."""
    position = 0
    while position < len(data):
        length = shift = 0
        while True:
            position += 1
            length |= (data[position] & 0x7F) << shift
            shift += 7
            if data[position] < 0x80:
                break
        yield data[position + 1 : position + 1 + length]
        position += 1 + length


@cache
def message_class(name: str) -> Any:
    """Return the class of the message `tensorflow.<name>` in hubcheck's own schema; raise KeyError if it has none."""
    descriptor = _pool().FindMessageTypeByName(f"tensorflow.{name}")
    if _upb is not None:
        return _upb.MessageMeta(name, (Message,), {"DESCRIPTOR": descriptor, "__module__": None})
    from google.protobuf.message_factory import GetMessageClass

    return GetMessageClass(descriptor)


def parse(name: str, data: bytes) -> Any:
    """Parse wire bytes as message `tensorflow.<name>`; raise DecodeError if they are no such message."""
    return message_class(name).FromString(data)


def parse_collection(collections: Mapping[str, Any], key: str, name: str) -> Iterator[Any | None]:
    """Yield the entries of a collection of messages `tensorflow.<name>`; None for one that is no such message."""
    for data in collections[key].bytes_list.value if key in collections else ():
        try:
            yield parse(name, data)
        except DecodeError:
            yield None


def parse_text(name: str, text: str) -> Any:
    """Parse protobuf text as message `tensorflow.<name>`, skipping fields that hubcheck does not read.

    Raises:
        DecodeError: the text is not such a message; the error has the line and column.
    """
    from google.protobuf import text_format

    message = message_class(name)()
    try:
        text_format.Parse(text, message, allow_unknown_field=True, descriptor_pool=_pool())
    except (text_format.ParseError, RecursionError) as error:
        raise DecodeError(str(error) or type(error).__name__) from error
    return message
