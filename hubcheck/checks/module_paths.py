"""Whether all files that a module refers to are inside it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath, PureWindowsPath

from hubcheck.checks.context import Context
from hubcheck.checks.faults import Checked, CheckItem, Fault, Skip, Where
from hubcheck.module.links import OUTSIDE

_COPY = "Copy the file itself into the module before it is published (cp -L)."
_NAME_FOLDER = f"{_COPY} If it may be read where it is, name a folder above it: `--links-below DIR`."


def stay_inside(context: Context) -> Iterator[CheckItem]:
    """No asset name leaves the assets folder, and no link leads out of the module.

    A link to a file below a folder that the user named is a warning. An archive holds only files and folders, below its
    own root, with unique names.
    """
    module = context.module
    if module.archive is not None:
        for name, why in module.archive.refused:
            message = f"{{found}} {why}, so the archive was not unpacked"
            fix = "Pack only the module's own files and folders: `tar -czhf module.tar.gz -C module .`"
            yield Fault(Where(), name, "files and folders below the archive's root", message=message, fix=fix)
    if not module.variants:
        yield Skip("needs module/readable", needs="module/readable")
    else:
        yield Checked()
    for variant in module.variants:
        for asset in variant.assets:
            if _leaves(asset.filename):
                details = {"what": f'asset "{asset.filename}"'}
                yield Fault(Where(variant.name), asset.filename, "a name below assets/", details)
    for link in module.links:
        found, details = f"{link.name} -> {link.target}", {"what": f"the link {link.name}"}
        if not link.refused:
            yield Fault(Where(), found, "a file of its own", details, fix=_COPY, level="warning")
        else:
            message = "{what} leads {why}, and is not followed"
            fix = _NAME_FOLDER if link.refused == OUTSIDE else _COPY
            yield Fault(Where(), found, "a file of its own", {**details, "why": link.refused}, message=message, fix=fix)


def _leaves(name: str) -> bool:
    """Return whether a name can, on any platform, lead out of the folder that it is joined to."""
    windows = PureWindowsPath(name)
    return (
        "\0" in name
        or PurePosixPath(name).is_absolute()
        or bool(windows.drive or windows.root)
        or ".." in (*PurePosixPath(name).parts, *windows.parts)
    )
