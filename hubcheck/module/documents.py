"""What a publisher writes for people: MODULE.md or README.md in or beside the module."""

from __future__ import annotations

from pathlib import Path

from hubcheck.module.files import read_file

_NAMES = ("MODULE.md", "README.md")
_LIMIT = 1 << 20


def read_documents(root: Path) -> dict[str, str]:
    """The texts found, by path relative to the module."""
    absolute = root.absolute()
    candidates = {name: root / name for name in _NAMES}
    candidates |= {f"../{name}": absolute.parent / name for name in _NAMES}
    candidates |= {
        f"../{absolute.name}.{suffix}": absolute.parent / f"{absolute.name}.{suffix}" for suffix in ("md", *_NAMES)
    }
    found = {}
    for name, file in candidates.items():
        try:
            found[name] = read_file(file, largest=_LIMIT).decode("utf-8")
        except (OSError, ValueError):
            continue
    return found
