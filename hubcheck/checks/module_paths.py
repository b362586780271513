"""Whether all files that a module refers to are inside it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath, PureWindowsPath

from hubcheck.checks.context import Context
from hubcheck.checks.faults import Checked, CheckItem, Fault, Skip, Where


def stay_inside(context: Context) -> Iterator[CheckItem]:
    """No asset name leaves the assets folder, and no link leads out of the module (a warning in folders).

    An archive holds only files and folders, below its own root, with unique names.
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
    for link, target in module.symlinks.items():
        details = {"what": f"the link {link}"}
        fix = "Copy the file itself into the module before it is published (cp -L)."
        yield Fault(Where(), f"{link} -> {target}", "a file of its own", details, fix=fix, level="warning")


def _leaves(name: str) -> bool:
    """Return whether a name can, on any platform, lead out of the folder that it is joined to."""
    windows = PureWindowsPath(name)
    return (
        "\0" in name
        or PurePosixPath(name).is_absolute()
        or bool(windows.drive or windows.root)
        or ".." in (*PurePosixPath(name).parts, *windows.parts)
    )
