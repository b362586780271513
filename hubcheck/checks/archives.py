"""Whether an archive is packed so that what unpacks it finds the module."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import PurePosixPath

from hubcheck.checks.context import Context
from hubcheck.checks.faults import Checked, CheckItem, Fault, Skip, Where

_SHOWN = 3


def layout(
    context: Context, *, files: Sequence[str], folders: Sequence[str], weights: Sequence[str]
) -> Iterator[CheckItem]:
    """The archive's root is the module's root, and beside the module's own files there are none.

    Args:
        files: patterns of the names that files at the root may have.
        folders: the folders that may be there.
        weights: patterns of the names that files in the folder `variables` may have.
    """
    archive = context.module.archive
    if archive is None:
        yield Skip("not an archive")
        return
    if context.module.format is None:
        yield Skip("needs module/readable")
        return
    yield Checked()
    if archive.root:
        message = "the module lies in the folder {found} of the archive, not at its root"
        yield Fault(Where(), f"{archive.root}/", "saved_model.pb at the archive's root", message=message)
    strangers = [name for name in archive.files if not _belongs(name, archive.root, files, folders, weights)]
    if strangers:
        shown = ", ".join(strangers[:_SHOWN]) + (f" and {more} more" if (more := len(strangers) - _SHOWN) > 0 else "")
        fix = "Leave out what is not the module's: `zip -r module.zip . -x '__MACOSX*' '.*'`, from inside its folder."
        yield Fault(Where(), shown, "the module's own files", fix=fix)


def _belongs(name: str, root: str, files: Sequence[str], folders: Sequence[str], weights: Sequence[str]) -> bool:
    path = PurePosixPath(name)
    inner = path.relative_to(root) if path.is_relative_to(root) else path
    # What file managers leave behind begins with a dot, in any folder.
    if any(part.startswith(".") for part in inner.parts):
        return False
    if len(inner.parts) > 1 and inner.parts[0] != "variables":
        return inner.parts[0] in folders
    patterns = files if len(inner.parts) == 1 else weights if len(inner.parts) == 2 else ()
    return any(fnmatchcase(inner.name, pattern) for pattern in patterns)
