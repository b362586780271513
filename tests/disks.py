"""A disk that fills up: a small file system where that can be mounted, else a limit on the size of files."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class SmallDisk:
    """A folder that takes few bytes.

    Attributes:
        folder: the folder.
        prepare: to be called in the process that writes to it, before it does.
    """

    folder: Path
    prepare: Callable[[], None]

    def hubcheck(self, *arguments: object, **env: str) -> subprocess.CompletedProcess[str]:
        """Run the command line with this disk for its temporary files."""
        return subprocess.run(
            [sys.executable, "-m", "hubcheck", *map(str, arguments)],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "TMPDIR": str(self.folder), **env},
            preexec_fn=self.prepare,
        )


@contextmanager
def small_disk(folder: Path, size: int) -> Iterator[SmallDisk]:
    """Yield a disk of `size` bytes at `folder`, which is made."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    if os.geteuid() == 0 and subprocess.run(mount, capture_output=True, check=False).returncode == 0:
        try:
            yield SmallDisk(folder, lambda: None)
        finally:
            subprocess.run(["umount", "-l", str(folder)], check=True)
    else:
        yield SmallDisk(folder, lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size)))
