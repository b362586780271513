"""What was fetched, kept on disk by content: `objects/` by their SHA-256, and for each URI a record of the validator
that the server gave and of the object that came with it.

Files appear whole, by renaming, whoever else writes at the same time. An object is held against its name whenever it
is used; a damaged one is gone then, and fetched again. Whatever is wrong with the store, modules are checked all the
same.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from contextlib import suppress
from pathlib import Path

from hubcheck.util.atomic import replacing
from hubcheck.util.locks import lock_file

_ROOM_LEFT = 0.9
_BLOCK = 4096


class Store:
    """A folder of objects and records.

    Args:
        folder: where it is; made if need be.
        largest: bytes that it may hold.
    """

    def __init__(self, folder: Path, largest: int) -> None:
        self._folder, self._largest = folder, largest
        self._is_new = False

    @property
    def laid_out(self) -> Path | None:
        """A folder for modules that are looked at, from which links to objects can be made; None if there is none."""
        try:
            folder = self._folder / "open"
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            return folder if os.access(folder, os.W_OK) else None
        except OSError:
            return None

    def link(self, uri: str, validator: str, target: Path) -> bool:
        """Put what a URI gave at a path, if the server's validator is the same as then and it is still here, whole."""
        try:
            record = json.loads(self._record(uri).read_bytes())
            name, size = str(record["object"]), int(record["size"])
            if record["validator"] != validator:
                return False
            file = self._object(name)
            _link(file, target)
        except (OSError, ValueError, KeyError, TypeError):
            return False
        # What is checked is what is used, and nobody can take that away any more.
        if target.stat().st_size == size and _digest(target) == name:
            for used in (file, self._record(uri)):
                with suppress(OSError):
                    os.utime(used)
            return True
        target.unlink()
        with suppress(OSError):
            file.unlink()
        return False

    def keep(self, uri: str, validator: str | None, file: Path) -> None:
        """Keep a file that a URI gave; without a validator there is nothing to find it by, but it is stored once."""
        with suppress(OSError):
            name = _digest(file)
            home = self._object(name)
            home.parent.mkdir(parents=True, exist_ok=True)
            if not home.exists() or home.stat().st_size != file.stat().st_size:
                with replacing(home) as draft:
                    _link(file, draft)
                    draft.chmod(0o444)
                self._is_new = True
            if validator is not None:
                record = {"uri": uri, "validator": validator, "object": name, "size": file.stat().st_size}
                self._record(uri).parent.mkdir(parents=True, exist_ok=True)
                with replacing(self._record(uri)) as draft:
                    draft.write_text(json.dumps(record), encoding="utf-8")

    def make_room(self) -> None:
        """Let the oldest go, if something has come in and there is too much now."""
        if not self._is_new:
            return
        self._is_new = False
        with suppress(OSError), (self._folder / "lock").open("w") as lock:
            if not lock_file(lock, wait=False):  # another process is doing it
                return
            entries = [
                (info.st_mtime, max(info.st_size, _BLOCK), file) for file in self._files() if (info := _stat(file))
            ]
            total = sum(size for _, size, _ in entries)
            if total <= self._largest:
                return
            for _, size, file in sorted(entries):
                file.unlink(missing_ok=True)
                total -= size
                if total <= self._largest * _ROOM_LEFT:
                    return

    def _files(self) -> list[Path]:
        return [file for kind in ("objects", "records") for file in (self._folder / kind).glob("*/*")]

    def _object(self, name: str) -> Path:
        if len(name) != 64 or not name.isalnum():
            raise ValueError("this is the name of no object")
        return self._folder / "objects" / name[:2] / name[2:]

    def _record(self, uri: str) -> Path:
        name = hashlib.sha256(uri.encode("utf-8", "surrogateescape")).hexdigest()
        return self._folder / "records" / name[:2] / name[2:]


def _digest(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _link(source: Path, target: Path) -> None:
    """A second name of a file; where the file system has none, a copy."""
    try:
        os.link(source, target)
    except FileNotFoundError:
        raise
    except OSError:
        shutil.copyfile(source, target)


def _stat(file: Path) -> os.stat_result | None:
    try:
        return file.stat()
    except OSError:
        return None
