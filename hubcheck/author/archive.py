"""Pack a module into a .tar.gz whose bytes depend on the module alone."""

from __future__ import annotations

import gzip
import tarfile
from pathlib import Path

from hubcheck.author.module_md import MODULE_MD


def pack(module: Path, archive: Path) -> None:
    """Pack the files of a module's folder, with the folder as the archive's root and without MODULE.md.

    Names are sorted; owners, times and modes are fixed, so that the same module is always packed to the same bytes.
    """
    with (
        archive.open("xb") as file,
        gzip.GzipFile("", "wb", 9, file, mtime=0) as compressed,
        tarfile.open(fileobj=compressed, mode="w", format=tarfile.GNU_FORMAT) as tar,
    ):
        for path in sorted(module.rglob("*")):
            if path != module / MODULE_MD:
                tar.add(path, path.relative_to(module).as_posix(), recursive=False, filter=_normalized)


def _normalized(info: tarfile.TarInfo) -> tarfile.TarInfo:
    info.mode = 0o755 if info.isdir() else 0o644
    info.uid = info.gid = info.mtime = 0
    info.uname = info.gname = ""
    return info
