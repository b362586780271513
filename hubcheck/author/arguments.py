"""What publishers pass to the builder, checked when they pass it."""

from __future__ import annotations

import inspect
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hubcheck.author.errors import AuthorError

_ARCHITECTURE = re.compile(r"[A-Za-z][\w.-]*")
_HIDDEN = re.compile(r"[^/]+(/[^/]+)*")


def architecture(given: Any) -> str:
    """The architecture's name.

    Raises:
        AuthorError: it cannot prefix keys.
    """
    if not isinstance(given, str) or not _ARCHITECTURE.fullmatch(given):
        raise AuthorError(
            f"the architecture {given!r} must be one name of letters, digits, '_', '.' and '-', as in MobileNetV2: "
            "it prefixes the keys of hidden outputs",
            "output/key-prefix",
        )
    return given


def hidden_key(architecture: str, name: str) -> str:
    """The output key of a hidden activation.

    Raises:
        AuthorError: the name cannot be part of a key.
    """
    if not isinstance(name, str) or not _HIDDEN.fullmatch(name):
        raise AuthorError(f"the hidden output {name!r} needs a name, without a slash at its ends", "output/key-prefix")
    return name if name.startswith(f"{architecture}/") else f"{architecture}/{name}"


def size(given: Any) -> tuple[int, int]:
    try:
        height, width = (int(side) for side in given)
        if height < 1 or width < 1 or (height, width) != tuple(given):
            raise ValueError
    except (TypeError, ValueError):
        raise AuthorError(
            f"image_size must be (height, width), two positive numbers of pixels; it is {given!r}",
            "image-input/image-size",
        ) from None
    return height, width


def class_names(classes: str | os.PathLike[str] | Sequence[str] | None) -> tuple[str, ...]:
    if classes is None:
        return ()
    if isinstance(classes, str | os.PathLike):
        file = Path(classes)
        try:
            names = file.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
            said = f"the class names cannot be read from {file}: {reason}"
            raise AuthorError(said, "classification/labels") from None
        origin = str(file)
    else:
        names, origin = list(classes), "classes"
    if not names:
        raise AuthorError(f"{origin} names no class", "classification/labels")
    for index, name in enumerate(names):
        if not isinstance(name, str) or not name.strip() or len(name.splitlines()) != 1:
            said = f"class {index} of {origin} must be one line of text; it is {name!r}"
            raise AuthorError(said, "classification/labels")
    return tuple(names)


def parameters(function: Any) -> list[str]:
    """The arguments that a caller must give, and `training` if it may be given."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return []
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return [
        parameter.name
        for index, parameter in enumerate(parameters)
        if parameter.name == "training"
        or (index == 0 and parameter.kind in positional)
        or (
            parameter.default is inspect.Parameter.empty
            and parameter.kind in (*positional, inspect.Parameter.KEYWORD_ONLY)
        )
    ]


def name_of(function: Any) -> str:
    return str(getattr(function, "__name__", type(function).__name__))
