"""Whether an archive holds one module at its root, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import PurePosixPath

from hubcheck.checks.context import Context
from hubcheck.checks.faults import Checked, CheckItem, Fault, Skip, Where
from hubcheck.util.text import listed


def layout(
    context: Context, *, files: Sequence[str], folders: Sequence[str], weights: Sequence[str]
) -> Iterator[CheckItem]:
    """The root of the archive is the root of the module, and it holds only files of the module.

    Args:
        files: name patterns of files that are allowed at the root.
        folders: the allowed folders.
        weights: name patterns of files that are allowed in the folder `variables`.
    """
    archive = context.module.archive
    if archive is None:
        yield Skip("not an archive")
        return
    if context.module.format is None:
        yield Skip("needs module/readable", needs="module/readable")
        return
    yield Checked()
    if archive.root:
        message = "the module is in the folder {found} of the archive, not at its root"
        yield Fault(Where(), f"{archive.root}/", "saved_model.pb at the archive's root", message=message)
    others = [name for name in archive.files if not _belongs(name, archive.root, files, folders, weights)]
    if others:
        fix = "Leave out what is not the module's: `zip -r module.zip . -x '__MACOSX*' '.*'`, from inside its folder."
        yield Fault(Where(), listed(others), "the module's own files", fix=fix)


def _belongs(name: str, root: str, files: Sequence[str], folders: Sequence[str], weights: Sequence[str]) -> bool:
    path = PurePosixPath(name)
    inner = path.relative_to(root) if path.is_relative_to(root) else path
    # Files that file managers leave behind begin with a dot, in any folder.
    if any(part.startswith(".") for part in inner.parts):
        return False
    if len(inner.parts) > 1 and inner.parts[0] != "variables":
        return inner.parts[0] in folders
    patterns = files if len(inner.parts) == 1 else weights if len(inner.parts) == 2 else ()
    return any(fnmatchcase(inner.name, pattern) for pattern in patterns)
