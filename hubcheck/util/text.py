"""Text that a module brings along, made fit to print: it was written by a stranger."""

from __future__ import annotations

from collections.abc import Sequence


def listed(names: Sequence[str], most: int = 3) -> str:
    """Join names for a sentence: "a, b, c and 4 more"."""
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more} more" if more > 0 else "")


def plural(count: int, noun: str) -> str:
    """Return "1 module", "2 modules"."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def printable(text: str, *, longest: int = 600) -> str:
    """The text without control characters, which could steer a terminal, and without its middle if it is too long.

    What cannot be printed is shown as Python escapes it.
    """
    if len(text) > longest:
        half = (longest - 3) // 2
        text = f"{text[:half]}...{text[-half:]}"
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)
