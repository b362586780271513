"""Files that other processes see complete, or not at all."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from hubcheck.util.errors import UserError


@contextmanager
def replacing(file: Path) -> Iterator[Path]:
    """Yield the path of a draft beside `file`; rename it to `file` at the end, or remove it if an error is raised.

    The folder must exist. Several processes and threads may do this for one file at the same time: the last one wins.
    """
    draft = file.with_name(f".{file.name}-{os.getpid()}-{time.monotonic_ns()}")
    try:
        yield draft
        draft.replace(file)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise


def write_atomic(file: Path, pieces: Iterable[str]) -> None:
    """Write text to `file` atomically. Characters that UTF-8 cannot encode (of paths) are written as escapes.

    A pipe or a device is written to directly, and a link is followed.

    Raises:
        UserError: the file cannot be written.
    """
    try:
        if file.exists() and not file.is_file():
            _write(file, pieces)
            return
        with replacing(file.resolve() if file.is_symlink() else file) as draft:
            _write(draft, pieces)
    except OSError as error:
        raise UserError(f"{file}: cannot be written: {error.strerror}") from None


def _write(file: Path, pieces: Iterable[str]) -> None:
    with file.open("w", encoding="utf-8", errors="backslashreplace") as stream:
        stream.writelines(pieces)
