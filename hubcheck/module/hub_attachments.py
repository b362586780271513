"""What TF1 Hub modules attach to a variant: messages by key, the image size among them."""

from __future__ import annotations

from typing import Any

from hubcheck.module.proto import DecodeError, parse
from hubcheck.module.types import Problem

ATTACHMENTS = "hub_module_attachments"
IMAGE_MODULE_INFO = "image_module_info"


def read_attachments(meta: Any, variant: str, problems: list[Problem]) -> dict[str, bytes]:
    """Return the attached messages, serialized, by their keys."""
    attached = {}
    if ATTACHMENTS in meta.collection_def:
        for data in meta.collection_def[ATTACHMENTS].bytes_list.value:
            try:
                attachment = parse("ModuleAttachment", data)
            except DecodeError:
                message = f"an entry of collection {ATTACHMENTS} is not a ModuleAttachment"
                fix = "Attach messages with the library that writes the module; do not edit the collection."
                problems.append(Problem(message, fix, variant))
                continue
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
