"""What a module is before it is written: its tasks, the functions that compute them, and its documentation.

The functions here validate what publishers pass as its parts.
"""

from __future__ import annotations

import inspect
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hubcheck.author.errors import AuthorError
from hubcheck.util.text import text_lines

FEATURES = "image_feature_vector"
CLASSES = "image_classification"
LABELS = "labels.txt"
_ARCHITECTURE = re.compile(r"[A-Za-z][\w.-]*")
_HIDDEN = re.compile(r"[^/]+(/[^/]+)*")


@dataclass(frozen=True, slots=True)
class Outputs:
    """Return value of a task's function that has hidden outputs besides the default one.

    Args:
        default: feature vectors or logits, float32 [batch, width].
        hidden: activations inside the network by name; "Conv_1" becomes the key "<architecture>/Conv_1".
    """

    default: Any
    hidden: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Task:
    """One common signature and the function that computes it.

    `label` is how error messages call the function. `activation` is documented, never applied.
    """

    signature: str
    function: Callable[..., Any]
    takes_features: bool
    takes_training: bool
    label: str
    classes: tuple[str, ...] = ()
    activation: str | None = None


@dataclass
class ModuleDefinition:
    """All that the writers and the documentation need to know of a module.

    `joint_function`, where there is one, computes all tasks at once: images and training to {signature: Outputs}.
    `models` are searched for variables, regularizers and lookup tables in addition to the tasks' functions. `notes` are
    sentences for MODULE.md.
    """

    architecture: str
    image_size: tuple[int, int]
    description: str = ""
    tasks: dict[str, Task] = field(default_factory=dict)
    joint_function: Callable[[Any, bool], Mapping[str, Outputs]] | None = None
    models: list[Any] = field(default_factory=list)
    regularizers: list[Callable[[], Any]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the classes; empty where there are none."""
        return self.tasks[CLASSES].classes if CLASSES in self.tasks else ()


def check_architecture(name: Any) -> str:
    """Return the architecture's name.

    Raises:
        AuthorError: it cannot be the prefix of output keys.
    """
    if not isinstance(name, str) or not _ARCHITECTURE.fullmatch(name):
        raise AuthorError(
            f"invalid architecture {name!r}: use letters, digits, '_', '.' and '-', a letter first, as in MobileNetV2; "
            "it is the prefix of the keys of hidden outputs",
            "output/key-prefix",
        )
    return name


def hidden_key(architecture: str, name: str) -> str:
    """Return the output key of a hidden activation.

    Raises:
        AuthorError: the name cannot be part of a key.
    """
    if not isinstance(name, str) or not _HIDDEN.fullmatch(name):
        raise AuthorError(
            f"invalid name of a hidden output, {name!r}: it must not be empty, nor start or end with a slash",
            "output/key-prefix",
        )
    return name if name.startswith(f"{architecture}/") else f"{architecture}/{name}"


def check_image_size(size: Any) -> tuple[int, int]:
    """Return (height, width) in pixels.

    Raises:
        AuthorError: it is not two positive whole numbers.
    """
    try:
        height, width = (int(side) for side in size)
        if height < 1 or width < 1 or (height, width) != tuple(size):
            raise ValueError
    except (TypeError, ValueError):
        raise AuthorError(
            f"image_size must be (height, width), two positive integers in pixels, not {size!r}",
            "image-input/image-size",
        ) from None
    return height, width


def read_classes(classes: str | os.PathLike[str] | Sequence[str] | None) -> tuple[str, ...]:
    """Return the class names, read from a text file with one per line if a path is given.

    Raises:
        AuthorError: the file cannot be read, there are no names, or a name is not one line of text.
    """
    if classes is None:
        return ()
    if isinstance(classes, str | os.PathLike):
        origin = str(Path(classes))
        try:
            names = text_lines(Path(classes).read_bytes().decode("utf-8"))
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
            raise AuthorError(f"cannot read class names from {origin}: {reason}", "classification/labels") from None
    else:
        names, origin = list(classes), "classes"
    if not names:
        raise AuthorError(f"{origin} contains no class names", "classification/labels")
    for index, name in enumerate(names):
        if not isinstance(name, str) or text_lines(name) != [name]:
            message = f"class {index} of {origin} must be one line of text, not {name!r}"
            raise AuthorError(message, "classification/labels")
    return tuple(names)


def required_parameters(function: Any) -> list[str]:
    """Return the names of the first parameter, of those without a default value, and `training` if it is one."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return []
    named = [one for one in parameters if one.kind not in (one.VAR_POSITIONAL, one.VAR_KEYWORD)]
    first = [one.name for one in named[:1] if one.kind is not one.KEYWORD_ONLY]
    return [one.name for one in named if one.default is one.empty or one.name in ("training", *first)]


def function_name(function: Any) -> str:
    """Return the name of a function or, for other callables, of their type."""
    return str(getattr(function, "__name__", type(function).__name__))
