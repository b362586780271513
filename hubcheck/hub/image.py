"""What a consumer must know about a module's images before the first call."""

from __future__ import annotations

from hubcheck.hub.module import Module
from hubcheck.hub.spec import ModuleSpec
from hubcheck.module.types import Shape

_HEIGHT, _WIDTH, _CHANNELS = 1, 2, 3


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
