"""Modules that come as one file: unpacked into a temporary folder that goes with whoever uses it."""

from __future__ import annotations

import tarfile
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

from hubcheck.module.locate import NotAModule, find_modules


@dataclass(frozen=True)
class Unpacked:
    """An unpacked archive; the folder is removed when the object is."""

    folder: tempfile.TemporaryDirectory[str]
    root: Path


def opened(archive: Path) -> Unpacked:
    """Unpack a .tar.gz, .tgz, .tar or .zip file of a module.

    Raises:
        NotAModule: the file is no such archive, is damaged, or holds no module, or several.
    """
    folder = tempfile.TemporaryDirectory(prefix="hubcheck-")
    try:
        if zipfile.is_zipfile(archive):
            with zipfile.ZipFile(archive) as opened_zip:
                opened_zip.extractall(folder.name)
        elif tarfile.is_tarfile(archive):
            with tarfile.open(archive) as tar:
                # The filter refuses what would leave the folder: links, absolute names, devices.
                tar.extractall(folder.name, filter="data")
        else:
            raise NotAModule(f"{archive}: neither a module's folder nor a .tar.gz or .zip file of one")
        modules = find_modules(Path(folder.name))
    except NotAModule:
        folder.cleanup()
        if zipfile.is_zipfile(archive) or tarfile.is_tarfile(archive):
            raise NotAModule(f"{archive}: no module is in this archive") from None
        raise
    except (tarfile.TarError, zipfile.BadZipFile, EOFError, OSError) as error:
        folder.cleanup()
        raise NotAModule(f"{archive}: the archive cannot be unpacked: {error}") from error
    if len(modules) != 1:
        folder.cleanup()
        raise NotAModule(f"{archive}: {len(modules)} modules are in this archive; unpack it and choose one")
    return Unpacked(folder, modules[0])
