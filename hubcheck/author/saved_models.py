"""Modules of SavedModels that exist already, of any format."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from hubcheck.author.arguments import class_names
from hubcheck.author.builder import CLASSES, FEATURES, ImageModule, Outputs
from hubcheck.author.errors import AuthorError, AuthorWarning, nearest, without_tensorflow
from hubcheck.author.pixels import Pixels, check_input, described, scaler, settle_size
from hubcheck.hub.spec import ModuleSpec, load_module_spec
from hubcheck.module.types import Signature, Tensor


def from_saved_model(
    path: str | os.PathLike[str],
    *,
    architecture: str,
    pixels: Pixels,
    features: str | None = None,
    logits: str | None = None,
    input: str | None = None,
    hidden: Sequence[str] | Mapping[str, str] = (),
    signature: str | None = None,
    tags: Iterable[str] | None = None,
    image_size: tuple[int, int] | None = None,
    classes: str | os.PathLike[str] | Sequence[str] | None = None,
    activation: str | None = None,
    grayscale: bool = False,
    description: str = "",
) -> ImageModule:
    """A module of an existing SavedModel: TF2 SavedModel, TF1 SavedModel or TF1 Hub format, a folder or an archive.

    A signature of it is taken over: its input gets the name and the pixel range of the convention, its outputs
    the convention's keys; [batch, 1, 1, n] is squeezed; a softmax or sigmoid that ends the logits is left out.
    What the module computes in training is what the signature computes; its variables can be trained.

    Args:
        path: the SavedModel.
        architecture: the network's name, which prefixes the keys of hidden outputs.
        pixels: (low, high), the range of pixel values that the model expects, or a function from images in
            [0, 1] to the model's input. Integer inputs get rounded values.
        features: the output, or the tensor of the graph, that are the feature vectors.
        logits: the output, or the tensor of the graph, that are the logits.
        input: the input that takes the images; needed if there are several.
        hidden: outputs or tensors that are given too: names, or {key: name}.
        signature: the signature to take over, by default the default one, or the only one.
        tags: the graph variant to take it from.
        image_size: height and width in pixels, where the model does not fix them.
        classes, activation, grayscale, description: as `from_keras` has them.

    Returns:
        An ImageModule, ready for `export`.

    Raises:
        AuthorError: the model cannot be made a module so; names the input, output or rule.
    """
    scale, names = scaler(pixels), class_names(classes)
    spec = _spec(path)
    found = _signature(spec, signature, tags)
    if features is None and logits is None:
        there = ", ".join(f"{name!r} {tensor}" for name, tensor in found.outputs.items())
        raise AuthorError(
            "say which output gives the features (features=) or the logits (logits=), or both; "
            f"the signature {found.key!r} has {there}",
            "module/task-signature",
        )
    key, tensor = _input(found, input)
    name = f"the input {key!r} of {Path(path).name}"
    if tensor.encoding != "dense":
        raise AuthorError(f"{name} is {tensor.encoding}: images are a dense tensor", "image-input/dense")
    dims = tensor.shape.dims
    check_input(dims, name, grayscale=grayscale)
    module = ImageModule(architecture, settle_size(dims, image_size, name), description=description)
    source = _Source(spec, found, tags, key, tensor.dtype)
    module.sources.append(source)
    taps: dict[str, dict[str, str]] = {}
    if features is not None:
        taps[FEATURES] = {"": source.tensor(features)}
    if logits is not None:
        taps[CLASSES] = {"": source.tensor(logits)}
        removed = source.remove_activation(taps[CLASSES][""])
        if removed:
            said = f"The {removed} that ended {logits!r} was left out: the module gives logits."
            warnings.warn(said, AuthorWarning, stacklevel=2)
            module.note(said)
            activation = activation or removed
    named = hidden if isinstance(hidden, Mapping) else {output: output for output in hidden}
    for hidden_name, output in named.items():
        for tensors in taps.values():
            tensors[hidden_name] = source.tensor(output)
    if said := described(pixels):
        module.note(said)
    if grayscale:
        module.note("Images are converted to gray by `tf.image.rgb_to_grayscale` (ITU-R 601 luma) for the network.")
    module.note("Training computes what inference computes: the SavedModel it was made of keeps no other graph.")

    def compute(images: Any, training: bool) -> dict[str, Outputs]:
        return source.compute(images, scale, grayscale, taps)

    labels = {FEATURES: f"the output {features!r}", CLASSES: f"the output {logits!r}"}
    module.adopt(compute, {task: labels[task] for task in taps}, classes=names or None, activation=activation)
    return module


class _Source:
    """A signature of a SavedModel, as a flat graph that can be put into another."""

    def __init__(
        self, spec: ModuleSpec, signature: Signature, tags: Iterable[str] | None, key: str, dtype: str
    ) -> None:
        try:
            import tensorflow as tf
        except ImportError as error:
            raise without_tensorflow(error) from error

        from hubcheck.author.flatten import flatten
        from hubcheck.hub.graphs import LoadedGraph

        self._spec = spec
        self._dtype = tf.as_dtype(dtype)
        variant = spec.variant(tags)
        if spec.facts.format == "tf2-saved-model":
            self._loaded: Any = tf.saved_model.load(str(spec.path), tags=list(variant.tags))
            function = self._loaded.signatures[signature.key]
            self._flat = flatten(function)
            (self._images,) = self._flat.inputs
            self._outputs: dict[str, str] = dict(self._flat.outputs)
        else:
            self._loaded = LoadedGraph(spec.path, variant.tags)
            (images,) = signature.inputs[key].components
            self._outputs = {name: tensor.components[0] for name, tensor in signature.outputs.items()}
            function = self._loaded.prune([images], list(self._outputs.values()))
            self._flat = flatten(function)
            (self._images,) = self._flat.inputs
            self._outputs = dict(zip(self._outputs, self._flat.outputs, strict=True))
        self._removed: list[str] = []
        self._variables = self._own_variables()
        restored = [*function.graph.variables, *(getattr(self._loaded, "variables", None) or ())]
        self._handles = {id(variable.handle): variable for variable in restored}

    def tensor(self, name: str) -> str:
        """The graph tensor of an output, or of a node of that name."""
        if name in self._outputs:
            return self._outputs[name]
        node = name.partition(":")[0]
        if any(other.name == node for other in self._flat.graph_def.node):
            return name if ":" in name else f"{name}:0"
        hint = nearest(name, self._outputs)
        raise AuthorError(f"the SavedModel {self._spec.path.name!r} has no output {name!r}{hint}")

    def remove_activation(self, tensor: str) -> str | None:
        """Leave out the softmax or sigmoid that ends a tensor; its name, or None if there is none."""
        from hubcheck.author.graph_cut import end_activation

        found = end_activation(self._flat, tensor)
        if found is None:
            return None
        self._removed.append(found[0])
        return found[1]

    def compute(
        self, images: Any, scale: Any, grayscale: bool, taps: Mapping[str, Mapping[str, str]]
    ) -> dict[str, Outputs]:
        """The outputs for images in [0, 1]; called while a function is being traced."""
        import tensorflow as tf

        from hubcheck.author.graph_cut import place, without
        from hubcheck.author.keras_models import squeezed

        scaled = scale(tf.image.rgb_to_grayscale(images) if grayscale else images)
        if self._dtype.is_integer:
            scaled = tf.round(scaled)
        graph = tf.compat.v1.get_default_graph()
        feeds = {self._images: tf.cast(scaled, self._dtype)}
        for name, external in self._flat.captures.items():
            feeds[name] = graph.capture(external)
            if id(external) in self._handles:
                graph.watch_variable(self._handles[id(external)])
        feeds |= {name: variable.read_value() for name, variable in self._variables.items()}
        graph_def, instead = without(self._flat, self._removed)
        names = [instead.get(name, name) for tensors in taps.values() for name in tensors.values()]
        made = iter(place(graph_def, feeds, names))
        results = {}
        for task, tensors in taps.items():
            values = {key: next(made) for key in tensors}
            default = squeezed(values.pop(""))
            if default.dtype.is_floating:
                default = tf.cast(default, tf.float32)
            results[task] = Outputs(default, values)
        return results

    def _own_variables(self) -> dict[str, Any]:
        """Variables in the place of those that an old TF1 graph keeps in itself (ref variables)."""
        import tensorflow as tf

        from hubcheck.author.graph_cut import REF_VARIABLES

        names = [node.name for node in self._flat.graph_def.node if node.op in REF_VARIABLES]
        if not names:
            return {}
        checkpoint = tf.train.load_checkpoint(str(self._spec.path / "variables" / "variables"))
        return {f"{name}:0": tf.Variable(checkpoint.get_tensor(name), name=name) for name in names}


def _spec(path: str | os.PathLike[str]) -> ModuleSpec:
    try:
        return load_module_spec(path)
    except (ValueError, OSError) as error:
        raise AuthorError(str(error), "module/readable") from error


def _signature(spec: ModuleSpec, name: str | None, tags: Iterable[str] | None) -> Signature:
    try:
        names = spec.get_signature_names(tags)
        if name is None and spec.facts.default_signature not in names and len(names) == 1:
            name = names[0]
        return spec.signature(name, tags)
    except ValueError as error:
        hint = "" if name else "; say which with signature="
        raise AuthorError(f"{spec.path.name}: {error}{hint}") from error


def _input(signature: Signature, name: str | None) -> tuple[str, Tensor]:
    inputs = signature.inputs
    if name is not None:
        if name not in inputs:
            raise AuthorError(f"the signature {signature.key!r} has no input {name!r}{nearest(name, inputs)}")
        if len(inputs) > 1:
            others = ", ".join(repr(other) for other in inputs if other != name)
            raise AuthorError(
                f"the signature {signature.key!r} needs {others} besides {name!r}: "
                "a common signature takes the images alone",
                "image-input/sole",
            )
        return name, inputs[name]
    if len(inputs) != 1:
        raise AuthorError(
            f"the signature {signature.key!r} has {len(inputs)} inputs ({', '.join(inputs)}): "
            "a common signature takes the images alone",
            "image-input/sole",
        )
    return next(iter(inputs.items()))
