"""hub.Module: a loaded module that can be called, and what its images must look like."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterable
from typing import Any

from hubcheck.hub.spec import ModuleSpec, TensorInfo, load_module_spec
from hubcheck.module.tensors import Shape
from hubcheck.util.errors import without_tensorflow

_HEIGHT, _WIDTH, _CHANNELS = 1, 2, 3


class Module:
    """A loaded module. It can be called in eager mode and inside tf.function.

    Args:
        spec: a ModuleSpec, or the path of a module.
        trainable: whether there are `trainable_variables` and `regularization_losses`, and whether a call of a
            training graph also runs its updates (of batch normalization), which the original library left to the
            consumer (collection UPDATE_OPS).
        name: for the consumer's own use.
        tags: the graph variant, such as {"train"}; inference if left out. For a TF2 module {"train"} is the
            callable with training=True.

    Raises:
        UnknownVariant: the module has no graph with these tags.
        ValueError: there is no readable module at the path.
        ModuleNotFoundError: TensorFlow is not installed.
    """

    def __init__(
        self,
        spec: ModuleSpec | str | os.PathLike[str],
        trainable: bool = False,
        name: str = "module",
        tags: Iterable[str] | None = None,
    ) -> None:
        if isinstance(spec, str | os.PathLike):
            spec = load_module_spec(spec)
        if not isinstance(spec, ModuleSpec):
            raise ValueError(f"Unknown module spec type: {type(spec).__name__}; give a path or a ModuleSpec")
        self.spec = spec
        self.trainable = trainable
        self.name = name
        self.tags = frozenset((tags,) if isinstance(tags, str) else tags or ())
        variant = spec.variant(self.tags)
        if importlib.util.find_spec("tensorflow") is None:
            raise ModuleNotFoundError(without_tensorflow("hub.Module"), name="tensorflow")
        from hubcheck.hub.backends import call, load  # imports TensorFlow, which a spec does without

        self._backend = load(spec, variant, self.tags, trainable=trainable)
        self._call = call

    def __call__(self, inputs: Any = None, *, signature: str | None = None, as_dict: bool | None = None) -> Any:
        """Apply a signature.

        Args:
            inputs: a dict of tensors by input name, or the one tensor of a signature with one input.
            signature: its name; the default signature if left out.
            as_dict: return all outputs by name, not only the one called `default`.

        Raises:
            ValueError: there is no such signature.
            TypeError: inputs are missing, surplus or of another type, or there is no output called `default`.
        """
        return self._call(self.spec, self._backend, self.tags, inputs, signature, as_dict)

    def get_signature_names(self) -> list[str]:
        """Return the names of the signatures."""
        return self.spec.get_signature_names(self.tags)

    def get_input_info_dict(self, signature: str | None = None) -> dict[str, TensorInfo]:
        """Return the inputs of a signature."""
        return self.spec.get_input_info_dict(signature, self.tags)

    def get_output_info_dict(self, signature: str | None = None) -> dict[str, TensorInfo]:
        """Return the outputs of a signature."""
        return self.spec.get_output_info_dict(signature, self.tags)

    def get_attached_message(self, key: str, message_type: Any, required: bool = False) -> Any:
        """Return a protocol message that the publisher attached, or None."""
        return self.spec.get_attached_message(key, message_type, self.tags, required)

    @property
    def variables(self) -> list[Any]:
        """All variables of the module."""
        return list(self._backend.variables)

    @property
    def variable_map(self) -> dict[str, Any]:
        """The variables by their names in the module."""
        return {variable.name.partition(":")[0]: variable for variable in self.variables}

    @property
    def trainable_variables(self) -> list[Any]:
        """The variables to train; none unless the module was loaded with trainable=True."""
        return list(self._backend.trainable_variables) if self.trainable else []

    @property
    def regularization_losses(self) -> list[Any]:
        """Scalars to add to the loss, computed now; none unless the module was loaded with trainable=True."""
        return [loss() for loss in self._backend.regularization_losses] if self.trainable else []

    def __repr__(self) -> str:
        return f"<hub.Module {self.name!r} of {self.spec.path}>"


def get_expected_image_size(
    module_or_spec: Module | ModuleSpec, signature: str | None = None, input_name: str | None = None
) -> list[int]:
    """Return the height and width in pixels that images must be resized to.

    They are taken from the attached ImageModuleInfo if there is one, else from the shape of the images input.

    Raises:
        ValueError: the module does not declare them.

    Source:
        Common Signatures for Images, "Image input".
    """
    spec, tags = _spec_and_tags(module_or_spec)
    attached = spec.variant(tags).image_size
    if attached is not None and all(attached):
        return list(attached)
    return _sizes(module_or_spec, signature, input_name, (_HEIGHT, _WIDTH), "height and width")


def get_num_image_channels(
    module_or_spec: Module | ModuleSpec, signature: str | None = None, input_name: str | None = None
) -> int:
    """Return the number of channels of the images input: 3 in modules that follow the convention.

    Raises:
        ValueError: the module does not declare it.
    """
    return _sizes(module_or_spec, signature, input_name, (_CHANNELS,), "num_channels")[0]


def _spec_and_tags(module_or_spec: Module | ModuleSpec) -> tuple[ModuleSpec, frozenset[str] | None]:
    if isinstance(module_or_spec, Module):
        return module_or_spec.spec, module_or_spec.tags
    return module_or_spec, None


def _sizes(
    module_or_spec: Module | ModuleSpec, signature: str | None, input_name: str | None, axes: tuple[int, ...], what: str
) -> list[int]:
    """Return the sizes of the images input along some axes, which must be known."""
    spec, tags = _spec_and_tags(module_or_spec)
    inputs = spec.signature(signature, tags).inputs
    name = input_name or "images"
    if name not in inputs:
        raise ValueError(
            f"Module is missing input {name!r} in signature {signature or 'default'!r}; "
            f"it has: {', '.join(inputs) or 'none'}"
        )
    dims = inputs[name].shape.dims
    sizes = [size for axis in axes if (size := dims[axis])] if dims is not None and len(dims) == 4 else []
    if len(sizes) < len(axes):
        raise ValueError(
            f"Shape of module input is {Shape(dims)}, expected [batch_size, height, width, num_channels] "
            f"with known {what}."
        )
    return sizes
