"""The files of a module's folder: their names, the links that leave it, and which of them may be opened."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

from hubcheck.module.limits import Limit, LimitExceeded, ReadLimits
from hubcheck.module.links import OWN_FILES, LeavesModule, Link, LinkPolicy, is_below, refusal
from hubcheck.util.errors import ModuleUnavailable
from hubcheck.util.folders import walk
from hubcheck.util.record import record


@record
class LinkedFile:
    """A file outside of a snapshot that belongs to it, and what identifies it and its content."""

    path: str
    device: int
    inode: int
    size: int
    modified_ns: int

    @classmethod
    def of(cls, path: str, info: os.stat_result) -> LinkedFile:
        """Return the file at a path, of which `info` is the status."""
        return cls(path, info.st_dev, info.st_ino, info.st_size, info.st_mtime_ns)


class ModuleChanged(ModuleUnavailable):
    """A file of the module was changed while it was checked."""

    def __init__(self, name: str) -> None:
        super().__init__(f"not checked: {name} changed meanwhile; check again when nothing writes to the module")
        self.name = name


@record
class Listing:
    """What is in a module's folder.

    Args:
        names: the paths of all files, relative to it; none if there are too many.
        links: the links that lead out of it.
        exceeded: the limit because of which the rest was not looked at.
    """

    names: tuple[str, ...]
    links: tuple[Link, ...]
    exceeded: LimitExceeded | None = None


class ModuleFiles:
    """The files of one folder.

    Args:
        root: the folder.
        policy: where links may lead; None: anywhere, for folders whose content is the caller's own.
        linked: if the folder is a snapshot, the files that are not copied, by their names in it.
        listing: if it is a snapshot, what is in the original.
    """

    def __init__(
        self,
        root: Path,
        policy: LinkPolicy | None = OWN_FILES,
        *,
        linked: Mapping[str, LinkedFile] = MappingProxyType({}),
        listing: Listing | None = None,
    ) -> None:
        self.root, self.linked, self._listing = root, linked, listing
        self._real = os.path.realpath(root)
        self._allowed = None if policy is None else policy.folders(self._real)

    def has(self, name: str) -> bool:
        """Return whether there is an entry of this name, relative to the folder."""
        return os.path.lexists(self.root / name) or self._is_left_out(name)

    def path(self, name: str) -> Path:
        """Return the path of a file, for reading it.

        Raises:
            LeavesModule: it is behind a link that is not followed.
        """
        file = self.root / name
        if self._is_left_out(name):
            raise LeavesModule(name)
        if self._allowed is None or self._is_plain(name):
            return file
        try:
            target = os.path.realpath(file)
            inside = is_below(os.path.realpath(file.parent), self._real)
        except ValueError:  # a null character
            raise LeavesModule(name) from None
        if not inside or (not is_below(target, self._real) and refusal(target, self._allowed)):
            raise LeavesModule(name)
        return file

    def _is_plain(self, name: str) -> bool:
        """Return whether a name leads to where it says: neither the file nor a folder on the way is a link."""
        parts = name.split("/")
        if os.sep != "/" or "\0" in name or not {"", ".", ".."}.isdisjoint(parts):
            return False  # Windows has more kinds of links
        folders = ("/".join(parts[:length]) for length in range(1, len(parts) + 1))
        return not any(os.path.islink(f"{self._real}/{folder}") for folder in folders)  # noqa: PTH114

    def link(self, name: str) -> Link | None:
        """Return the link of this name, if it leads out of the folder."""
        target = os.path.realpath(self.root / name)
        if is_below(target, self._real):
            return None
        return Link(name, target, "" if self._allowed is None else refusal(target, self._allowed))

    def listing(self, limits: ReadLimits) -> Listing:
        """Return what is in the folder, within limits."""
        if self._listing is not None:
            return self._listing
        names, links = list[str](), list[Link]()
        try:
            for name, is_link in self.entries(limits):
                names.append(name)
                if is_link and (link := self.link(name)) is not None:
                    links.append(link)
        except LimitExceeded as error:
            return Listing((), tuple(links), error)
        return Listing(tuple(names), tuple(links))

    def _is_left_out(self, name: str) -> bool:
        """Return whether a snapshot lacks a file because it is behind a link that is not followed."""
        links = self._listing.links if self._listing is not None else ()
        return any(link.refused and is_below(name, link.name) for link in links)

    def changed(self) -> str | None:
        """Return the name of a linked file that is no longer what it was."""
        for name, file in self.linked.items():
            try:
                found = LinkedFile.of(file.path, os.stat(file.path, follow_symlinks=False))  # noqa: PTH116
            except OSError:
                return name
            if found != file:
                return name
        return None

    def entries(self, limits: ReadLimits) -> Iterator[tuple[str, bool]]:
        """Yield the names of everything but folders, and whether each is a link. Links to folders are among them.

        Raises:
            LimitExceeded: there are too many files, or folders are nested too deep.
        """
        files, depth = limits.limit("files"), limits.limit("folder_depth")
        count, start = 0, len(os.fspath(self.root)) + 1
        for folder, folders, names in walk(self.root, on_error=lambda error: _check_depth(error, depth)):
            prefix = f"{folder[start:]}/" if len(folder) > start else ""
            if prefix.count("/") > depth.value:
                raise LimitExceeded(depth, "folders are nested in each other")
            count += len(names)
            if count > files.value:
                raise LimitExceeded(files, "files are in the folder")
            yield from ((f"{prefix}{name}", os.path.islink(f"{folder}/{name}")) for name in names)  # noqa: PTH114
            yield from ((f"{prefix}{name}", True) for name in folders if os.path.islink(f"{folder}/{name}"))  # noqa: PTH114


def _check_depth(error: OSError, depth: Limit) -> None:
    if error.errno == errno.ENAMETOOLONG:
        raise LimitExceeded(depth, "folders are nested in each other") from None
