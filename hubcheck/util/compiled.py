"""Data files that ship with hubcheck, parsed once and kept where Python keeps the bytecode of this file.

What is kept is believed as long as the size, the inode and the times of every file are the same. Whoever can write
there can replace hubcheck's code as well.
"""

from __future__ import annotations

import marshal
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from hubcheck._version import __version__


def compiled(name: str, files: Sequence[str], parse: Callable[[str], Any]) -> dict[str, Any]:
    """Return what `parse` makes of each file: what is kept, or else parsed and kept, unless that is impossible.

    Args:
        name: of the kept file; one for each kind of files.
        files: the paths of files that ship with hubcheck.
        parse: returns numbers, texts, lists and dictionaries.
    """
    bytecode = __spec__.cached if __spec__ is not None else None
    kept = Path(f"{bytecode}-{name}")
    state = [__version__, sys.version, [_state(file) for file in files]]
    if bytecode is not None:
        with suppress(OSError, ValueError, EOFError, TypeError):
            known, found = marshal.loads(kept.read_bytes())
            if known == state:
                return dict(zip(files, found, strict=True))
    made = [parse(file) for file in files]
    if bytecode is not None and not sys.dont_write_bytecode:
        from hubcheck.util.atomic import replacing

        with suppress(OSError), replacing(kept) as draft:
            draft.write_bytes(marshal.dumps((state, made)))
    return dict(zip(files, made, strict=True))


def _state(file: str) -> tuple[str, int, int, int, int]:
    info = os.stat(file)  # noqa: PTH116 - there are sixty of them
    return file, info.st_size, info.st_ino, info.st_mtime_ns, info.st_ctime_ns
