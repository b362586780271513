"""Documents for people: MODULE.md or README.md in a module or beside it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from hubcheck.module.limits import read_file
from hubcheck.module.links import LinkPolicy
from hubcheck.module.module_files import ModuleFiles

DOCUMENT_NAMES = ("MODULE.md", "README.md")
MAX_DOCUMENT_BYTES = 1 << 20


def documents_beside(module: str) -> tuple[str, ...]:
    """Return the names that a document beside a module of this name may have."""
    return (*DOCUMENT_NAMES, *(f"{module}.{suffix}" for suffix in ("md", *DOCUMENT_NAMES)))


def read_documents(files: ModuleFiles) -> dict[str, str]:
    """Return the texts of the documents in a module's folder, by name."""
    return _texts(files, DOCUMENT_NAMES)


def read_documents_beside(path: Path, links: LinkPolicy | None) -> dict[str, str]:
    """Return the texts of the documents beside a module's folder or archive, by their paths relative to it."""
    absolute = path.absolute()
    found = _texts(ModuleFiles(absolute.parent, links), documents_beside(absolute.name))
    return {f"../{name}": text for name, text in found.items()}


def _texts(files: ModuleFiles, names: Iterable[str]) -> dict[str, str]:
    found = {}
    for name in names:
        try:
            found[name] = read_file(files.path(name), max_bytes=MAX_DOCUMENT_BYTES).decode("utf-8")
        except (OSError, ValueError):
            continue
    return found
