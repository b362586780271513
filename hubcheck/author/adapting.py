"""`hubcheck adapt`: whatever file a model comes as, made a module."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from hubcheck.author.builder import ImageModule
from hubcheck.author.errors import AuthorError
from hubcheck.author.keras_models import from_keras
from hubcheck.author.saved_models import from_saved_model
from hubcheck.module.locate import is_archive, is_module

KERAS_FILES = {".keras", ".h5", ".hdf5"}


def adapt(
    source: Path, *, architecture: str | None, input: str | None, signature: str | None, **options: Any
) -> ImageModule:
    """A module of a SavedModel's folder or archive, or of a .keras or .h5 file.

    Raises:
        AuthorError: the source is none of these, or cannot be made a module so.
    """
    name = architecture or _architecture(source)
    if not source.exists():
        raise AuthorError(f"{source}: no such file or folder")
    if source.is_file() and source.suffix.lower() in KERAS_FILES:
        if input or signature:
            raise AuthorError("--input and --signature are for SavedModels; a Keras model has neither")
        return from_keras(_load(source), architecture=name, **options)
    if is_module(source) or (source.is_file() and is_archive(source)):
        return from_saved_model(source, architecture=name, input=input, signature=signature, **options)
    raise AuthorError(
        f"{source}: neither a SavedModel (saved_model.pb is missing), nor an archive of one, nor a .keras or .h5 file"
    )


def _load(file: Path) -> Any:
    """The model, by Keras 3, or else by tf_keras, which reads what Keras 2 wrote."""
    import keras

    try:
        return keras.models.load_model(file, compile=False)
    except Exception as error:
        try:
            import tf_keras

            return tf_keras.models.load_model(file, compile=False)
        except Exception:
            said = next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
            raise AuthorError(f"{file} cannot be loaded by Keras 3, nor by tf_keras: {said}") from error


def _architecture(source: Path) -> str:
    """A name for the network, after the file's."""
    name = re.sub(r"[^\w.-]+", "_", source.name.removesuffix(".tar.gz").rpartition(".")[0] or source.name)
    return name if re.match("[A-Za-z]", name) else f"Model_{name}"
