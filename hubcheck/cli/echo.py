"""Print: whatever the locale, a module or a file name is, output is safe for terminals and logs of CI."""

from __future__ import annotations

import os
import sys

import click

from hubcheck.cli.streams import has_unicode
from hubcheck.report.links import linked
from hubcheck.util.text import printable_lines

_PLAIN = str.maketrans({"✓": "ok", "✗": "failed", "·": "-"})
"""What hubcheck's own signs become where they cannot be shown."""


def wants_colour(choice: str = "auto") -> bool | None:
    """Return whether to print colours: as `--color` says, or NO_COLOR, FORCE_COLOR, CLICOLOR_FORCE and TERM.

    None leaves it to each stream: only a terminal gets colours.

    Source: no-color.org, force-color.org, bixense.com/clicolors: variables count if they are not empty.
    """
    if choice != "auto":
        return choice == "always"
    if os.environ.get("NO_COLOR"):
        return False
    if any(os.environ.get(name, "") not in ("", "0", "false") for name in ("FORCE_COLOR", "CLICOLOR_FORCE")):
        return True
    return False if os.environ.get("TERM") == "dumb" else None


def for_terminal(text: str) -> str:
    """Return the text with links where standard output can have them, and plain letters where it has no Unicode."""
    stream = getattr(sys.stdout, "rich_proxied_file", sys.stdout)  # what a progress bar has put in its place
    text = text if has_unicode(stream.encoding) else text.translate(_PLAIN)
    context = click.get_current_context(silent=True)
    is_plain = os.environ.get("TERM", "dumb") in ("dumb", "linux") or (context is not None and context.color is False)
    return linked(text) if stream.isatty() and not is_plain else text


def echo(text: str = "", *, err: bool = False, nl: bool = True) -> None:
    """Print styled text; the styles are left out where colours are not wanted."""
    click.echo(for_terminal(printable_lines(text, styled=True)), err=err, nl=nl)


def terminal_width() -> int:
    """Return the terminal's width, from 60 to 120 columns; 80 without a terminal."""
    if not sys.stdout.isatty():
        return 80
    import shutil

    return min(max(shutil.get_terminal_size((80, 24)).columns, 60), 120)
