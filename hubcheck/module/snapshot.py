"""A private copy of a module's folder: what was judged is what runs, whoever changes the folder meanwhile.

The protos and other small files are copied. Large files, which are weights or vocabularies, are linked to where they
are: no verdict on safety depends on what is in them. Their identity is kept, so that a worker can tell whether it opens
the same files, and whoever reports can tell whether they have changed meanwhile.
"""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from hubcheck.module.file_names import MODULE_FILES
from hubcheck.module.limits import LimitExceeded, ReadLimits
from hubcheck.module.links import Link, LinkPolicy
from hubcheck.module.module_files import LinkedFile, Listing, ModuleChanged, ModuleFiles
from hubcheck.util.errors import unwritable
from hubcheck.util.folders import walk
from hubcheck.util.locks import SNAPSHOT, UNPACKED, private_folder

_PROTOS = (*MODULE_FILES, "keras_metadata.pb", "fingerprint.pb")
_MAX_COPY = 1 << 20
"""Bytes of the largest file that is copied, protos aside."""
_MAX_COPIES = 64 << 20
"""Bytes of such files that are copied in all."""
_CHUNK = 1 << 20
_PATTERN = re.compile(r"[*?\[\]\\]")
"""What TensorFlow takes for a pattern in the path of a checkpoint: a module may be in a folder of such a name."""
_NOBODY = 65534
TEMPORARY = "TMPDIR"
"""The environment variable that names the folder for temporary files."""
_NO_LINK = getattr(os, "O_NOFOLLOW", 0)
_FILE = os.O_RDONLY | _NO_LINK | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)


@contextmanager
def snapshot(root: Path, limits: ReadLimits, links: LinkPolicy | None) -> Iterator[ModuleFiles]:
    """Yield a private copy of a module's folder, which is removed at the end of the block.

    Links that `links` does not allow, and everything but files, are left out; so is what is beyond a limit.

    Raises:
        ModuleChanged: a file was exchanged while it was copied.
        OSError: there is no space for it.
    """
    original = ModuleFiles(root, links)
    with scratch_folder(SNAPSHOT) as scratch:
        folder = scratch / (_PATTERN.sub("_", root.absolute().name) or "module")
        folder.mkdir()
        copy = _Copy(original, folder, limits)
        try:
            for name, is_link in original.entries(limits):
                copy.add(name, is_link=is_link)
            listing = Listing(tuple(copy.names), tuple(copy.links))
            for name in _PROTOS:
                if (root / name).is_dir() and not (root / name).is_symlink():
                    (folder / name).mkdir(exist_ok=True)  # it should be a file, and the reader says so
        except LimitExceeded as error:
            listing = Listing((), tuple(copy.links), error)
        let_workers_read(scratch)
        yield ModuleFiles(folder, None, linked=copy.linked, listing=listing)


@contextmanager
def scratch_folder(prefix: str = UNPACKED) -> Iterator[Path]:
    """Yield a private folder for temporary files, see `private_folder`.

    Raises:
        ModuleUnavailable: it cannot be made.
    """
    with ExitStack() as stack:
        try:
            folder = stack.enter_context(private_folder(prefix=prefix))
        except OSError as error:
            raise unwritable(error, TEMPORARY) from None
        yield folder


def let_workers_read(folder: Path) -> None:
    """Let the user nobody, as whom root runs modules, read a private folder, and nobody else."""
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        return
    for path, _, names in walk(folder):
        os.chmod(path, 0o755)  # noqa: PTH101
        for name in names:
            if not os.path.islink(f"{path}/{name}"):  # noqa: PTH114
                os.chmod(f"{path}/{name}", 0o644)  # noqa: PTH101
    os.chown(folder, 0, _NOBODY)
    folder.chmod(0o750)


class _Copy:
    """Fills a snapshot file by file. `linked` are the files that it links to, `links` those links that were there."""

    def __init__(self, original: ModuleFiles, folder: Path, limits: ReadLimits) -> None:
        self._original, self._folder, self._limits = original, folder, limits
        self._real = os.path.realpath(original.root)
        self._left = _MAX_COPIES
        self.names: list[str] = []
        self.links: list[Link] = []
        self.linked: dict[str, LinkedFile] = {}

    def add(self, name: str, *, is_link: bool) -> None:
        source, target = f"{self._real}/{name}", self._folder / name
        self.names.append(name)
        if is_link and (link := self._original.link(name)) is not None:
            self.links.append(link)
            if link.refused:
                return
        target.parent.mkdir(parents=True, exist_ok=True)
        if is_link:
            source = os.path.realpath(source)
            if os.path.isdir(source):  # noqa: PTH112 - in the module itself: others are refused
                inside = self._folder / os.path.relpath(source, self._real)
                target.symlink_to(os.path.relpath(inside, target.parent))
                return
        try:
            descriptor = _open(source)
        except OSError as error:
            if error.errno in (errno.ELOOP, errno.ENOTDIR, errno.ENOENT) and not is_link:
                raise ModuleChanged(name) from None
            target.symlink_to(source)  # the reader says what is wrong with it; no worker may read it
            return
        try:
            self._add_open(name, source, descriptor, target)
        finally:
            os.close(descriptor)

    def _add_open(self, name: str, source: str, descriptor: int, target: Path) -> None:
        info = os.fstat(descriptor)
        is_proto = name in _PROTOS and info.st_size <= self._limits.proto_bytes
        if not stat.S_ISREG(info.st_mode):
            target.symlink_to(source)
        elif is_proto or info.st_size <= min(_MAX_COPY, self._left):
            self._left -= 0 if is_proto else info.st_size
            with target.open("wb") as out:
                while data := os.read(descriptor, min(_CHUNK, info.st_size - out.tell())):
                    out.write(data)
        else:
            target.symlink_to(source)
            self.linked[name] = LinkedFile.of(source, info)


def _open(path: str) -> int:
    """Open a file whose absolute path has no links; fail if it has one by now."""
    if not hasattr(os, "O_PATH"):
        return os.open(path, _FILE)
    flags = os.O_PATH | os.O_DIRECTORY | _NO_LINK
    folder = os.open("/", flags)
    try:
        *folders, name = Path(path).parts[1:]
        for part in folders:
            inner = os.open(part, flags, dir_fd=folder)
            os.close(folder)
            folder = inner
        return os.open(name, _FILE, dir_fd=folder)
    finally:
        os.close(folder)
