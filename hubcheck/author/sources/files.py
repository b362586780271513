"""from_file: modules made of model files of any kind, as `hubcheck adapt` does."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from hubcheck.author.builder import ImageModule
from hubcheck.author.errors import AuthorError
from hubcheck.author.sources.keras_models import from_keras
from hubcheck.author.sources.saved_models import from_saved_model
from hubcheck.module.locate import is_archive, is_module

_KERAS_SUFFIXES = {".keras", ".h5", ".hdf5"}


def from_file(
    path: Path, *, architecture: str | None, input: str | None, signature: str | None, **options: Any
) -> ImageModule:
    """Make a module of a SavedModel's folder or archive, or of a .keras or .h5 file.

    Args:
        architecture: the network's name; by default the file's.
        input, signature: as for `from_saved_model`.
        options: arguments that `from_keras` and `from_saved_model` have in common.

    Raises:
        AuthorError: there is no such model, or no module can be made of it.
    """
    name = architecture or _architecture(path)
    if not path.exists():
        raise AuthorError(f"{path}: no such file or folder")
    if path.is_file() and path.suffix.lower() in _KERAS_SUFFIXES:
        if input or signature:
            raise AuthorError("--input and --signature are for SavedModels; Keras models have neither")
        return from_keras(_load_keras(path), architecture=name, **options)
    if is_module(path) or (path.is_file() and is_archive(path)):
        return from_saved_model(path, architecture=name, input=input, signature=signature, **options)
    raise AuthorError(
        f"{path}: not a SavedModel (no saved_model.pb), not an archive of one, and not a .keras or .h5 file"
    )


def _load_keras(file: Path) -> Any:
    """Load a model with Keras 3, or with tf_keras, which reads files of Keras 2."""
    import keras

    try:
        return keras.models.load_model(file, compile=False)
    except Exception as error:
        try:
            import tf_keras

            return tf_keras.models.load_model(file, compile=False)
        except Exception:
            reason = next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
            raise AuthorError(f"{file} can be loaded neither by Keras 3 nor by tf_keras: {reason}") from error


def _architecture(path: Path) -> str:
    """Return a name for the network, derived from the file's."""
    name = re.sub(r"[^\w.-]+", "_", path.name.removesuffix(".tar.gz").rpartition(".")[0] or path.name)
    return name if re.match("[A-Za-z]", name) else f"Model_{name}"
