"""Print: whatever the locale, a module or a file name is, output is UTF-8 and safe for terminals and logs of CI."""

from __future__ import annotations

import click

from hubcheck.util.text import printable_lines


def echo(text: str = "", *, err: bool = False, nl: bool = True) -> None:
    """Print styled text; the styles are left out where the output is no terminal."""
    click.echo(printable_lines(text, styled=True), err=err, nl=nl)
