"""ImageModule: describe a module by decorated functions, and export it."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from hubcheck.author.definition import (
    CLASSES,
    FEATURES,
    ModuleDefinition,
    Task,
    check_architecture,
    check_image_size,
    function_name,
    read_classes,
    required_parameters,
)
from hubcheck.author.errors import AuthorError, suggestion
from hubcheck.author.export import FORMATS, ExportResult, export_module
from hubcheck.rulebook.contract import load_contracts
from hubcheck.util.text import listed

Function = TypeVar("Function", bound=Callable[..., Any])


class ImageModule(ModuleDefinition):
    """An image module built from plain functions.

    Args:
        architecture: the network's name, the prefix of the keys of hidden outputs.
        image_size: height and width in pixels that the module expects.
        description: one or more sentences about the module for its documentation.

    Raises:
        AuthorError: an argument is not usable.
    """

    def __init__(self, architecture: str, image_size: tuple[int, int], *, description: str = "") -> None:
        super().__init__(check_architecture(architecture), check_image_size(image_size), description)

    def __repr__(self) -> str:
        height, width = self.image_size
        return f"<ImageModule {self.architecture} {height}x{width}: {', '.join(self.tasks) or 'no tasks'}>"

    def _repr_html_(self) -> str:
        from hubcheck.report.notebook import table

        height, width = self.image_size
        tasks = ((task.signature, _task_lines(task)) for task in self.tasks.values())
        rows = (("images", f"{height} × {width} pixels, RGB in [0, 1]"), *tasks, ("notes", self.notes))
        return table(f"ImageModule {self.architecture}", [("about", self.description or ()), *rows])

    def feature_vector(self, function: Function) -> Function:
        """Decorate the function that maps images to feature vectors.

        The function takes `images`, float32 [batch, height, width, 3] in [0, 1], and optionally `training`, a
        Python bool. It returns float32 [batch, num_features], or Outputs.

        Raises:
            AuthorError: the function has other arguments, or the module has such a function already.
        """
        self._add_task(FEATURES, function)
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

        The function takes `features`, the default output of the feature_vector function, or `images`, and
        optionally `training`. It returns float32 [batch, num_classes], or Outputs.

        Args:
            classes: the names of the classes in the order of their indices, or a text file with one per line;
                stored in the module as the asset labels.txt.
            activation: how consumers may use the logits, such as "softmax" or "sigmoid": documented, never applied.

        Raises:
            AuthorError: the classes are not usable, or the function has other arguments.
        """
        if function is not None:
            raise AuthorError("use @module.classification(classes=...) with parentheses: it takes the class names")
        names = read_classes(classes)

        def add(function: Function) -> Function:
            self._add_task(CLASSES, function, classes=names, activation=activation)
            return function

        return add

    def regularization_loss(self, function: Function) -> Function:
        """Decorate a function without arguments that returns a scalar, one of `regularization_losses`.

        Not needed for Keras layers: their regularizers are found.
        """
        if required_parameters(function):
            raise AuthorError(f"the regularization loss {function_name(function)} must take no arguments")
        self.regularizers.append(function)
        return function

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
    ) -> ExportResult:
        """Write the module, check it, and put it at `path` only if it conforms.

        In "tf1-hub" format, updates of variables (batch normalization) are in the collection update_ops for
        consumers to run, and gradients of tf.custom_gradient are not stored: the plain ones are used, with a warning
        that names the variables which no gradient reaches.

        Args:
            path: the folder to create; it must not exist unless `overwrite`.
            default: the signature of the primary task, used by calls that name none; required with two tasks.
            format: "tf2", a reusable SavedModel; "tf1-hub", for the original TF Hub library; or a tuple of both,
                which writes each to a folder of its name below `path`.
            package: also write `<path>.tar.gz` (with both formats `<path>-<format>.tar.gz`); its bytes
                depend on the module alone.
            probe: run the module before it is put in place; otherwise only its files are checked.
            overwrite: replace what is at `path`, atomically.
            tf1_compat: in "tf1-hub" format, write no node attributes and no control flow that TensorFlow 1.15
                cannot read.

        Returns:
            What was written, and the notes and warnings about it.

        Raises:
            AuthorError: the module cannot be built; the message is about the functions and arguments given here.
            ConformanceError: the module was built and fails a rule; nothing is left behind.
            FileExistsError: `path` exists.
        """
        formats = (format,) if isinstance(format, str) else tuple(format)
        for name in formats:
            if name not in FORMATS:
                raise AuthorError(f"unknown format {name!r}{suggestion(str(name), FORMATS)}")
        if not formats or len(set(formats)) != len(formats):
            raise AuthorError(f"format must be one of {FORMATS}, or a tuple of both, not {format!r}")
        return export_module(
            self,
            Path(path),
            default=self._default_signature(default),
            formats=formats,
            package=package,
            probe=probe,
            overwrite=overwrite,
            tf1_compat=tf1_compat,
        )

    def _default_signature(self, name: str | None) -> str:
        if not self.tasks:
            raise AuthorError(
                "the module has no task: decorate a function with @module.feature_vector or "
                "@module.classification(...)",
                "module/task-signature",
            )
        if CLASSES in self.tasks and self.tasks[CLASSES].takes_features and FEATURES not in self.tasks:
            raise AuthorError(
                f"{self.tasks[CLASSES].label} takes `features`, but no function is decorated with "
                "@module.feature_vector: add one, or take `images`"
            )
        if name is None and len(self.tasks) == 1:
            return next(iter(self.tasks))
        if name is None:
            raise AuthorError(
                f"the module has two tasks: choose the primary one with default={FEATURES!r} or default={CLASSES!r}",
                "module/default-signature",
            )
        if name not in self.tasks:
            raise AuthorError(
                f"the module has no signature {name!r} to be the default{suggestion(name, self.tasks)}",
                "module/default-signature",
            )
        return name

    def _add_task(self, signature: str, function: Any, **details: Any) -> None:
        if signature in self.tasks:
            raise AuthorError(f"the module already has a function for {signature}: {self.tasks[signature].label}")
        if not callable(function):
            raise AuthorError(f"{signature} must be computed by a function, not {type(function).__name__}")
        names, label = required_parameters(function), function_name(function)
        accepted = ("features", "images") if signature == CLASSES else tuple(load_contracts()[signature].inputs)
        if not names or names[0] not in accepted:
            wanted = " or ".join(f"`{name}`" for name in accepted)
            actual = f"is `{names[0]}`" if names else "is missing"
            raise AuthorError(f"the first argument of {label} must be named {wanted}, but {actual}", "image-input/name")
        if others := [name for name in names[1:] if name != "training"]:
            raise AuthorError(
                f"{label} takes `{others[0]}` besides `{names[0]}` and `training`: give it a default value, "
                "or bind it with functools.partial",
                "image-input/sole",
            )
        self.tasks[signature] = Task(signature, function, names[0] == "features", "training" in names, label, **details)


def _task_lines(task: Task) -> list[str]:
    """Return what a task is computed by and from, and what is known of its classes."""
    training = ", training" if task.takes_training else ""
    lines = [f"{task.label}({'features' if task.takes_features else 'images'}{training})"]
    lines += [f"{len(task.classes)} classes: {listed(task.classes)}"] if task.classes else []
    return lines + ([f"activation: {task.activation}"] if task.activation else [])
