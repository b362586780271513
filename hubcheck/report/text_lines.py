"""Lines of text that several commands print: a finding, and a label with a text beside it.

Uses click and textwrap instead of rich, whose import alone would take a sixth of a static check's time.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import click

from hubcheck.engine.findings import Finding
from hubcheck.report import describe
from hubcheck.util.record import record
from hubcheck.util.text import printable_lines

WIDTH = 80
LEVEL_COLOURS = {"error": "red", "warning": "yellow", "note": "blue"}
_LABEL = 9
_TOKENS = r"([\[\](), ]+)"


@record
class TextStyle:
    """How much text there is.

    Attributes:
        width: columns of the terminal.
        verbose: skipped and suppressed rules, devices and the sandbox are shown for each module.
        quiet: only what fails is shown.
        statistics: the findings are counted by rule; the modules are not shown.
        wraps: notices and counts are wrapped, too; else each is one line, which a program can search for.
        folded: warnings and notes of modules that conform are not shown, so that each of these is one line.
    """

    width: int = WIDTH
    verbose: bool = False
    quiet: bool = False
    statistics: bool = False
    wraps: bool = False
    folded: bool = False


def plain(lines: str) -> str:
    """Return styled lines as plain text that is safe to print, with a line end."""
    return printable_lines(click.unstyle(lines)) + "\n"


def labelled(label: str, text: str, *, indent: int, width: int = WIDTH, colour: str | None = None) -> Iterator[str]:
    """Yield a label and a text beside it, wrapped to `width`; line breaks of the text are kept.

    Args:
        label: the label, which is dim unless there is a colour.
        text: the text; if it is styled, it must fit into one line.
        indent: blanks before the label.
        width: columns of the terminal.
        colour: of the label and the text.
    """
    margin = " " * (indent + max(_LABEL, len(label) + 1))
    lines = [
        line
        for part in printable_lines(text, styled="\x1b" in text).split("\n")
        for line in ([part] if "\x1b" in part else wrapped(part, max(width - len(margin), 20)) or [""])
    ]
    if colour is not None:
        lines = [click.style(line, fg=colour) if line else line for line in lines]
    head = click.style(label, fg=colour, bold=True) if colour is not None else click.style(label, dim=True)
    yield f"{' ' * indent}{head}{margin[indent + len(label) :]}{lines[0]}".rstrip()
    yield from (margin + line for line in lines[1:])


def finding_lines(finding: Finding, width: int = WIDTH) -> Iterator[str]:
    """Yield one finding: level, rule and location; what is wrong and how to fix it; found, wanted, source."""
    level = click.style(finding.level, fg=LEVEL_COLOURS[finding.level], bold=True)
    fixable = click.style(" [fixable]", fg="cyan") if finding.is_fixable else ""
    head = f"  {level} {click.style(finding.rule, bold=True)}{fixable}"
    where = printable_lines(describe.location(finding.where))
    if len(click.unstyle(head)) + 3 + len(where) <= width:
        yield f"{head}   {click.style(where, dim=True)}"
    else:
        yield head
        yield from (f"    {click.style(line, dim=True)}" for line in wrapped(where, width - 4))
    yield from (f"    {line}" for line in wrapped(printable_lines(finding.message), width - 4))
    marked = dict(zip(("found", "wanted"), differences(finding.found, finding.wanted), strict=True))
    for label, text in describe.finding_rows(finding):
        if label == "fixable":
            continue  # the report ends with the command
        is_command = label in ("again", "or run")  # it is not wrapped, so that it can be copied
        wide = max(width, len(text) + 20) if is_command else width
        fits = len(text) <= width - 4 - _LABEL and text.isprintable()
        colour = "cyan" if label in ("fix", "or run") else None
        yield from labelled(label, marked.get(label, text) if fits else text, indent=4, width=wide, colour=colour)


def differences(found: str, wanted: str) -> tuple[str, str]:
    """Return both texts with their differences styled: dimension by dimension if they have equally many.

    Of shapes of different ranks, what is between their common beginning and end is marked. Sentences are left as they
    are.
    """
    old, new = re.split(_TOKENS, found), re.split(_TOKENS, wanted)
    if not ("[" in found and "[" in wanted) and (len(old) > 1 or len(new) > 1):
        return found, wanted
    if len(old) == len(new):
        unequal = [first != second for first, second in zip(old, new, strict=True)]
        return _marked(old, unequal, "red"), _marked(new, unequal, "green")
    shorter = min(len(old), len(new))
    begin = next((i for i in range(shorter) if old[i] != new[i]), shorter)
    end = next((i for i in range(shorter - begin) if old[-1 - i] != new[-1 - i]), shorter - begin)
    inside = ([begin <= i < len(parts) - end for i in range(len(parts))] for parts in (old, new))
    return _marked(old, next(inside), "red"), _marked(new, next(inside), "green")


def _marked(parts: list[str], marks: list[bool], colour: str) -> str:
    return "".join(
        click.style(part, fg=colour, bold=True) if mark and part.strip(" ,()[]") else part
        for part, mark in zip(parts, marks, strict=True)
    )


def wrapped(text: str, width: int) -> list[str]:
    """Return the lines of a text, broken at blanks only: what is longer than a line can be copied in one piece."""
    if 0 < len(text) <= width and text.isprintable() and text == text.strip():
        return [text]
    import textwrap  # slow to import

    return textwrap.wrap(text, width, break_on_hyphens=False, break_long_words=False)
