"""Paths in a configuration: globs for modules below its folder, beside it, anywhere, or on servers."""

from __future__ import annotations

import posixpath
import re
from functools import cache
from pathlib import Path

from hubcheck.module.file_names import MODULE_FILES, is_archive_name
from hubcheck.module.uri import is_uri
from hubcheck.util.folders import walk

_TOKENS = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}


def absolute_key(key: str, folder: str) -> str:
    """Return the absolute path of the module with a key relative to `folder`; a URI as it is."""
    return key if is_uri(key) else posixpath.normpath(posixpath.join(folder, key))


@cache
def path_pattern(path: str, folder: str) -> re.Pattern[str]:
    """Return what matches the absolute paths and the URIs of the modules that a path means.

    Args:
        path: a module, a folder above it, or a glob with `*`, `**` and `?`; absolute, or relative to `folder`. One that
            begins with `**` means modules anywhere.
        folder: an absolute path.
    """
    base, clean = "", path if is_uri(path) else posixpath.normpath(path)
    if not (is_uri(path) or clean.startswith(("/", "**"))):
        while clean == ".." or clean.startswith("../"):
            folder, clean = posixpath.dirname(folder), clean[3:]
        base, clean = re.escape(folder.rstrip("/")), f"/{clean}" if clean not in ("", ".") else ""
    parts = re.split(r"(\*\*/|\*\*|\*|\?)", clean.rstrip("/"))
    return re.compile(base + "".join(_TOKENS.get(part, re.escape(part)) for part in parts) + "(?:/.*)?")


def may_have_modules(path: str, folder: str) -> bool:
    """Return whether there may be a module that a path means; servers are not contacted."""
    if is_uri(path) or posixpath.normpath(path).startswith("**"):
        return True
    import glob

    pattern = posixpath.join(glob.escape(folder), path.replace("[", "[[]"))
    return any(map(_has_modules, map(Path, glob.iglob(pattern, recursive=True, include_hidden=True))))  # noqa: PTH207 - any pattern


def _has_modules(path: Path) -> bool:
    """Return whether there is a module, or what may be an archive of one, at or below a path."""
    if not path.is_dir():
        return is_archive_name(path.name)
    return any(is_archive_name(name) or name in MODULE_FILES for _, _, files in walk(path) for name in files)
