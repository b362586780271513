"""from_saved_model: modules made of existing SavedModels, of any format."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from hubcheck.author.builder import ImageModule
from hubcheck.author.definition import read_classes
from hubcheck.author.errors import AuthorError, missing_tensorflow
from hubcheck.author.sources.cut_network import Cut, ImageInput, add_tasks
from hubcheck.author.sources.pixels import PixelsArgument, as_pixels
from hubcheck.hub.spec import ModuleSpec, load_module_spec
from hubcheck.module.types import Signature


def from_saved_model(  # noqa: PLR0913 - one for each fact about the model
    path: str | os.PathLike[str],
    *,
    architecture: str,
    pixels: PixelsArgument,
    features: str | None = None,
    logits: str | None = None,
    input: str | None = None,
    constants: Mapping[str, Any] | None = None,
    hidden: Sequence[str] | Mapping[str, str] = (),
    signature: str | None = None,
    tags: Iterable[str] | None = None,
    image_size: tuple[int, int] | None = None,
    classes: str | os.PathLike[str] | Sequence[str] | None = None,
    activation: str | None = None,
    grayscale: bool = False,
    description: str = "",
    open_batch: bool = False,
    pool: str | None = None,
    beside: ImageModule | None = None,
) -> ImageModule:
    """Make a module of a SavedModel: TF2 SavedModel, TF1 SavedModel or TF1 Hub format, a folder or an archive.

    The module computes one signature of the SavedModel. Its input gets the name and pixel range of the convention,
    its outputs the convention's keys; [batch, 1, 1, n] is squeezed; a softmax or sigmoid at the end of the logits is
    removed, with a warning.

    Training is as in the SavedModel, with its updates of batch normalization, regularization losses and inner dropout,
    where it has a graph for that: the trace of a TF2 object for training=True, or the variant of the tag "train".
    Dropout on the outputs is removed. Else training computes the same as inference, and MODULE.md says so.

    Args:
        path: the SavedModel.
        architecture: the network's name, the prefix of the keys of hidden outputs.
        pixels: as for `from_keras`. Values for integer inputs are rounded.
        features: the output, or the tensor of the graph, that is the feature vectors.
        logits: the output, or the tensor of the graph, that is the logits.
        input: the input that takes the images, by default the only one.
        constants: the values of the other inputs by name, such as {"is_training": False}. An input whose first
            dimension is unknown gets its value for each image. Inputs with a default value in the graph need none.
        hidden: outputs or tensors that are hidden outputs: names, patterns such as "block_*", or {key: name}.
        signature: the signature to use; by default the default one, or the only one.
        tags: the graph variant to use.
        image_size: height and width in pixels, where the model does not fix them.
        classes, activation, grayscale, description: as for `from_keras`.
        open_batch: take batches of any size although the SavedModel's input fixes one; its graph must not depend on it.
        beside: a module of another signature of the same SavedModel, made by this function: it gets the tasks of this
            signature too, and is returned. Variables that both signatures use are stored once.
        pool: how features [batch, rows, columns, n] become [batch, n]: "average" or "max".

    Returns:
        An ImageModule, ready for `export`.

    Raises:
        AuthorError: no module can be made of the model; names the input, output or rule.
    """
    try:
        from hubcheck.author.sources.constant_inputs import image_key
        from hubcheck.author.sources.loaded_signature import SignatureLoader
        from hubcheck.author.sources.saved_model_graph import SavedModelGraph
    except ImportError as error:
        raise missing_tensorflow(error) from error
    if pool not in (None, "average", "max"):
        raise AuthorError(f"pool must be 'average' or 'max', not {pool!r}", "output/rank")
    image_input = ImageInput(as_pixels(pixels), grayscale, open_batch)
    cut = Cut(features, logits, hidden, read_classes(classes), activation, pool)
    try:
        spec = load_module_spec(path)
    except (ValueError, OSError) as error:
        raise AuthorError(str(error), "module/readable") from error
    source = _signature(spec, signature, tags)
    if features is None and logits is None:
        outputs = ", ".join(f"{name!r} {tensor}" for name, tensor in source.outputs.items())
        raise AuthorError(
            "choose the output that is the features (features=), the logits (logits=), or both; "
            f"the signature {source.key!r} has {outputs}",
            "module/task-signature",
        )
    constants = dict(constants or {})
    key = image_key(source.inputs, input, constants, f"the signature {source.key!r}")
    tensor, name = source.inputs[key], f"the input {key!r} of {Path(path).name}"
    if tensor.encoding != "dense":
        raise AuthorError(f"{name} is {tensor.encoding}, but images are a dense tensor", "image-input/dense")
    module = image_input.new_module(
        architecture, tensor.shape.dims, name, image_size=image_size, description=description
    )
    other = next((one for one in beside.models if isinstance(one, SavedModelGraph)), None) if beside else None
    if beside is not None and (other is None or beside.image_size != module.image_size):
        raise AuthorError("beside= must be a module of the same SavedModel, made by from_saved_model, of the same size")
    module = beside or module
    loader = SignatureLoader(spec, source, tags, key, constants, other.loader if other is not None else None)
    network = SavedModelGraph(loader, module.image_size, other)
    add_tasks(module, network, image_input, cut)
    if (note := network.note()) and note not in module.notes:
        module.note(note)
    return module


def _signature(spec: ModuleSpec, name: str | None, tags: Iterable[str] | None) -> Signature:
    try:
        names = spec.get_signature_names(tags)
        if name is None and spec.facts.default_signature not in names and len(names) == 1:
            name = names[0]
        return spec.signature(name, tags)
    except ValueError as error:
        hint = "" if name else "; choose one with signature="
        raise AuthorError(f"{spec.path.name}: {error}{hint}") from error
