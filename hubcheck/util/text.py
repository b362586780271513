"""Text: lines of files, lists of names, counted nouns, and untrusted text that is safe to print.

What modules, servers and file names say is untrusted. It may hold control characters, which steer terminals, marks that
reverse the direction of text, lone surrogates, which no encoding has, or commands to the CI service that reads a log.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

_CREDENTIALS = r"://[^/?#\s@]*(?:@[^/?#\s@]*)*@"
_STYLE_OR_UNUSUAL = r"\x1b\[[\d;]*m|[^\n\x20-\x7e]"
_LOG_COMMAND = r"(?m)^((?: |\x1b\[[\d;]*m)*):(?=:)|#(?=#\w*\[)"
"""GitHub reads `::command::` after any indentation and `##[command]` anywhere in a line, Azure Pipelines `##vso[`,
TeamCity `##teamcity[`. Sources: actions/runner, ActionCommand.cs; microsoft/azure-pipelines-agent, Command.cs."""


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


def byte_size(count: int) -> str:
    """Return a number of bytes in a unit that fits it: "6,536 bytes" below 10,000, then KB, then MB."""
    if count < 10_000:
        return f"{count:,} byte{'s' * (count != 1)}"
    return f"{count / 1e6:,.1f} MB" if count >= 1e6 else f"{count / 1e3:,.1f} KB"


def plural(count: int, noun: str) -> str:
    """Return "1 module", "2 modules"."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def without_credentials(text: str) -> str:
    """Return text without the user names and passwords of the URIs in it."""
    return re.sub(_CREDENTIALS, "://", text) if "://" in text else text


def printable(text: str, *, max_length: int = 600) -> str:
    """Return the text in one line, without the middle if it is too long, and with Python escapes for what is not
    printable, such as the characters that control a terminal."""
    if len(text) > max_length:
        half = (max_length - 3) // 2
        text = f"{text[:half]}...{text[-half:]}"
    return text if text.isprintable() else "".join(map(_visible, text))


def printable_lines(text: str, *, styled: bool = False) -> str:
    """Return the text without credentials in URIs, and with Python escapes for what is not printable, except line ends,
    and for the first character of what a CI service would execute as a command.

    Args:
        text: any number of lines.
        styled: keep the sequences of `click.style`; what is not hubcheck's own must have been made printable before.
    """
    text = without_credentials(text)
    if styled:
        text = re.sub(_STYLE_OR_UNUSUAL, lambda found: found[0] if len(found[0]) > 1 else _visible(found[0]), text)
    elif not text.replace("\n", "").isprintable():
        text = "".join(char if char == "\n" else _visible(char) for char in text)
    if "::" not in text and "##" not in text:
        return text
    return re.sub(_LOG_COMMAND, lambda found: rf"{found[1]}\x3a" if found[1] is not None else r"\x23", text)


def printable_json(text: str) -> str:
    """Return a JSON document with the escapes of JSON for what `printable_lines` escapes: its values are the same."""
    if text.replace("\n", "").isprintable() and "##" not in text:
        return text
    import json

    text = "".join(char if char.isprintable() or char == "\n" else json.dumps(char)[1:-1] for char in text)
    return re.sub(_LOG_COMMAND, lambda found: r"\u0023" if found[1] is None else found[0], text)


def _visible(char: str) -> str:
    return char if char.isprintable() else char.encode("unicode_escape").decode("ascii")
