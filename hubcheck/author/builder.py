"""The builder as a publisher writes it: an ImageModule, its tasks, and what their functions return."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from hubcheck.author import arguments
from hubcheck.author.errors import AuthorError, nearest
from hubcheck.rulebook.contract import load_contracts

if TYPE_CHECKING:
    from hubcheck.author.export import Export

FEATURES = "image_feature_vector"
CLASSES = "image_classification"
FORMATS = ("tf2", "tf1-hub")

Joint = Callable[[Any, bool], Mapping[str, "Outputs"]]
Function = TypeVar("Function", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Outputs:
    """What a task's function returns when it has more to give than its default output.

    Args:
        default: the feature vectors or logits, float32 [batch, width].
        hidden: activations inside the network by name; "Conv_1" becomes the key "<architecture>/Conv_1".
    """

    default: Any
    hidden: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Task:
    """One common signature, and the function that computes it."""

    signature: str
    function: Callable[..., Any]
    takes_features: bool
    takes_training: bool
    name: str
    classes: tuple[str, ...] = ()
    activation: str | None = None


class ImageModule:
    """A module for images, built of plain functions.

    Args:
        architecture: the network's name, which prefixes the keys of hidden outputs.
        image_size: height and width in pixels that the module expects.
        description: a sentence or more about the module, for its documentation.

    Raises:
        AuthorError: an argument cannot be used.
    """

    def __init__(self, architecture: str, image_size: tuple[int, int], *, description: str = "") -> None:
        self.architecture = arguments.architecture(architecture)
        self.image_size = arguments.size(image_size)
        self.description = description
        self.notes: list[str] = []
        self.tasks: dict[str, Task] = {}
        self.sources: list[Any] = []
        self.regularizers: list[Callable[[], Any]] = []
        self.joint: Joint | None = None

    def feature_vector(self, function: Function) -> Function:
        """Decorate the function that maps images to feature vectors.

        The function takes `images`, float32 [batch, height, width, 3] in [0, 1], and, if it names it, `training`,
        a Python bool. It returns float32 [batch, num_features], or Outputs.

        Raises:
            AuthorError: it takes other arguments, or there is such a function already.
        """
        self._add(FEATURES, function)
        return function

    def classification(
        self,
        function: None = None,
        /,
        *,
        classes: str | os.PathLike[str] | Sequence[str] | None = None,
        activation: str | None = None,
    ) -> Callable[[Function], Function]:
        """Decorate the function that maps features or images to logits.

        The function takes `features`, what the feature_vector function gives, or `images`; and `training` if it
        names it. It returns float32 [batch, num_classes], or Outputs.

        Args:
            classes: the names of the classes in the order of their indices, or a text file of one per line;
                stored in the module as the asset labels.txt.
            activation: how a consumer may use the logits, such as "softmax" or "sigmoid": documented, never applied.

        Raises:
            AuthorError: the classes cannot be used, or the function takes other arguments.
        """
        if function is not None:
            raise AuthorError("write @module.classification(classes=...) with parentheses: it takes the class names")
        names = arguments.class_names(classes)

        def add(function: Function) -> Function:
            self._add(CLASSES, function, classes=names, activation=activation)
            return function

        return add

    def regularization_loss(self, function: Function) -> Function:
        """Decorate a function without arguments that returns a scalar loss, one of `regularization_losses`.

        Not needed for Keras layers: their regularizers are found.
        """
        if arguments.parameters(function):
            raise AuthorError(f"the regularization loss {arguments.name_of(function)} must take no arguments")
        self.regularizers.append(function)
        return function

    def adopt(
        self,
        joint: Joint,
        names: Mapping[str, str],
        *,
        classes: str | os.PathLike[str] | Sequence[str] | None = None,
        activation: str | None = None,
    ) -> None:
        """Let one function compute several tasks at once, as networks that are cut in several places need it.

        Args:
            joint: maps images and training to {signature: Outputs}.
            names: how error messages call what computes each signature.
        """
        if CLASSES not in names and (classes is not None or activation is not None):
            raise AuthorError("classes= and activation= are for logits: say with logits= where they are")
        self.joint = joint
        for signature, name in names.items():
            details: dict[str, Any] = {}
            if signature == CLASSES:
                details = {"classes": arguments.class_names(classes), "activation": activation}
            self.tasks[signature] = Task(signature, joint, False, True, name, **details)

    def note(self, text: str) -> None:
        """Add a sentence to the module's documentation."""
        self.notes.append(text)

    def export(
        self,
        path: str | os.PathLike[str],
        *,
        default: str | None = None,
        format: str | Sequence[str] = "tf2",
        package: bool = False,
        probe: bool = True,
        overwrite: bool = False,
        tf1_compat: bool = False,
    ) -> Export:
        """Write the module, check it by the rules, and put it at `path` only if it conforms.

        In "tf1-hub" format updates of variables (batch normalisation's) wait in the collection update_ops for a
        consumer to run them, and gradients are the plain ones: those of tf.custom_gradient are not stored.

        Args:
            path: the folder to make; it must not exist unless `overwrite`.
            default: the signature of the primary task, which a call without a signature gets; needed only with both.
            format: "tf2", a reusable SavedModel; "tf1-hub", for the original TF Hub library; or both in a tuple,
                which puts each in a folder of its name below `path`.
            package: write `<path>.tar.gz` too (with both formats `<path>-<format>.tar.gz`): the same bytes for
                the same module.
            probe: also run the module before it is put in place; else only its files are checked.
            overwrite: replace what is at `path`, at once or not at all.
            tf1_compat: in "tf1-hub" format, write no node attributes and no control flow that TensorFlow 1.15
                does not read.

        Returns:
            What was written, and the notes and warnings that came up.

        Raises:
            AuthorError: the module cannot be built, in terms of the functions given here.
            ConformanceError: it was built and a rule found a fault; nothing is left behind.
            FileExistsError: `path` exists.
        """
        from hubcheck.author.export import export

        formats = (format,) if isinstance(format, str) else tuple(format)
        for name in formats:
            if name not in FORMATS:
                raise AuthorError(f"no format is called {name!r}{nearest(str(name), FORMATS)}")
        if not formats or len(set(formats)) != len(formats):
            raise AuthorError(f"format must be one of {FORMATS}, or a tuple of both; it is {format!r}")
        return export(
            self,
            Path(path),
            default=self._default(default),
            formats=formats,
            package=package,
            probe=probe,
            overwrite=overwrite,
            tf1_compat=tf1_compat,
        )

    def _default(self, name: str | None) -> str:
        if not self.tasks:
            raise AuthorError(
                "the module has no task yet: decorate a function with @module.feature_vector or "
                "@module.classification(...)",
                "module/task-signature",
            )
        if self.tasks.get(CLASSES) and self.tasks[CLASSES].takes_features and FEATURES not in self.tasks:
            raise AuthorError(
                f"{self.tasks[CLASSES].name} takes `features`, but no function is decorated with "
                "@module.feature_vector: add one, or let it take `images`"
            )
        if name is None and len(self.tasks) == 1:
            return next(iter(self.tasks))
        if name is None:
            raise AuthorError(
                f"the module has both tasks: say which is the primary one with default={FEATURES!r} or "
                f"default={CLASSES!r}",
                "module/default-signature",
            )
        if name not in self.tasks:
            raise AuthorError(
                f"default={name!r} is no signature of this module{nearest(name, self.tasks)}",
                "module/default-signature",
            )
        return name

    def _add(self, signature: str, function: Any, **details: Any) -> None:
        if signature in self.tasks:
            raise AuthorError(f"{signature} has a function already: {self.tasks[signature].name}")
        if not callable(function):
            raise AuthorError(f"{signature} must be given a function, not {type(function).__name__}")
        names, said = arguments.parameters(function), arguments.name_of(function)
        first = ("features", "images") if signature == CLASSES else tuple(load_contracts()[signature].inputs)
        if not names or names[0] not in first:
            wanted = " or ".join(f"`{name}`" for name in first)
            found = f"`{names[0]}`" if names else "missing"
            raise AuthorError(
                f"the first argument of {said} must be called {wanted}; it is {found}", "image-input/name"
            )
        if surplus := [name for name in names[1:] if name != "training"]:
            raise AuthorError(
                f"{said} takes `{surplus[0]}` besides `{names[0]}` and `training`: give it a default value, "
                "or bind it with functools.partial",
                "image-input/sole",
            )
        self.tasks[signature] = Task(signature, function, names[0] == "features", "training" in names, said, **details)
