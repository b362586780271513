"""What lies in a module's folder."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from hubcheck.module.limits import LimitExceeded, ReadLimits


def files(root: Path, limits: ReadLimits) -> tuple[str, ...]:
    """The files' paths relative to the module.

    Raises:
        LimitExceeded: they are too many.
    """
    found = tuple(islice(_walk(root), limits.files + 1))
    if len(found) > limits.files:
        raise LimitExceeded(limits, "files", "files are in the folder")
    return found


def links_out(root: Path) -> Iterator[tuple[str, str]]:
    """The links that lead out of the module, each with the place they lead to."""
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
