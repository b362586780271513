"""The consumer's side of the convention, with its own API, on current TensorFlow: for both formats and for archives.

    from hubcheck import hub

    spec = hub.load_module_spec("path/to/module")
    height, width = hub.get_expected_image_size(spec)
    module = hub.Module(spec)
    features = module(images)

Works in eager mode and inside tf.function. Imports run and everything below it in tests/layers.py, and TensorFlow
when a module is loaded.
"""

from __future__ import annotations

from hubcheck.hub.module import Module, get_expected_image_size, get_num_image_channels
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
