"""TensorFlow's protobuf messages, without TensorFlow.

The schema has a descriptor pool of its own: in protobuf's default pool, its `tensorflow.*` names would make a later
`import tensorflow` fail with "duplicate symbol". Generated code would tie hubcheck to one protobuf release.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, text_format
from google.protobuf.message import DecodeError, Message

__all__ = ["DecodeError", "Message", "message_class", "parse", "parse_collection", "parse_text"]

_DESCRIPTORS = Path(__file__).with_name("saved_model.desc")


@cache
def _pool() -> descriptor_pool.DescriptorPool:
    pool = descriptor_pool.DescriptorPool()
    for file in descriptor_pb2.FileDescriptorSet.FromString(_DESCRIPTORS.read_bytes()).file:
        pool.AddSerializedFile(file.SerializeToString())
    return pool


@cache
def message_class(name: str) -> Any:
    """Return the class of the message `tensorflow.<name>` in hubcheck's own schema; raise KeyError if it has none."""
    return message_factory.GetMessageClass(_pool().FindMessageTypeByName(f"tensorflow.{name}"))


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
    message = message_class(name)()
    try:
        text_format.Parse(text, message, allow_unknown_field=True, descriptor_pool=_pool())
    except (text_format.ParseError, RecursionError) as error:
        raise DecodeError(str(error) or type(error).__name__) from error
    return message
