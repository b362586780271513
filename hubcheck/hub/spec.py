"""ModuleSpec: what a module offers, read from its files alone."""

from __future__ import annotations

import os
import weakref
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hubcheck.module.limits import LIMITS, ReadLimits
from hubcheck.module.locate import NotAModule, is_archive, is_module
from hubcheck.module.tensors import Tensor
from hubcheck.module.types import Module, Signature, Variant
from hubcheck.module.uri import parse_source
from hubcheck.remote.fetch_options import FetchOptions, user_cache
from hubcheck.remote.sources import open_source

TRAIN = frozenset({"train"})
SERVE = frozenset({"serve"})


class UnknownVariant(ValueError, KeyError):
    """No graph of the module has these tags. Both error types that the original library raises for it."""

    __str__ = Exception.__str__


@dataclass(frozen=True, slots=True)
class TensorInfo:
    """An input or output of a signature, with the API of the original library."""

    tensor: Tensor

    @property
    def dtype(self) -> Any:
        """The tf.DType."""
        import tensorflow as tf

        return tf.as_dtype(self.tensor.dtype)

    def get_shape(self) -> Any:
        """Return the tf.TensorShape; None is an unknown dimension."""
        import tensorflow as tf

        return tf.TensorShape(self.tensor.shape.dims)

    @property
    def is_sparse(self) -> bool:
        return self.tensor.encoding == "sparse"

    @property
    def is_composite(self) -> bool:
        return self.tensor.encoding != "dense"

    def __str__(self) -> str:
        return str(self.tensor)


class ModuleSpec:
    """What a module declares. Made by `load_module_spec`."""

    def __init__(self, facts: Module, resources: ExitStack) -> None:
        self.facts = facts
        # The files of an unpacked archive or a download exist as long as the spec.
        weakref.finalize(self, resources.close)

    @property
    def path(self) -> Path:
        """The folder with the module's files."""
        return self.facts.folder

    @property
    def has_train_trace(self) -> bool:
        """Whether the module is a TF2 object that can be called with training=True."""
        objects = self.facts.objects
        return objects is not None and any(trace.training for trace in objects.traces)

    def get_tags(self) -> list[frozenset[str]]:
        """Return the tag sets of the variants. In SavedModels, inference is `{"serve"}`, and set() means the same."""
        tags = [frozenset(variant.tags) for variant in self.facts.variants]
        if self.has_train_trace and TRAIN not in tags:
            tags.append(TRAIN)
        return tags

    def variant(self, tags: Iterable[str] | None = None) -> Variant:
        """Return the graph variant with exactly these tags.

        Raises:
            UnknownVariant: there is none.
        """
        wanted = frozenset((tags,) if isinstance(tags, str) else tags or ())
        if self.facts.format != "tf1-hub" and (not wanted or (wanted == TRAIN and self.has_train_trace)):
            wanted = SERVE
        for variant in self.facts.variants:
            if frozenset(variant.tags) == wanted:
                return variant
        known = ", ".join(_text(tags) for tags in self.get_tags())
        raise UnknownVariant(f"No such graph variant: tags={_text(wanted)}; the module has: {known}")

    def signature(self, name: str | None = None, tags: Iterable[str] | None = None) -> Signature:
        """Return the signature of this name; the default one for None.

        Raises:
            ValueError: there is none.
            UnknownVariant: there is no such graph.
        """
        signatures = self.variant(tags).signatures
        wanted = self.facts.default_signature if name in (None, "default") and "default" not in signatures else name
        if (signature := signatures.get(wanted or "default")) is None:
            raise ValueError(
                f"Signature {name or 'default'!r} is missing from the module; it has: "
                f"{', '.join(self.get_signature_names(tags)) or 'none'}"
            )
        return signature

    def get_signature_names(self, tags: Iterable[str] | None = None) -> list[str]:
        """Return the names of the signatures in a graph variant."""
        return list(self.variant(tags).signatures)

    def get_input_info_dict(
        self, signature: str | None = None, tags: Iterable[str] | None = None
    ) -> dict[str, TensorInfo]:
        """Return the inputs of a signature: dtype, get_shape() and is_sparse of each."""
        return {key: TensorInfo(tensor) for key, tensor in self.signature(signature, tags).inputs.items()}

    def get_output_info_dict(
        self, signature: str | None = None, tags: Iterable[str] | None = None
    ) -> dict[str, TensorInfo]:
        """Return the outputs of a signature: dtype, get_shape() and is_sparse of each."""
        return {key: TensorInfo(tensor) for key, tensor in self.signature(signature, tags).outputs.items()}

    def get_attached_message(
        self, key: str, message_type: Any, tags: Iterable[str] | None = None, required: bool = False
    ) -> Any:
        """Return a protocol message that the publisher attached, or None.

        Raises:
            KeyError: it is required and not there.
        """
        data = self.variant(tags).attachments.get(key)
        if data is None:
            if required:
                raise KeyError(f"No attached message for key {key!r} in graph version {_text(frozenset(tags or ()))}")
            return None
        message = message_type()
        message.ParseFromString(data)
        return message

    def __repr__(self) -> str:
        return f"<ModuleSpec {self.facts.path} ({self.facts.format})>"


def load_module_spec(path: str | os.PathLike[str], *, limits: ReadLimits = LIMITS) -> ModuleSpec:
    """Return the spec of a module.

    Args:
        path: its folder, a .tar.gz, .tgz or .zip file of it, or the URI of either.
        limits: how much of it is read, at most.

    Raises:
        FileNotFoundError: there is nothing at the path.
        Unreachable: a server does not deliver the module.
        ValueError: there is no readable module; the message names the reason.
    """
    source = parse_source(path)
    if isinstance(source, Path):
        _check(source)
    stack = ExitStack()
    facts = stack.enter_context(open_source(source, FetchOptions(limits, user_cache(), links=None)))
    if facts.format is None or facts.problems:
        stack.close()
        if facts.problems:
            raise NotAModule(f"{source}: {facts.problems[0].message}. {facts.problems[0].fix}")
        raise NotAModule(f"{source} was not unpacked: run `hubcheck validate {source}` to see what is unsafe in it")
    return ModuleSpec(facts, stack)


def _check(path: Path) -> None:
    if not path.exists():
        raise FileNotFoundError(f"{path}: there is no module here: no such file or folder")
    if path.is_dir() and not is_module(path):
        raise NotAModule(f"{path}: there is no module here: saved_model.pb is missing")
    if path.is_file() and not is_archive(path):
        raise NotAModule(f"{path}: neither a module's folder nor a .tar.gz, .tgz or .zip file of one")


def _text(tags: frozenset[str]) -> str:
    return "{" + ", ".join(map(repr, sorted(tags))) + "}" if tags else "set()"
