"""Names of the files that make a module. The pytest plugin imports this in every test run, so it imports nothing."""

from __future__ import annotations

MODULE_FILES = ("saved_model.pb", "saved_model.pbtxt", "tfhub_module.pb", "saved_model.cpb")
"""Each of them makes its folder a module."""
_ARCHIVE_SUFFIXES = (".tar.gz", ".tgz", ".zip")


def is_archive_name(name: str) -> bool:
    """Return whether a file of this name is an archive."""
    return name.lower().endswith(_ARCHIVE_SUFFIXES)
