"""Reports on disk, by a digest of everything that they depend on.

A key covers the module's files, the rules and contracts, the options, hubcheck's own code and TensorFlow's release.
Entries are written atomically. One that is damaged, or written by somebody else, counts as missing (util/sealed.py).
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from hubcheck._version import __version__
from hubcheck.engine.module_report import ModuleReport
from hubcheck.module.limits import LIMITS, ReadLimits
from hubcheck.module.links import OWN_FILES, LinkPolicy
from hubcheck.module.locate import is_archive
from hubcheck.module.module_files import ModuleFiles
from hubcheck.module.readmes import read_documents, read_documents_beside
from hubcheck.run.report_lines import report_from, report_text
from hubcheck.util import resources
from hubcheck.util.folders import walk
from hubcheck.util.sealed import SealedFolder

_FORMAT_VERSION = 4
"""Increased when the format of entries changes."""
_MAX_ENTRIES = 64
"""Entries in each of the 256 folders; when there are more, the oldest are evicted."""
_MAX_ENTRY_BYTES = 16 << 20
_ENTRY = re.compile("[0-9a-f]{62}")


class Cache:
    """Reports on disk.

    Args:
        folder: the folder of the entries.
        settings: everything besides the module's files that a report depends on.
        static: weights are identified by size and time instead of their content, which static checks hardly read.
    """

    def __init__(self, folder: Path, settings: Iterable[str], *, static: bool) -> None:
        self._folder, self._static = folder, static
        self._files = SealedFolder(folder, "report")
        digest = hashlib.blake2b(digest_size=32)
        for part in (str(_FORMAT_VERSION), __version__, *_own_code(), *settings):
            _add(digest, part.encode("utf-8", "surrogateescape"))
        self._settings = digest

    def key(self, path: Path, settings: str, limits: ReadLimits = LIMITS, links: LinkPolicy = OWN_FILES) -> str | None:
        """Return the key of a module with these settings; None if its files cannot be read, or are not all its own."""
        digest = self._settings.copy()
        _add(digest, f"{path}\n{links.folders(os.path.realpath(path))}\n{settings}".encode("utf-8", "surrogateescape"))
        try:
            for part in _content(path, limits, links, static=self._static):
                _add(digest, part)
        except (OSError, _NotCacheable):
            return None
        return digest.hexdigest()

    def get(self, key: str) -> ModuleReport | None:
        """Return the report with this key, if there is one that this user has kept."""
        text = self._files.read(_name(key), _MAX_ENTRY_BYTES)
        try:
            return report_from(text) if text is not None else None
        except ValueError:
            return None

    def put(self, key: str, report: ModuleReport) -> None:
        """Keep a report, unless the cache cannot be written."""
        with suppress(OSError):
            _evict(self._folder / key[:2])
        self._files.write(_name(key), report_text(report))


class _NotCacheable(Exception):
    """Some of the module's files are behind links, are not regular, or are too many."""


def _add(digest: Any, part: bytes) -> None:
    digest.update(len(part).to_bytes(8, "little"))
    digest.update(part)


def _name(key: str) -> str:
    return f"{key[:2]}/{key[2:]}"


def _content(path: Path, limits: ReadLimits, links: LinkPolicy, *, static: bool) -> Iterator[bytes]:
    """The names and contents of a module's files."""
    files = ModuleFiles(path, links)
    documents = {**read_documents(files), **read_documents_beside(path, links)}
    for name, text in sorted(documents.items()):
        yield f"{name}\n{text}".encode("utf-8", "surrogateescape")
    if is_archive(path):
        yield _digest(path)
        return
    count = 0
    for folder, children, names in walk(path, on_error=_fail):
        here = Path(folder)
        if any((here / child).is_symlink() for child in children):
            raise _NotCacheable
        for name in names:
            count += 1
            if count > limits.files:
                raise _NotCacheable
            file = here / name
            relative = str(file.relative_to(path))
            yield os.fsencode(relative)
            if file.is_symlink():
                link = files.link(relative)
                if link is not None and link.refused:
                    raise _NotCacheable  # what it leads to is not read, and may never end
                yield os.fsencode(os.path.realpath(file))
            yield _weights(file) if static and ".data-" in name and here.name == "variables" else _digest(file)


def _fail(error: OSError) -> None:
    raise error


def _digest(file: Path) -> bytes:
    if not file.is_file():
        raise _NotCacheable
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, lambda: hashlib.blake2b(digest_size=32)).digest()


def _weights(file: Path) -> bytes:
    """A cheap stand-in for the content of weights."""
    info = file.stat()
    return f"{info.st_size} {info.st_mtime_ns} {info.st_ino}".encode()


def _own_code() -> Iterator[str]:
    """The state of hubcheck's own files: a checkout changes without its version."""
    yield sys.version
    for top in (Path(__file__).parents[1], resources.folder("rules")):
        for folder, children, names in os.walk(top):
            children.sort()
            for name in sorted(names):
                if name.endswith((".py", ".toml", ".tsv", ".desc", ".npz")):
                    info = os.stat(f"{folder}/{name}")  # noqa: PTH116 - there are three hundred of them
                    yield f"{folder}/{name} {info.st_size} {info.st_mtime_ns}"


def tensorflow_releases() -> Iterator[str]:
    """Yield the releases of TensorFlow and the packages around it, and the GPUs, without importing anything."""
    found = importlib.util.find_spec("tensorflow")
    if found is None or found.origin is None:
        return
    site = Path(found.origin).parent.parent
    names = ("tensorflow*", "tf_*", "keras*", "numpy*", "nvidia_*")
    yield from sorted(str(info) for name in names for info in site.glob(f"{name}.dist-info"))
    yield from sorted(map(str, Path("/dev").glob("nvidia[0-9]*")))
    yield os.environ.get("CUDA_VISIBLE_DEVICES", "")


def _evict(bucket: Path) -> None:
    # The folder may be a link to another one, if somebody else can write to the cache.
    entries = [entry for entry in os.scandir(bucket) if _ENTRY.fullmatch(entry.name)]
    if len(entries) >= _MAX_ENTRIES:
        for entry in sorted(entries, key=lambda entry: entry.stat().st_mtime)[: _MAX_ENTRIES // 4]:
            Path(entry).unlink(missing_ok=True)
