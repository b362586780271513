"""The files in a module's folder."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from hubcheck.module.limits import Limit, LimitExceeded


def files_below(root: Path, limit: Limit) -> tuple[str, ...]:
    """Return the paths of all files in a folder and those below it, relative to it.

    Raises:
        LimitExceeded: there are too many.
    """
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
