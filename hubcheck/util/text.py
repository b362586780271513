"""Text that a module brings along, made fit to print: it was written by a stranger."""

from __future__ import annotations


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
