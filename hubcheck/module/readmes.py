"""What a publisher writes for people: MODULE.md or README.md in or beside the module."""

from __future__ import annotations

from pathlib import Path

from hubcheck.module.bounded_read import read_file

NAMES = ("MODULE.md", "README.md")
MAX_BYTES = 1 << 20


def documents_beside(module: str) -> tuple[str, ...]:
    """The names that a document beside a module of this name may have."""
    return (*NAMES, *(f"{module}.{suffix}" for suffix in ("md", *NAMES)))


def read_documents(root: Path) -> dict[str, str]:
    """The texts found, by path relative to the module: a folder, or an archive, in which nothing is looked for."""
    absolute = root.absolute()
    candidates = {name: root / name for name in NAMES}
    candidates |= {f"../{name}": absolute.parent / name for name in documents_beside(absolute.name)}
    found = {}
    for name, file in candidates.items():
        try:
            found[name] = read_file(file, largest=MAX_BYTES).decode("utf-8")
        except (OSError, ValueError):
            continue
    return found
