"""A module as one file: a .tar.gz whose bytes depend on the module alone."""

from __future__ import annotations

import gzip
import tarfile
from pathlib import Path

DOCUMENT = "MODULE.md"


def pack(module: Path, archive: Path) -> None:
    """Pack a module's folder: its root is the archive's root, and only the module's own files are in it.

    Names are sorted; owners, times and modes are the same for all, so that the same module gives the same bytes.
    """
    with (
        archive.open("xb") as file,
        gzip.GzipFile("", "wb", 9, file, mtime=0) as compressed,
        tarfile.open(fileobj=compressed, mode="w", format=tarfile.GNU_FORMAT) as tar,
    ):
        for path in sorted(module.rglob("*")):
            if path != module / DOCUMENT:
                _add(tar, path, path.relative_to(module).as_posix())


def _add(tar: tarfile.TarFile, path: Path, name: str) -> None:
    info = tarfile.TarInfo(name)
    if path.is_dir():
        info.type, info.mode = tarfile.DIRTYPE, 0o755
        tar.addfile(info)
        return
    info.mode, info.size = 0o644, path.stat().st_size
    with path.open("rb") as file:
        tar.addfile(info, file)
