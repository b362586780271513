"""Documents for people: MODULE.md or README.md in a module or beside it."""

from __future__ import annotations

from pathlib import Path

from hubcheck.module.bounded_read import read_file

NAMES = ("MODULE.md", "README.md")
MAX_BYTES = 1 << 20


def documents_beside(module: str) -> tuple[str, ...]:
    """Return the names that a document beside a module of this name may have."""
    return (*NAMES, *(f"{module}.{suffix}" for suffix in ("md", *NAMES)))


def read_documents(root: Path) -> dict[str, str]:
    """Return the texts of the documents in and beside a module's folder, or beside its archive, by relative path."""
    absolute = root.absolute()
    candidates = {name: root / name for name in NAMES}
    candidates |= {f"../{name}": absolute.parent / name for name in documents_beside(absolute.name)}
    found = {}
    for name, file in candidates.items():
        try:
            found[name] = read_file(file, max_bytes=MAX_BYTES).decode("utf-8")
        except (OSError, ValueError):
            continue
    return found
