"""What a consumer must know of a module's images before the first call."""

from __future__ import annotations

from hubcheck.hub.module import Module
from hubcheck.hub.spec import ModuleSpec
from hubcheck.module.types import Shape

_INPUT = "images"


def get_expected_image_size(
    module_or_spec: Module | ModuleSpec, signature: str | None = None, input_name: str | None = None
) -> list[int]:
    """The height and width in pixels that images must be resized to.

    From the attached ImageModuleInfo if there is one, else from the shape of the images input.

    Raises:
        ValueError: the module does not tell.

    Source:
        Common Signatures for Images, "Image input".
    """
    spec, tags = _spec(module_or_spec)
    attached = spec.variant(tags).image_size
    if attached is not None and all(attached):
        return list(attached)
    dims = _dims(spec, tags, signature, input_name)
    if dims is None or len(dims) != 4 or not dims[1] or not dims[2]:
        raise ValueError(
            f"Shape of module input is {Shape(dims)}, expected [batch_size, height, width, num_channels] "
            "with known height and width."
        )
    return [dims[1], dims[2]]


def get_num_image_channels(
    module_or_spec: Module | ModuleSpec, signature: str | None = None, input_name: str | None = None
) -> int:
    """The number of channels of the images input: 3, in modules that keep the convention.

    Raises:
        ValueError: the module does not tell.
    """
    spec, tags = _spec(module_or_spec)
    dims = _dims(spec, tags, signature, input_name)
    if dims is None or len(dims) != 4 or not dims[3]:
        raise ValueError(
            f"Shape of module input is {Shape(dims)}, expected [batch_size, height, width, num_channels] "
            "with known num_channels."
        )
    return dims[3]


def _spec(module_or_spec: Module | ModuleSpec) -> tuple[ModuleSpec, frozenset[str] | None]:
    if isinstance(module_or_spec, Module):
        return module_or_spec.spec, module_or_spec.tags
    return module_or_spec, None


def _dims(
    spec: ModuleSpec, tags: frozenset[str] | None, signature: str | None, input_name: str | None
) -> tuple[int | None, ...] | None:
    inputs = spec.signature(signature, tags).inputs
    name = input_name or _INPUT
    if name not in inputs:
        raise ValueError(
            f"Module is missing input {name!r} in signature {signature or 'default'!r}; "
            f"it has: {', '.join(inputs) or 'none'}"
        )
    return inputs[name].shape.dims
