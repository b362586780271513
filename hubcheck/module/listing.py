"""The files in a module's folder, links that lead out of it, and the documents for people in or beside it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from hubcheck.module.limits import Limit, LimitExceeded, read_file

DOCUMENT_NAMES = ("MODULE.md", "README.md")
MAX_DOCUMENT_BYTES = 1 << 20


def files_below(root: Path, limit: Limit) -> tuple[str, ...]:
    """Return the paths of all files in and below a folder, relative to it; raise LimitExceeded for too many."""
    found = tuple(islice(_walk(root), limit.value + 1))
    if len(found) > limit.value:
        raise LimitExceeded(limit, "files are in the folder")
    return found


def links_out(root: Path) -> Iterator[tuple[str, str]]:
    """Yield the links that lead out of a folder, each with its target."""
    inside = os.path.realpath(root)
    for folder, children, names in os.walk(root):
        for name in sorted([*children, *names]):
            file = os.path.join(folder, name)  # noqa: PTH118
            if os.path.islink(file):  # noqa: PTH114
                target = os.path.realpath(file)
                if os.path.commonpath((inside, target)) != inside:
                    yield os.path.relpath(file, root), target


def _walk(root: Path) -> Iterator[str]:
    for folder, children, names in os.walk(root):
        children.sort()
        for name in sorted(names):
            yield os.path.relpath(os.path.join(folder, name), root)  # noqa: PTH118


def documents_beside(module: str) -> tuple[str, ...]:
    """Return the names that a document beside a module of this name may have."""
    return (*DOCUMENT_NAMES, *(f"{module}.{suffix}" for suffix in ("md", *DOCUMENT_NAMES)))


def read_documents(root: Path) -> dict[str, str]:
    """Return the texts of the documents in and beside a module's folder, or beside its archive, by relative path."""
    absolute = root.absolute()
    candidates = {name: root / name for name in DOCUMENT_NAMES}
    candidates |= {f"../{name}": absolute.parent / name for name in documents_beside(absolute.name)}
    found = {}
    for name, file in candidates.items():
        try:
            found[name] = read_file(file, max_bytes=MAX_DOCUMENT_BYTES).decode("utf-8")
        except (OSError, ValueError):
            continue
    return found
