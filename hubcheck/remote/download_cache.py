"""A cache of downloads: `objects/` holds files named by their SHA-256, `records/` the object and validator of each URI.

Files are written atomically, so several processes may share a cache. The digest of an object is checked at each use; a
damaged one is removed and downloaded again. A record that somebody else has written counts as missing (util/sealed.py).
Errors of the cache never fail a check.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import stat
from contextlib import suppress
from pathlib import Path

from hubcheck.util.atomic import replacing
from hubcheck.util.locks import lock_file
from hubcheck.util.sealed import SealedFolder, is_own_file, is_own_folder
from hubcheck.util.text import without_credentials

_KEPT_SHARE = 0.9
"""The share of the size limit that is kept when old files are removed."""
_BLOCK = 4096
"""Bytes that a file takes on disk at least."""


class DownloadCache:
    """A folder of objects and records.

    Args:
        folder: made if needed.
        max_bytes: the size limit.
    """

    def __init__(self, folder: Path, max_bytes: int) -> None:
        self._folder, self._max_bytes = folder, max_bytes
        self._records = SealedFolder(folder, "download")
        self._has_new_objects = False

    def scratch_parent(self) -> Path | None:
        """Return a folder for private folders on the file system of the cache, so that objects can be hard-linked.

        None if somebody else could exchange what is in it.
        """
        folder = self._folder / "open"
        with suppress(OSError):
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            folder.mkdir(exist_ok=True, mode=0o700)
            if is_own_folder(self._folder) and is_own_folder(folder) and os.access(folder, os.W_OK):
                return folder
        return None

    def restore(self, uri: str, validator: str, target: Path) -> bool:
        """Put the download of a URI at `target`; return False unless it is cached, undamaged, with this validator."""
        record = _record(uri)
        try:
            fields = json.loads(self._records.read(record) or b"")
            digest, size = str(fields["object"]), int(fields["size"])
            if fields["validator"] != validator:
                return False
            file = self._object(digest)
            _link(file, target)
        except (OSError, ValueError, KeyError, TypeError):
            return False
        # Checked at the target, since another process may replace the object.
        if target.stat().st_size == size and _digest(target) == digest:
            with suppress(OSError):
                os.utime(file)
                os.utime(self._folder / record)
            return True
        target.unlink()
        with suppress(OSError):
            file.unlink()
        return False

    def add(self, uri: str, validator: str | None, file: Path) -> None:
        """Keep the download of a URI. Without a validator it is not found again, but equal content is stored once."""
        with suppress(OSError):
            digest, size = _digest(file), file.stat().st_size
            target = self._object(digest)
            if not target.exists() or target.stat().st_size != size:
                target.parent.mkdir(parents=True, exist_ok=True)
                with replacing(target) as draft:
                    _link(file, draft)
                    draft.chmod(0o444)
                self._has_new_objects = True
            if validator is not None:
                fields = {"uri": without_credentials(uri), "validator": validator, "object": digest, "size": size}
                self._records.write(_record(uri), json.dumps(fields).encode())

    def evict(self) -> None:
        """Remove the files that were not used for longest if new ones made the cache larger than its limit."""
        if not self._has_new_objects:
            return
        self._has_new_objects = False
        with suppress(OSError), (self._folder / "lock").open("w") as lock:
            if not lock_file(lock, wait=False):  # another process is doing it
                return
            files = []
            for file in (file for kind in ("objects", "records") for file in (self._folder / kind).glob("*/*")):
                with suppress(OSError):
                    files.append((file.stat().st_mtime, max(file.stat().st_size, _BLOCK), file))
            total = sum(size for _, size, _ in files)
            allowed = self._max_bytes if total <= self._max_bytes else self._max_bytes * _KEPT_SHARE
            for _, size, file in sorted(files):
                if total <= allowed:
                    return
                file.unlink(missing_ok=True)
                total -= size

    def _object(self, digest: str) -> Path:
        if len(digest) != 64 or not digest.isalnum():
            raise ValueError("not a SHA-256 digest")
        return self._folder / "objects" / digest[:2] / digest[2:]


def _record(uri: str) -> str:
    digest = hashlib.sha256(uri.encode("utf-8", "surrogateescape")).hexdigest()
    return f"records/{digest[:2]}/{digest[2:]}"


def _digest(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _link(source: Path, target: Path) -> None:
    """Make a hard link, or a copy where the file system has no links, or somebody else could change the file later."""
    if not stat.S_ISREG(source.lstat().st_mode):
        raise OSError(f"{source} is no regular file")
    try:
        os.link(source, target)
        if is_own_file(target):
            return
        target.unlink()
    except FileNotFoundError:
        raise
    except OSError:
        pass
    shutil.copyfile(source, target)
