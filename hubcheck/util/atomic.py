"""Files that are written whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from hubcheck.util.errors import UserError


def write_atomic(file: Path, pieces: Iterable[str]) -> None:
    """Write a text to a file, or leave what is there; what a path has that is no text stands there as escapes.

    Raises:
        UserError: the file cannot be written.
    """
    # A pipe or a device is written to as it is; there is nothing to spoil.
    draft = file if file.exists() and not file.is_file() else file.with_name(f".{file.name}.{os.getpid()}")
    try:
        try:
            with draft.open("w", encoding="utf-8", errors="backslashreplace") as stream:
                stream.writelines(pieces)
            if draft != file:
                draft.replace(file.resolve() if file.is_symlink() else file)
        except BaseException:
            if draft != file:
                draft.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise UserError(f"{file}: cannot be written: {error.strerror}") from None
