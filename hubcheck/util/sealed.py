"""Files of a cache that are believed only if this user has written them, whoever else can write to the folder.

Each file begins with the HMAC-SHA256 of its name and content. The key is in the file `key` of the folder, which only
its owner can read; one that belongs to somebody else, or that others can read, is replaced by a new one, so that all
files count as missing. The variable HUBCHECK_CACHE_KEY takes the place of the key file, for caches that several users
or machines share.

What root or this user's own programs write is believed: they could as well replace hubcheck.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import stat
import time
from contextlib import suppress
from pathlib import Path

from hubcheck.util.atomic import replacing
from hubcheck.util.errors import UserError

_VARIABLE = "HUBCHECK_CACHE_KEY"
_MIN_SECRET = 16
_KEY_BYTES = 32
_READ = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
_WRITE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)


class SealedFolder:
    """Files in one folder. Files that were damaged, forged or moved count as missing; errors of the disk are ignored.

    Args:
        folder: made when the first file is written.
        purpose: what the files are; those of another purpose count as missing.
    """

    def __init__(self, folder: Path, purpose: str) -> None:
        self._folder, self._purpose = folder, purpose
        self._key: bytes | None = None

    def read(self, name: str, max_bytes: int = 1 << 20) -> bytes | None:
        """Return the content of a file.

        Args:
            name: its path in the folder, with slashes.
            max_bytes: a larger one counts as missing.

        Raises:
            UserError: HUBCHECK_CACHE_KEY is too short.
        """
        with suppress(OSError):
            key = self._load_key()
            seal, _, content = _read(self._folder / name, max_bytes)[1].partition(b"\n")
            if key is not None and hmac.compare_digest(seal, self._seal(key, name, content)):
                return content
        return None

    def write(self, name: str, content: bytes) -> None:
        """Write a file atomically, unless that is impossible.

        Raises:
            UserError: HUBCHECK_CACHE_KEY is too short.
        """
        with suppress(OSError):
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            key = self._load_key() or self._make_key()
            file = self._folder / name
            file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            with replacing(file) as draft:
                _write(draft, self._seal(key, name, content) + b"\n" + content)

    def _seal(self, key: bytes, name: str, content: bytes) -> bytes:
        return hmac.digest(key, f"{self._purpose}\n{name}\n".encode() + content, "sha256").hex().encode()

    def _load_key(self) -> bytes | None:
        """Return the key; None if there is none yet, or none that is this user's alone."""
        if self._key is None:
            secret = os.environ.get(_VARIABLE)
            if secret is not None:
                if len(secret) < _MIN_SECRET:
                    raise UserError(f"{_VARIABLE} has less than {_MIN_SECRET} characters: use `openssl rand -hex 32`")
                self._key = hashlib.sha256(secret.encode("utf-8", "surrogateescape")).digest()
            else:
                with suppress(OSError):
                    info, key = _read(self._folder / "key", _KEY_BYTES)
                    if _is_key(info):
                        self._key = key
        return self._key

    def _make_key(self) -> bytes:
        file = self._folder / "key"
        draft = file.with_name(f".key-{os.getpid()}-{time.monotonic_ns()}")
        try:
            _write(draft, os.urandom(_KEY_BYTES))
            with suppress(FileNotFoundError):
                if not _is_key(file.lstat()):
                    file.unlink()
            # Another process may make one at the same time: the first one wins.
            with suppress(FileExistsError):
                os.link(draft, file)
        finally:
            draft.unlink(missing_ok=True)
        key = self._load_key()
        if key is None:
            raise PermissionError(f"{file} cannot be made private")
        return key


def is_own_folder(folder: Path) -> bool:
    """Return whether this is a folder, not a link to one, that only this user and root can write to."""
    try:
        info = folder.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(info.st_mode) and _is_own(info, 0o022)


def is_own_file(file: Path) -> bool:
    """Return whether this is a regular file that only this user and root can write to."""
    info = file.lstat()
    return stat.S_ISREG(info.st_mode) and _is_own(info, 0o022)


def _is_key(info: os.stat_result) -> bool:
    return stat.S_ISREG(info.st_mode) and info.st_size == _KEY_BYTES and _is_own(info, 0o077)


def _is_own(info: os.stat_result, forbidden: int) -> bool:
    return not hasattr(os, "geteuid") or (info.st_uid == os.geteuid() and not info.st_mode & forbidden)


def _read(file: Path, max_bytes: int) -> tuple[os.stat_result, bytes]:
    """Read a regular file that is not behind a link.

    Raises:
        OSError: it is something else, or larger.
    """
    with open(os.open(file, _READ), "rb") as stream:  # noqa: PTH123 - it takes a descriptor
        info = os.fstat(stream.fileno())
        if not stat.S_ISREG(info.st_mode) or info.st_size > max_bytes:
            raise OSError(f"{file} is no regular file, or too large")
        return info, stream.read()


def _write(file: Path, content: bytes) -> None:
    with open(os.open(file, _WRITE, 0o600), "wb") as stream:  # noqa: PTH123 - it takes a descriptor
        stream.write(content)
