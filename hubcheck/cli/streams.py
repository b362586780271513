"""Standard output and error that do not end the run: closed ones, full disks, and pipes whose reader has gone."""

from __future__ import annotations

import io
import os
import select
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO


class _RawOutput(io.RawIOBase):
    """A raw stream that discards everything after it failed.

    Attributes:
        failure: why it cannot be written. That its reader has gone is no failure.
    """

    def __init__(self, stream: io.RawIOBase) -> None:
        super().__init__()
        self._stream, self._is_lost = stream, False
        self.failure: OSError | None = None
        self.fileno, self.isatty, self.writable = stream.fileno, stream.isatty, stream.writable  # type: ignore[method-assign]

    def write(self, data: object) -> int:
        size = memoryview(data).nbytes  # type: ignore[arg-type]
        if self._is_lost:
            return size
        try:
            while (written := self._stream.write(data)) is None:  # type: ignore[arg-type]
                select.select([], [self], [])  # whoever shares a pipe or terminal may have made it non-blocking
            return written
        except OSError as error:
            self._is_lost = True
            self.failure = None if isinstance(error, BrokenPipeError) else error
            return size


_outputs: dict[str, _RawOutput] = {}


def open_streams() -> None:
    """Make standard output and error UTF-8, with escapes for what that cannot encode, and open them if they are closed.

    A terminal without Unicode keeps its encoding. If a stream stayed closed, the next file that is opened would become
    that stream, here or in a child process.
    """
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(descriptor, True)
    os.close(descriptor)
    for number, name in ((1, "stdout"), (2, "stderr")):
        stream = getattr(sys, name)
        raw = io.FileIO(number, "w", closefd=False) if stream is None else getattr(stream.buffer, "raw", stream.buffer)
        _outputs[name] = _RawOutput(raw)
        buffered = io.BufferedWriter(_outputs[name])
        by_line = stream is not None and stream.line_buffering
        encoding = "utf-8"
        if stream is not None and stream.isatty() and not has_unicode(stream.encoding):
            encoding = stream.encoding
        text = io.TextIOWrapper(buffered, encoding, "backslashreplace", line_buffering=by_line, write_through=by_line)
        setattr(sys, name, text)


def has_unicode(encoding: str | None) -> bool:
    """Return whether the signs of reports can be written in an encoding."""
    try:
        "✓✗·".encode(encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def failure(stream: TextIO) -> str | None:
    """Return why not everything that was printed to standard output or error could be written; None if it was."""
    stream.flush()
    output = _outputs.get("stdout" if stream is sys.stdout else "stderr")
    error = output.failure if output is not None else None
    return None if error is None else error.strerror or str(error)


@contextmanager
def finishing() -> Iterator[None]:
    """Let the block finish before Ctrl-C interrupts, so that no report is half written; a second one does at once."""
    handler = signal.getsignal(signal.SIGINT)
    if not callable(handler):  # Ctrl-C is ignored
        yield
        return
    interrupted = False

    def wait(number: int, frame: object) -> None:
        nonlocal interrupted
        interrupted = True
        signal.signal(signal.SIGINT, handler)

    signal.signal(signal.SIGINT, wait)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)
    if interrupted:
        raise KeyboardInterrupt
