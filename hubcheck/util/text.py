"""Text: lines of files, lists of names, counted nouns, and untrusted text that is safe to print."""

from __future__ import annotations

from collections.abc import Sequence


def text_lines(text: str) -> list[str]:
    """Return the lines of a file of labels: they end at LF, one CR before it is dropped, blank ones at the end as well.

    `str.splitlines` also splits at characters that occur in labels, such as U+2028, U+0085 and form feeds.
    """
    lines = [line.removesuffix("\r") for line in text.split("\n")]
    while lines and not lines[-1].strip():
        lines.pop()
    return lines


def listed(names: Sequence[str], most: int = 3) -> str:
    """Join names for a sentence: "a, b, c and 4 more"."""
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more} more" if more > 0 else "")


def conjunction(names: Sequence[str]) -> str:
    """Join all names for a sentence: "a, b and c"."""
    return ", ".join(names[:-1]) + " and " + names[-1] if len(names) > 1 else "".join(names)


def plural(count: int, noun: str) -> str:
    """Return "1 module", "2 modules"."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def printable(text: str, *, max_length: int = 600) -> str:
    """Return the text in one line, with Python escapes for what is not printable, such as the control characters that
    could control a terminal. The middle of a text that is too long is left out.
    """
    if len(text) > max_length:
        half = (max_length - 3) // 2
        text = f"{text[:half]}...{text[-half:]}"
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)
