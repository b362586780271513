"""The consumer's side of the convention, in its own words, on TensorFlow of today: for both formats and for archives.

    from hubcheck import hub

    spec = hub.load_module_spec("path/to/module")
    height, width = hub.get_expected_image_size(spec)
    module = hub.Module(spec)
    features = module(images)

Works in eager mode and inside tf.function.
"""

from __future__ import annotations

from hubcheck.hub.image import get_expected_image_size, get_num_image_channels
from hubcheck.hub.module import Module
from hubcheck.hub.spec import ModuleSpec, TensorInfo, UnknownVariant, load_module_spec

__all__ = [
    "Module",
    "ModuleSpec",
    "TensorInfo",
    "UnknownVariant",
    "get_expected_image_size",
    "get_num_image_channels",
    "load_module_spec",
]
