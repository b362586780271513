"""Archives with several modules: fetched and unpacked once for all that are opened one after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any


class _Opened:
    """What is in an archive, until `files` are removed; `users` are the modules that are open in it."""

    def __init__(self, uri: str, content: Any, files: ExitStack) -> None:
        self.uri, self.content, self.files = uri, content, files
        self.users = 0


class OpenArchives:
    """The archive that was opened last, whose files stay until another one is opened, or this is closed."""

    def __init__(self) -> None:
        self._last: _Opened | None = None

    @contextmanager
    def opened(self, uri: str, unpack: Callable[[ExitStack], Any]) -> Iterator[Any]:
        """Yield the content of the archive at a URI; `unpack` returns it, and lets the stack remove its files."""
        if self._last is None or self._last.uri != uri:
            self.close()
            with ExitStack() as stack:
                content = unpack(stack)
                self._last = _Opened(uri, content, stack.pop_all())
        archive = self._last
        archive.users += 1
        try:
            yield archive.content
        finally:
            archive.users -= 1
            if archive is not self._last and not archive.users:
                archive.files.close()

    def close(self) -> None:
        """Remove the files of the archive, once no module in it is open."""
        last, self._last = self._last, None
        if last is not None and not last.users:
            last.files.close()
