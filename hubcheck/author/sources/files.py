"""from_file: modules made of model files of any kind, as `hubcheck adapt` does."""

from __future__ import annotations

import importlib.util
import json
import re
import sys
import zipfile
from contextlib import suppress
from pathlib import Path
from typing import Any

from hubcheck.author.builder import ImageModule
from hubcheck.author.errors import AuthorError
from hubcheck.author.sources.keras_models import from_keras
from hubcheck.author.sources.saved_models import from_saved_model
from hubcheck.module.file_names import KERAS_SUFFIXES
from hubcheck.module.locate import is_archive, is_module


def from_file(
    path: Path, *, architecture: str | None, signature: str | None, custom_objects: str | None, **options: Any
) -> ImageModule:
    """Make a module of a SavedModel's folder or archive, or of a .keras or .h5 file.

    Args:
        architecture: the network's name; by default the file's.
        signature: as for `from_saved_model`.
        custom_objects: a Python module by its name, or a .py file, with the classes and functions of a Keras model.
        options: arguments that `from_keras` and `from_saved_model` have in common.

    Raises:
        AuthorError: there is no such model, or no module can be made of it.
    """
    name = architecture or architecture_after(path)
    if not path.exists():
        raise AuthorError(f"{path}: no such file or folder")
    if path.is_file() and path.suffix.lower() in KERAS_SUFFIXES:
        if signature:
            raise AuthorError("signature= is for SavedModels; Keras models have none")
        return from_keras(_load_keras(path, _custom_objects(custom_objects)), architecture=name, **options)
    if is_module(path) or (path.is_file() and is_archive(path)):
        if custom_objects:
            raise AuthorError("custom_objects= is for .keras and .h5 files; a SavedModel contains what it needs")
        return from_saved_model(path, architecture=name, signature=signature, **options)
    raise AuthorError(
        f"{path}: not a SavedModel (no saved_model.pb), not an archive of one, and not a .keras or .h5 file"
    )


def _load_keras(file: Path, custom_objects: dict[str, Any]) -> Any:
    """Load a model with Keras 3 or tf_keras: first with the one that wrote it, then with the other.

    Raises:
        AuthorError: neither can load it; with the reason of the one that wrote it.
    """
    version = _keras_version(file)
    libraries = ("tf_keras", "keras") if version.startswith("2.") else ("keras", "tf_keras")
    reasons = {}
    for name in libraries:
        try:
            library = importlib.import_module(name)
            return library.models.load_model(file, custom_objects=custom_objects, compile=False)
        except Exception as error:
            missing = isinstance(error, ModuleNotFoundError) and error.name == name
            reasons[name] = f"{name} is not installed: pip install {name}" if missing else _reason(error)
    writer = f"Keras {version}, which wrote it" if version else "Keras 3"
    hint = "" if custom_objects else "; if it has classes of its own, pass custom_objects="
    raise AuthorError(f"{file} cannot be loaded by {writer}: {reasons[libraries[0]].rstrip('.')}{hint}")


def _reason(error: Exception) -> str:
    """Return the line of a loader's error that says what is wrong: the innermost cause, else the first one."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    causes = [line.partition("Exception encountered: ")[2] for line in lines]
    return next(filter(None, reversed(causes)), lines[0])


def _keras_version(file: Path) -> str:
    """Return the version of Keras that wrote a file; empty if the file does not say."""
    with suppress(OSError, KeyError, ValueError, zipfile.BadZipFile):
        if zipfile.is_zipfile(file):
            with zipfile.ZipFile(file) as archive:
                return str(json.loads(archive.read("metadata.json"))["keras_version"])
        import h5py  # type: ignore[import-untyped]

        with h5py.File(file, "r") as content:
            return str(content.attrs["keras_version"])
    return ""


def _custom_objects(name: str | None) -> dict[str, Any]:
    """Return the classes and functions of a Python module by their names.

    Raises:
        AuthorError: the module cannot be imported.
    """
    if name is None:
        return {}
    try:
        if name.endswith(".py"):
            spec = importlib.util.spec_from_file_location(Path(name).stem, name)
            assert spec is not None and spec.loader is not None
            module = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(module)
        else:
            sys.path.insert(0, str(Path.cwd()))
            try:
                module = importlib.import_module(name)
            finally:
                sys.path.remove(str(Path.cwd()))
    except Exception as error:
        reason = f"{type(error).__name__}: {error}"
        raise AuthorError(f"the custom objects cannot be imported from {name!r}: {reason}") from error
    return {key: value for key, value in vars(module).items() if callable(value) and not key.startswith("_")}


def architecture_after(path: Path) -> str:
    """Return a name for a network, derived from that of its file or folder."""
    name = re.sub(r"[^\w.-]+", "_", path.name.removesuffix(".tar.gz").rpartition(".")[0] or path.name)
    return name if re.match("[A-Za-z]", name) else f"Model_{name}"
